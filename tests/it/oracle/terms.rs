//! The terms of the language: match, group, S(g), depth, and how long a group is remembered.

use std::collections::BTreeSet;

use super::model::{Fields, Logic, Rule};
use super::{anomalies, values};

/// An event that satisfies a rule's referred rules, or the firing of one of them.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) time: i64,
    /// Its place in the order of arrival, over events and firings.
    pub(super) arrival: usize,
    pub(super) id: String,
    /// The names of the rules that it satisfies.
    pub(super) labels: BTreeSet<String>,
    pub(super) fields: Fields,
    /// The fields of the event that arrived, without what firings set.
    pub(super) event_fields: Fields,
}

impl Match {
    /// True if it is a duplicate of one that is held.
    pub(super) fn repeats(&self, held: &Self) -> bool {
        (self.time, &self.id, &self.labels) == (held.time, &held.id, &held.labels)
    }

    /// True if it satisfies any of the rules.
    pub(super) fn is_of(&self, rules: &[String]) -> bool {
        rules.iter().any(|rule| self.labels.contains(rule))
    }
}

/// Detections are 0, correlations one more than the deepest rule they refer to.
pub(super) fn depth(rules: &[Rule], rule: &Rule) -> usize {
    let named = |name: &String| rules.iter().find(|rule| rule.name == *name).expect("models refer to rules that exist");
    rule.referred().map(|inner| depth(rules, named(inner)) + 1).max().unwrap_or(0)
}

/// A rule that others refer to is quiet unless one of them says otherwise.
pub(super) fn alerts(rules: &[Rule], rule: &Rule) -> bool {
    let mut referrers = rules.iter().filter(|other| other.referred().any(|name| *name == rule.name)).peekable();
    referrers.peek().is_none() || referrers.any(|referrer| referrer.generate)
}

pub(super) fn suppress(rule: &Rule) -> i64 {
    rule.suppress.unwrap_or(rule.timespan)
}

/// R: how long after its newest match a group is remembered.
pub(super) fn memory(rule: &Rule) -> i64 {
    match &rule.logic {
        Logic::Event => 0,
        Logic::Absence { wait, .. } => rule.timespan + wait,
        Logic::Spike { history, .. } => rule.timespan * (i64::try_from(*history).expect("a small number") + 1),
        _ => rule.timespan,
    }
}

/// The groups of a match, each with the labels that put it there: aliases can send two labels to different groups.
pub(super) fn groups_of(rule: &Rule, arrived: &Match) -> Vec<(Vec<String>, BTreeSet<String>)> {
    let mut groups: Vec<(Vec<String>, BTreeSet<String>)> = Vec::new();
    for label in rule.referred().filter(|label| arrived.labels.contains(*label)) {
        let names: Vec<String> = rule.group_by.iter().map(|name| field_of(rule, name, label)).collect();
        for group in values::groups(&arrived.fields, &names) {
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, labels)) => drop(labels.insert(label.clone())),
                None => groups.push((group, BTreeSet::from([label.clone()]))),
            }
        }
    }
    groups.sort();
    groups
}

fn field_of(rule: &Rule, name: &str, label: &str) -> String {
    let alias = rule.aliases.iter().find(|(alias, _)| alias == name);
    let entry = alias.and_then(|(_, fields)| fields.iter().find(|(of, _)| of == label));
    entry.map_or(name, |(_, field)| field).to_owned()
}

/// Whether a match is in S at all.
pub(super) fn belongs(rule: &Rule, arrived: &Match) -> bool {
    match &rule.logic {
        Logic::ValueCount { fields, .. } => !values::tuples(&arrived.fields, fields).is_empty(),
        Logic::ValueSum { field, .. } | Logic::ValueAvg { field, .. } | Logic::ValuePercentile { field, .. } => {
            values::number(&arrived.fields, field).is_some()
        }
        Logic::ValueChange { field } | Logic::NewValue { field, .. } => {
            !values::texts(&arrived.fields, field).is_empty()
        }
        Logic::GeoVelocity { .. } => anomalies::place(&arrived.fields).is_some(),
        Logic::Ratio { of, .. } => arrived.is_of(of),
        _ => true,
    }
}
