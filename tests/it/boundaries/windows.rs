//! What is in one window, and which windows an arrival changes.

use serde_json::json;

use super::{alerts, ann, count, engine_alerts};
use crate::oracle::WHO;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};

fn values(fields: &[&str], condition: Condition) -> Rule {
    let fields = fields.iter().map(|&field| field.to_owned()).collect();
    Rule::new("r", Logic::ValueCount { fields, condition }, &["a"], 10 * SECOND).by(&[WHO])
}

fn valued(at: i64, value: impl Into<serde_json::Value>) -> Event {
    ann(at, "a").with("value", value)
}

#[test]
fn matches_a_millisecond_less_than_the_timespan_apart_share_a_window() {
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a"), ann(9_999, "a")]), ["r(ann)@9999 2"]);
}

#[test]
fn matches_exactly_the_timespan_apart_do_not() {
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a"), ann(10_000, "a")]), [""; 0]);
}

#[test]
fn values_a_millisecond_less_than_the_timespan_apart_are_counted_together() {
    let rule = values(&["value"], Condition::gte(2.0));
    assert_eq!(alerts(&[rule], &[valued(0, "x"), valued(9_999, "y")]), ["r(ann)@9999 2"]);
}

#[test]
fn values_exactly_the_timespan_apart_are_not() {
    let rule = values(&["value"], Condition::gte(2.0));
    assert_eq!(alerts(&[rule], &[valued(0, "x"), valued(10_000, "y")]), [""; 0]);
}

#[test]
fn a_value_seen_again_counts_from_its_last_match() {
    let rule = values(&["value"], Condition::gte(2.0));
    assert_eq!(alerts(&[rule], &[valued(0, "x"), valued(5_000, "x"), valued(10_000, "y")]), ["r(ann)@10000 2"]);
}

#[test]
fn an_arrival_changes_a_window_that_ends_less_than_the_timespan_after_it() {
    assert_eq!(alerts(&[count(3.0)], &[ann(9_999, "a"), ann(9_998, "a"), ann(0, "a")]), ["r(ann)@9999 3"]);
}

#[test]
fn an_arrival_changes_no_window_that_ends_the_timespan_after_it() {
    assert_eq!(alerts(&[count(3.0)], &[ann(10_000, "a"), ann(9_999, "a"), ann(0, "a")]), [""; 0]);
}

#[test]
fn of_the_changed_windows_that_hold_the_earliest_fires() {
    let events = [ann(3_000, "a"), ann(6_000, "a"), ann(0, "a")];
    assert_eq!(alerts(&[count(2.0).suppress(0)], &events), ["r(ann)@6000 2", "r(ann)@3000 2"]);
}

#[test]
fn of_the_changed_windows_those_that_do_not_hold_are_passed_over() {
    let events = [ann(3_000, "a"), ann(6_000, "a"), ann(0, "a")];
    assert_eq!(alerts(&[count(3.0)], &events), ["r(ann)@6000 3"]);
}

#[test]
fn the_bound_of_gte_is_enough() {
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a"), ann(1, "a")]), ["r(ann)@1 2"]);
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a")]), [""; 0]);
}

#[test]
fn the_bound_of_gt_is_not_enough() {
    let more_than_two = Rule { logic: Logic::EventCount(Condition(vec![("gt", 2.0)])), ..count(0.0) };
    assert_eq!(alerts(std::slice::from_ref(&more_than_two), &[ann(0, "a"), ann(1, "a")]), [""; 0]);
    assert_eq!(alerts(&[more_than_two], &[ann(0, "a"), ann(1, "a"), ann(2, "a")]), ["r(ann)@2 3"]);
}

#[test]
fn several_bounds_all_hold() {
    let two = Condition(vec![("gt", 1.0), ("lt", 3.0), ("neq", 4.0)]);
    let rule = Rule { logic: Logic::EventCount(two), ..count(0.0) }.suppress(0);
    let events: Vec<_> = (0..4).map(|at| ann(at, "a")).collect();
    assert_eq!(alerts(&[rule], &events), ["r(ann)@1 2"]);
}

#[test]
fn one_value_in_two_spellings_is_one() {
    let rule = values(&["value"], Condition::gte(2.0));
    assert_eq!(alerts(&[rule], &[valued(0, 1), valued(1, "1"), valued(2, json!([1, "1"]))]), [""; 0]);
}

#[test]
fn values_of_another_case_are_two() {
    let rule = values(&["value"], Condition::gte(2.0));
    assert_eq!(alerts(&[rule], &[valued(0, "de"), valued(1, "DE")]), ["r(ann)@1 2"]);
}

#[test]
fn a_list_counts_each_element_and_several_fields_each_tuple() {
    let one = values(&["value"], Condition::gte(3.0));
    assert_eq!(alerts(&[one], &[valued(0, json!(["x", "y", "x"])), valued(1, "z")]), ["r(ann)@1 3"]);
    let tuple = values(&["value", "other"], Condition::gte(4.0));
    let event = |at| valued(at, json!(["x", "y"])).with("other", json!([1, at]));
    assert_eq!(alerts(std::slice::from_ref(&tuple), &[event(2)]), ["r(ann)@2 4"]);
    assert_eq!(alerts(&[tuple], &[event(1)]), [""; 0]);
}

#[test]
fn a_match_without_the_field_is_in_no_window() {
    // It would otherwise end one that holds, at 2 ms.
    let rule = values(&["value"], Condition(vec![("lt", 2.0)])).suppress(0);
    let events =
        [valued(0, "x"), ann(1, "a"), ann(2, "a").with("value", json!(null)), ann(3, "a").with("value", json!([]))];
    assert_eq!(alerts(&[rule], &events), ["r(ann)@0 1"]);
}

#[test]
fn a_match_repeated_by_time_id_and_labels_is_one() {
    let again = ann(0, "a").with("value", "other");
    assert_eq!(alerts(&[count(2.0)], &[ann(0, "a"), again]), [""; 0]);
}

#[test]
fn a_match_with_another_time_id_or_label_is_another() {
    let first = ann(0, "a").id("x");
    for (at, second) in [(1, ann(1, "a").id("x")), (0, ann(0, "a").id("y"))] {
        assert_eq!(alerts(&[count(2.0)], &[first.clone(), second]), [format!("r(ann)@{at} 2")]);
    }
    let either = Rule { rules: vec!["a".to_owned(), "b".to_owned()], ..count(2.0) };
    assert_eq!(alerts(&[either], &[first.clone(), first.mark("b")]), ["r(ann)@0 2"]);
}

#[test]
fn ten_thousand_are_enough_and_one_fewer_is_not() {
    let spread = |number: i64| (0..number).map(|at| ann(at, "a").with("value", at)).collect::<Vec<_>>();
    let (many, distinct) = (count(10_000.0), values(&["value"], Condition::gte(10_000.0)));
    for rule in [many, distinct] {
        assert_eq!(engine_alerts(0, std::slice::from_ref(&rule), &spread(9_999)), [""; 0]);
        let expected = ["r(ann)@9999 10000"];
        assert_eq!(engine_alerts(0, &[rule], &spread(10_000)), expected);
    }
}
