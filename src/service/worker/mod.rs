//! One worker: reads its partitions, decides, publishes, commits, and gives partitions back in order.
//!
//! A worker is stepped: each step polls once and never waits for more, so that acknowledgements, commits, rebalances
//! and the wish to stop are all served while records flow. What it may do follows from its [`Phase`]. It knows no
//! broker, only a [`Transport`].

mod group;
mod observe;
mod outputs;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::http::Views;

use super::batch::Batch;
use super::failure::Failure;
use super::ledger::Ledger;
use super::transport::{Event, Hindrance, Transport};

use group::{Phase, Rebalance};
use observe::Reminder;

/// Records decided between two looks at everything else: some milliseconds of work.
const BATCH_RECORDS_MAX: usize = 2_000;
/// How long a worker sleeps at most when nothing happens.
const POLL_IDLE: Duration = Duration::from_millis(100);
/// The same while acknowledgements are due, which do not wake it.
const POLL_BUSY: Duration = Duration::from_millis(5);

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another step is due.
    Continue,
    /// Everything is settled and the worker was asked to stop.
    Done,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Worker<T> {
    number: usize,
    transport: T,
    batch: Batch,
    ledger: Ledger,
    phase: Phase,
    rebalances: VecDeque<Rebalance>,
    events: Vec<Event>,
    views: Arc<Views>,
    stop: Arc<AtomicBool>,
    paused: bool,
    /// Since when no more outputs fit.
    full_since: Option<Instant>,
    commit_begun: Instant,
    commit_not_before: Instant,
    /// True if the offsets to be committed include some that caused an output.
    prompt: bool,
    /// When outputs and commits that fail were last spoken of.
    trouble: Reminder,
    observed: Instant,
}

impl<T: Transport> Worker<T> {
    /// A worker that owns nothing yet. It stops soon after `stop` is true.
    pub fn new(number: usize, transport: T, batch: Batch, views: Arc<Views>, stop: Arc<AtomicBool>) -> Self {
        let now = transport.now();
        let worker = Self {
            number,
            transport,
            batch,
            ledger: Ledger::default(),
            phase: Phase::Running,
            rebalances: VecDeque::new(),
            events: Vec::new(),
            views,
            stop,
            paused: false,
            full_since: None,
            commit_begun: now,
            commit_not_before: now,
            prompt: false,
            trouble: Reminder::default(),
            observed: now,
        };
        worker.wait_for_group();
        worker
    }

    /// Steps until it is asked to stop and has settled everything.
    pub fn run(mut self) -> Result<(), Failure> {
        let outcome = loop {
            match self.step() {
                Ok(Progress::Continue) => {}
                Ok(Progress::Done) => break Ok(()),
                Err(failure) => break Err(failure),
            }
        };
        for id in self.batch.partitions() {
            self.views.metrics.remove_partition(&id.topic, id.number);
        }
        self.wait_for_group();
        self.transport.leave();
        outcome
    }

    /// One poll, and everything that follows from it.
    pub fn step(&mut self) -> Result<Progress, Failure> {
        self.poll();
        self.hand_over()?;
        self.take_events()?;
        self.rebalance()?;
        self.commit_if_due();
        self.hold_back_if_full();
        self.look_around();
        self.advance_phase()
    }

    fn poll(&mut self) {
        let under_way = self.ledger.outputs() > 0 || !self.rebalances.is_empty();
        let wait = if under_way || self.draining() { POLL_BUSY } else { POLL_IDLE };
        let records_max = if self.full_since.is_some() && !self.paused { 0 } else { BATCH_RECORDS_MAX };
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let batch = &mut self.batch;
        // A record that comes after the stop is not decided, so its offset is not committed: the next owner reads it.
        self.transport.poll(wait, records_max, &mut self.events, &mut |incoming| {
            if !stopping {
                batch.decide(&incoming);
            }
        });
        self.batch.finish(&mut self.ledger, self.transport.now());
    }

    fn take_events(&mut self) -> Result<(), Failure> {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.take_event(event)?;
        }
        self.events = events;
        Ok(())
    }

    fn take_event(&mut self, event: Event) -> Result<(), Failure> {
        let now = self.transport.now();
        match event {
            Event::Assigned(partitions) => {
                self.rebalances.push_back(Rebalance::Assigned { partitions, since: now, not_before: now });
            }
            Event::Revoked(partitions) => self.rebalances.push_back(Rebalance::Revoked(partitions)),
            Event::Lost(partitions) => self.rebalances.push_back(Rebalance::Lost(partitions)),
            Event::Delivered(ticket) => self.delivered(ticket),
            Event::Undelivered(ticket, why) => self.undelivered(ticket, why)?,
            Event::Committed => {
                self.ledger.committed();
                self.views.metrics.observe_commit(now - self.commit_begun);
            }
            Event::NotCommitted(Hindrance::Passing(why)) => {
                self.ledger.not_committed();
                self.commit_not_before = now + outputs::COMMIT_RETRY;
                if self.trouble.is_due(now) {
                    warn!(worker = self.number, %why, "offsets are not committed; trying again");
                }
            }
            Event::NotCommitted(Hindrance::Lasting(failure)) | Event::Failed(failure) => return Err(failure),
            Event::Disturbed(what) => warn!(worker = self.number, "{what}"),
        }
        Ok(())
    }

    const fn draining(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }
}
