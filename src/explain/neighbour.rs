//! Rules that compare a match with those around it: how near one comes.

use std::rc::Rc;

use crate::detect::rule::Logic;
use crate::detect::rule::compiled::Role;
use crate::detect::time::{Span, Timestamp};

use super::approach::{Approach, Nearest, Seen};
use super::shortfall::{NEARLY, needs, open_share, shortfall};
use super::terms::Terms;

/// `value_change` and `geo_velocity`: the match at a position with the one before and the one after it.
pub(super) fn pairs(approach: &Approach, at: usize, terms: &Terms<'_>) -> Option<Nearest> {
    let before = at.checked_sub(1).map(|before| (before, at));
    let pairs = before.into_iter().chain((at + 1 < approach.seen.len()).then_some((at, at + 1)));
    let told = pairs.map(|(earlier, later)| pair(&approach.seen[earlier], &approach.seen[later], terms));
    told.reduce(|best, next| if next.shortfall < best.shortfall { next } else { best })
}

fn pair(earlier: &Rc<Seen>, later: &Rc<Seen>, terms: &Terms<'_>) -> Nearest {
    let (between, timespan) = (later.time.since(earlier.time), terms.rule.timespan);
    let too_long = if between < timespan { NEARLY } else { open_share(millis(timespan), millis(between)) };
    let (distance, told) = match &terms.rule.logic {
        Logic::GeoVelocity { distance_km_min, condition, .. } => {
            let (distance_km, speed) = earlier.reading.journey_to(&later.reading, between);
            let told = format!(
                "{distance_km:.0} km in {between}, {speed:.1} km/h ({}, at least {distance_km_min} km, within {timespan})",
                needs(condition)
            );
            (shortfall(condition, speed).max(open_share(distance_km, *distance_km_min)), told)
        }
        _ if earlier.reading.texts == later.reading.texts => {
            (1.0, format!("{} stayed {}", terms.fields(), value(later)))
        }
        _ => {
            let (from, to) = (value(earlier), value(later));
            (NEARLY, format!("{} changed from {from} to {to} in {between} (within {timespan})", terms.fields()))
        }
    };
    let matches = vec![Rc::clone(earlier), Rc::clone(later)];
    Nearest { at: later.time, shortfall: distance.max(too_long), told, matches }
}

/// `new_value`: whether the match at a position brings one, and if so what keeps it from firing.
///
/// A group that had no match since `expired` had been forgotten, and begins anew.
pub(super) fn new_value(
    approach: &Approach,
    at: usize,
    (learning, expired): (Span, Timestamp),
    terms: &Terms<'_>,
) -> Nearest {
    let (seen, field, timespan) = (&approach.seen[at], terms.fields(), terms.rule.timespan);
    let known_for = approach.first.map_or(Span::ZERO, |first| seen.time.since(first));
    let before = approach.within(seen.time - timespan, seen.time);
    let last = |text: &String| {
        before.iter().rev().filter(|held| !Rc::ptr_eq(held, seen)).find(|held| held.reading.texts.contains(text))
    };
    let fresh = seen.reading.texts.iter().find(|text| last(text).is_none());
    let forgotten = at.checked_sub(1).map(|before| &approach.seen[before]).filter(|before| before.time < expired);
    let (told, distance) = match fresh {
        Some(text) if let Some(before) = forgotten => {
            let quiet = seen.time.since(before.time);
            (format!("{field} {text} is new, but the group was quiet for {quiet} and begins anew"), 0.5)
        }
        Some(text) if approach.seen.len() == 1 && known_for == Span::ZERO => {
            (format!("{field} {text} is of the group's first match"), 1.0)
        }
        Some(text) if known_for < learning => {
            let told = format!("{field} {text} is new, but the group is known for {known_for} of {learning}");
            (told, open_share(millis(known_for), millis(learning)))
        }
        Some(text) if at + 1 < approach.seen.len() => {
            (format!("{field} {text} is new, but older than the group's newest match"), 0.5)
        }
        Some(text) => (format!("{field} {text} is new"), NEARLY),
        None => {
            let ago = |text: &String| last(text).map_or(Span::ZERO, |held| seen.time.since(held.time));
            let longest = seen.reading.texts.iter().max_by_key(|text| ago(text));
            let (text, ago) = longest.map_or(("", Span::ZERO), |text| (text.as_str(), ago(text)));
            (
                format!("{field} {text} was seen {ago} before (within {timespan})"),
                open_share(millis(ago), millis(timespan)),
            )
        }
    };
    approach.alone(at, told, distance)
}

/// `absence`: the companion that keeps a match around the arrival at a position from being alone.
pub(super) fn accompanied(approach: &Approach, at: usize, terms: &Terms<'_>) -> Option<Nearest> {
    let Logic::Absence { wait } = terms.rule.logic else { return None };
    let (missed, companions) = (terms.labels(Role::Match), terms.labels(Role::Companion));
    let seen = &approach.seen[at];
    let is_companion = |held: &&Rc<Seen>| held.labels & companions != 0;
    if seen.labels & missed != 0 {
        let before = approach.within(seen.time - terms.rule.timespan, seen.time);
        let companion = before.iter().rev().find(is_companion)?;
        let ago = seen.time.since(companion.time);
        let told = format!(
            "{} came {ago} before (none within {} is needed)",
            companion_name(companion, terms),
            terms.rule.timespan
        );
        let matches = vec![Rc::clone(companion), Rc::clone(seen)];
        let distance = open_share(millis(ago), millis(terms.rule.timespan));
        return Some(Nearest { at: seen.time, shortfall: distance, told, matches });
    }
    // A companion that comes while others wait for it: the one that has waited longest was nearest.
    let start = seen.time - wait;
    let waiting =
        approach.seen.iter().filter(|held| held.time >= start && held.time < seen.time && held.labels & missed != 0);
    let first = waiting.min_by_key(|held| held.time)?;
    let after = seen.time.since(first.time);
    let told = format!("{} came {after} after (none within {wait} is needed)", companion_name(seen, terms));
    let matches = vec![Rc::clone(first), Rc::clone(seen)];
    Some(Nearest { at: first.time, shortfall: open_share(millis(after), millis(wait)), told, matches })
}

fn companion_name<'t>(seen: &Seen, terms: &'t Terms<'_>) -> &'t str {
    let companions = seen.labels & terms.labels(Role::Companion);
    terms.input(usize::try_from(companions.trailing_zeros()).map_or(0, |bit| bit.min(terms.rule.inputs.len() - 1)))
}

fn value(seen: &Seen) -> String {
    seen.reading.texts.join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
pub(super) const fn millis(span: Span) -> f64 {
    span.millis() as f64
}
