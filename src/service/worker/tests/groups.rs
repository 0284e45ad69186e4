//! Partitions that come, go and are lost.

use std::time::Duration;

use super::MOMENT;
use super::world::{BAD, Call, GOOD, Stage, partition};
use crate::service::Failure;
use crate::service::transport::{Breakage, Event, Hindrance};
use crate::service::worker::Progress;
use crate::service::worker::group::REJOIN_WAIT;
use crate::service::worker::transaction::COMMIT_INTERVAL;

#[test]
fn nothing_begins_before_the_producer_is_ready() {
    let mut stage = Stage::unready();
    stage.event(Event::Assigned(vec![partition(0)]));
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [], "its predecessor may have left a transaction open");
    stage.event(Event::Ready);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Begin(0, 0)]);
}

#[test]
fn revoked_partitions_are_given_back_after_what_they_caused_is_committed() {
    let mut stage = Stage::owning(&[0, 1]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Revoked(vec![partition(0)]));
    stage.record(1, 0, GOOD);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Commit(vec![(0, 1), (1, 1)])]);
    stage.record(0, 1, BAD);
    stage.record(1, 1, GOOD);
    stage.event(Event::Committed);
    stage.steps(2);
    assert_eq!(stage.calls(), [Call::Commit(vec![(1, 2)]), Call::Release(vec![0])], "what comes is the next owner's");
}

#[test]
fn revoked_partitions_are_not_held_back_for_ever() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Revoked(vec![partition(0)]));
    assert!(stage.run_for(Duration::from_secs(29)).is_ok());
    assert_eq!(stage.calls(), [Call::Send(0), Call::Commit(vec![(0, 1)]), Call::Pause(true)]);
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Release(vec![0])]);
    stage.event(Event::Aborted("no longer a member".to_owned()));
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.calls(), [Call::Pause(false)], "its offsets are no longer ours to commit");
}

#[test]
fn lost_partitions_are_dropped_at_once_with_what_they_caused() {
    let mut stage = Stage::owning(&[0, 1]);
    assert!(stage.views.readiness.report().missing.keys().all(|what| what != "worker 0"));
    stage.record(0, 0, BAD);
    stage.record(1, 0, BAD);
    stage.steps(1);
    stage.event(Event::Lost(vec![partition(0)]));
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Send(1), Call::Abort, Call::Release(vec![0])]);
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"), "not ready until the next assignment");
    stage.event(Event::Aborted("asked to".to_owned()));
    assert!(stage.run_for(COMMIT_INTERVAL * 2).is_ok());
    assert_eq!(stage.calls(), [Call::Send(1), Call::Commit(vec![(1, 1)])], "of partition 0 nothing is sent again");
}

/// A member with a name is expected back: what it was to give back would be nobody's until then.
#[test]
fn a_worker_that_stops_in_the_middle_of_a_rebalance_sees_it_through() {
    for stops_first in [true, false] {
        let mut stage = Stage::owning(&[0, 1]);
        stage.world().answers_commits = true;
        stage.record(0, 0, BAD);
        stage.steps(1);
        if stops_first {
            stage.ask_to_stop();
            stage.steps(1);
        }
        stage.event(Event::Revoked(vec![partition(0)]));
        stage.steps(1);
        stage.ask_to_stop();
        assert_eq!(stage.run_for(MOMENT), Ok(Progress::Continue));
        let calls = stage.calls();
        let released = calls.iter().position(|call| *call == Call::Release(vec![0])).expect("given back");
        let committed = calls.iter().position(|call| matches!(call, Call::Commit(_))).expect("committed");
        assert!(committed < released, "{calls:?}");
        stage.event(Event::Assigned(Vec::new()));
        assert_eq!(stage.run_for(MOMENT), Ok(Progress::Done));
    }
}

#[test]
fn a_worker_that_stops_waits_for_a_rebalance_no_longer_than_for_its_saves() {
    let mut stage = Stage::owning(&[0]);
    stage.world().answers_commits = true;
    stage.event(Event::Revoked(vec![partition(0)]));
    stage.ask_to_stop();
    assert_eq!(stage.run_for(Duration::from_secs(3)), Ok(Progress::Continue));
    assert_eq!(stage.run_for(Duration::from_secs(2)), Ok(Progress::Done));
}

/// Another member has the name: what is under way ends, and the group is joined again a little later.
#[test]
fn an_expelled_worker_drops_everything_and_joins_again() {
    let mut stage = Stage::owning(&[0, 1]);
    stage.record(0, 0, BAD);
    stage.steps(1);
    stage.event(Event::Revoked(vec![partition(1)]));
    stage.event(expelled(true));
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Abort], "there is nothing to give back");
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"));
    stage.event(Event::Aborted("asked to".to_owned()));
    assert!(stage.run_for(REJOIN_WAIT.saturating_sub(MOMENT)).is_ok());
    assert_eq!(stage.calls(), [], "of partition 0 nothing is sent again");
    assert!(stage.run_for(MOMENT * 2).is_ok());
    assert_eq!(stage.calls(), [Call::Rejoin]);
    stage.event(Event::Assigned(vec![partition(0)]));
    assert!(stage.run_for(MOMENT).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(0, 0)]);
}

#[test]
fn a_worker_that_is_expelled_time_and_again_stops_unless_its_predecessor_is_still_remembered() {
    let expel = |fenced| {
        let mut stage = Stage::owning(&[0]);
        (0..12).find_map(|_| {
            stage.event(expelled(fenced));
            stage.run_for(REJOIN_WAIT + MOMENT).err()
        })
    };
    assert_eq!(expel(true).and_then(|failure| failure.setting).as_deref(), Some("kafka.instance_id"));
    assert_eq!(expel(false), None);
}

fn expelled(fenced: bool) -> Event {
    Event::Expelled(Breakage { fenced, why: "another one has the name".to_owned() })
}

#[test]
fn of_partitions_that_cannot_be_begun_the_one_that_failed_comes_last() {
    let mut stage = Stage::new();
    stage.world().begin_fails.push_back(Hindrance::Passing("no leader".to_owned()));
    stage.event(Event::Assigned(vec![partition(0), partition(1)]));
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(1, 0), Call::Begin(0, 0)]);
}

#[test]
fn an_offset_behind_the_end_of_a_log_is_of_another_log() {
    let mut stage = Stage::new();
    stage.world().log = 3..10;
    stage.world().starts = [(0, 10), (1, 11), (2, 1)].into();
    stage.world().answers_commits = true;
    stage.event(Event::Assigned([0, 1, 2].map(partition).into()));
    assert!(stage.run_for(Duration::from_secs(59)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(0, 10), Call::Begin(2, 1)], "an open transaction may hide the end");
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(1, 3), Call::Commit(vec![(0, 10), (1, 3), (2, 1)])]);
}

#[test]
fn a_log_that_is_found_to_be_long_enough_after_all_is_read_on() {
    let mut stage = Stage::new();
    stage.world().log = 3..10;
    stage.world().starts = [(1, 11)].into();
    stage.event(Event::Assigned(vec![partition(1)]));
    assert!(stage.run_for(Duration::from_secs(30)).is_ok());
    stage.world().log = 3..11;
    assert!(stage.run_for(Duration::from_secs(1)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(1, 11)]);
}

#[test]
fn a_log_that_ends_before_what_was_read_of_it_is_looked_up_again_if_that_lasts() {
    let mut stage = Stage::owning(&[0, 1]);
    stage.world().answers_commits = true;
    stage.record(0, 49, GOOD);
    assert!(stage.run_for(MOMENT).is_ok());
    stage.calls();
    stage.world().log = 0..50;
    assert!(stage.run_for(Duration::from_secs(9)).is_ok());
    assert_eq!(stage.calls(), [], "it ends behind the record");
    stage.world().log = 0..49;
    assert!(stage.run_for(Duration::from_secs(4)).is_ok());
    assert_eq!(stage.calls(), [], "a new leader may not know all of it");
    stage.world().starts = [(0, 50)].into();
    assert!(stage.run_for(Duration::from_secs(2)).is_ok());
    assert_eq!(stage.calls(), [Call::Halt(vec![0])]);
    assert!(stage.run_for(Duration::from_mins(1)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(0, 0), Call::Commit(vec![(0, 0)])]);
}

#[test]
fn a_commit_under_way_when_partitions_are_lost_ends_as_a_whole() {
    let mut stage = Stage::owning(&[0]);
    stage.record(0, 0, BAD);
    assert!(stage.run_for(COMMIT_INTERVAL).is_ok());
    stage.event(Event::Lost(vec![partition(0)]));
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Send(0), Call::Commit(vec![(0, 1)]), Call::Release(vec![0])]);
    stage.event(Event::Committed);
    assert!(stage.run_for(MOMENT).is_ok());
    assert!(stage.worker.ledger.is_settled());
}

#[test]
fn partitions_that_cannot_be_begun_are_tried_again() {
    let mut stage = Stage::new();
    stage.world().find_fails.push_back(Hindrance::Passing("no coordinator".to_owned()));
    stage.event(Event::Assigned(vec![partition(0)]));
    stage.steps(2);
    assert_eq!(stage.calls(), []);
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"));
    assert!(stage.run_for(Duration::from_secs(1)).is_ok());
    assert_eq!(stage.calls(), [Call::Begin(0, 0)]);
    let failure = Failure::surroundings("kafka.group_id", "refused");
    stage.world().find_fails.push_back(Hindrance::Lasting(failure.clone()));
    stage.event(Event::Assigned(vec![partition(1)]));
    assert_eq!(stage.run_for(MOMENT), Err(failure));
}

#[test]
fn an_answer_about_a_partition_that_has_gone_meanwhile_is_not_used() {
    let mut stage = Stage::new();
    stage.event(Event::Assigned(vec![partition(0)]));
    stage.steps(1);
    // The answer is on its way; before it is read the partition goes and comes back.
    let overtaken = stage.world().take_events();
    stage.event(Event::Revoked(vec![partition(0)]));
    stage.steps(1);
    stage.world().starts.insert(0, 7);
    stage.event(Event::Assigned(vec![partition(0)]));
    stage.steps(1);
    for event in overtaken {
        stage.event_first(event);
    }
    stage.steps(1);
    assert_eq!(stage.calls(), [Call::Release(vec![0]), Call::Begin(0, 7)], "another owner may have moved it");
}

#[test]
fn partitions_go_on_while_others_are_restored() {
    let mut stage = Stage::owning(&[0]);
    stage.world().restore_steps = 10;
    stage.event(Event::Assigned(vec![partition(1), partition(2)]));
    stage.steps(2);
    for offset in 0..3 {
        stage.record(0, offset, BAD);
        stage.steps(1);
        stage.event(Event::Committed);
        assert!(stage.calls().contains(&Call::Send(offset.unsigned_abs())), "{offset}");
    }
    assert!(stage.views.readiness.report().missing.contains_key("worker 0"), "not all of it is restored");
    assert!(stage.run_for(MOMENT).is_ok());
    assert!(stage.views.readiness.report().missing.keys().all(|what| what != "worker 0"));
    let calls = stage.calls();
    assert!([Call::Begin(1, 0), Call::Begin(2, 0)].iter().all(|begin| calls.contains(begin)), "{calls:?}");
}
