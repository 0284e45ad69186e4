//! Several rules in one window, in any order and in a given one; and rules over rules.

use super::{alerts, ann, count};
use crate::oracle::WHO;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};
use serde_json::json;

fn together(condition: Option<Condition>) -> Rule {
    Rule::new("r", Logic::Temporal(condition), &["a", "b", "c"], 10 * SECOND).by(&[WHO])
}

fn in_order(min_gap: i64) -> Rule {
    Rule::new("r", Logic::TemporalOrdered { min_gap }, &["a", "b"], 10 * SECOND).by(&[WHO]).suppress(0)
}

#[test]
fn rules_a_millisecond_less_than_the_timespan_apart_are_together() {
    assert_eq!(alerts(&[together(None)], &[ann(0, "c"), ann(1, "a"), ann(9_999, "b")]), ["r(ann)@9999 3"]);
}

#[test]
fn rules_exactly_the_timespan_apart_are_not() {
    assert_eq!(alerts(&[together(None)], &[ann(0, "c"), ann(1, "a"), ann(10_000, "b")]), [""; 0]);
}

#[test]
fn without_a_condition_every_rule_has_to_match() {
    assert_eq!(alerts(&[together(None)], &[ann(0, "a"), ann(1, "b"), ann(2, "a")]), [""; 0]);
    assert_eq!(alerts(&[together(None)], &[ann(0, "a").mark("b").mark("c")]), ["r(ann)@0 3"]);
}

#[test]
fn with_a_condition_that_many_rules_have_to_match() {
    let two = || together(Some(Condition::gte(2.0)));
    assert_eq!(alerts(&[two()], &[ann(0, "a"), ann(1, "a")]), [""; 0]);
    assert_eq!(alerts(&[two()], &[ann(0, "a"), ann(1, "b")]), ["r(ann)@1 2"]);
}

#[test]
fn of_a_tie_the_first_to_arrive_is_first() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a"), ann(0, "b")]), ["r(ann)@0 2"]);
}

#[test]
fn a_tie_that_arrives_in_the_wrong_order_is_in_the_wrong_order() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "b"), ann(0, "a")]), [""; 0]);
}

#[test]
fn steps_a_millisecond_less_than_the_timespan_apart_are_a_sequence() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a"), ann(9_999, "b")]), ["r(ann)@9999 2"]);
}

#[test]
fn steps_exactly_the_timespan_apart_are_none() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a"), ann(10_000, "b")]), [""; 0]);
}

#[test]
fn a_step_exactly_the_gap_after_the_one_before_counts() {
    assert_eq!(alerts(&[in_order(2_000)], &[ann(0, "a"), ann(2_000, "b")]), ["r(ann)@2000 2"]);
}

#[test]
fn a_step_a_millisecond_sooner_does_not() {
    assert_eq!(alerts(&[in_order(2_000)], &[ann(0, "a"), ann(1_999, "b")]), [""; 0]);
}

#[test]
fn one_event_is_one_step() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a").mark("b")]), [""; 0]);
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a").mark("b"), ann(0, "a").mark("b").id("x")]), ["r(ann)@0 2"]);
}

#[test]
fn an_arrival_that_is_no_step_of_a_sequence_fires_none() {
    assert_eq!(alerts(&[in_order(0)], &[ann(0, "a"), ann(1, "b"), ann(2, "a")]), ["r(ann)@1 2"]);
}

#[test]
fn a_first_step_that_arrives_last_fires_at_the_time_of_the_last() {
    assert_eq!(alerts(&[in_order(0)], &[ann(5, "b"), ann(3, "a")]), ["r(ann)@5 2"]);
    assert_eq!(alerts(&[in_order(0)], &[ann(5, "b"), ann(5, "a")]), [""; 0]);
}

#[test]
fn every_firing_of_an_inner_rule_is_a_match_suppressed_or_not() {
    let outer = Rule::new("outer", Logic::EventCount(Condition::gte(2.0)), &["r"], 60 * SECOND).by(&[WHO]);
    let events = [ann(0, "a"), ann(1, "a"), ann(2, "a")];
    assert_eq!(alerts(&[count(2.0), outer.clone()], &events), ["outer(ann)@2 2"]);
    assert_eq!(alerts(&[count(2.0), outer], &events[..2]), [""; 0]);
}

#[test]
fn firings_exactly_the_outer_timespan_apart_are_not_together() {
    let outer = Rule::new("outer", Logic::EventCount(Condition::gte(2.0)), &["r"], 20 * SECOND).by(&[WHO]);
    let pairs = |second| [ann(0, "a"), ann(1, "a"), ann(second, "a"), ann(second + 1, "a")];
    assert_eq!(alerts(&[count(2.0), outer.clone()], &pairs(19_999)), ["outer(ann)@20000 2"]);
    assert_eq!(alerts(&[count(2.0), outer], &pairs(20_000)), [""; 0]);
}

#[test]
fn a_firing_carries_its_group_into_the_outer_rule() {
    let inner = Rule { group_by: vec!["roles".to_owned()], ..count(2.0) };
    let outer = Rule::new("outer", Logic::EventCount(Condition::gte(1.0)), &["r"], 60 * SECOND).by(&["roles"]);
    let with = |at, roles| ann(at, "a").with("roles", roles);
    let events = [with(0, json!(["admin", "user"])), with(1, json!(["user", "guest"]))];
    assert_eq!(alerts(&[inner, outer], &events), ["outer(user)@1 1"]);
}

#[test]
fn a_firing_is_never_late() {
    // The arrival in time at 1 s completes the window that ends at 9 s.
    let outer = Rule::new("outer", Logic::EventCount(Condition::gte(1.0)), &["r"], SECOND).by(&[WHO]);
    let events = [ann(9_000, "a"), Event::new(11_000), ann(1_000, "a")];
    assert_eq!(super::alerts_late(10_000, &[count(2.0), outer], &events), ["outer(ann)@9000 1"]);
}
