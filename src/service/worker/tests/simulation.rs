//! The worker's one promise under any order of events: no offset is committed before what its records caused is
//! acknowledged, and in the end everything is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::service::transport::{Event, Hindrance, Undelivered};
use crate::service::worker::Progress;

use super::world::{BAD, Call, GOOD, Stage, partition};

/// What may happen next.
#[derive(Clone, Debug)]
enum Act {
    /// Some records of a partition; true for one that causes an output.
    Records(i32, Vec<bool>),
    /// Some output under way, counted from the oldest, is written or not.
    Answer(usize, Fate),
    /// The commit under way, if any, succeeds or not.
    AnswerCommit(bool),
    /// A partition is revoked and comes back, from the committed offset.
    Rebalance(i32),
    Wait(u64),
}

#[derive(Clone, Debug)]
enum Fate {
    Written,
    Retry,
    TooLarge,
}

fn act() -> impl Strategy<Value = Act> {
    let fate = prop_oneof![3 => Just(Fate::Written), 1 => Just(Fate::Retry), 1 => Just(Fate::TooLarge)];
    prop_oneof![
        4 => (0..3, vec(any::<bool>(), 1..6)).prop_map(|(partition, kinds)| Act::Records(partition, kinds)),
        6 => (0_usize..8, fate).prop_map(|(index, fate)| Act::Answer(index, fate)),
        3 => any::<bool>().prop_map(Act::AnswerCommit),
        1 => (0..3).prop_map(Act::Rebalance),
        3 => (1_u64..1500).prop_map(Act::Wait),
    ]
}

/// What a faultless accountant knows.
#[derive(Default)]
struct Truth {
    next: BTreeMap<i32, i64>,
    /// Of each output in the order of tickets: partition and offset.
    causes: Vec<(i32, i64)>,
    under_way: BTreeSet<u64>,
    /// Partitions and offsets whose output is written, under whichever ticket.
    written: BTreeSet<(i32, i64)>,
    /// Revoked, and not begun again.
    away: BTreeSet<i32>,
    committing: Option<Vec<(i32, i64)>>,
    committed: BTreeMap<i32, i64>,
}

impl Truth {
    fn look(&mut self, stage: &Stage) {
        for call in stage.calls() {
            match call {
                Call::Send(ticket) => {
                    assert!(self.under_way.insert(ticket), "{ticket} is under way already");
                }
                Call::Commit(positions) => {
                    assert!(self.committing.is_none(), "one commit at a time");
                    for (partition, offset) in &positions {
                        assert!(*offset <= self.next[partition], "nothing is committed that was not read");
                        let owed = |(owner, at): &&(i32, i64)| {
                            owner == partition && at < offset && !self.written.contains(&(*owner, *at))
                        };
                        assert_eq!(self.causes.iter().find(owed), None, "partition {partition} at {offset}");
                    }
                    self.committing = Some(positions);
                }
                Call::Release(partitions) => {
                    for number in partitions {
                        let start = self.committed.get(&number).copied().unwrap_or(0);
                        self.next.insert(number, start);
                        stage.world().starts.insert(number, start);
                        stage.event(Event::Assigned(vec![partition(number)]));
                    }
                }
                Call::Begin(partitions) => self.away.retain(|number| !partitions.contains(number)),
                Call::Pause(_) | Call::Leave => {}
            }
        }
    }

    fn records(&mut self, stage: &mut Stage, partition: i32, kinds: &[bool]) {
        if self.away.contains(&partition) {
            return;
        }
        for causes_output in kinds {
            let offset = self.next.entry(partition).or_default();
            stage.record(partition, *offset, if *causes_output { BAD } else { GOOD });
            if *causes_output {
                self.causes.push((partition, *offset));
            }
            *offset += 1;
        }
        stage.steps(1);
    }

    fn answer(&mut self, stage: &Stage, index: usize, fate: &Fate) {
        let Some(ticket) = self.under_way.iter().nth(index).copied() else { return };
        self.under_way.remove(&ticket);
        match fate {
            Fate::Written => {
                self.written.insert(self.causes[usize::try_from(ticket).expect("few")]);
                stage.deliver(ticket);
            }
            // Halved too often nothing would be left; that end has a test of its own.
            Fate::TooLarge if stage.world().sent[usize::try_from(ticket).expect("few")].len() > 1 => {
                stage.fail(ticket, Undelivered::TooLarge("no".to_owned()));
            }
            Fate::Retry | Fate::TooLarge => stage.fail(ticket, Undelivered::Retry("no".to_owned())),
        }
    }

    fn answer_commit(&mut self, stage: &Stage, success: bool) {
        let Some(positions) = self.committing.take() else { return };
        if success {
            self.committed.extend(positions);
            stage.event(Event::Committed);
        } else {
            stage.event(Event::NotCommitted(Hindrance::Passing("no".to_owned())));
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_committed_too_early_and_everything_in_the_end(acts in vec(act(), 1..60)) {
        let mut stage = Stage::owning(&[0, 1, 2]);
        let mut truth = Truth::default();
        for act in &acts {
            match act {
                Act::Records(partition, kinds) => truth.records(&mut stage, *partition, kinds),
                Act::Answer(index, fate) => truth.answer(&stage, *index, fate),
                Act::AnswerCommit(success) => truth.answer_commit(&stage, *success),
                Act::Rebalance(number) => {
                    if truth.away.insert(*number) {
                        stage.event(Event::Revoked(vec![partition(*number)]));
                    }
                }
                Act::Wait(ms) => prop_assert!(stage.run_for(Duration::from_millis(*ms)).is_ok()),
            }
            prop_assert_eq!(stage.worker.step(), Ok(Progress::Continue));
            truth.look(&stage);
        }
        stage.ask_to_stop();
        let ended = (0..100_000).find(|_| {
            truth.answer(&stage, 0, &Fate::Written);
            truth.answer_commit(&stage, true);
            let done = stage.worker.step() == Ok(Progress::Done);
            truth.look(&stage);
            done
        });
        prop_assert!(ended.is_some(), "the worker never ends");
        let unwritten = truth.causes.iter().find(|cause| !truth.written.contains(cause));
        prop_assert_eq!(unwritten, None);
        truth.next.retain(|_, next| *next > 0);
        prop_assert_eq!(&truth.committed, &truth.next);
    }
}
