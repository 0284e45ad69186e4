//! One line for a tired person: who, what, how much, over how long, against which threshold.

use crate::detect::alert::{Details, Group};
use crate::detect::rule::compiled::{Input, LabelledInput, Role};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::time::Span;

/// `jwt.sub ann: 8 distinct service.name in 5m (threshold 8)`.
pub(super) fn summary(rules: &RuleSet, rule: &Rule, group: &Group, observed: Option<f64>, details: &Details) -> String {
    let who: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let colon = if who.is_empty() { "" } else { ": " };
    let threshold = rule.condition.as_ref().map(|condition| format!(" (threshold {condition})")).unwrap_or_default();
    let what = what(rules, rule, observed.unwrap_or_default(), details);
    format!("{}{colon}{what}{threshold}", who.join(", "))
}

fn what(rules: &RuleSet, rule: &Rule, observed: f64, details: &Details) -> String {
    let timespan = rule.timespan;
    let path = |field| rules.fields.path(field);
    match (&rule.logic, details) {
        (Logic::Event, _) => rule.header.title.clone(),
        (Logic::EventCount { .. }, _) => format!("{observed} events in {timespan}"),
        (Logic::ValueCount { fields, .. }, _) => {
            let names: Vec<_> = fields.iter().map(|field| path(*field)).collect();
            format!("{observed} distinct {} in {timespan}", names.join(", "))
        }
        (Logic::Temporal { .. }, _) => format!("{observed} of {} rules matched in {timespan}", rule.inputs.len()),
        (Logic::TemporalOrdered { .. }, _) => {
            format!("{} in {timespan}", names_of(rules, rule, Role::Match).join(", then "))
        }
        (Logic::ValueSum { field, .. }, _) => format!("sum of {} is {observed} in {timespan}", path(*field)),
        (Logic::ValueAverage { field, .. }, _) => format!("mean of {} is {observed} in {timespan}", path(*field)),
        (Logic::ValuePercentile { field, percentile, .. }, _) => {
            format!("percentile {percentile} of {} is {observed} in {timespan}", path(*field))
        }
        (Logic::ValueChange { field }, Details::Change { from, to }) => {
            format!("{} changed from {from} to {to} within {timespan}", path(*field))
        }
        (Logic::GeoVelocity { .. }, Details::Journey { distance_km, seconds, .. }) => {
            format!("{:.0} km in {:.0} s, {observed} km/h", distance_km.0, seconds.0)
        }
        (Logic::NewValue { field, .. }, Details::NewValue { value, known }) => {
            format!("new {} {value}, {known} others known in {timespan}", path(*field))
        }
        (Logic::Absence { wait }, _) => {
            let after = if *wait == Span::ZERO { String::new() } else { format!(" or {wait} after") };
            let (matched, missed) = (names_of(rules, rule, Role::Match), names_of(rules, rule, Role::Companion));
            format!("{} without {} in the {timespan} before{after}", matched.join(" or "), missed.join(" or "))
        }
        (Logic::Ratio { .. }, _) => format!("share of {observed:.3} in {timespan}"),
        (Logic::Spike { .. }, Details::Spike { mean, deviation }) => {
            format!("{observed} events in {timespan}, usually {:.1} give or take {:.1}", mean.0, deviation.0)
        }
        (logic, _) => logic.kind().to_owned(),
    }
}

/// The names of the rules with a role, in the order of the rule file.
fn names_of(rules: &RuleSet, rule: &Rule, wanted: Role) -> Vec<String> {
    let name = |input: &LabelledInput| match input.input {
        Input::Detection(label) => rules.detection_names[label].clone(),
        Input::Firing(inner) => rules.rules[inner].header.name.clone(),
    };
    rule.inputs.iter().filter(|input| input.role == wanted).map(name).collect()
}
