//! How far a number is from a condition, on one scale for all conditions: 0 holds, 1 is as far as it gets.

use crate::detect::rule::condition::{Condition, ConditionText};
use crate::detect::value::shortest;

/// What is left of a distance that is not quite nothing: a condition that holds and did not fire is the nearest of all.
pub(super) const NEARLY: f64 = 1e-9;
/// A bound that is missed by nothing, as `< 8` is by 8, is farther than one that holds.
const MISSED_MIN: f64 = 1e-6;

/// Up to here a distance is told as it is; farther ones share what is left below 1, the nearer still before the farther.
const PLAIN_MAX: f64 = 0.9;

fn eased(distance: f64) -> f64 {
    if distance <= PLAIN_MAX { distance } else { 1.0 - (1.0 - PLAIN_MAX) * PLAIN_MAX / distance }
}

/// The greatest distance to a bound that does not hold, as a share of the bound.
pub(super) fn shortfall(condition: &Condition, value: f64) -> f64 {
    if condition.holds(value) {
        return NEARLY;
    }
    let alone = |word: &str, bound: f64| {
        let mut only = Condition::default();
        for (name, place) in only.bounds_mut() {
            *place = (name == word).then_some(bound);
        }
        only
    };
    let missed = condition.bounds().filter(|(word, bound)| !alone(word, *bound).holds(value));
    let distances = missed.map(|(_, bound)| eased((value - bound).abs() / bound.abs().max(1.0)).max(MISSED_MIN));
    distances.fold(NEARLY, f64::max)
}

/// `6 of 8 events` where there is one lower bound, else `6 events (needs > 8)`.
pub(super) fn of_condition(value: f64, what: &str, condition: &Condition) -> String {
    let bounds: Vec<_> = condition.bounds().collect();
    if let [("gte", bound)] = bounds.as_slice() {
        return format!("{} of {} {what}", shortest(value), shortest(*bound));
    }
    format!("{} {what} ({})", shortest(value), needs(condition))
}

/// `needs > 8`.
pub(super) fn needs(condition: &Condition) -> String {
    let text = ConditionText { fields: Vec::new(), percentile: None, bounds: *condition };
    let bare = text.to_string();
    // A lone `gte` is shown without its sign where it is a threshold; here it stands in a sentence.
    if bare.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        format!("needs >= {bare}")
    } else {
        format!("needs {bare}")
    }
}

/// The part of `whole` that `part` leaves open, as a share.
pub(super) fn open_share(part: f64, whole: f64) -> f64 {
    if whole <= 0.0 { 1.0 } else { (1.0 - part / whole).clamp(NEARLY, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_numbers_have_smaller_shortfalls() {
        let at_least = Condition { gte: Some(8.0), ..Condition::default() };
        assert!(shortfall(&at_least, 7.0) < shortfall(&at_least, 6.0));
        assert!(shortfall(&at_least, 8.0) < shortfall(&at_least, 7.999));
        assert!((shortfall(&at_least, 6.0) - 0.25).abs() < 1e-12);
        let below = Condition { lt: Some(3.0), ..Condition::default() };
        for (near, far) in [(4.0, 5.0), (5.0, 5.9), (5.9, 6.0), (9.0, 10.0), (100.0, 101.0), (1e9, 2e9)] {
            assert!(shortfall(&below, near) < shortfall(&below, far), "{near} {far}");
            assert!(shortfall(&below, far) < 1.0, "{far}");
        }
        let between = Condition { gt: Some(2.0), lt: Some(4.0), ..Condition::default() };
        assert!((shortfall(&between, 5.0) - 0.25).abs() < 1e-12);
        assert_eq!(of_condition(6.0, "events", &at_least), "6 of 8 events");
        assert_eq!(of_condition(5.0, "events", &between), "5 events (needs > 2 and < 4)");
        assert_eq!(needs(&at_least), "needs >= 8");
    }
}
