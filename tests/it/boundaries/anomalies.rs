//! Changes, speeds, novelties and absences against what went before.

use serde_json::json;

use super::{alerts, alerts_late, ann};
use crate::oracle::WHO;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};

fn change() -> Rule {
    Rule::new("r", Logic::ValueChange { field: "value".to_owned() }, &["a"], 10 * SECOND).by(&[WHO]).suppress(0)
}

fn novelty(learning: i64) -> Rule {
    let logic = Logic::NewValue { field: "value".to_owned(), learning };
    Rule::new("r", logic, &["a"], 10 * SECOND).by(&[WHO]).suppress(0)
}

fn absence(wait: i64) -> Rule {
    let logic = Logic::Absence { without: vec!["b".to_owned()], wait };
    Rule::new("r", logic, &["a"], 10 * SECOND).by(&[WHO]).suppress(0)
}

fn valued(at: i64, value: impl Into<serde_json::Value>) -> Event {
    ann(at, "a").with("value", value)
}

#[test]
fn a_neighbour_a_millisecond_less_than_the_timespan_away_is_compared() {
    assert_eq!(alerts(&[change()], &[valued(0, "x"), valued(9_999, "y")]), ["r(ann)@9999"]);
}

#[test]
fn a_neighbour_exactly_the_timespan_away_is_not() {
    assert_eq!(alerts(&[change()], &[valued(0, "x"), valued(10_000, "y")]), [""; 0]);
}

#[test]
fn a_list_is_compared_as_a_set() {
    assert_eq!(alerts(&[change()], &[valued(0, json!(["x", "y"])), valued(1, json!(["y", "x", "x"]))]), [""; 0]);
    assert_eq!(alerts(&[change()], &[valued(0, json!(["x", "y"])), valued(1, json!(["x"]))]), ["r(ann)@1"]);
    assert_eq!(alerts(&[change()], &[valued(0, json!(["x"])), valued(1, "x")]), [""; 0]);
}

#[test]
fn a_match_without_the_value_is_no_neighbour() {
    assert_eq!(alerts(&[change()], &[valued(0, "x"), ann(1, "a"), valued(2, "x")]), [""; 0]);
    assert_eq!(alerts(&[change()], &[valued(0, "x"), ann(1, "a"), valued(2, "y")]), ["r(ann)@2"]);
}

#[test]
fn an_arrival_out_of_order_that_differs_from_the_one_before_fires_at_its_own_time() {
    assert_eq!(alerts(&[change()], &[valued(0, "x"), valued(4, "x"), valued(2, "y")]), ["r(ann)@2"]);
}

#[test]
fn one_that_differs_only_from_the_one_after_fires_at_that_ones_time() {
    assert_eq!(alerts(&[change()], &[valued(0, "x"), valued(4, "y"), valued(2, "x")]), ["r(ann)@4", "r(ann)@4"]);
}

/// A hop along the equator; ten degrees are 1111.95 km.
fn hop(min_distance_km: f64, at_least_km_h: f64) -> Rule {
    let logic = Logic::GeoVelocity { min_distance_km, condition: Condition::gte(at_least_km_h) };
    Rule::new("r", logic, &["a"], 7_200 * SECOND).by(&[WHO])
}

fn located(at: i64, longitude: f64) -> Event {
    ann(at, "a").with("source.geo.location.lat", 0).with("source.geo.location.lon", longitude)
}

#[test]
fn a_hop_of_the_least_distance_counts_and_a_shorter_one_does_not() {
    let events = [located(0, 0.0), located(1, 10.0)];
    assert_eq!(alerts(&[hop(1_111.9, 1.0)], &events).len(), 1);
    assert_eq!(alerts(&[hop(1_112.0, 1.0)], &events), [""; 0]);
}

#[test]
fn a_hop_in_a_millisecond_less_than_the_timespan_counts() {
    assert_eq!(alerts(&[hop(100.0, 1.0)], &[located(0, 0.0), located(7_199_999, 10.0)]).len(), 1);
}

#[test]
fn a_hop_in_exactly_the_timespan_does_not() {
    assert_eq!(alerts(&[hop(100.0, 1.0)], &[located(0, 0.0), located(7_200_000, 10.0)]), [""; 0]);
}

#[test]
fn a_hop_of_no_distance_counts_where_none_is_asked_for() {
    let always =
        Rule { logic: Logic::GeoVelocity { min_distance_km: 0.0, condition: Condition::gte(0.0) }, ..hop(0.0, 0.0) };
    assert_eq!(alerts(&[always], &[located(0, 1.0), located(1, 1.0)]), ["r(ann)@1 0"]);
    assert_eq!(alerts(&[hop(1.0, 0.0)], &[located(0, 1.0), located(1, 1.0)]), [""; 0]);
}

#[test]
fn accuracies_are_taken_off_the_distance() {
    let vague =
        |km| [located(0, 0.0).with("source.geo.accuracy_km", km), located(1, 10.0).with("source.geo.accuracy_km", 500)];
    assert_eq!(alerts(&[hop(100.0, 1.0)], &vague(511)).len(), 1);
    assert_eq!(alerts(&[hop(100.0, 1.0)], &vague(512)), [""; 0]);
}

#[test]
fn less_than_a_second_counts_as_one() {
    // 1111.95 km in a second are 4,003,020 km/h; in two seconds half of that.
    let events = |at| [located(0, 0.0), located(at, 10.0)];
    for at in [1, 999, 1_000] {
        assert_eq!(alerts(&[hop(1.0, 4_003_000.0)], &events(at)).len(), 1, "{at}");
        assert_eq!(alerts(&[hop(1.0, 4_004_000.0)], &events(at)), [""; 0], "{at}");
    }
    assert_eq!(alerts(&[hop(1.0, 4_003_000.0)], &events(1_001)), [""; 0]);
}

#[test]
fn a_location_that_is_not_on_earth_is_none() {
    let at = |at, latitude: f64, longitude: f64| located(at, longitude).with("source.geo.location.lat", latitude);
    for (latitude, longitude) in [(90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0)] {
        let events = [at(0, 0.0, 0.0), at(1, latitude, longitude)];
        assert_eq!(alerts(&[hop(100.0, 1.0)], &events).len(), 1, "{latitude} {longitude}");
    }
    for (latitude, longitude) in [(90.001, 0.0), (-90.001, 0.0), (0.0, 180.001), (0.0, -180.001)] {
        let events = [at(0, 0.0, 0.0), at(1, latitude, longitude)];
        assert_eq!(alerts(&[hop(100.0, 1.0)], &events), [""; 0], "{latitude} {longitude}");
    }
}

#[test]
fn a_hop_over_the_antimeridian_is_short() {
    let events = [located(0, 179.5), located(1_800_000, -179.5)];
    // One degree is 111.195 km, in half an hour.
    assert_eq!(alerts(&[hop(100.0, 222.0)], &events).len(), 1);
    assert_eq!(alerts(&[hop(100.0, 223.0)], &events), [""; 0]);
}

#[test]
fn the_first_match_of_a_group_is_not_new() {
    assert_eq!(alerts(&[novelty(0)], &[valued(0, "x")]), [""; 0]);
}

#[test]
fn the_second_match_is_if_its_value_is() {
    assert_eq!(alerts(&[novelty(0)], &[valued(0, "x"), valued(0, "y").id("second")]), ["r(ann)@0"]);
    assert_eq!(alerts(&[novelty(0)], &[valued(0, "x"), valued(0, "x").id("second")]), [""; 0]);
}

#[test]
fn a_value_last_seen_a_millisecond_less_than_the_timespan_ago_is_known() {
    assert_eq!(alerts(&[novelty(0)], &[valued(0, "x"), valued(9_999, "x")]), [""; 0]);
}

#[test]
fn a_value_last_seen_exactly_the_timespan_ago_is_new_again() {
    assert_eq!(alerts(&[novelty(0)], &[valued(0, "x"), valued(10_000, "x")]), ["r(ann)@10000"]);
}

#[test]
fn a_match_a_millisecond_before_learning_ends_is_learnt_from() {
    assert_eq!(alerts(&[novelty(SECOND)], &[valued(0, "x"), valued(999, "y"), valued(1_000, "y")]), [""; 0]);
}

#[test]
fn a_match_exactly_at_the_end_of_learning_fires() {
    assert_eq!(alerts(&[novelty(SECOND)], &[valued(0, "x"), valued(1_000, "y")]), ["r(ann)@1000"]);
}

#[test]
fn learning_runs_from_the_earliest_match_also_if_it_arrived_later() {
    let events = |at| [valued(600, "x"), valued(0, "x"), valued(at, "y")];
    assert_eq!(alerts(&[novelty(SECOND)], &events(1_000)), ["r(ann)@1000"]);
    assert_eq!(alerts(&[novelty(SECOND)], &events(999)), [""; 0]);
}

#[test]
fn a_match_older_than_the_newest_is_not_new_and_one_as_old_may_be() {
    assert_eq!(alerts(&[novelty(0)], &[valued(5, "x"), valued(4, "y")]), [""; 0]);
    assert_eq!(alerts(&[novelty(0)], &[valued(5, "x"), valued(5, "y").id("tie")]), ["r(ann)@5"]);
}

#[test]
fn a_forgotten_group_learns_anew() {
    let events = |at| [valued(0, "x"), valued(at, "y")];
    assert_eq!(alerts_late(2_000, &[novelty(0)], &events(12_000)), ["r(ann)@12000"]);
    assert_eq!(alerts_late(2_000, &[novelty(0)], &events(12_001)), [""; 0]);
}

#[test]
fn a_companion_exactly_the_timespan_before_is_none() {
    assert_eq!(alerts(&[absence(0)], &[ann(0, "b"), ann(10_000, "a")]), ["r(ann)@10000"]);
}

#[test]
fn a_companion_a_millisecond_less_before_is_one() {
    assert_eq!(alerts(&[absence(0)], &[ann(1, "b"), ann(10_000, "a")]), [""; 0]);
}

#[test]
fn a_companion_exactly_at_the_end_of_the_wait_is_one() {
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a"), ann(1_000, "b")]), [""; 0]);
}

#[test]
fn a_companion_a_millisecond_after_the_wait_is_none() {
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a"), ann(1_001, "b")]), ["r(ann)@0"]);
}

#[test]
fn a_wait_is_not_over_when_stream_time_reaches_its_end() {
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a"), Event::new(1_000), ann(500, "b")]), [""; 0]);
}

#[test]
fn a_wait_is_over_once_stream_time_exceeds_its_end() {
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a"), Event::new(1_001), ann(500, "b")]), ["r(ann)@0"]);
}

#[test]
fn without_a_wait_only_what_has_arrived_is_a_companion() {
    assert_eq!(alerts(&[absence(0)], &[ann(0, "b"), ann(0, "a")]), [""; 0]);
    assert_eq!(alerts(&[absence(0)], &[ann(0, "a"), ann(0, "b")]), ["r(ann)@0"]);
}

#[test]
fn the_end_of_the_stream_ends_every_wait() {
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a")]), ["r(ann)@0"]);
    assert_eq!(alerts(&[absence(SECOND)], &[ann(0, "a"), ann(0, "b")]), [""; 0]);
}

#[test]
fn a_companion_of_another_group_is_none() {
    let bobs = Event::new(0).mark("b").with(WHO, "bob");
    assert_eq!(alerts(&[absence(0)], &[bobs, ann(1, "a")]), ["r(ann)@1"]);
}

/// A rule that waits for `b` that long, by application.
fn patient(name: &str, over: &str, wait: i64) -> Rule {
    let logic = Logic::Absence { without: vec!["b".to_owned()], wait };
    Rule::new(name, logic, &[over], 10 * SECOND).by(&["app"])
}

/// A rule `k` that fires for each application, and an event of two.
fn two_firings() -> (Rule, Event) {
    let k = Rule::new("k", Logic::EventCount(Condition::gte(1.0)), &["a"], SECOND).by(&["app"]);
    (k, Event::new(0).mark("a").with("app", json!(["p", "q"])))
}

#[test]
fn each_firing_arrives_by_itself_so_that_its_waits_end_together() {
    let (k, event) = two_firings();
    let rules = [k, patient("x", "k", SECOND), patient("y", "k", SECOND)];
    let expected = ["x(p)@0", "y(p)@0", "x(q)@0", "y(q)@0"];
    assert_eq!(alerts(&rules, std::slice::from_ref(&event)), expected);
    assert_eq!(alerts(&rules, &[event, Event::new(1_001)]), expected);
}

#[test]
fn a_wait_that_is_over_when_its_match_arrives_ends_then_and_there() {
    let (k, event) = two_firings();
    let outer = Rule { generate: true, ..patient("x", "y", 2 * SECOND) };
    let rules = [k, patient("y", "k", SECOND), outer];
    let expected = ["y(p)@0", "x(p)@0", "y(q)@0", "x(q)@0"];
    assert_eq!(alerts(&rules, std::slice::from_ref(&event)), expected);
    assert_eq!(alerts(&rules, &[event, Event::new(2_001)]), expected);
}

#[test]
fn a_wait_that_is_not_over_ends_in_its_turn() {
    let (k, event) = two_firings();
    let outer = Rule { generate: true, ..patient("x", "y", 2 * SECOND) };
    let rules = [k, patient("y", "k", SECOND), outer];
    let expected = ["y(p)@0", "y(q)@0", "x(p)@0", "x(q)@0"];
    assert_eq!(alerts(&rules, &[event, Event::new(2_000)]), expected);
}

/// Both firings of `x` are the same match of `y`, which has no groups, however far stream time is ahead of them.
#[test]
fn firings_that_waited_past_the_lateness_are_known_to_repeat() {
    let x = patient("x", "a", 2 * SECOND);
    let immediate = Logic::Absence { without: vec!["c".to_owned()], wait: 0 };
    let y = Rule { suppress: Some(0), ..Rule::new("y", immediate, &["x"], 10 * SECOND).by(&[]) };
    let (_, event) = two_firings();
    for ahead in [1_000, 1_001, 2_000] {
        let events = [event.clone(), Event::new(ahead), Event::new(20_000)];
        assert_eq!(alerts_late(SECOND, &[x.clone(), y.clone()], &events), ["y()@0"], "{ahead} ms ahead");
    }
}

/// `x` hands `y` the firings of both events, two of each, when stream time passes 10 s and 10.5 s. By then `y` is past the
/// time of a group whose newest match is at 0 or at 500 ms.
#[test]
fn firings_that_end_together_meet_a_group_past_its_time_and_an_arrival_later_forgets_it() {
    let x = patient("x", "a", 10 * SECOND);
    let count = |least| Rule::new("y", Logic::EventCount(Condition::gte(least)), &["x"], SECOND).by(&[]).suppress(0);
    let (_, first) = two_firings();
    let second = Event { at: 500, ..first.clone() };
    let between = |ahead| [first.clone(), second.clone(), Event::new(9_999), Event::new(ahead), Event::new(20_000)];
    let both = [x.clone(), count(2.0)];
    assert_eq!(alerts_late(SECOND, &both, &between(10_500)), [""; 0], "the waits end in two arrivals");
    assert_eq!(alerts_late(SECOND, &both, &between(10_501)), ["y()@500 2"], "they end in one");
    let each = [x, count(1.0)];
    assert_eq!(alerts_late(SECOND, &each, &between(10_501)), ["y()@0 1", "y()@500 2"], "each match once");
}

#[test]
fn waits_end_in_the_order_of_time_then_arrival() {
    let bob = Event::new(5).mark("a").with(WHO, "bob");
    let events = [ann(5, "a"), bob, ann(3, "a"), Event::new(2_000)];
    assert_eq!(alerts(&[absence(SECOND)], &events), ["r(ann)@3", "r(ann)@5", "r(bob)@5"]);
}
