//! The worker against a scripted world: what it does in which order, whatever happens.

mod simulation;
mod world;

use std::time::Duration;

use crate::service::Failure;
use crate::service::transport::{Event, Hindrance, Undelivered};
use crate::service::worker::Progress;
use crate::service::worker::outputs::{COMMIT_INTERVAL, OUTPUTS_MAX};

use world::{BAD, Call, GOOD, Stage, partition};

const MOMENT: Duration = Duration::from_millis(300);

fn retry() -> Undelivered {
    Undelivered::Retry("too few replicas in sync".to_owned())
}

#[test]
fn an_offset_is_committed_only_after_what_its_records_caused_is_acknowledged() {
    let mut stage = Stage::owning(&[0]);
    for (offset, payload) in [(0, GOOD), (1, BAD), (2, BAD), (3, GOOD)] {
        stage.record(0, offset, payload);
    }
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Send(1)]);
    stage.deliver(1);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    assert_eq!(stage.commits(), [[(0, 0); 0]; 0], "the first output is still under way");
    stage.deliver(0);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.commits(), [[(0, 4)]]);
}

#[test]
fn what_was_decided_before_an_output_is_committed_without_it() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, GOOD);
    stage.steps(1);
    stage.record(0, 1, BAD);
    stage.steps(1);
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.commits(), [[(0, 1)]]);
}

#[test]
fn one_commit_at_a_time_and_a_failed_one_again_unless_there_is_a_newer() {
    let mut stage = Stage::owning(&[0, 1]);
    stage.record(0, 0, GOOD);
    stage.record(1, 7, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.commits(), [[(0, 1), (1, 8)]]);
    stage.record(0, 1, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    assert_eq!(stage.commits().len(), 0, "the first one has not been answered");
    stage.event(Event::NotCommitted(Hindrance::Passing("no coordinator".to_owned())));
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.commits(), [[(0, 2), (1, 8)]]);
    stage.event(Event::Committed);
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.commits().len(), 0);
}

#[test]
fn where_a_group_without_offsets_begins_is_committed() {
    let mut stage = Stage::new();
    stage.world().group_has_offsets = false;
    stage.event(Event::Assigned(vec![partition(3)]));
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(vec![3]), Call::Commit(vec![(3, 0)])]);
}

#[test]
fn revoked_partitions_are_given_back_after_what_they_caused_is_committed() {
    let mut stage = Stage::owning(&[0, 1]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Revoked(vec![partition(0)]));
    stage.record(1, 0, GOOD);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0)], "partition 0 waits for its output; partition 1 went on");
    stage.deliver(0);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 1), (1, 1)])]);
    stage.event(Event::Committed);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Release(vec![0])]);
    stage.record(0, 1, BAD);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [], "a record that comes too late is the next owner's");
}

#[test]
fn revoked_partitions_are_not_held_back_for_ever() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Revoked(vec![partition(0)]));
    assert!(stage.run_for(Duration::from_secs(29)).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0)]);
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Release(vec![0])]);
    stage.deliver(0);
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.calls(), [], "its offsets are no longer ours to commit");
}

#[test]
fn lost_partitions_are_dropped_at_once() {
    let mut stage = Stage::owning(&[0]);
    assert!(stage.views.readiness.report().missing.keys().all(|what| what != "worker 0"));
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Lost(vec![partition(0)]));
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Release(vec![0])]);
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"), "not ready until the next assignment");
    stage.deliver(0);
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.commits().len(), 0);
}

#[test]
fn partitions_that_cannot_be_begun_are_tried_again() {
    let mut stage = Stage::new();
    stage.world().begin_fails.push_back(Hindrance::Passing("no coordinator".to_owned()));
    stage.event(Event::Assigned(vec![partition(0)]));
    stage.steps(1);
    assert_eq!(stage.calls(), []);
    assert!(stage.run_for(Duration::from_secs(1)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(vec![0])]);
}

#[test]
fn a_failed_output_is_sent_again_as_it_was_and_ever_more_slowly() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    for wait_ms in [100, 200, 400] {
        stage.calls();
        stage.fail(0, retry());
        stage.steps(1);
        assert!(stage.run_for(Duration::from_millis(wait_ms - 10)).is_ok());
        assert_eq!(stage.calls(), [], "before {wait_ms} ms");
        assert!(stage.run_for(Duration::from_millis(20)).is_ok());
        assert_eq!(stage.calls(), [Call::Send(0)], "after {wait_ms} ms");
    }
    assert_eq!(stage.world().sent, [BAD]);
    stage.deliver(0);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.commits(), [[(0, 1)]]);
}

#[test]
fn an_output_too_large_in_company_is_sent_alone_and_then_smaller() {
    let too_large = || Undelivered::TooLarge("10 bytes at most".to_owned());
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.record(0, 1, BAD);
    stage.steps(1);
    stage.fail(0, too_large());
    stage.fail(1, too_large());
    stage.calls();
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Send(0)], "alone: the other one waits");
    stage.deliver(0);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Send(1)]);
    assert_eq!(stage.world().sent[1], BAD, "alone it may fit as it is");
    stage.fail(1, too_large());
    stage.steps(2);
    assert_eq!(stage.world().sent[1], BAD[..BAD.len() / 2]);
    stage.deliver(1);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.commits(), [[(0, 2)]]);
}

#[test]
fn an_output_that_fits_in_no_size_stops_the_worker() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    let mut sizes = 0;
    let failure = loop {
        stage.fail(0, Undelivered::TooLarge("0 bytes at most".to_owned()));
        match stage.run_for(Duration::from_millis(20)) {
            Ok(_) => sizes += 1,
            Err(failure) => break failure,
        }
        assert!(sizes < 20, "halving ends");
    };
    assert_eq!(failure.setting.as_deref(), Some("kafka.dead_letter_topic"));
}

#[test]
fn what_waiting_does_not_mend_stops_the_worker() {
    let failure = Failure::surroundings("kafka.dead_letter_topic", "writes are refused");
    let refused = |stage: &Stage| {
        stage.record(0, 0, BAD);
        stage.fail(0, Undelivered::Refused(failure.clone()));
    };
    let uncommitted = |stage: &Stage| stage.event(Event::NotCommitted(Hindrance::Lasting(failure.clone())));
    let failed = |stage: &Stage| stage.event(Event::Failed(failure.clone()));
    let scripts: [&dyn Fn(&Stage); 3] = [&refused, &uncommitted, &failed];
    for script in scripts {
        let mut stage = Stage::owning(&[0]);
        script(&stage);
        assert_eq!(stage.run_for(MOMENT), Err(failure.clone()));
    }
}

#[test]
fn a_stop_settles_what_is_under_way_and_decides_nothing_more() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.ask_to_stop();
    stage.steps(1);
    stage.record(0, 1, BAD);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Pause(true)]);
    stage.deliver(0);
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 1)])]);
    stage.event(Event::Committed);
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Done));
    assert_eq!(stage.metric("tokenwatch_records_total{topic=\"audit\"}").as_deref(), Some("1"));
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.ask_to_stop();
    assert_eq!(stage.run_for(Duration::from_secs(9)), Ok(Progress::Continue));
    let failure = stage.run_for(Duration::from_secs(2)).expect_err("an output is unacknowledged");
    assert!(failure.problem.contains("with 1 outputs unacknowledged"), "{failure}");
}

#[test]
fn reading_is_held_back_while_outputs_pile_up() {
    let mut stage = Stage::owning(&[0]);
    for offset in 0..OUTPUTS_MAX {
        stage.record(0, i64::try_from(offset).expect("few"), BAD);
    }
    while stage.worker.ledger.outputs() < OUTPUTS_MAX {
        stage.steps(1);
    }
    stage.calls();
    stage.steps(1);
    assert_eq!(stage.world().records_max_seen, 0, "only acknowledgements are awaited");
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Pause(true)], "a pause lets the group be served again");
    let half = u64::try_from(OUTPUTS_MAX / 2).expect("few");
    (0..half).for_each(|ticket| stage.deliver(ticket));
    stage.steps(1);
    assert_eq!(stage.calls().last(), Some(&Call::Pause(false)));
    assert_eq!(stage.metric("tokenwatch_dead_letters_total{reason=\"not_json\"}").as_deref(), Some("10000"));
}

#[test]
fn lag_is_what_lies_between_the_last_record_and_the_end() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 89, GOOD);
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    let series = "tokenwatch_consumer_lag{partition=\"0\",topic=\"audit\"}";
    assert_eq!(stage.metric(series).as_deref(), Some("10"));
    stage.event(Event::Lost(vec![partition(0)]));
    stage.steps(1);
    assert_eq!(stage.metric(series), None, "its series goes with it");
}
