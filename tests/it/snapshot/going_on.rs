//! Stop, restore, continue: the same as never having stopped.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokenwatch::detect::Limits;
use tokenwatch::pipeline::Settings;

use crate::oracle::compare::holds;
use crate::oracle::engine;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};
use crate::oracle::{WHO, with_detections};
use crate::session::{Session, cases, compiled, settings, tight_limits};

/// Before which events to stop: all of them, or some.
fn stops() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![1 => Just(vec![true]), 2 => vec(prop::bool::weighted(0.15), 48)]
}

#[test]
fn stopping_anywhere_changes_nothing() {
    holds(&(cases(), tight_limits(), stops(), any::<u64>()), |(case, limits, stops, seed)| {
        let (rules, settings) = (compiled(&case), settings(&case, limits));
        let mut undisturbed = Session::new(&rules, &settings);
        let mut stopped = Session::new(&rules, &settings);
        for (line, stops) in engine::records(&case.events).iter().zip(stops.iter().cycle()) {
            undisturbed.decide(line);
            if *stops {
                let snapshot = stopped.snapshot();
                stopped.restart(&snapshot, seed);
                prop_assert_eq!(stopped.snapshot(), snapshot, "restoring loses something");
            }
            stopped.decide(line);
            prop_assert_eq!(undisturbed.snapshot(), stopped.snapshot(), "after event {}", stopped.offset - 1);
            prop_assert_eq!(undisturbed.partition.groups(), stopped.partition.groups());
            prop_assert_eq!(undisturbed.partition.state_weight(), stopped.partition.state_weight());
            prop_assert!(stopped.partition.state_weight() <= settings.limits.state_bytes);
        }
        let snapshot = stopped.snapshot();
        stopped.restart(&snapshot, seed.wrapping_add(1));
        undisturbed.finish();
        stopped.finish();
        prop_assert_eq!(undisturbed.tell(), stopped.tell());
        Ok(())
    });
}

#[test]
fn a_store_that_changes_bring_up_to_date_is_as_good_as_a_snapshot() {
    holds(&(cases(), tight_limits(), stops(), stops(), any::<u64>()), |(case, limits, saves, stops, seed)| {
        let (rules, settings) = (compiled(&case), settings(&case, limits));
        let mut undisturbed = Session::new(&rules, &settings);
        let mut stopped = Session::new(&rules, &settings);
        stopped.partition.keep_changes();
        let mut store = BTreeMap::new();
        let whether = saves.iter().cycle().zip(stops.iter().cycle());
        for (line, (saves, stops)) in engine::records(&case.events).iter().zip(whether) {
            undisturbed.decide(line);
            stopped.decide(line);
            if *saves || *stops {
                let head = stopped.save(&mut store);
                if *stops {
                    stopped.restart_from(&mut store, &head, seed);
                }
            }
            prop_assert_eq!(undisturbed.snapshot(), stopped.snapshot(), "after event {}", stopped.offset - 1);
            prop_assert_eq!(undisturbed.partition.state_weight(), stopped.partition.state_weight());
        }
        undisturbed.finish();
        stopped.finish();
        prop_assert_eq!(undisturbed.tell(), stopped.tell());
        Ok(())
    });
}

/// The order of eviction is not written: it is made of the newest match times. A firing that is older than what its group
/// has forgotten must not turn that time back, or an order made earlier would know better.
#[test]
fn an_order_of_eviction_made_before_the_stop_is_that_made_after_it() {
    let hour = 3_600 * SECOND;
    let alone = Logic::Absence { without: vec!["b".to_owned()], wait: hour };
    let often = Logic::EventCount(Condition::gte(9.0));
    let rules = with_detections(vec![
        Rule::new("alone", alone, &["a"], 10 * SECOND).by(&[WHO]),
        Rule::new("often", often, &["alone", "c"], 10 * SECOND).by(&[WHO]),
    ]);
    let event = |at: i64, mark, who| Event::new(at * SECOND).mark(mark).with(WHO, who);
    let events = [
        event(10, "a", "evicted-so-that-there-is-an-order"),
        event(50, "a", "ann"),
        event(70, "a", "bob"),
        event(100, "c", "ann"),
        event(110, "c", "cid"),
        event(1_000, "a", "cid"),
        // Both waits end, and ann's firing at 50 s finds nothing left of her event at 100 s.
        event(3_700, "c", "dan"),
    ];
    let limits = Limits { groups: 3, ..Limits::default() };
    let settings = Settings { limits, ..engine::settings(60 * SECOND, SECOND) };
    let rules = engine::compiled(&rules).expect("valid rules");
    let mut undisturbed = Session::new(&rules, &settings);
    let mut stopped = Session::new(&rules, &settings);
    for line in engine::records(&events) {
        let snapshot = stopped.snapshot();
        stopped.restart(&snapshot, 7);
        undisturbed.decide(&line);
        stopped.decide(&line);
        assert_eq!(undisturbed.snapshot(), stopped.snapshot());
    }
    let evictions = undisturbed.tell().hits.iter().map(|(_, hits)| hits).sum::<u64>();
    assert_eq!(evictions, 2);
}

/// Going on with nothing, from limits that are never hit, would prove nothing.
#[test]
fn streams_hit_every_limit_and_alert_after_a_stop() {
    const STREAMS: usize = 300;
    let mut runner = TestRunner::deterministic();
    let strategy = (cases(), tight_limits());
    let (mut streams_by_limit, mut alerting) = (BTreeMap::new(), 0);
    for _ in 0..STREAMS {
        let (case, limits) = strategy.new_tree(&mut runner).expect("a strategy without filters").current();
        let mut session = Session::new(&compiled(&case), &settings(&case, limits));
        let records = engine::records(&case.events);
        let (before, after) = records.split_at(records.len() / 2);
        session.decide_all(before);
        session.outcome.clear();
        session.decide_all(after);
        session.finish();
        let told = session.tell();
        alerting += usize::from(!told.alerts.is_empty());
        for (limit, _) in told.hits.iter().filter(|(_, hits)| *hits > 0) {
            *streams_by_limit.entry(limit.name()).or_insert(0) += 1;
        }
    }
    assert!(alerting * 3 > STREAMS, "{alerting} of {STREAMS} streams alert in their second half");
    let limits =
        ["groups", "window_entries", "set_values", "waiting", "label_bytes", "groups_per_match", "state_bytes"];
    for limit in limits {
        let streams = streams_by_limit.get(limit).copied().unwrap_or(0);
        assert!(streams >= 5, "{streams} of {STREAMS} streams hit {limit} in their second half");
    }
}
