//! Routed or not, the same follows from the same records.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::{Origin, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};

use crate::oracle::ENGINE_TYPES;
use crate::oracle::compare::holds;
use crate::oracle::engine::{self, Line};
use crate::oracle::model::Logic;
use crate::oracle::strategies::{self, Case, FUTURE_SKEW_MAX};

use super::relay::{Found, Relay};

/// The records decided in one partition, with nothing between reading and counting.
fn directly(rules: &Arc<RuleSet>, settings: &Settings, records: &[(i32, &Line)]) -> Found {
    let mut pipeline = Pipeline::new(Arc::clone(rules), settings);
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(rules);
    let mut offsets = [0; 8];
    for (source, (timestamp, payload)) in records {
        let offset = &mut offsets[usize::try_from(*source).expect("from 0")];
        let origin = Origin { topic: "stream".into(), partition: *source, offset: *offset };
        *offset += 1;
        let timestamp = timestamp.map(Timestamp::from_millis);
        let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
    }
    pipeline.finish(&mut partition, &mut outcome);
    Found::new(rules, &outcome, &[])
}

fn same(routed: &Found, direct: &Found) -> Result<(), TestCaseError> {
    prop_assert_eq!(&routed.alerts, &direct.alerts);
    prop_assert_eq!(&routed.tallies, &direct.tallies);
    prop_assert_eq!(routed.apart, direct.apart);
    Ok(())
}

/// One source: its order is the order in which matches arrive, and its stream time the time behind the route.
#[test]
fn one_source_routed_is_the_source_read_directly() {
    let cases = prop_oneof![strategies::several(ENGINE_TYPES), strategies::chains(ENGINE_TYPES)];
    holds(&(cases, any::<u64>()), |(case, chance)| {
        let rules = compiled(&case);
        let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
        let records = engine::records(&case.events);
        let mut relay = Relay::new(&rules, &settings, 1, 3);
        for (at, line) in records.iter().enumerate() {
            relay.read(0, line);
            match chance.rotate_left(u32::try_from(at % 64).expect("small")) % 16 {
                0 => relay.mark(0),
                1 => relay.restart(),
                _ => {}
            }
        }
        let direct = directly(&rules, &settings, &records.iter().map(|line| (0, line)).collect::<Vec<_>>());
        same(&relay.finish(), &direct)
    });
}

/// Types that look at stream time only to tell what is late or to be forgotten.
const TIMELESS: &[&str] = &[
    "event",
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_change",
    "geo_velocity",
    "new_value",
    "ratio",
    "spike",
];

/// Where nothing is ever late, a `spike` keeps a bucket for all the time between its first match and its last.
const BUCKETS_MAX: i64 = 100_000;

/// How many buckets a case may make a rule keep.
fn buckets(case: &Case) -> i64 {
    let times = || case.events.iter().map(|event| event.at);
    let span = times().max().zip(times().min()).map_or(0, |(last, first)| last - first);
    let spikes = case.rules.iter().filter(|rule| matches!(rule.logic, Logic::Spike { .. }));
    spikes.map(|rule| span / rule.timespan).max().unwrap_or(0)
}

/// Several sources: where nothing is late, how far they are does not matter, only in which order matches arrive.
#[test]
fn several_sources_routed_are_their_records_in_the_order_of_arrival() {
    const AGES: i64 = 100_000_000_000_000;
    let cases = prop_oneof![strategies::several(TIMELESS), strategies::chains(TIMELESS)];
    let fits = |case: &Case| buckets(case) <= BUCKETS_MAX;
    let cases = cases.prop_filter("more buckets than a machine holds", fits);
    holds(&(cases, prop::collection::vec(0usize..3, 1..60)), |(case, sources)| {
        let rules = compiled(&case);
        let settings = engine::settings(AGES, FUTURE_SKEW_MAX);
        let records = engine::records(&case.events);
        let mut relay = Relay::new(&rules, &settings, 3, 4);
        let mut merged = Vec::new();
        for (at, (line, source)) in records.iter().zip(sources.iter().cycle()).enumerate() {
            relay.read(*source, line);
            if at % 7 == *source {
                relay.mark(*source);
                relay.restart();
            }
            merged.push((i32::try_from(*source).expect("few sources"), line));
        }
        same(&relay.finish(), &directly(&rules, &settings, &merged))
    });
}

fn compiled(case: &Case) -> Arc<RuleSet> {
    engine::compiled(&case.rules).unwrap_or_else(|problems| panic!("{problems:#?}\n{case:?}"))
}
