//! When a rule fires: the windows that an arriving match changes, and what each type makes of one.

use std::collections::BTreeSet;

use super::model::{Logic, Rule};
use super::terms::Match;
use super::{anomalies, counts, numeric, temporal};

/// The firing of a rule, before suppression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firing {
    pub(super) at: i64,
    pub(super) window: Option<(i64, i64)>,
    pub(super) observed: Option<f64>,
}

impl Firing {
    /// A firing at the end of its window.
    pub(super) fn over(end: i64, timespan: i64, observed: Option<f64>) -> Self {
        Self { at: end, window: Some((end - timespan, end)), observed }
    }
}

/// Whether the arriving match, by now in S(g), makes the rule fire.
pub(super) fn decide(rule: &Rule, entries: &[Match], arriving: &Match) -> Option<Firing> {
    match &rule.logic {
        Logic::ValueChange { .. } | Logic::GeoVelocity { .. } => anomalies::pair(rule, entries, arriving),
        Logic::NewValue { field, learning } => anomalies::new_value(rule, entries, arriving, field, *learning),
        Logic::Spike { .. } => anomalies::spike(rule, entries, arriving),
        _ => changed_windows(entries, arriving, rule.timespan).into_iter().find_map(|end| {
            let window = window(entries, end, rule.timespan);
            let observed = observe(rule, &window, arriving)?;
            Some(Firing::over(end, rule.timespan, Some(observed)))
        }),
    }
}

/// The ends of the windows that an arriving match changes, in the order in which they are tried.
fn changed_windows(entries: &[Match], arriving: &Match, timespan: i64) -> Vec<i64> {
    let ends = entries.iter().map(|f| f.time).filter(|&t| arriving.time <= t && t < arriving.time + timespan);
    ends.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The matches in (end - timespan, end].
pub(super) fn window(entries: &[Match], end: i64, timespan: i64) -> Vec<&Match> {
    entries.iter().filter(|entry| end - timespan < entry.time && entry.time <= end).collect()
}

/// What the condition is compared with, if it holds in this window.
fn observe(rule: &Rule, window: &[&Match], arriving: &Match) -> Option<f64> {
    match &rule.logic {
        Logic::EventCount(condition) => counts::events(window, condition),
        Logic::ValueCount { fields, condition } => counts::values(window, fields, condition),
        Logic::Ratio { of, min_count, condition } => counts::share(window, &rule.rules, of, *min_count, condition),
        Logic::Temporal(condition) => temporal::together(window, &rule.rules, condition.as_ref()),
        Logic::TemporalOrdered { min_gap } => temporal::in_order(window, &rule.rules, *min_gap, arriving),
        Logic::ValueSum { field, condition } => numeric::sum(window, field, condition),
        Logic::ValueAvg { field, condition } => numeric::mean(window, field, condition),
        Logic::ValuePercentile { field, percentile, condition } => {
            numeric::percentile(window, field, *percentile, condition)
        }
        other => unreachable!("{} does not look at windows", other.word()),
    }
}
