//! The worker against a scripted world: what it does in which order, whatever happens.

mod faults;
mod groups;
mod saves;
mod simulation;
mod world;

use std::time::Duration;

use crate::service::Failure;
use crate::service::transport::{Breakage, Event, Undelivered};
use crate::service::worker::Progress;
use crate::service::worker::transaction::{ALERT_WAIT, COMMIT_INTERVAL, OUTPUTS_MAX, UNCOMMITTED_MAX};

use world::{ALARM, BAD, Call, GOOD, Stage, partition};

const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn outputs_and_offsets_go_in_one_transaction() {
    let mut stage = Stage::owning(&[0, 1]);
    for (offset, payload) in [(0, GOOD), (1, BAD), (2, BAD), (3, GOOD)] {
        stage.record(0, offset, payload);
    }
    stage.record(1, 7, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0), Call::Send(1), Call::Commit(vec![(0, 4), (1, 8)])]);
}

#[test]
fn while_a_transaction_is_committed_records_are_decided_and_nothing_is_sent() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    stage.calls();
    stage.record(0, 1, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    assert_eq!(stage.calls(), [], "the first one has not been answered");
    assert_eq!(stage.metric("tokenwatch_records_total{topic=\"audit\"}").as_deref(), Some("2"));
    stage.event(Event::Committed);
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(1), Call::Commit(vec![(0, 2)])]);
    stage.event(Event::Committed);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    assert_eq!(stage.calls(), [], "there is nothing to commit");
}

#[test]
fn commits_begin_an_interval_apart() {
    let mut stage = Stage::owning(&[0]);
    stage.world().answers_commits = true;
    let mut commits = 0;
    for offset in 0..200 {
        stage.record(0, offset, GOOD);
        assert!(stage.run_for(Duration::from_millis(10)).is_ok());
        commits += stage.commits().len();
    }
    assert!((18..=21).contains(&commits), "{commits} commits in 2 s");
}

#[test]
fn an_alert_waits_for_its_commit_no_longer_than_others_might_join_it() {
    let mut stage = Stage::owning(&[0]);
    stage.world().answers_commits = true;
    stage.record(0, 0, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 1)])]);
    stage.record(0, 1, ALARM);
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0)]);
    assert!(stage.run_for(ALERT_WAIT / 2).is_ok());
    assert_eq!(stage.calls(), [], "another one may join it");
    assert!(stage.run_for(ALERT_WAIT).is_ok());
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 2)])]);
}

#[test]
fn where_a_group_without_offsets_begins_is_committed() {
    let mut stage = Stage::new();
    stage.world().group_has_offsets = false;
    stage.event(Event::Assigned(vec![partition(3)]));
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(3, 0), Call::Commit(vec![(3, 0)])]);
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
    assert_eq!(stage.calls(), [Call::Send(0), Call::Pause(true), Call::Commit(vec![(0, 1)])]);
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
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
    let failure = stage.run_for(Duration::from_secs(2)).expect_err("a commit is not answered");
    assert!(failure.problem.contains("with 1 outputs or their offsets uncommitted"), "{failure}");
}

#[test]
fn a_stop_with_everything_committed_does_not_fail_for_want_of_a_last_save() {
    let mut stage = Stage::owning(&[0]);
    stage.world().answers_commits = true;
    stage.record(0, 0, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    stage.record(0, 1, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    stage.world().answers_commits = false;
    stage.ask_to_stop();
    assert_eq!(stage.run_for(Duration::from_secs(3)), Ok(Progress::Continue));
    assert_eq!(stage.run_for(Duration::from_secs(2)), Ok(Progress::Done));
}

/// What is saved may be much: what was decided does not wait for it.
#[test]
fn a_stop_commits_what_is_decided_before_it_saves_what_is_known() {
    let mut stage = Stage::owning(&[0]);
    stage.world().answers_commits = true;
    stage.record(0, 0, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    stage.calls();
    stage.world().answers_commits = false;
    stage.record(0, 1, BAD);
    stage.steps(1);
    stage.ask_to_stop();
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
    assert_eq!(stage.calls(), [Call::Send(1), Call::Pause(true), Call::Commit(vec![(0, 2)])]);
    stage.event(Event::Committed);
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 2)])], "with its state");
    stage.event(Event::Committed);
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Done));
}

#[test]
fn a_stop_that_does_not_know_what_is_committed_says_so() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.ask_to_stop();
    assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
    stage.event(Event::Broken(Breakage { fenced: false, why: "no answer".to_owned() }));
    let failure = stage.run_for(MOMENT).expect_err("nobody knows");
    assert!(failure.problem.contains("without knowing whether the last transaction is committed"), "{failure}");
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
    stage.steps(1);
    assert_eq!(stage.world().records_max_seen, 0, "only answers of the producer are awaited");
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls().last(), Some(&Call::Pause(true)), "a pause lets the group be served again");
    stage.world().answers_commits = true;
    stage.event(Event::Committed);
    assert!(stage.run_for(COMMIT_INTERVAL * 3).is_ok());
    assert!(stage.calls().contains(&Call::Pause(false)));
    assert_eq!(stage.metric("tokenwatch_dead_letters_total{reason=\"not_json\"}").as_deref(), Some("10000"));
}

#[test]
fn reading_is_held_back_while_nothing_is_committed_however_little_there_is() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, GOOD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    assert_eq!(stage.calls(), [Call::Commit(vec![(0, 1)])]);
    assert!(stage.run_for(UNCOMMITTED_MAX.saturating_sub(COMMIT_INTERVAL)).is_ok());
    assert_eq!(stage.calls(), [], "the brokers may still answer");
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Pause(true)]);
    stage.event(Event::Committed);
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Pause(false)]);
    assert!(stage.run_for(UNCOMMITTED_MAX * 2).is_ok());
    assert_eq!(stage.calls(), [], "where nothing is to be committed nothing is overdue");
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

#[test]
fn what_waiting_does_not_mend_stops_the_worker() {
    let failure = Failure::surroundings("kafka.dead_letter_topic", "writes are refused");
    let refused = |stage: &Stage| {
        stage.record(0, 0, BAD);
        stage.fail(0, Undelivered::Refused(failure.clone()));
    };
    let failed = |stage: &Stage| stage.event(Event::Failed(failure.clone()));
    let scripts: [&dyn Fn(&Stage); 2] = [&refused, &failed];
    for script in scripts {
        let mut stage = Stage::owning(&[0]);
        script(&stage);
        assert_eq!(stage.run_for(MOMENT), Err(failure.clone()));
    }
}
