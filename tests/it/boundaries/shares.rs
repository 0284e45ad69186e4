//! Shares of a window and counts of a bucket: enough to judge, and enough to fire.

use super::{alerts, ann};
use crate::oracle::WHO;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};

fn half(min_count: usize) -> Rule {
    let logic = Logic::Ratio { of: vec!["a".to_owned()], min_count, condition: Condition::gte(0.5) };
    Rule::new("r", logic, &["b"], 10 * SECOND).by(&[WHO]).suppress(0)
}

fn both(at: i64) -> Event {
    ann(at, "a").mark("b")
}

fn spike(history: usize, sigma: f64, min_count: usize) -> Rule {
    Rule::new("r", Logic::Spike { history, sigma, min_count }, &["a"], 10 * SECOND).by(&[WHO])
}

/// That many matches at the start of each bucket of ten seconds.
fn buckets(counts: &[i64]) -> Vec<Event> {
    let starts = (0..).map(|bucket| bucket * 10 * SECOND);
    starts.zip(counts).flat_map(|(start, count)| (0..*count).map(move |n| ann(start + n, "a"))).collect()
}

#[test]
fn a_share_of_enough_matches_counts() {
    assert_eq!(alerts(&[half(2)], &[both(0), ann(1, "a")]), ["r(ann)@1 0.5"]);
}

#[test]
fn a_share_of_one_match_fewer_does_not() {
    assert_eq!(alerts(&[half(3)], &[both(0), ann(1, "a")]), [""; 0]);
}

#[test]
fn a_share_at_its_bound_holds_and_below_it_does_not() {
    assert_eq!(alerts(&[half(4)], &[both(0), both(1), ann(2, "a"), ann(3, "a")]), ["r(ann)@3 0.5"]);
    assert_eq!(alerts(&[half(4)], &[both(0), ann(1, "a"), ann(2, "a"), ann(3, "a")]), [""; 0]);
}

#[test]
fn a_share_is_of_matches_a_millisecond_less_than_the_timespan_apart() {
    assert_eq!(alerts(&[half(2)], &[both(0), ann(9_999, "a")]), ["r(ann)@9999 0.5"]);
}

#[test]
fn a_share_is_not_of_matches_exactly_the_timespan_apart() {
    assert_eq!(alerts(&[half(2)], &[both(0), ann(10_000, "a")]), [""; 0]);
}

#[test]
fn a_match_that_is_not_of_the_whole_is_no_part_of_it() {
    assert_eq!(alerts(&[half(2)], &[ann(0, "b"), ann(1, "b")]), [""; 0]);
    assert_eq!(alerts(&[half(2)], &[ann(0, "b"), ann(1, "a"), ann(2, "a")]), [""; 0]);
}

#[test]
fn a_count_equal_to_what_is_expected_is_no_spike() {
    // Mean 2, deviation 1: 2 + 2 x 1.
    assert_eq!(alerts(&[spike(2, 2.0, 2)], &buckets(&[1, 3, 4])), [""; 0]);
}

#[test]
fn a_count_greater_than_what_is_expected_is_one() {
    assert_eq!(alerts(&[spike(2, 2.0, 2)], &buckets(&[1, 3, 5])), ["r(ann)@20004 5"]);
}

#[test]
fn a_deviation_below_one_counts_as_one() {
    assert_eq!(alerts(&[spike(2, 2.0, 2)], &buckets(&[2, 2, 4])), [""; 0]);
    assert_eq!(alerts(&[spike(2, 2.0, 2)], &buckets(&[2, 2, 5])), ["r(ann)@20004 5"]);
}

#[test]
fn a_count_of_the_least_number_is_a_spike_and_one_fewer_is_not() {
    assert_eq!(alerts(&[spike(1, 0.0, 3)], &buckets(&[1, 3])), ["r(ann)@10002 3"]);
    assert_eq!(alerts(&[spike(1, 0.0, 4)], &buckets(&[1, 3])), [""; 0]);
}

#[test]
fn half_of_the_history_is_enough() {
    assert_eq!(alerts(&[spike(2, 2.0, 2)], &buckets(&[1, 4])), ["r(ann)@10003 4"]);
}

#[test]
fn less_than_half_of_the_history_is_not() {
    assert_eq!(alerts(&[spike(3, 2.0, 2)], &buckets(&[1, 4])), [""; 0]);
}

#[test]
fn buckets_before_the_first_match_are_left_out_and_empty_ones_after_it_are_not() {
    // Known: 4 and 0, mean 2, deviation 2. Were the bucket before the group's first match known, the mean were 4/3.
    let from_second = |counts: &[i64]| buckets(&[&[0][..], counts].concat());
    assert_eq!(alerts(&[spike(3, 1.0, 2)], &from_second(&[4, 0, 4])), [""; 0]);
    assert_eq!(alerts(&[spike(3, 1.0, 2)], &from_second(&[4, 0, 5])), ["r(ann)@30004 5"]);
}

#[test]
fn the_last_millisecond_of_a_bucket_is_in_it() {
    let events = |last| [ann(0, "a"), ann(10_000, "a"), ann(10_001, "a"), ann(last, "a")];
    assert_eq!(alerts(&[spike(1, 1.0, 3)], &events(19_999)), ["r(ann)@19999 3"]);
}

#[test]
fn the_first_of_the_next_is_not() {
    let events = |last| [ann(0, "a"), ann(10_000, "a"), ann(10_001, "a"), ann(last, "a")];
    assert_eq!(alerts(&[spike(1, 1.0, 3)], &events(20_000)), [""; 0]);
}
