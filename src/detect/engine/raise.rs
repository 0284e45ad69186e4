//! From a firing to an alert.

use std::sync::Arc;

use uuid::Uuid;

use crate::detect::alert::{Alert, Details, Evidence, Group, Point, Window};
use crate::detect::rule::condition::PlainNumber;
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::state::{self, RuleState, Sighting, Sources, key};
use crate::detect::time::Timestamp;
use crate::detect::window::{Firing, Note, Place};

use super::reading::shown;
use super::step::Match;
use super::summary::summary;

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
    pub(super) sighting: Sighting,
    pub(super) sources: &'a Sources,
    pub(super) evidence_max: usize,
}

/// The alert of a firing, from what its rule holds about the group.
pub(super) fn raise(raising: &Raising<'_, '_, '_>, state: &RuleState) -> Alert {
    let Raising { rules, index, key, firing, sighting, sources, .. } = raising;
    let rule = &rules.rules[*index];
    let group = group(rules, rule, key);
    let at = firing.at;
    let window = window(rule, at);
    let evidence = match (rule.logic.clone(), window) {
        (Logic::Event | Logic::Absence { .. }, _) | (_, None) => vec![sighting.evidence(sources)],
        (_, Some(Window { start, end })) => state.evidence.within((start, end), sighting, sources),
    };
    let observed = observed(rule, state, firing);
    let details = details(rule, state, firing, raising.evidence_max);
    Alert {
        id: id(rule, &group, at, raising.subject.event.id),
        time: at,
        rule: Arc::clone(&rule.header),
        summary: summary(rules, rule, &group, observed, &details),
        group,
        window,
        observed: observed.map(PlainNumber),
        condition: rule.condition.clone(),
        suppressed: raising.suppressed,
        truncated: firing.truncated,
        shadow: rule.shadow,
        details,
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
        summary: summary(rules, rule, &group, None, &Details::None),
        group,
        window: None,
        observed: None,
        condition: None,
        suppressed: 0,
        truncated: false,
        shadow: rule.shadow,
        details: Details::None,
        evidence: vec![Evidence {
            id: subject.event.id.into(),
            time: subject.time,
            origin: subject.event.origin.clone(),
        }],
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

fn window(rule: &Rule, at: Timestamp) -> Option<Window> {
    match rule.logic {
        Logic::Event => None,
        Logic::Absence { wait } => Some(Window { start: at - rule.timespan, end: at + wait }),
        _ => Some(Window { start: at - rule.timespan, end: at }),
    }
}

/// The number that the definition gives; none for types without one. Speeds are rounded to a tenth for output.
fn observed(rule: &Rule, state: &RuleState, firing: &Firing) -> Option<f64> {
    match (&rule.logic, &state.window) {
        (Logic::Event | Logic::ValueChange { .. } | Logic::NewValue { .. } | Logic::Absence { .. }, _) => None,
        (Logic::GeoVelocity { .. }, _) => Some((firing.observed * 10.0).round() / 10.0),
        (_, state::Window::Total(window)) => Some(window.sliding.recount(firing.at, rule.timespan)),
        _ => Some(firing.observed),
    }
}

fn details(rule: &Rule, state: &RuleState, firing: &Firing, count_max: usize) -> Details {
    match (&state.window, firing.note) {
        (state::Window::Distinct(window), _) => {
            let values = window.values(firing.at, rule.timespan, count_max);
            Details::Values { values: values.iter().map(|value| shown(value)).collect() }
        }
        (state::Window::Change(window), Note::Pair { earlier, later }) => {
            Details::Change { from: shown(window.text(earlier)), to: shown(window.text(later)) }
        }
        (state::Window::Velocity(window), Note::Pair { earlier, later }) => {
            let (from, to, journey) = window.journey(earlier, later);
            let (distance_km, seconds) = (PlainNumber(journey.distance_km), PlainNumber(journey.seconds));
            Details::Journey { from: point(from), to: point(to), distance_km, seconds }
        }
        (state::Window::Fresh(window), Note::NewValue { value, known }) => {
            Details::NewValue { value: window.text(value).to_owned(), known }
        }
        (_, Note::Spike { mean, deviation }) => {
            Details::Spike { mean: PlainNumber(mean), deviation: PlainNumber(deviation) }
        }
        _ => Details::None,
    }
}

fn point(place: Place) -> Point {
    Point { lat: PlainNumber(place.latitude), lon: PlainNumber(place.longitude) }
}
