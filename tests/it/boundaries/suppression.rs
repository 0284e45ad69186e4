//! When an alert quiets the firings after it, and when no longer.

use super::{alerts, ann, count};
use crate::oracle::WHO;
use crate::oracle::model::{Event, Rule, SECOND};

#[test]
fn a_firing_a_millisecond_before_the_end_of_suppression_is_quiet() {
    let rule = count(1.0).suppress(5 * SECOND);
    assert_eq!(alerts(&[rule], &[ann(0, "a"), ann(4_999, "a")]), ["r(ann)@0 1"]);
}

#[test]
fn a_firing_exactly_at_the_end_of_suppression_alerts_and_counts_the_quiet_ones() {
    let rule = count(1.0).suppress(5 * SECOND);
    let events = [ann(0, "a"), ann(4_998, "a"), ann(4_999, "a"), ann(5_000, "a")];
    assert_eq!(alerts(&[rule], &events), ["r(ann)@0 1", "r(ann)@5000 4/2"]);
}

#[test]
fn suppression_is_as_long_as_the_timespan_unless_said() {
    assert_eq!(alerts(&[count(1.0)], &[ann(0, "a"), ann(9_999, "a")]), ["r(ann)@0 1"]);
    assert_eq!(alerts(&[count(1.0)], &[ann(0, "a"), ann(10_000, "a")]), ["r(ann)@0 1", "r(ann)@10000 1"]);
}

#[test]
fn suppression_runs_from_the_greatest_alert_time() {
    // The firing at 1 s is older than the alert and quiet; the end stays where it was.
    let rule = count(1.0).suppress(5 * SECOND);
    let events = |last| [ann(8_000, "a"), ann(1_000, "a"), ann(last, "a")];
    assert_eq!(alerts(std::slice::from_ref(&rule), &events(12_999)), ["r(ann)@8000 1"]);
    assert_eq!(alerts(&[rule], &events(13_000)), ["r(ann)@8000 1", "r(ann)@13000 2/1"]);
}

#[test]
fn zero_suppresses_nothing_not_even_what_is_older_than_an_alert() {
    let events = [ann(8_000, "a"), ann(1_000, "a"), ann(1_000, "a").id("tie")];
    assert_eq!(alerts(&[count(1.0).suppress(0)], &events), ["r(ann)@8000 1", "r(ann)@1000 1", "r(ann)@1000 2"]);
}

#[test]
fn suppression_is_a_groups_own() {
    let bob = Event::new(1).mark("a").with(WHO, "bob");
    assert_eq!(alerts(&[count(1.0)], &[ann(0, "a"), bob, ann(2, "a")]), ["r(ann)@0 1", "r(bob)@1 1"]);
}

#[test]
fn a_single_event_rule_is_quieted_per_group_until_exactly_its_span_is_over() {
    let rule = Rule::detection("a").by(&[WHO]).suppress(5 * SECOND);
    let events = |last| [ann(0, "a"), ann(1, "a"), ann(last, "a")];
    assert_eq!(alerts(std::slice::from_ref(&rule), &events(4_999)), ["a(ann)@0"]);
    assert_eq!(alerts(&[rule], &events(5_000)), ["a(ann)@0", "a(ann)@5000/1"]);
}

#[test]
fn a_single_event_rule_is_not_quieted_where_the_group_is_missing() {
    let rule = Rule::detection("a").by(&[WHO]).suppress(5 * SECOND);
    let nobody = |at| Event::new(at).mark("a").with(WHO, "-");
    assert_eq!(alerts(&[rule], &[nobody(0), nobody(1)]), ["a()@0", "a()@1"]);
}

#[test]
fn a_single_event_rule_alerts_again_on_a_repeat() {
    assert_eq!(alerts(&[Rule::detection("a")], &[ann(0, "a"), ann(0, "a")]), ["a()@0", "a()@0"]);
}
