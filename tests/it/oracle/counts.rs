//! How many, how many different, and what share: `event_count`, `value_count`, `ratio`.

use std::collections::BTreeSet;

use super::model::Condition;
use super::terms::Match;
use super::values;

/// `event_count`: the number of matches.
pub(super) fn events(window: &[&Match], condition: &Condition) -> Option<f64> {
    Some(count(window.len())).filter(|&number| condition.holds(number))
}

/// `value_count`: the number of distinct values, tuples for several fields, each element of a list for itself.
pub(super) fn values(window: &[&Match], fields: &[String], condition: &Condition) -> Option<f64> {
    let distinct: BTreeSet<_> = window.iter().flat_map(|entry| values::tuples(&entry.fields, fields)).collect();
    Some(count(distinct.len())).filter(|&number| condition.holds(number))
}

/// `ratio`: among the matches of `of`, the share that also match `rules`.
pub(super) fn share(
    window: &[&Match],
    rules: &[String],
    of: &[String],
    min_count: usize,
    condition: &Condition,
) -> Option<f64> {
    let all: Vec<_> = window.iter().filter(|entry| entry.is_of(of)).collect();
    let hits = all.iter().filter(|entry| entry.is_of(rules)).count();
    let share = count(hits) / count(all.len());
    (all.len() >= min_count && condition.holds(share)).then_some(share)
}

/// A count as the number that conditions compare.
pub(super) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("no test holds four thousand million matches"))
}
