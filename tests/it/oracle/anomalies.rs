//! Departures from what went before: `value_change`, `geo_velocity`, `new_value`, `absence`, `spike`.

use std::collections::BTreeSet;

use super::counts::count;
use super::model::{Fields, Logic, Rule, SECOND};
use super::terms::Match;
use super::values;
use super::windows::{Firing, window};

/// Of the sphere on which distances are measured.
const EARTH_RADIUS_KM: f64 = 6371.0088;
const MILLIS_PER_HOUR: f64 = 3_600_000.0;

/// `value_change` and `geo_velocity`: the arriving match against its neighbours, the earlier pair first.
pub(super) fn pair(rule: &Rule, entries: &[Match], arriving: &Match) -> Option<Firing> {
    let at = entries.iter().position(|entry| entry.arrival == arriving.arrival)?;
    let before = at.checked_sub(1).map(|before| (&entries[before], arriving));
    let after = entries.get(at + 1).map(|after| (arriving, after));
    before.into_iter().chain(after).find_map(|(earlier, later)| {
        if later.time - earlier.time >= rule.timespan {
            return None;
        }
        let observed = match &rule.logic {
            Logic::ValueChange { field } => {
                let set = |entry: &Match| values::texts(&entry.fields, field).into_iter().collect::<BTreeSet<_>>();
                (set(earlier) != set(later)).then_some(None)
            }
            Logic::GeoVelocity { min_distance_km, condition } => {
                let distance = distance_km(earlier, later)?;
                let hours = millis(later.time - earlier.time).max(1000.0) / MILLIS_PER_HOUR;
                let speed = distance / hours;
                (distance >= *min_distance_km && condition.holds(speed)).then_some(Some(shown_speed(speed)))
            }
            other => unreachable!("{} is not about pairs", other.word()),
        };
        Some(Firing::over(later.time, rule.timespan, observed?))
    })
}

/// A speed is compared as it is and told to 0.1 km/h.
fn shown_speed(km_h: f64) -> f64 {
    (km_h * 10.0).round() / 10.0
}

/// A point in degrees and how far off it may be.
pub(super) struct Place {
    latitude: f64,
    longitude: f64,
    accuracy_km: f64,
}

/// Where a match happened, if it says so.
pub(super) fn place(fields: &Fields) -> Option<Place> {
    Some(Place {
        latitude: values::number(fields, "source.geo.location.lat")
            .filter(|degrees| (-90.0..=90.0).contains(degrees))?,
        longitude: values::number(fields, "source.geo.location.lon")
            .filter(|degrees| (-180.0..=180.0).contains(degrees))?,
        accuracy_km: values::number(fields, "source.geo.accuracy_km").unwrap_or(0.0),
    })
}

/// The haversine, less both accuracies, never below 0.
fn distance_km(from: &Match, to: &Match) -> Option<f64> {
    let (from, to) = (place(&from.fields)?, place(&to.fields)?);
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let (north, east) = (half(to.latitude - from.latitude), half(to.longitude - from.longitude));
    let chord = north + from.latitude.to_radians().cos() * to.latitude.to_radians().cos() * east;
    let distance = 2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin();
    Some((distance - from.accuracy_km - to.accuracy_km).max(0.0))
}

/// `new_value`: a value that the last W did not see, from a group that is known for long enough.
pub(super) fn new_value(
    rule: &Rule,
    entries: &[Match],
    arriving: &Match,
    field: &str,
    learning: i64,
) -> Option<Firing> {
    let others: Vec<&Match> = entries.iter().filter(|entry| entry.arrival != arriving.arrival).collect();
    let earliest = others.iter().map(|entry| entry.time).min()?;
    let newest = others.iter().map(|entry| entry.time).max()?;
    if arriving.time < newest || arriving.time - earliest < learning {
        return None;
    }
    let last_w = window(entries, arriving.time, rule.timespan);
    let seen: BTreeSet<String> = last_w
        .iter()
        .filter(|entry| entry.arrival != arriving.arrival)
        .flat_map(|entry| values::texts(&entry.fields, field))
        .collect();
    let is_new = values::texts(&arriving.fields, field).iter().any(|value| !seen.contains(value));
    is_new.then(|| Firing::over(arriving.time, rule.timespan, None))
}

/// `absence`: no companion in (t(e) - W, t(e) + wait].
pub(super) fn absence(rule: &Rule, entries: &[Match], unaccompanied: &Match) -> Option<Firing> {
    let Logic::Absence { without, wait } = &rule.logic else { unreachable!("only an absence waits") };
    let (start, end) = (unaccompanied.time - rule.timespan, unaccompanied.time + wait);
    let accompanies = |entry: &Match| entry.is_of(without) && start < entry.time && entry.time <= end;
    let is_alone = !entries.iter().any(accompanies);
    is_alone.then_some(Firing { at: unaccompanied.time, window: Some((start, end)), observed: None })
}

/// `spike`: more in the bucket of the arriving match than the buckets before it explain.
pub(super) fn spike(rule: &Rule, entries: &[Match], arriving: &Match) -> Option<Firing> {
    let Logic::Spike { history, sigma, min_count } = &rule.logic else { unreachable!("only a spike has buckets") };
    let bucket = |time: i64| time.div_euclid(rule.timespan);
    let in_bucket = |wanted: i64| entries.iter().filter(|entry| bucket(entry.time) == wanted).count();
    let current = bucket(arriving.time);
    let first = bucket(entries.first()?.time);
    let oldest = current - i64::try_from(*history).expect("a small number");
    let known: Vec<f64> = (oldest.max(first)..current).map(|index| count(in_bucket(index))).collect();
    let now = in_bucket(current);
    if known.is_empty() || 2 * known.len() < *history || now < *min_count {
        return None;
    }
    let mean = known.iter().sum::<f64>() / count(known.len());
    let variance = known.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count(known.len());
    let bound = mean + sigma * variance.sqrt().max(1.0);
    (count(now) > bound).then(|| Firing::over(arriving.time, rule.timespan, Some(count(now))))
}

fn millis(span: i64) -> f64 {
    let seconds = f64::from(i32::try_from(span / SECOND).expect("streams last less than 68 years"));
    seconds * 1000.0 + f64::from(i32::try_from(span % SECOND).expect("less than a second"))
}
