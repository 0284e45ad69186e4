//! Which events come too late or from too far ahead, and how long a group is remembered.

use super::{MINUTE, alerts, alerts_late, ann, count};
use crate::oracle::model::{Event, Rule, SECOND};

/// Ann at 5 s, stream time at 20 s, then ann at 5.001 s.
fn fifteen_seconds_late() -> [Event; 3] {
    [ann(5_000, "a"), Event::new(20_001), ann(5_001, "a")]
}

#[test]
fn an_event_exactly_as_late_as_allowed_is_in_time() {
    assert_eq!(alerts_late(15_000, &[count(2.0)], &fifteen_seconds_late()), ["r(ann)@5001 2"]);
}

#[test]
fn an_event_a_millisecond_later_than_allowed_is_late() {
    assert_eq!(alerts_late(14_999, &[count(2.0)], &fifteen_seconds_late()), [""; 0]);
}

#[test]
fn a_late_event_is_seen_by_single_event_rules() {
    let rules = [Rule { generate: true, ..count(1.0) }];
    assert_eq!(alerts_late(14_999, &rules, &fifteen_seconds_late()), ["a()@5000", "r(ann)@5000 1", "a()@5001"]);
}

#[test]
fn without_allowed_lateness_a_tie_with_stream_time_is_in_time() {
    assert_eq!(alerts_late(0, &[count(2.0)], &[ann(1, "a"), ann(1, "a").id("other")]), ["r(ann)@1 2"]);
    assert_eq!(alerts_late(0, &[count(2.0)], &[ann(1, "a"), ann(0, "a")]), [""; 0]);
}

/// Ann, somebody an hour later whose record says how much of that is true, ann again.
fn an_hour_ahead_of(recorded_at: i64) -> [Event; 3] {
    let ahead = Event { recorded_at: Some(recorded_at), ..Event::new(60 * MINUTE) };
    [ann(0, "a"), ahead, ann(1, "a")]
}

#[test]
fn an_event_as_far_ahead_of_its_record_as_allowed_moves_stream_time() {
    assert_eq!(alerts(&[count(2.0)], &an_hour_ahead_of(55 * MINUTE)), [""; 0]);
}

#[test]
fn an_event_a_millisecond_further_ahead_does_not() {
    assert_eq!(alerts(&[count(2.0)], &an_hour_ahead_of(55 * MINUTE - 1)), ["r(ann)@1 2"]);
}

/// One alert, one firing that it quiets, and another alert, which tells of it if the group is still known: the window
/// is 10 s, the lateness 2 s.
fn remembered_at(last: i64, suppress: i64) -> Vec<String> {
    let events = [ann(0, "a"), ann(1, "a"), ann(last, "a")];
    alerts_late(2_000, &[count(1.0).suppress(suppress)], &events)
}

#[test]
fn a_group_is_remembered_for_its_window_and_the_lateness() {
    assert_eq!(remembered_at(12_001, SECOND), ["r(ann)@0 1", "r(ann)@12001 1/1"]);
}

#[test]
fn a_group_is_forgotten_a_millisecond_after() {
    assert_eq!(remembered_at(12_002, SECOND), ["r(ann)@0 1", "r(ann)@12002 1"]);
}

#[test]
fn a_group_is_remembered_for_its_suppression_and_the_lateness() {
    assert_eq!(remembered_at(22_000, 20 * SECOND), ["r(ann)@0 1", "r(ann)@22000 1/1"]);
}

#[test]
fn a_group_whose_suppression_ended_longer_ago_is_forgotten() {
    assert_eq!(remembered_at(22_001, 20 * SECOND), ["r(ann)@0 1", "r(ann)@22001 1"]);
}

#[test]
fn anybody_moves_the_time_at_which_a_group_is_forgotten() {
    // The stranger's event passes the end; that ann's own comes after it from within the lateness changes nothing.
    let events = |stranger| [ann(0, "a"), ann(1, "a"), Event::new(stranger), ann(11_000, "a")];
    let rule = [count(1.0).suppress(SECOND)];
    assert_eq!(alerts_late(2_000, &rule, &events(12_001)), ["r(ann)@0 1", "r(ann)@11000 1/1"]);
    assert_eq!(alerts_late(2_000, &rule, &events(12_002)), ["r(ann)@0 1", "r(ann)@11000 1"]);
}
