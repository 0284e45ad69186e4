//! From a firing to an alert.

use std::fmt::Write;
use std::sync::Arc;

use uuid::Uuid;

use crate::detect::alert::{Alert, Details, Evidence, Group, Window};
use crate::detect::rule::compiled::PlainNumber;
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::state::{self, RuleState, key};
use crate::detect::time::Timestamp;
use crate::detect::window::Firing;

use super::step::Match;
use super::values::shown;

/// The namespace of alert ids, drawn once and fixed for ever.
const ALERT_NAMESPACE: Uuid = Uuid::from_u128(0x8a0d_76f6_0c4e_5d55_b3e5_0e4d_7f3c_91a2);

/// A firing that no suppression keeps quiet.
pub(super) struct Raising<'a, 'e, 'o> {
    pub(super) rules: &'a RuleSet,
    pub(super) index: usize,
    pub(super) key: &'a [u8],
    pub(super) subject: &'a Match<'e, 'o>,
    pub(super) firing: Firing,
    pub(super) suppressed: u64,
    pub(super) evidence: Arc<Evidence>,
    pub(super) evidence_max: usize,
}

/// The alert of a firing, from what its rule holds about the group.
pub(super) fn raise(raising: &Raising<'_, '_, '_>, state: &RuleState) -> Alert {
    let Raising { rules, index, key, firing, evidence, .. } = raising;
    let rule = &rules.rules[*index];
    let group = group(rules, rule, key);
    let start = firing.at - rule.timespan;
    let (window, evidence) = match rule.logic {
        Logic::Event => (None, vec![Arc::clone(evidence)]),
        _ => (Some(Window { start, end: firing.at }), state.evidence.within((start, firing.at), evidence)),
    };
    Alert {
        id: id(rule, &group, firing.at, raising.subject.event.id),
        time: firing.at,
        rule: Arc::clone(&rule.header),
        summary: summary(rules, rule, &group, firing.observed),
        group,
        window,
        observed: (rule.logic != Logic::Event).then_some(PlainNumber(firing.observed)),
        condition: rule.condition.clone(),
        suppressed: raising.suppressed,
        truncated: firing.truncated,
        details: details(rule, state, firing.at, raising.evidence_max),
        evidence,
    }
}

/// The alert of a single-event rule that keeps nothing: each match alerts.
pub(super) fn raise_unquieted(rules: &RuleSet, index: usize, key: Option<&[u8]>, subject: &Match<'_, '_>) -> Alert {
    let rule = &rules.rules[index];
    let group = key.map_or_else(Group::default, |key| group(rules, rule, key));
    Alert {
        id: id(rule, &group, subject.time, subject.event.id),
        time: subject.time,
        rule: Arc::clone(&rule.header),
        summary: summary(rules, rule, &group, 1.0),
        group,
        window: None,
        observed: None,
        condition: None,
        suppressed: 0,
        truncated: false,
        details: Details::None,
        evidence: vec![subject.evidence()],
    }
}

fn group(rules: &RuleSet, rule: &Rule, key: &[u8]) -> Group {
    Group(rules.keyspaces[rule.keyspace].iter().cloned().zip(key::values(key)).collect())
}

/// A version 5 UUID over rule id, group, firing time in milliseconds and the arriving event's id, a line each.
fn id(rule: &Rule, group: &Group, at: Timestamp, event_id: &str) -> Uuid {
    let name = format!("{}\n{}\n{}\n{event_id}", rule.header.id, group.canonical(), at.millis());
    Uuid::new_v5(&ALERT_NAMESPACE, name.as_bytes())
}

fn details(rule: &Rule, state: &RuleState, end: Timestamp, count_max: usize) -> Details {
    match (&rule.logic, &state.window) {
        (Logic::ValueCount { fields, .. }, state::Window::Distinct(window)) => {
            let values = window.values(end, rule.timespan, count_max).into_iter();
            Details::Values { values: values.map(|value| shown(value, fields.len())).collect() }
        }
        _ => Details::None,
    }
}

/// `jwt.sub ann: 8 distinct service.name in 5m (threshold 8)`.
fn summary(rules: &RuleSet, rule: &Rule, group: &Group, observed: f64) -> String {
    let mut text = String::new();
    for (index, (name, value)) in group.0.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{name} {value}");
    }
    if !group.0.is_empty() {
        text.push_str(": ");
    }
    let timespan = rule.timespan;
    let threshold = rule.condition.as_ref().map(|condition| format!(" (threshold {condition})")).unwrap_or_default();
    let _ = match &rule.logic {
        Logic::Event => write!(text, "{}", rule.header.title),
        Logic::EventCount { .. } => write!(text, "{observed} events in {timespan}{threshold}"),
        Logic::ValueCount { fields, .. } => {
            let names: Vec<_> = fields.iter().map(|field| rules.fields.path(*field)).collect();
            write!(text, "{observed} distinct {} in {timespan}{threshold}", names.join(", "))
        }
        _ => unreachable!("the compiler refuses the types that do not fire yet"),
    };
    text
}
