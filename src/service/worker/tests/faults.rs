//! Transactions that fail, each kind in its way.

use std::time::Duration;

use super::MOMENT;
use super::world::{BAD, Call, GOOD, Stage};
use crate::service::transport::{Breakage, Event, Undelivered};
use crate::service::worker::transaction::{COMMIT_INTERVAL, RENEW_WAIT};

fn aborted(stage: &Stage) {
    stage.event(Event::Aborted("too few replicas in sync".to_owned()));
}

fn broken(fenced: bool) -> Event {
    Event::Broken(Breakage { fenced, why: "timed out".to_owned() })
}

#[test]
fn an_aborted_transaction_is_filled_again_with_the_same_and_what_came_since() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    stage.record(0, 1, BAD);
    stage.steps(1);
    stage.calls();
    aborted(&stage);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0), Call::Send(1), Call::Commit(vec![(0, 2)])]);
    assert_eq!(stage.world().sent, [BAD, BAD]);
    let failures = |result| stage.metric(&format!("tokenwatch_transaction_failures_total{{result=\"{result}\"}}"));
    assert_eq!([failures("aborted"), failures("unknown")], [Some("1".to_owned()), Some("0".to_owned())]);
}

#[test]
fn aborts_are_tried_again_ever_more_slowly() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    for wait_ms in [50, 100, 200, 400] {
        stage.calls();
        aborted(&stage);
        stage.steps(1);
        assert!(stage.run_for(Duration::from_millis(wait_ms - 10)).is_ok());
        assert_eq!(stage.calls(), [], "before {wait_ms} ms");
        assert!(stage.run_for(Duration::from_millis(120)).is_ok());
        assert_eq!(stage.calls(), [Call::Send(0), Call::Commit(vec![(0, 1)])], "after {wait_ms} ms");
    }
}

#[test]
fn an_output_that_is_not_written_aborts_its_transaction() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.fail(0, Undelivered::Retry("timed out".to_owned()));
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Abort]);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [], "nothing before the abort is done");
    aborted(&stage);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0), Call::Commit(vec![(0, 1)])]);
}

/// No answer comes of its outputs, so nothing else would ever end it.
#[test]
fn a_transaction_that_takes_no_more_outputs_is_aborted_and_filled_again() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.world().dooms = true;
    stage.record(0, 1, BAD);
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Abort]);
    stage.world().dooms = false;
    aborted(&stage);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0), Call::Send(1), Call::Commit(vec![(0, 2)])]);
}

#[test]
fn an_output_too_large_in_company_is_sent_alone_and_then_smaller() {
    const LONG: &[u8] = &[b'x'; 400];
    let too_large = || Undelivered::TooLarge("300 bytes at most".to_owned());
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.record(0, 1, LONG);
    stage.steps(1);
    stage.fail(0, too_large());
    stage.fail(1, too_large());
    aborted(&stage);
    stage.calls();
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Abort, Call::Renew], "the client goes on only with a gap in its numbering");
    stage.event(Event::Ready);
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0)], "alone: the other one waits");
    stage.deliver(0);
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(1)], "alone: what is saved with the commit waits");
    assert_eq!(stage.world().sent[1], LONG, "alone it may fit as it is");
    stage.fail(1, too_large());
    aborted(&stage);
    stage.event(Event::Ready);
    assert!(stage.run_for(MOMENT).is_ok());
    stage.deliver(0);
    stage.steps(1);
    assert_eq!(stage.world().sent, [BAD, &LONG[..LONG.len() / 2]]);
    stage.deliver(1);
    stage.event(Event::Committed);
    stage.record(0, 2, LONG);
    stage.record(0, 3, BAD);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.world().sent[2..], [&LONG[..LONG.len() / 2], BAD], "what was refused once is not tried again");
}

#[test]
fn an_output_that_fits_in_no_size_stops_the_worker() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    let mut sizes = 0;
    let failure = loop {
        stage.fail(0, Undelivered::TooLarge("0 bytes at most".to_owned()));
        aborted(&stage);
        stage.event(Event::Ready);
        match stage.run_for(Duration::from_millis(20)) {
            Ok(_) => sizes += 1,
            Err(failure) => break failure,
        }
        assert!(sizes < 20, "halving ends");
    };
    assert_eq!(failure.setting.as_deref(), Some("kafka.dead_letter_topic"));
}

#[test]
fn an_unknown_result_begins_again_with_a_new_producer_where_the_group_stands() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.record(0, 1, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    stage.calls();
    stage.event(broken(false));
    assert!(stage.run_for(RENEW_WAIT / 2).is_ok());
    assert_eq!(stage.calls(), [Call::Halt(vec![0])]);
    let unknown = stage.metric("tokenwatch_transaction_failures_total{result=\"unknown\"}");
    assert_eq!(unknown.as_deref(), Some("1"));
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"), "nothing is read now");
    assert!(stage.run_for(RENEW_WAIT).is_ok());
    assert_eq!(stage.calls(), [Call::Renew], "where the group stands is not known before the new one is ready");
    stage.world().starts.insert(0, 2);
    stage.event(Event::Ready);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(0, 2)], "it was committed: nothing is sent again");
}

#[test]
fn a_producer_that_is_fenced_time_and_again_stops_the_worker() {
    let mut stage = Stage::owning(&[0]);
    for _ in 0..10 {
        stage.event(broken(true));
        assert!(stage.run_for(RENEW_WAIT * 2).is_ok());
        stage.event(Event::Ready);
        assert!(stage.run_for(MOMENT).is_ok());
    }
    stage.event(broken(true));
    let failure = stage.run_for(MOMENT).expect_err("that is no accident any more");
    assert_eq!(failure.setting.as_deref(), Some("kafka.instance_id"));
}
