//! Windows that count, add or list: how near one comes.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::detect::rule::Logic;
use crate::detect::rule::compiled::{Condition, Role};
use crate::detect::time::Span;
use crate::detect::value::shortest;

use super::approach::{Approach, Nearest, Seen};
use super::neighbour::millis;
use super::shortfall::{NEARLY, needs, of_condition, open_share, shortfall};
use super::terms::Terms;

/// How far a window is from the rule's condition, and in words. The match before it may have come just too early.
pub(super) fn judge(window: &[Rc<Seen>], before: Option<&Rc<Seen>>, terms: &Terms<'_>) -> Option<(f64, String)> {
    let rule = terms.rule;
    match &rule.logic {
        Logic::EventCount { condition } => Some(counted(window.len(), "events", condition)),
        Logic::ValueCount { condition, .. } => {
            let values: BTreeSet<&str> =
                window.iter().flat_map(|seen| &seen.reading.texts).map(String::as_str).collect();
            Some(counted(values.len(), &terms.fields(), condition))
        }
        Logic::Temporal { condition } => Some(temporal(window, before, condition.as_ref(), terms)),
        Logic::TemporalOrdered { gap_min } => {
            Some(too_late(window, before, terms).unwrap_or_else(|| ordered(window, *gap_min, terms)))
        }
        Logic::ValueSum { condition, .. } => {
            let sum = window.iter().map(|seen| seen.reading.number).sum();
            Some(number(sum, "sum", condition, terms))
        }
        Logic::ValueAverage { condition, .. } => {
            let sum: f64 = window.iter().map(|seen| seen.reading.number).sum();
            Some(number(sum / amount(window.len()), "mean", condition, terms))
        }
        Logic::ValuePercentile { percentile, condition, .. } => {
            let value = nearest_rank(window, *percentile)?;
            Some(number(value, &format!("percentile {percentile}"), condition, terms))
        }
        Logic::Ratio { count_min, condition } => Some(ratio(window, *count_min, condition, terms)),
        _ => None,
    }
}

/// A count as a number; windows are far below 2^52 matches.
#[expect(clippy::cast_precision_loss, reason = "windows are far below 2^52 matches")]
const fn amount(count: usize) -> f64 {
    count as f64
}

fn counted(count: usize, what: &str, condition: &Condition) -> (f64, String) {
    (shortfall(condition, amount(count)), of_condition(amount(count), what, condition))
}

fn number(value: f64, what: &str, condition: &Condition, terms: &Terms<'_>) -> (f64, String) {
    let told = format!("{what} of {} is {} ({})", terms.fields(), shortest(value), needs(condition));
    (shortfall(condition, value), told)
}

fn nearest_rank(window: &[Rc<Seen>], percentile: f64) -> Option<f64> {
    let mut numbers: Vec<f64> = window.iter().map(|seen| seen.reading.number).collect();
    numbers.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank in the window")]
    let rank = (percentile / 100.0 * amount(numbers.len())).ceil() as usize;
    numbers.get(rank.max(1) - 1).copied()
}

fn temporal(
    window: &[Rc<Seen>],
    before: Option<&Rc<Seen>>,
    condition: Option<&Condition>,
    terms: &Terms<'_>,
) -> (f64, String) {
    let there = window.iter().fold(0, |labels, seen| labels | seen.labels);
    let inputs = terms.rule.inputs.len();
    let all = Condition { gte: Some(amount(inputs)), ..Condition::default() };
    let count = (0..inputs).filter(|bit| there & (1 << bit) != 0).count();
    let missing: Vec<_> = (0..inputs).filter(|bit| there & (1 << bit) == 0).map(|bit| terms.input(bit)).collect();
    let condition = condition.unwrap_or(&all);
    let (alone, told) = counted(count, "rules", condition);
    let early = before.filter(|before| before.labels & !there != 0).zip(window.last());
    if let Some((before, last)) = early {
        let (name, timespan) = (terms.input((before.labels & !there).trailing_zeros() as usize), terms.rule.timespan);
        let gap = last.time.since(before.time);
        let told = format!("{told}, without {name}: it came {gap} before, and all must lie within {timespan}");
        // Nearer than without it at all, the more so the less it is too early.
        return (alone * (1.0 - millis(timespan) / millis(gap).max(1.0) / 2.0), told);
    }
    if missing.is_empty() { (alone, told) } else { (alone, format!("{told}, without {}", missing.join(", "))) }
}

/// The first step just before a window that has the second.
fn too_late(window: &[Rc<Seen>], before: Option<&Rc<Seen>>, terms: &Terms<'_>) -> Option<(f64, String)> {
    let steps = terms.rule.inputs.len();
    let is_step = |seen: &Rc<Seen>, step: usize| seen.labels & (1 << step) != 0;
    let before = before.filter(|before| steps > 1 && is_step(before, 0))?;
    // A first step inside is the better beginning.
    let second = window.iter().find(|seen| is_step(seen, 1)).filter(|_| !window.iter().any(|seen| is_step(seen, 0)))?;
    let (gap, timespan) = (second.time.since(before.time), terms.rule.timespan);
    // Less apart they were in one window, which has been looked at.
    if gap < timespan {
        return None;
    }
    let near = millis(timespan) / millis(gap).max(1.0);
    let told = format!("1 of {steps} steps; {} came {gap} after, and all must lie within {timespan}", terms.input(1));
    Some((open_share(1.0 + near / 2.0, amount(steps)), told))
}

/// The longest beginning of the sequence: each step by the earliest match that can take it.
fn ordered(window: &[Rc<Seen>], gap_min: Span, terms: &Terms<'_>) -> (f64, String) {
    let steps = terms.rule.inputs.len();
    let (mut done, mut from, mut last) = (0, 0, None::<&Rc<Seen>>);
    while done < steps {
        let is_after = |seen: &Rc<Seen>| last.is_none_or(|last| seen.time >= last.time + gap_min);
        let fits = |seen: &Rc<Seen>| seen.labels & (1 << done) != 0 && is_after(seen);
        let Some(next) = window[from..].iter().position(fits) else { break };
        last = Some(&window[from + next]);
        from += next + 1;
        done += 1;
    }
    if done == steps {
        return (NEARLY, format!("{done} of {steps} steps"));
    }
    let name = terms.input(done);
    let early = window[from..].iter().rfind(|seen| seen.labels & (1 << done) != 0).zip(last);
    let (near, told) = match early {
        // The nearer to the gap the better, and each better than none at all.
        Some((early, last)) => {
            let after = early.time.since(last.time);
            (
                1.0 - open_share(millis(after), millis(gap_min)),
                format!("{name} came {after} after, and {gap_min} are needed"),
            )
        }
        None => (0.0, format!("{name} would be next")),
    };
    (open_share(amount(done) + near / 2.0, amount(steps)), format!("{done} of {steps} steps; {told}"))
}

fn ratio(window: &[Rc<Seen>], count_min: u32, condition: &Condition, terms: &Terms<'_>) -> (f64, String) {
    let (part, whole) = (terms.labels(Role::Match), terms.labels(Role::Whole));
    let of_whole = window.iter().filter(|seen| seen.labels & whole != 0);
    let (all, some) = of_whole.fold((0, 0), |(all, some), seen| (all + 1, some + usize::from(seen.labels & part != 0)));
    let share = amount(some) / amount(all.max(1));
    let too_few = open_share(amount(all), f64::from(count_min));
    let told = format!("a share of {share:.3} of {all} matches ({}, and {count_min} matches)", needs(condition));
    (shortfall(condition, share).max(too_few), told)
}

/// The bucket of the match at a position against those before it, as the definition gives it.
pub(super) fn spike(approach: &mut Approach, at: usize, terms: &Terms<'_>) -> Nearest {
    let Logic::Spike { history, sigma, count_min } = terms.rule.logic else {
        return approach.alone(at, String::new(), 1.0);
    };
    let length = terms.rule.timespan;
    let bucket = approach.seen[at].time.millis().div_euclid(length.millis().max(1));
    *approach.buckets.entry(bucket).or_default() += 1;
    let count = f64::from(approach.buckets[&bucket]);
    let earliest = approach.buckets.keys().next().copied().unwrap_or(bucket);
    let from = earliest.max(bucket - i64::from(history));
    let known = u32::try_from(bucket - from).unwrap_or(u32::MAX);
    if known == 0 || known.saturating_mul(2) < history {
        let told = format!("{count} events in {length}, but only {known} of {history} buckets before it are known");
        return approach.alone(at, told, 1.0);
    }
    let before = || (from..bucket).map(|number| f64::from(approach.buckets.get(&number).copied().unwrap_or(0)));
    let mean = before().sum::<f64>() / f64::from(known);
    let deviation = (before().map(|count| (count - mean) * (count - mean)).sum::<f64>() / f64::from(known)).sqrt();
    let bound = mean + sigma * deviation.max(1.0);
    let told = format!(
        "{count} events in {length} (needs > {bound:.1} and >= {count_min}; usually {mean:.1} give or take {deviation:.1})"
    );
    let missing = open_share(count, bound).max(open_share(count, f64::from(count_min)));
    let start = crate::detect::Timestamp::from_millis(bucket * length.millis() - 1);
    let end = approach.seen[at].time;
    Nearest { at: end, shortfall: missing.max(NEARLY), told, matches: approach.within(start, end).to_vec() }
}
