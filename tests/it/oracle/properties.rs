//! What holds for every stream.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::ENGINE_TYPES;
use super::compare::{agrees, engine_run, holds};
use super::model::{Event, Rule};
use super::naive::{Alert, Oracle, Tally};
use super::strategies::{self, Case, FUTURE_SKEW_MAX};

fn fired(alerts: &[Alert]) -> BTreeSet<(String, Vec<(String, String)>)> {
    alerts.iter().map(|alert| (alert.rule.clone(), alert.group.clone())).collect()
}

/// The types whose firings, as a set of rule and group, are claimed not to depend on the order of arrival.
const ORDER_FREE_TYPES: [&str; 4] = ["event_count", "value_count", "temporal", "temporal_ordered"];

#[test]
fn by_the_definitions_arrival_order_decides_no_group() {
    for kind in ORDER_FREE_TYPES {
        holds(&strategies::two_orders(kind), |(case, shuffled)| {
            let fire = |events: &[Event]| fired(&oracle(&case.rules, case.lateness, events).alerts);
            prop_assert_eq!(fire(&case.events), fire(&shuffled), "{:?} against {:?}", case, shuffled);
            Ok(())
        });
    }
}

const ALL_TYPES: &[&str] = &[
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
    "absence",
    "ratio",
    "spike",
];

/// The stream with every record twice, and an id for each event to be known by.
fn doubled(case: &Case) -> (Vec<Event>, Vec<Event>) {
    let named = |(offset, event): (usize, &Event)| Event {
        id: event.id.clone().or_else(|| Some(format!("place {offset}"))),
        ..event.clone()
    };
    let once: Vec<_> = case.events.iter().enumerate().map(named).collect();
    let twice = once.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    (once, twice)
}

#[test]
fn by_the_definitions_a_repeated_record_changes_no_window() {
    holds(&prop_oneof![strategies::several(ALL_TYPES), strategies::chains(ALL_TYPES)], |case| {
        let (once, twice) = doubled(&case);
        let windowed = |events: &[Event]| {
            let mut alerts = oracle(&case.rules, case.lateness, events).alerts;
            alerts.retain(|alert| alert.window.is_some());
            alerts
        };
        prop_assert_eq!(windowed(&once), windowed(&twice), "{:?}", case);
        Ok(())
    });
}

/// Agreement on streams in which nothing happens would prove nothing.
#[test]
fn streams_of_every_type_fire_and_stay_quiet_repeat_and_come_late() {
    const STREAMS: usize = 100;
    for &kind in ALL_TYPES {
        let mut runner = TestRunner::deterministic();
        let strategy = strategies::single(kind);
        let runs: Vec<_> = (0..STREAMS)
            .map(|_| strategy.new_tree(&mut runner).expect("a strategy without filters").current())
            .map(|case| oracle(&case.rules, case.lateness, &case.events))
            .collect();
        let share = |is_so: &dyn Fn(&Oracle, &Tally) -> bool| {
            let so = runs.iter().filter(|run| run.tallies.values().any(|tally| is_so(run, tally)));
            so.count() * 100 / STREAMS
        };
        let fire = share(&|_, tally| tally.alerts > 0);
        assert!((30..95).contains(&fire), "{kind}: {fire}% fire");
        let suppress = share(&|_, tally| tally.suppressed > 0);
        assert!(suppress >= 3, "{kind}: {suppress}% suppress a firing");
        let repeat = share(&|_, tally| tally.duplicates > 0);
        assert!(repeat >= 40 || kind == "event", "{kind}: {repeat}% have a duplicate");
        let late = share(&|run, _| run.late > 0);
        assert!((20..80).contains(&late), "{kind}: {late}% have a late event");
    }
}

#[test]
fn every_type_is_compared() {
    assert_eq!(ENGINE_TYPES, ALL_TYPES);
}

#[test]
fn rules_side_by_side_agree_with_the_definitions() {
    agrees(strategies::several(ENGINE_TYPES));
}

#[test]
fn rules_over_rules_agree_with_the_definitions() {
    agrees(strategies::chains(ENGINE_TYPES));
}

#[test]
fn arrival_order_decides_no_group() {
    for kind in ORDER_FREE_TYPES.into_iter().filter(|kind| ENGINE_TYPES.contains(kind)) {
        holds(&strategies::two_orders(kind), |(case, shuffled)| {
            let fire = |case: &Case| fired(&engine_run(case).facts());
            let other = Case { events: shuffled, ..case.clone() };
            prop_assert_eq!(fire(&case), fire(&other), "{:?} against {:?}", case, other);
            Ok(())
        });
    }
}

fn oracle(rules: &[Rule], lateness: i64, events: &[Event]) -> Oracle {
    Oracle::run(rules, lateness, FUTURE_SKEW_MAX, events)
}
