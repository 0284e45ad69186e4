//! The oracle itself, on cases worked by hand from the description of the rule language.

use serde_json::json;

use super::model::{Condition, Event, Logic, Rule, SECOND};
use super::naive::Oracle;
use super::notation::{MINUTE, WHO, ann, told, with_detections};

fn valued(at: i64, value: impl Into<serde_json::Value>) -> Event {
    ann(at, "a").with("value", value)
}

fn count(bound: f64) -> Rule {
    Rule::new("r", Logic::EventCount(Condition::gte(bound)), &["a"], 10 * SECOND).by(&[WHO])
}

fn alerts_late(lateness: i64, rules: &[Rule], events: &[Event]) -> Vec<String> {
    told(&Oracle::run(&with_detections(rules.to_vec()), lateness, 5 * MINUTE, events).alerts)
}

fn alerts(rules: &[Rule], events: &[Event]) -> Vec<String> {
    alerts_late(10 * MINUTE, rules, events)
}

#[test]
fn a_window_excludes_its_start_and_includes_its_end() {
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a"), ann(9_999, "a")]), ["r(ann)@9999 2"]);
    assert!(alerts(&[count(2.0)], &[ann(0, "a"), ann(10_000, "a")]).is_empty());
}

#[test]
fn an_event_exactly_as_late_as_allowed_counts() {
    let late = |at| [Event::new(20_000), ann(5_000, "a"), ann(at, "a")];
    assert_eq!(alerts_late(15_000, &[count(2.0)], &late(5_001)), ["r(ann)@5001 2"]);
    assert!(alerts_late(14_999, &[count(2.0)], &late(5_001)).is_empty());
}

#[test]
fn a_late_event_is_still_seen_by_single_event_rules_and_alone_by_them() {
    let rules = [Rule::detection("a"), Rule { generate: true, ..count(1.0) }];
    let events = [ann(60_000, "b"), ann(0, "a")];
    assert_eq!(alerts_late(SECOND, &rules, &events), ["a()@0"]);
}

#[test]
fn an_event_from_too_far_ahead_moves_no_time() {
    let ahead = |recorded_at| Event { recorded_at: Some(recorded_at), ..ann(60 * MINUTE, "b") };
    let events = |recorded_at| [ann(0, "a"), ahead(recorded_at), ann(1, "a")];
    assert_eq!(alerts(&[count(2.0)], &events(55 * MINUTE - 1)), ["r(ann)@1 2"]);
    assert!(alerts(&[count(2.0)], &events(55 * MINUTE)).is_empty());
}

#[test]
fn an_arrival_out_of_order_fires_at_the_first_changed_window_that_holds() {
    // 3 s completes (.., 9 s] and (.., 12 s]; the window ending at 3 s itself holds one match only.
    let events = [ann(9_000, "a"), ann(12_000, "a"), ann(3_000, "a")];
    assert_eq!(alerts(&[count(3.0)], &events), ["r(ann)@12000 3"]);
    assert_eq!(alerts(&[count(2.0).suppress(0)], &events), ["r(ann)@12000 2", "r(ann)@9000 2"]);
}

#[test]
fn a_repeat_is_one_match_by_time_id_and_labels() {
    let twice = |second: Event| alerts(&[count(2.0)], &[ann(0, "a").id("x"), second]);
    assert!(twice(ann(0, "a").id("x").with("value", "other")).is_empty());
    assert_eq!(twice(ann(1, "a").id("x")).len(), 1);
    assert_eq!(twice(ann(0, "a").id("y")).len(), 1);
    let either = Rule::new("r", Logic::EventCount(Condition::gte(2.0)), &["a", "b"], SECOND).by(&[WHO]);
    assert_eq!(alerts(&[either], &[ann(0, "a").id("x"), ann(0, "a").mark("b").id("x")]).len(), 1);
}

#[test]
fn placeholders_are_no_group_and_lists_are_several() {
    let of = |who| alerts(&[count(1.0)], &[Event::new(0).mark("a").with(WHO, who)]);
    for nobody in [json!(null), json!(""), json!("-"), json!("UNKNOWN"), json!([]), json!(["", "Anonymous"])] {
        assert!(of(nobody.clone()).is_empty(), "{nobody}");
    }
    assert_eq!(of(json!(1)), of(json!("1")));
    assert_eq!(of(json!(["b", "a", "b", "-"])), ["r(a)@0 1", "r(b)@0 1"]);
    assert_eq!(of((0..20).map(|n| format!("{n:02}")).collect()).last(), Some(&"r(15)@0 1".to_owned()));
}

#[test]
fn aliases_name_a_field_by_rule() {
    let aliases = vec![("user".to_owned(), vec![("a".to_owned(), "one".to_owned())])];
    let rule = Rule::new("r", Logic::Temporal(None), &["a", "b"], SECOND).by(&["user"]);
    let events = [Event::new(0).mark("a").with("one", "x"), Event::new(1).mark("b").with("user", "x")];
    assert_eq!(alerts(&[Rule { aliases, ..rule.clone() }], &events), ["r(x)@1 2"]);
    assert!(alerts(&[rule], &events).is_empty());
}

#[test]
fn suppression_ends_exactly_after_its_span_and_counts() {
    let rule = [count(1.0).suppress(5 * SECOND)];
    let events = |last| [ann(0, "a"), ann(1_000, "a"), ann(2_000, "a"), ann(last, "a")];
    assert_eq!(alerts(&rule, &events(4_999)), ["r(ann)@0 1"]);
    assert_eq!(alerts(&rule, &events(5_000)), ["r(ann)@0 1", "r(ann)@5000 4/2"]);
}

#[test]
fn suppression_runs_from_the_greatest_alert_time() {
    let events = [ann(8_000, "a"), ann(0, "a"), ann(9_000, "a")];
    assert_eq!(alerts(&[count(1.0).suppress(SECOND)], &events), ["r(ann)@8000 1", "r(ann)@9000 3/1"]);
    assert_eq!(alerts(&[count(1.0).suppress(0)], &events).len(), 3);
}

#[test]
fn a_group_is_forgotten_once_time_exceeds_its_window_and_the_lateness() {
    // W = 10 s, L = 2 s, suppress = 1 s: one firing is quieted, and forgotten with the group.
    let rule = [count(1.0).suppress(SECOND)];
    let events = |at| [ann(0, "a"), ann(1, "a"), ann(at, "a")];
    assert_eq!(alerts_late(2_000, &rule, &events(12_001)), ["r(ann)@0 1", "r(ann)@12001 1/1"]);
    assert_eq!(alerts_late(2_000, &rule, &events(12_002)), ["r(ann)@0 1", "r(ann)@12002 1"]);
}

#[test]
fn a_running_suppression_keeps_a_group_from_being_forgotten() {
    let rule = [count(1.0).suppress(20 * SECOND)];
    let events = |at| [ann(0, "a"), ann(1, "a"), ann(at, "a")];
    assert_eq!(alerts_late(2_000, &rule, &events(22_000)), ["r(ann)@0 1", "r(ann)@22000 1/1"]);
    assert_eq!(alerts_late(2_000, &rule, &events(22_001)), ["r(ann)@0 1", "r(ann)@22001 1"]);
}

#[test]
fn firings_are_matches_with_their_group_whether_suppressed_or_not() {
    let inner = Rule { suppress: Some(MINUTE), ..count(2.0) };
    let outer = Rule::new("outer", Logic::EventCount(Condition::gte(2.0)), &["r"], MINUTE).by(&[WHO]);
    let events = [ann(0, "a"), ann(1, "a"), ann(2, "a")];
    assert_eq!(alerts(&[inner.clone(), outer.clone()], &events), ["outer(ann)@2 2"]);
    let told = Rule { generate: true, ..outer };
    assert_eq!(alerts(&[inner, told], &events), ["r(ann)@1 2", "outer(ann)@2 2"]);
}

#[test]
fn distinct_values_are_counted_by_element_and_tuple() {
    let of = |fields: &[&str], bound| {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        Rule::new("r", Logic::ValueCount { fields, condition: Condition::gte(bound) }, &["a"], SECOND).by(&[WHO])
    };
    assert_eq!(alerts(&[of(&["value"], 3.0)], &[valued(0, json!(["x", "y", "x"])), valued(1, "z")]), ["r(ann)@1 3"]);
    assert!(alerts(&[of(&["value"], 2.0)], &[valued(0, 1), valued(1, "1"), ann(2, "a")]).is_empty());
    let pairs = [valued(0, json!(["x", "y"])).with("other", json!([1, 2]))];
    assert_eq!(alerts(&[of(&["value", "other"], 4.0)], &pairs), ["r(ann)@0 4"]);
}

#[test]
fn temporal_wants_every_rule_or_as_many_as_its_condition() {
    let of = |condition| Rule::new("r", Logic::Temporal(condition), &["a", "b", "c"], SECOND).by(&[WHO]).suppress(0);
    let events = [ann(0, "a"), ann(500, "b"), ann(999, "c"), ann(1_000, "c")];
    assert_eq!(alerts(&[of(None)], &events), ["r(ann)@999 3"]);
    let two = [ann(0, "a"), ann(999, "b"), ann(1_998, "a"), ann(2_998, "a")];
    assert_eq!(alerts(&[of(Some(Condition::gte(2.0)))], &two), ["r(ann)@999 2", "r(ann)@1998 2"]);
}

#[test]
fn an_ordered_chain_needs_distinct_matches_and_the_arriving_one() {
    let of =
        |min_gap| Rule::new("r", Logic::TemporalOrdered { min_gap }, &["a", "b"], 10 * SECOND).by(&[WHO]).suppress(0);
    assert_eq!(alerts(&[of(0)], &[ann(0, "a"), ann(0, "b")]), ["r(ann)@0 2"]);
    assert!(alerts(&[of(0)], &[ann(0, "b"), ann(0, "a")]).is_empty());
    assert!(alerts(&[of(0)], &[ann(0, "a").mark("b")]).is_empty());
    // The second `a` follows the only `b`: it is in no chain.
    assert_eq!(alerts(&[of(0)], &[ann(0, "a"), ann(1, "b"), ann(2, "a")]), ["r(ann)@1 2"]);
    // The missing first step arrives last and completes the window that ends at the second.
    assert_eq!(alerts(&[of(0)], &[ann(5, "b"), ann(3, "a")]), ["r(ann)@5 2"]);
    assert_eq!(alerts(&[of(2_000)], &[ann(0, "a"), ann(2_000, "b")]), ["r(ann)@2000 2"]);
    assert!(alerts(&[of(2_000)], &[ann(0, "a"), ann(1_999, "b")]).is_empty());
}

#[test]
fn numbers_are_added_averaged_and_ranked() {
    let field = || "number".to_owned();
    let of = |logic| Rule::new("r", logic, &["a"], 10 * SECOND).by(&[WHO]);
    let numbers: Vec<_> = [json!(1), json!("2"), json!("x"), json!(6)].into_iter().collect();
    let events: Vec<_> = (0..).zip(numbers).map(|(at, number)| ann(at, "a").with("number", number)).collect();
    let sum = Logic::ValueSum { field: field(), condition: Condition::gte(9.0) };
    assert_eq!(alerts(&[of(sum)], &events), ["r(ann)@3 9"]);
    let mean = Logic::ValueAvg { field: field(), condition: Condition::gte(3.0) };
    assert_eq!(alerts(&[of(mean)], &events), ["r(ann)@3 3"]);
    // Nearest rank of 67% among three is the third, of 66% the second.
    let ranked = |percentile| Logic::ValuePercentile { field: field(), percentile, condition: Condition::gte(6.0) };
    assert_eq!(alerts(&[of(ranked(67))], &events), ["r(ann)@3 6"]);
    assert!(alerts(&[of(ranked(66))], &events).is_empty());
}

#[test]
fn a_value_changes_against_its_neighbours() {
    let rule =
        Rule::new("r", Logic::ValueChange { field: "value".to_owned() }, &["a"], 10 * SECOND).by(&[WHO]).suppress(0);
    let changes = |events: &[Event]| alerts(std::slice::from_ref(&rule), events);
    assert_eq!(changes(&[valued(0, "x"), valued(9_999, "y")]), ["r(ann)@9999"]);
    assert!(changes(&[valued(0, "x"), valued(10_000, "y")]).is_empty());
    assert!(changes(&[valued(0, json!(["x", "y"])), valued(1, json!(["y", "x", "x"]))]).is_empty());
    // Out of order: equal to the one before, other than the one after, so the pair fires at the later time.
    assert_eq!(changes(&[valued(0, "x"), valued(4, "y"), valued(2, "x")]), ["r(ann)@4", "r(ann)@4"]);
    assert_eq!(changes(&[valued(0, "x"), valued(4, "x"), valued(2, "y")]), ["r(ann)@2"]);
}

#[test]
fn speed_is_distance_less_accuracy_over_at_least_a_second() {
    let condition = Condition::gte(900.0);
    let rule =
        Rule::new("r", Logic::GeoVelocity { min_distance_km: 100.0, condition }, &["a"], 3_600 * SECOND).by(&[WHO]);
    let at = |time, lon: f64| ann(time, "a").with("source.geo.location.lat", 0).with("source.geo.location.lon", lon);
    // Ten degrees along the equator are 6371.0088 km x pi / 18 = 1111.95 km.
    let observed = |events: &[Event]| Oracle::run(&[rule.clone(), Rule::detection("a")], 0, 0, events).alerts;
    let speed = observed(&[at(0, 0.0), at(1_800_000, 10.0)])[0].observed.expect("a speed");
    assert!((speed - 2.0 * 6371.0088 * std::f64::consts::PI / 18.0).abs() < 1e-6, "{speed}");
    let instant = observed(&[at(0, 0.0), at(1, 10.0)])[0].observed.expect("a speed");
    assert!((instant - 3_600.0 * 6371.0088 * std::f64::consts::PI / 18.0).abs() < 1e-6, "{instant}");
    assert!(observed(&[at(0, 0.0).with("source.geo.accuracy_km", 1_020), at(1, 10.0)]).is_empty());
    assert_eq!(observed(&[at(0, 0.0).with("source.geo.accuracy_km", 1_000), at(1, 10.0)]).len(), 1);
}

#[test]
fn a_value_is_new_if_the_last_window_did_not_see_it() {
    let of = |learning| {
        Rule::new("r", Logic::NewValue { field: "value".to_owned(), learning }, &["a"], 10 * SECOND)
            .by(&[WHO])
            .suppress(0)
    };
    assert!(alerts(&[of(0)], &[valued(0, "x")]).is_empty());
    assert_eq!(alerts(&[of(0)], &[valued(0, "x"), valued(0, "y").id("y")]), ["r(ann)@0"]);
    assert!(alerts(&[of(0)], &[valued(0, "x"), valued(9_999, "x")]).is_empty());
    assert_eq!(alerts(&[of(0)], &[valued(0, "x"), valued(10_000, "x")]), ["r(ann)@10000"]);
    assert!(alerts(&[of(0)], &[valued(5, "x"), valued(4, "y")]).is_empty());
    assert!(alerts(&[of(SECOND)], &[valued(0, "x"), valued(999, "y")]).is_empty());
    assert_eq!(alerts(&[of(SECOND)], &[valued(0, "x"), valued(1_000, "y")]), ["r(ann)@1000"]);
}

#[test]
fn absence_looks_from_after_its_start_to_the_end_of_its_wait() {
    let of = |wait| {
        let logic = Logic::Absence { without: vec!["b".to_owned()], wait };
        Rule::new("r", logic, &["a"], 10 * SECOND).by(&[WHO])
    };
    assert_eq!(alerts(&[of(0)], &[ann(0, "b"), ann(10_000, "a")]), ["r(ann)@10000"]);
    assert!(alerts(&[of(0)], &[ann(1, "b"), ann(10_000, "a")]).is_empty());
    // At once, on what has arrived.
    assert_eq!(alerts(&[of(0)], &[ann(0, "a"), ann(0, "b")]), ["r(ann)@0"]);
    assert!(alerts(&[of(SECOND)], &[ann(0, "a"), ann(1_000, "b")]).is_empty());
    assert_eq!(alerts(&[of(SECOND)], &[ann(0, "a"), ann(1_001, "b")]), ["r(ann)@0"]);
    // Stream time has to exceed the end, not to reach it.
    let companion_behind = |now| [ann(0, "a"), Event::new(now), ann(500, "b")];
    assert!(alerts(&[of(SECOND)], &companion_behind(1_000)).is_empty());
    assert_eq!(alerts(&[of(SECOND)], &companion_behind(1_001)), ["r(ann)@0"]);
    assert_eq!(alerts(&[of(SECOND)], &[ann(0, "a")]), ["r(ann)@0"]);
}

#[test]
fn a_ratio_counts_only_what_it_is_of() {
    let logic = Logic::Ratio { of: vec!["a".to_owned()], min_count: 3, condition: Condition::gte(0.5) };
    let rule = [Rule::new("r", logic, &["b"], 10 * SECOND).by(&[WHO])];
    let both = |at| ann(at, "a").mark("b");
    assert_eq!(alerts(&rule, &[both(0), ann(1, "a"), ann(2, "b"), both(3)]), ["r(ann)@3 0.6666666666666666"]);
    assert!(alerts(&rule, &[both(0), ann(1, "a"), ann(2, "b"), ann(3, "b")]).is_empty());
}

#[test]
fn a_spike_exceeds_what_its_known_buckets_explain() {
    let of =
        |history| Rule::new("r", Logic::Spike { history, sigma: 2.0, min_count: 2 }, &["a"], 10 * SECOND).by(&[WHO]);
    let buckets = |counts: &[i64]| -> Vec<Event> {
        let starts = (0..).map(|bucket| bucket * 10 * SECOND);
        starts.zip(counts).flat_map(|(start, count)| (0..*count).map(move |n| ann(start + n, "a"))).collect()
    };
    // Mean 2, deviation 1: 4 is not greater than 2 + 2 x 1, 5 is.
    assert!(alerts(&[of(2)], &buckets(&[1, 3, 4])).is_empty());
    assert_eq!(alerts(&[of(2)], &buckets(&[1, 3, 5])), ["r(ann)@20004 5"]);
    // One known bucket is half of a history of two, and less than half of one of three. A deviation below 1 counts as 1.
    assert_eq!(alerts(&[of(2)], &buckets(&[1, 4])), ["r(ann)@10003 4"]);
    assert!(alerts(&[of(3)], &buckets(&[1, 4])).is_empty());
    // A bucket without a match is known, once the group is.
    assert_eq!(alerts(&[of(2)], &buckets(&[1, 0, 3])), ["r(ann)@20002 3"]);
}
