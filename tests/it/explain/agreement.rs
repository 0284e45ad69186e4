//! Over streams that collide, an explanation counts what the engine counted, and calls nothing fired that was not.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tokenwatch::detect::alert::Group;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::{Alert, Origin, Timestamp};
use tokenwatch::explain::{Explainer, Explanation, Question};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::Settings;

use crate::oracle::ENGINE_TYPES;
use crate::oracle::compare::holds;
use crate::oracle::engine::{self, Line};
use crate::oracle::strategies::{self, Case, FUTURE_SKEW_MAX};

/// The types of which a window that satisfies the condition always fires. Limits are out of the way here.
const TOLD_EXACTLY: [&str; 4] = ["event_count", "value_count", "temporal", "temporal_ordered"];

/// Takes all records of a stream.
fn fed(rules: &Arc<RuleSet>, settings: &Settings, question: Question, records: &[Line]) -> Explainer {
    let mut explainer = Explainer::new(Arc::clone(rules), settings, question);
    for (offset, (timestamp, payload)) in (0..).zip(records) {
        let origin = Origin { topic: "stream".into(), partition: 0, offset };
        let timestamp = timestamp.map(Timestamp::from_millis);
        explainer.take(&Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) });
    }
    explainer
}

/// Alerts by group.
fn by_group<'a>(alerts: impl Iterator<Item = &'a Alert>) -> BTreeMap<Vec<(String, String)>, u64> {
    let mut counts = BTreeMap::new();
    for alert in alerts {
        *counts.entry(alert.group.0.clone()).or_default() += 1;
    }
    counts
}

fn agree(case: &Case) -> Result<(), TestCaseError> {
    let rules = engine::compiled(&case.rules).expect("valid rules");
    let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
    let records = engine::records(&case.events);
    let run = engine::run(&rules, &settings, &records);
    for (index, rule) in rules.rules.iter().enumerate() {
        let name = &rule.header.name;
        let question = Question { rule: index, only: Group::default(), alert: None };
        let Explanation { groups, events, .. } = fed(&rules, &settings, question, &records).finish();
        prop_assert_eq!(events.total, case.events.len() as u64);
        let of_rule = run.alerts.iter().filter(|alert| alert.rule.name == *name);
        let told = groups.iter().filter(|group| group.alerts > 0);
        prop_assert_eq!(by_group(of_rule), told.map(|group| (group.group.0.clone(), group.alerts)).collect());
        let tally = &run.tallies[name];
        prop_assert_eq!(groups.iter().map(|group| group.firings).sum::<u64>(), tally.firings, "{}", name);
        prop_assert_eq!(groups.iter().map(|group| group.suppressed).sum::<u64>(), tally.suppressed, "{}", name);
        for group in &groups {
            let fired = group.nearest.as_ref().is_some_and(|nearest| nearest.fired);
            prop_assert_eq!(fired, group.firings > 0, "{:?}", group);
            if let Some(nearest) = group.nearest.as_ref().filter(|_| TOLD_EXACTLY.contains(&rule.header.kind)) {
                prop_assert!(nearest.fired || nearest.shortfall > 1e-8, "{:?}", nearest);
            }
        }
    }
    Ok(())
}

#[test]
fn of_every_type() {
    for kind in ENGINE_TYPES {
        holds(&strategies::single(kind), |case| agree(&case));
    }
}

#[test]
fn of_rules_on_rules() {
    holds(&strategies::chains(ENGINE_TYPES), |case| agree(&case));
}

#[test]
fn the_events_of_an_alert_are_its_evidence_and_more() {
    let exact = prop_oneof![strategies::several(&TOLD_EXACTLY), strategies::chains(&TOLD_EXACTLY)];
    holds(&exact, |case| {
        let rules = engine::compiled(&case.rules).expect("valid rules");
        let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
        let records = engine::records(&case.events);
        let run = engine::run(&rules, &settings, &records);
        for alert in run.alerts.iter().take(5) {
            let rule = rules.rules.iter().position(|rule| rule.header.name == alert.rule.name).expect("its rule");
            let question = Question { rule, only: alert.group.clone(), alert: Some(alert.id) };
            let made = fed(&rules, &settings, question, &records).finish_alert();
            let made = made.ok_or_else(|| TestCaseError::fail(format!("no events of {alert:?}")))?;
            let ids: Vec<(&str, Timestamp)> = made.events.iter().map(|event| (event.id.as_str(), event.time)).collect();
            for evidence in &alert.evidence {
                prop_assert!(ids.contains(&(&*evidence.id, evidence.time)), "{:?} is not among {:?}", evidence, ids);
            }
            prop_assert!(made.events.iter().all(|event| event.event.is_some()));
            prop_assert!(made.events.is_sorted_by_key(|event| event.time));
        }
        Ok(())
    });
}
