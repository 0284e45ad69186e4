//! Sums, means and percentiles: which numbers are in, and which rank is meant.

use serde_json::{Value as Json, json};

use super::{alerts, ann};
use crate::oracle::WHO;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};

fn over(logic: Logic) -> Rule {
    Rule::new("r", logic, &["a"], 10 * SECOND).by(&[WHO]).suppress(0)
}

fn sum(condition: Condition) -> Rule {
    over(Logic::ValueSum { field: "number".to_owned(), condition })
}

fn mean(condition: Condition) -> Rule {
    over(Logic::ValueAvg { field: "number".to_owned(), condition })
}

fn ranked(percentile: usize, condition: Condition) -> Rule {
    over(Logic::ValuePercentile { field: "number".to_owned(), percentile, condition })
}

/// The numbers, a millisecond apart.
fn numbers(numbers: impl IntoIterator<Item = Json>) -> Vec<Event> {
    (0..).zip(numbers).map(|(at, number)| ann(at, "a").with("number", number)).collect()
}

#[test]
fn numbers_a_millisecond_less_than_the_timespan_apart_are_added() {
    let events = [ann(0, "a").with("number", 1), ann(9_999, "a").with("number", 2)];
    assert_eq!(alerts(&[sum(Condition::gte(3.0))], &events), ["r(ann)@9999 3"]);
}

#[test]
fn numbers_exactly_the_timespan_apart_are_not() {
    let events = [ann(0, "a").with("number", 1), ann(10_000, "a").with("number", 2)];
    assert_eq!(alerts(&[sum(Condition::gte(3.0))], &events), [""; 0]);
}

/// Three and, so much later, one: 2 on average and 3 at most where they are together.
fn three_and_one(apart: i64) -> [Event; 2] {
    [ann(0, "a").with("number", 3), ann(apart, "a").with("number", 1)]
}

#[test]
fn a_mean_and_a_percentile_are_of_numbers_a_millisecond_less_than_the_timespan_apart() {
    let (mean, greatest) = (mean(Condition(vec![("lt", 2.5)])), ranked(100, Condition::gte(3.0)));
    assert_eq!(alerts(&[mean], &three_and_one(9_999)), ["r(ann)@9999 2"]);
    assert_eq!(alerts(&[greatest], &three_and_one(9_999)), ["r(ann)@0 3", "r(ann)@9999 3"]);
}

#[test]
fn a_mean_and_a_percentile_are_not_of_numbers_exactly_the_timespan_apart() {
    let (mean, greatest) = (mean(Condition(vec![("lt", 2.5)])), ranked(100, Condition::gte(3.0)));
    assert_eq!(alerts(&[mean], &three_and_one(10_000)), ["r(ann)@10000 1"]);
    assert_eq!(alerts(&[greatest], &three_and_one(10_000)), ["r(ann)@0 3"]);
}

#[test]
fn sums_are_in_the_order_of_time_as_doubles() {
    // 0.1 + 0.2 + 0.3 is 0.6000000000000001, 0.3 + 0.2 + 0.1 is 0.6.
    let in_order = numbers([json!(0.1), json!(0.2), json!(0.3)]);
    let from_behind: Vec<_> = in_order.iter().rev().cloned().collect();
    for events in [in_order, from_behind] {
        assert_eq!(alerts(&[sum(Condition(vec![("gt", 0.6)]))], &events), ["r(ann)@2 0.6000000000000001"]);
    }
    let other_way = numbers([json!(0.3), json!(0.2), json!(0.1)]);
    assert_eq!(alerts(&[sum(Condition(vec![("gt", 0.6)]))], &other_way), [""; 0]);
}

#[test]
fn a_sum_does_not_remember_what_left_it() {
    // With a running sum, 1 + 1e16 - 1e16 would be 0.
    let at = |at, number| ann(at, "a").with("number", number);
    let events = [at(0, json!(1e16)), at(9_999, json!(1)), at(10_000, json!(0))];
    assert_eq!(alerts(&[sum(Condition(vec![("eq", 1.0)]))], &events), ["r(ann)@10000 1"]);
}

#[test]
fn a_text_that_spells_a_number_is_one() {
    assert_eq!(alerts(&[sum(Condition::gte(3.0))], &numbers([json!("1"), json!("2e0")])), ["r(ann)@1 3"]);
}

#[test]
fn what_is_no_number_is_in_no_window() {
    let others = [json!("two"), json!(""), json!(true), json!(null), json!([3]), json!("0x3")];
    assert_eq!(alerts(&[sum(Condition::gte(0.0))], &numbers(others)), [""; 0]);
    let mixed = [json!(4), json!("two"), json!(2)];
    assert_eq!(alerts(&[mean(Condition(vec![("lte", 3.0)]))], &numbers(mixed)), ["r(ann)@2 3"]);
}

#[test]
fn a_mean_at_its_bound_holds_and_below_it_does_not() {
    assert_eq!(alerts(&[mean(Condition::gte(3.0))], &numbers([json!(1), json!(2), json!(6)])), ["r(ann)@2 3"]);
    assert_eq!(alerts(&[mean(Condition::gte(3.0))], &numbers([json!(1), json!(2), json!(5.9)])), [""; 0]);
}

#[test]
fn of_three_numbers_67_per_cent_is_the_third() {
    assert_eq!(alerts(&[ranked(67, Condition::gte(6.0))], &numbers([json!(1), json!(2), json!(6)])), ["r(ann)@2 6"]);
}

#[test]
fn of_three_numbers_66_per_cent_is_the_second() {
    assert_eq!(alerts(&[ranked(66, Condition::gte(6.0))], &numbers([json!(1), json!(2), json!(6)])), [""; 0]);
    assert_eq!(
        alerts(&[ranked(66, Condition(vec![("eq", 2.0)]))], &numbers([json!(1), json!(2), json!(6)])).last(),
        Some(&"r(ann)@2 2".to_owned())
    );
}

#[test]
fn half_of_an_even_number_is_the_lower_middle() {
    let four = numbers([json!(4), json!(3), json!(2), json!(1)]);
    assert_eq!(alerts(&[ranked(50, Condition(vec![("lte", 2.0)]))], &four), ["r(ann)@3 2"]);
}

#[test]
fn one_per_cent_is_the_least_and_a_hundred_the_greatest() {
    let three = || numbers([json!(5), json!(9), json!(7)]);
    assert_eq!(alerts(&[ranked(1, Condition::gte(0.0))], &three()).last(), Some(&"r(ann)@2 5".to_owned()));
    assert_eq!(alerts(&[ranked(100, Condition::gte(0.0))], &three()).last(), Some(&"r(ann)@2 9".to_owned()));
}
