//! One worker: reads its partitions, decides, publishes, commits, and gives partitions back in order.
//!
//! A worker is stepped: each step polls once and never waits for more, so that records, transactions, rebalances and the
//! wish to stop are all served side by side. What it may do follows from its [`Phase`] towards the group and its
//! [`Stage`] towards the producer. It knows no broker, only a [`Transport`].

mod group;
mod logs;
mod observe;
mod restore;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::http::Views;

use super::batch::Batch;
use super::failure::Failure;
use super::ledger::Ledger;
use super::transport::{Event, PartitionId, Transport};

use group::{Arrivals, Phase, Rebalance};
use observe::Reminder;
use restore::Restores;
use transaction::{Stage, Trouble};

/// Records decided between two looks at everything else: some milliseconds of work.
const BATCH_RECORDS_MAX: usize = 2_000;
/// How long a worker sleeps at most when nothing happens.
const POLL_IDLE: Duration = Duration::from_millis(100);
/// The same while an answer of the producer's is due, which does not wake it.
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
    stage: Stage,
    phase: Phase,
    /// True from when the group wanted partitions back until it has placed them: a member that leaves meanwhile, and has a
    /// name, is expected back, and until then nobody is given what it gave up.
    is_handing_over: bool,
    /// What a worker that stops has to give back before it leaves.
    given_up: Vec<PartitionId>,
    /// When the group is to be joined again, after it expelled us.
    rejoin_at: Option<Instant>,
    rebalances: VecDeque<Rebalance>,
    arrivals: Arrivals,
    restores: Restores,
    /// Between two times that a partition is saved.
    save_interval: Duration,
    events: Vec<Event>,
    views: Arc<Views>,
    stop: Arc<AtomicBool>,
    paused: bool,
    /// Since when no more outputs fit.
    full_since: Option<Instant>,
    commit_begun: Instant,
    /// When a commit was last done, or there was nothing to commit.
    settled: Instant,
    /// When an output was last handed over.
    sent: Instant,
    /// What went wrong with transactions lately.
    trouble: Trouble,
    /// When that was last spoken of.
    reminder: Reminder,
    observed: Instant,
    /// The partitions not read yet that the metrics show.
    waiting_shown: i64,
}

impl<T: Transport> Worker<T> {
    /// A worker that owns nothing yet. It stops soon after `stop` is true.
    pub fn new(number: usize, transport: T, batch: Batch, views: Arc<Views>, stop: Arc<AtomicBool>) -> Self {
        let now = transport.now();
        let save_interval = batch.save_interval();
        let worker = Self {
            number,
            transport,
            batch,
            ledger: Ledger::default(),
            stage: Stage::Preparing,
            phase: Phase::Running,
            is_handing_over: false,
            given_up: Vec::new(),
            rejoin_at: None,
            rebalances: VecDeque::new(),
            arrivals: Arrivals::default(),
            restores: Restores::default(),
            save_interval,
            events: Vec::new(),
            views,
            stop,
            paused: false,
            full_since: None,
            commit_begun: now,
            settled: now,
            sent: now,
            trouble: Trouble::new(now),
            reminder: Reminder::default(),
            observed: now,
            waiting_shown: 0,
        };
        worker.show_readiness();
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
        self.arrivals = Arrivals::default();
        self.show_waiting();
        self.show_readiness();
        self.transport.leave();
        // The process is about to end, which gives back all memory at once; group by group a million takes seconds.
        std::mem::forget(self.batch);
        outcome
    }

    /// One poll, and everything that follows from it.
    pub fn step(&mut self) -> Result<Progress, Failure> {
        self.poll();
        self.take_events()?;
        self.rejoin_if_due()?;
        self.rebalance();
        self.receive_arrivals();
        self.restore()?;
        self.renew_if_due();
        self.mark_sources();
        self.hand_over()?;
        self.commit_if_due()?;
        self.hold_back_if_full();
        self.look_around();
        self.advance_phase()
    }

    fn poll(&mut self) {
        let is_busy = !self.ledger.is_settled() || !self.stage.is_open() || !self.arrivals.is_empty();
        let wait = match self.restores.is_busy() {
            true => Duration::ZERO,
            false if is_busy || self.draining() => POLL_BUSY,
            false => POLL_IDLE,
        };
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
        match event {
            Event::Assigned(partitions) => {
                self.is_handing_over = false;
                self.rebalances.push_back(Rebalance::Assigned(partitions));
            }
            Event::Revoked(partitions) => {
                self.is_handing_over = true;
                self.rebalances.push_back(Rebalance::Revoked(partitions));
            }
            Event::Lost(partitions) => {
                self.is_handing_over = false;
                self.rebalances.push_back(Rebalance::Lost(partitions));
            }
            Event::Expelled(breakage) => self.expelled(&breakage)?,
            Event::Found(question, starts) => self.found(question, starts)?,
            Event::NotFound(_, why) => self.not_begun(None, why)?,
            Event::Ready => self.ready(),
            Event::Delivered(ticket) => self.ledger.delivered(ticket),
            Event::Undelivered(ticket, why) => self.undelivered(ticket, why)?,
            Event::Committed => self.committed(),
            Event::Aborted(why) => self.aborted(&why),
            Event::Broken(breakage) => self.broken(&breakage)?,
            Event::Failed(failure) => return Err(failure),
            Event::Disturbed(what) => warn!(worker = self.number, "{what}"),
        }
        Ok(())
    }

    const fn draining(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }
}
