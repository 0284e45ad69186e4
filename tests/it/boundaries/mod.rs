//! Every boundary that the rule language draws, a test on each side, with times that a reader can check.
//!
//! Engine and oracle both have to tell what the case says, so that these cases prove the oracle too. Not the search for
//! surprises: that is the oracle's own.

mod anomalies;
mod groups;
mod numbers;
mod sequences;
mod shares;
mod suppression;
mod time;
mod windows;

use crate::oracle::engine;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};
use crate::oracle::naive::Oracle;
use crate::oracle::{MINUTE, WHO, ann, told, with_detections};

const FUTURE_SKEW_MAX: i64 = 5 * MINUTE;

/// What the engine alerts on, as [`told`]; the oracle has to tell the same.
fn alerts_late(lateness: i64, rules: &[Rule], events: &[Event]) -> Vec<String> {
    let by_engine = engine_alerts(lateness, rules, events);
    let rules = with_detections(rules.to_vec());
    let by_definition = told(&Oracle::run(&rules, lateness, FUTURE_SKEW_MAX, events).alerts);
    assert_eq!(by_engine, by_definition, "the engine, and then the oracle");
    by_engine
}

/// The same without the oracle, for streams that it would take too long over.
fn engine_alerts(lateness: i64, rules: &[Rule], events: &[Event]) -> Vec<String> {
    let rules = engine::compiled(&with_detections(rules.to_vec())).expect("valid rules");
    let settings = engine::settings(lateness, FUTURE_SKEW_MAX);
    told(&engine::run(&rules, &settings, &engine::records(events)).facts())
}

/// The alerts under the default lateness.
fn alerts(rules: &[Rule], events: &[Event]) -> Vec<String> {
    alerts_late(10 * MINUTE, rules, events)
}

/// That many `a` by the same person in ten seconds.
fn count(at_least: f64) -> Rule {
    Rule::new("r", Logic::EventCount(Condition::gte(at_least)), &["a"], 10 * SECOND).by(&[WHO])
}
