//! Several rules in one window: `temporal`, and in a given order: `temporal_ordered`.

use std::collections::BTreeSet;

use super::counts::count;
use super::model::Condition;
use super::terms::Match;

/// `temporal`: every referred rule has a match, or with a condition, that many of them do.
pub(super) fn together(window: &[&Match], rules: &[String], condition: Option<&Condition>) -> Option<f64> {
    let distinct: BTreeSet<_> = rules.iter().collect();
    let matched = distinct.iter().filter(|rule| window.iter().any(|entry| entry.labels.contains(**rule))).count();
    let holds = condition.map_or(matched == distinct.len(), |condition| condition.holds(count(matched)));
    holds.then_some(count(matched))
}

/// `temporal_ordered`: distinct matches satisfy the rules in the order listed, the arriving one among them.
pub(super) fn in_order(window: &[&Match], rules: &[String], min_gap: i64, arriving: &Match) -> Option<f64> {
    let is_arriving = |at: usize| window[at].arrival == arriving.arrival;
    // Every way to have satisfied the rules so far: where it ends, and whether the arriving match is part of it.
    let mut chains: BTreeSet<(usize, bool)> = BTreeSet::new();
    for (step, rule) in rules.iter().enumerate() {
        let satisfying: Vec<_> = (0..window.len()).filter(|&at| window[at].labels.contains(rule)).collect();
        chains = satisfying
            .iter()
            .flat_map(|&at| {
                let before: Vec<bool> = if step == 0 {
                    vec![false]
                } else {
                    let follows = |last: usize| last < at && window[at].time - window[last].time >= min_gap;
                    chains.iter().filter(|(last, _)| follows(*last)).map(|(_, has)| *has).collect()
                };
                before.into_iter().map(move |has| (at, has || is_arriving(at)))
            })
            .collect();
    }
    chains.iter().any(|(_, has_arriving)| *has_arriving).then_some(count(rules.len()))
}
