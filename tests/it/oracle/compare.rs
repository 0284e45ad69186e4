//! Oracle and engine side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::engine::{self, Run};
use super::model::{BASE, Rule};
use super::naive::{Alert, Oracle};
use super::strategies::{Case, FUTURE_SKEW_MAX};

/// Cases per property where `PROPTEST_CASES` does not say: some thousand over all properties.
const CASES: u32 = 100;
/// Speeds are told to 0.1 km/h; two computations of one distance can fall to different sides of half of that.
const SPEED_ERROR_MAX_KM_H: f64 = 0.100_001;

/// Runs a property over many cases, and panics with the smallest that breaks it.
pub(crate) fn holds<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    let shrinks = std::env::var("PROPTEST_MAX_SHRINK_ITERS").map_or(20_000, |most| most.parse().expect("a number"));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: shrinks, ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(strategy, property) {
        panic!("{failure}");
    }
}

/// Compares engine and oracle over the streams of a strategy.
pub(crate) fn agrees(cases: impl Strategy<Value = Case>) {
    holds(&cases, |case| check(&case).map_err(TestCaseError::fail));
}

/// What the engine makes of a case.
pub(crate) fn engine_run(case: &Case) -> Run {
    let rules = engine::compiled(&case.rules).unwrap_or_else(|problems| panic!("{problems:#?}\n{case:?}"));
    let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
    engine::run(&rules, &settings, &engine::records(&case.events))
}

/// The difference between engine and oracle, if there is one.
pub(crate) fn check(case: &Case) -> Result<(), String> {
    let oracle = Oracle::run(&case.rules, case.lateness, FUTURE_SKEW_MAX, &case.events);
    let run = engine_run(case);
    let facts = run.facts();
    let is_same = |(ours, theirs): (&Alert, &Alert)| same(&case.rules, ours, theirs);
    if facts.len() != oracle.alerts.len() || !oracle.alerts.iter().zip(&facts).all(is_same) {
        return Err(format!("the definitions say{}\nthe engine says{}", shown(&oracle.alerts), shown(&facts)));
    }
    if let Some(alert) = run.alerts.iter().find(|alert| alert.truncated) {
        return Err(format!("truncated without a limit: {}", alert.summary));
    }
    for (rule, theirs) in &run.tallies {
        let ours = &oracle.tallies[rule];
        if ours != theirs {
            return Err(format!("{rule}: the definitions count {ours:?}, the engine {theirs:?}"));
        }
    }
    let handled = (run.late, run.rejected, run.accepted);
    let expected = (oracle.late, oracle.rejected, case.events.len() as u64 - oracle.late - oracle.rejected as u64);
    if handled != expected {
        return Err(format!("late, rejected, accepted: {expected:?} by definition, {handled:?} in the engine"));
    }
    ids(&oracle.alerts, &run)
}

/// An id stands for a rule, a group, a firing time and an event, and for nothing else.
fn ids(alerts: &[Alert], run: &Run) -> Result<(), String> {
    let (mut by_key, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for (fact, alert) in alerts.iter().zip(&run.alerts) {
        let key = (&fact.rule, &fact.group, fact.time, &fact.event_id);
        let known_id = *by_key.entry(key).or_insert(alert.id);
        let known_key = *by_id.entry(alert.id).or_insert(key);
        if known_id != alert.id || known_key != key {
            return Err(format!("{key:?} has the id {}, but {known_key:?} has {known_id}", alert.id));
        }
    }
    Ok(())
}

fn same(rules: &[Rule], ours: &Alert, theirs: &Alert) -> bool {
    let without_number = |alert: &Alert| Alert { observed: None, event_id: String::new(), ..alert.clone() };
    let is_speed = rules.iter().any(|rule| rule.name == ours.rule && rule.logic.word() == "geo_velocity");
    let observed = match (ours.observed, theirs.observed) {
        (Some(ours), Some(theirs)) if is_speed => (ours - theirs).abs() <= SPEED_ERROR_MAX_KM_H,
        (Some(ours), Some(theirs)) => ours.total_cmp(&theirs).is_eq(),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    observed && without_number(ours) == without_number(theirs)
}

fn shown(alerts: &[Alert]) -> String {
    alerts.iter().fold(String::new(), |mut text, alert| {
        let Alert { rule, group, observed, suppressed, .. } = alert;
        let window = alert.window.map(|(start, end)| (start - BASE, end - BASE));
        let time = alert.time - BASE;
        let _ = write!(text, "\n  {rule} {group:?} at {time} over {window:?}: {observed:?}, {suppressed} suppressed");
        text
    })
}
