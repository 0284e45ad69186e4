//! Outputs and offsets on their way: handed over, committed in one transaction, tried again, held back where they pile up.
//!
//! While a transaction is committed nothing can be sent, but records are read and decided all the same: what they lead
//! to waits in the ledger for the next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tracing::{info, warn};

use super::Worker;
use super::group::Phase;
use crate::service::failure::Failure;
use crate::service::output::{Destination, Output};
use crate::service::transport::{Breakage, Ticket, Transport, Undelivered};
use crate::telemetry::Failed;

/// Outputs not committed at which no more records are read.
pub(super) const OUTPUTS_MAX: usize = 10_000;
/// Their bytes at which no more records are read.
const OUTPUTS_BYTES_MAX: usize = 64 << 20;
/// How long nothing may be committed of what is decided before no more records are read, be the outputs ever so few:
/// what groups change and what a successor decides again piles up all the same.
pub(super) const UNCOMMITTED_MAX: Duration = Duration::from_secs(10);
/// How long outputs may stall before reading is paused; a pause throws away what was fetched ahead.
const STALL_MAX: Duration = Duration::from_secs(1);
/// Between the beginnings of two commits, if no alert waits.
pub(super) const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// How long an alert waits for others to join its transaction.
pub(super) const ALERT_WAIT: Duration = Duration::from_millis(10);
/// How long an output that is sent alone may stay unanswered: a transaction may fail without a word before it is ended.
const ALONE_MAX: Duration = Duration::from_secs(10);
/// The wait before an aborted transaction is tried again doubles from here…
const RETRY_MIN: Duration = Duration::from_millis(50);
/// …up to here.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Between a producer's end and its successor.
pub(super) const RENEW_WAIT: Duration = Duration::from_millis(500);
/// So often a producer may be fenced…
const FENCES_MAX: u32 = 10;
/// …within this time, before it is clear that another process has its name.
const FENCES_PERIOD: Duration = Duration::from_mins(1);

/// What can be done with the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being made, or made anew.
    Preparing,
    /// Outputs can be sent and committed.
    Open,
    /// A commit is under way.
    Committing,
    /// The transaction is being aborted.
    Aborting,
    /// It is of no use; a new one is due.
    Broken {
        /// When the new one may be asked for.
        renew_at: Instant,
    },
}

impl Stage {
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }
}

/// What went wrong with transactions lately.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Aborts since the last commit.
    aborts: u32,
    /// Nothing is sent before.
    not_before: Instant,
    /// A topic refused a record: the client's numbering of records has a gap now, which only a new producer has not.
    renew: bool,
    fences: u32,
    fences_since: Instant,
}

impl Trouble {
    pub(super) const fn new(now: Instant) -> Self {
        Self { aborts: 0, not_before: now, renew: false, fences: 0, fences_since: now }
    }

    fn aborted(&mut self, now: Instant) {
        let wait = RETRY_MIN.saturating_mul(1 << self.aborts.min(16)).min(RETRY_MAX);
        self.not_before = now + wait;
        self.aborts += 1;
    }

    /// Somebody else has taken our name; an error if that was once too often.
    pub(super) fn fenced(&mut self, now: Instant, why: &str) -> Result<(), Failure> {
        if now - self.fences_since > FENCES_PERIOD {
            (self.fences, self.fences_since) = (0, now);
        }
        self.fences += 1;
        if self.fences <= FENCES_MAX {
            return Ok(());
        }
        let problem = format!("another process takes our name time and again: {why}");
        let hint = "give every process of a group an instance_id of its own, or none";
        Err(Failure::surroundings("kafka.instance_id", problem).hint(hint))
    }
}

impl<T: Transport> Worker<T> {
    pub(super) fn hand_over(&mut self) -> Result<(), Failure> {
        let now = self.transport.now();
        if self.ledger.waits_alone() && now - self.sent >= ALONE_MAX {
            self.abort();
        }
        while self.stage.is_open() && now >= self.trouble.not_before {
            let Some((ticket, output)) = self.ledger.next_due() else { break };
            match self.transport.send(ticket, &output.outgoing()) {
                Ok(()) => self.sent = now,
                Err(Undelivered::Retry(why)) => {
                    self.ledger.not_taken(ticket);
                    self.trouble.not_before = now + RETRY_MIN;
                    self.mention(&why, "an output is not taken; trying again");
                }
                Err(Undelivered::Doomed(why)) => {
                    self.ledger.not_taken(ticket);
                    self.mention(&why, "a transaction takes no more outputs; it is aborted");
                    self.abort();
                }
                Err(why) => self.undelivered(ticket, why)?,
            }
        }
        Ok(())
    }

    /// An output is not written, so its transaction is aborted, to be tried again with whatever helps.
    pub(super) fn undelivered(&mut self, ticket: Ticket, why: Undelivered) -> Result<(), Failure> {
        match why {
            Undelivered::Refused(failure) => return Err(failure),
            Undelivered::Retry(why) | Undelivered::Doomed(why) => {
                self.mention(&why, "an output is not written; trying again");
            }
            Undelivered::TooLarge(why) => self.too_large(ticket, &why)?,
        }
        self.abort();
        Ok(())
    }

    /// Aborts the open transaction. One that is being committed ends by itself.
    pub(super) fn abort(&mut self) {
        if self.stage.is_open() {
            self.stage = Stage::Aborting;
            self.transport.abort();
        }
    }

    pub(super) fn commit_if_due(&mut self) -> Result<(), Failure> {
        let now = self.transport.now();
        let is_alert_due = self.ledger.alert_since().is_some_and(|since| now - since >= ALERT_WAIT);
        let is_crowded = self.ledger.outputs() >= OUTPUTS_MAX / 2;
        let is_due = is_alert_due || is_crowded || self.draining() || now - self.commit_begun >= COMMIT_INTERVAL;
        if !self.stage.is_open() || !is_due || now < self.trouble.not_before {
            return Ok(());
        }
        if self.ledger.may_commit() {
            let is_stopping = matches!(self.phase, Phase::Stopping { .. });
            for partition in if is_stopping { self.batch.never_saved() } else { self.batch.due(now) } {
                self.batch.save(&partition, &mut self.ledger, now, now + self.save_interval);
            }
            self.hand_over()?;
        }
        // Handing over may have ended in an abort.
        if self.stage.is_open()
            && let Some(positions) = self.ledger.begin_commit()
        {
            self.commit_begun = now;
            self.stage = Stage::Committing;
            self.transport.commit(positions);
        }
        Ok(())
    }

    pub(super) fn committed(&mut self) {
        self.stage = Stage::Open;
        self.trouble.aborts = 0;
        self.settled = self.transport.now();
        self.views.metrics.observe_commit(self.transport.now() - self.commit_begun);
        let wall = self.transport.wall();
        for output in self.ledger.committed() {
            let (recent, is_answered) = match output.destination() {
                Destination::Alerts => (&self.views.alerts, true),
                Destination::ShadowAlerts => (&self.views.shadow_alerts, false),
                Destination::DeadLetters | Destination::Matches => continue,
                Destination::State => {
                    self.views.metrics.count_state_record();
                    continue;
                }
            };
            if let Some(caused_at) = output.caused_at().filter(|_| is_answered) {
                let latency_ms = wall.since(caused_at).millis();
                self.views.metrics.observe_alert_latency(Duration::from_millis(latency_ms.unsigned_abs()));
            }
            if let Some(published) = published(&output) {
                recent.push(published);
            }
        }
    }

    pub(super) fn aborted(&mut self, why: &str) {
        self.stage = Stage::Open;
        self.ledger.aborted();
        self.views.metrics.count_failed_transaction(Failed::Aborted);
        if std::mem::take(&mut self.trouble.renew) {
            // What was too large goes smaller: there is nothing to wait for.
            self.stage = Stage::Preparing;
            self.transport.renew();
        } else {
            self.trouble.aborted(self.transport.now());
        }
        self.mention(why, "a transaction was aborted; trying again");
    }

    /// Everything that was decided and is not known to be committed is forgotten; the partitions begin again where the
    /// group stands once a new producer has brought certainty.
    pub(super) fn broken(&mut self, breakage: &Breakage) -> Result<(), Failure> {
        if matches!(self.stage, Stage::Broken { .. }) {
            return Ok(());
        }
        self.views.metrics.count_failed_transaction(Failed::Unknown);
        let now = self.transport.now();
        let Breakage { fenced, why } = breakage;
        if *fenced {
            self.trouble.fenced(now, why)?;
        }
        if matches!(self.phase, Phase::Stopping { only_saves: false, .. }) {
            let problem = format!("stopped without knowing whether the last transaction is committed: {why}");
            return Err(Failure::other(problem).hint("nothing is lost: the next owner decides again what is not"));
        }
        warn!(worker = self.number, %why, "whether a transaction is committed is unknown; beginning again with a new producer");
        self.stage = Stage::Broken { renew_at: now + RENEW_WAIT };
        self.ledger.forget_all();
        self.begin_again();
        Ok(())
    }

    pub(super) fn renew_if_due(&mut self) {
        if let Stage::Broken { renew_at } = self.stage
            && self.transport.now() >= renew_at
        {
            self.stage = Stage::Preparing;
            self.transport.renew();
        }
    }

    pub(super) fn ready(&mut self) {
        self.stage = Stage::Open;
    }

    fn too_large(&mut self, ticket: Ticket, why: &str) -> Result<(), Failure> {
        self.trouble.renew = true;
        let can_be_smaller = self.ledger.too_large(ticket, self.transport.now());
        let Some(output) = self.ledger.output(ticket) else { return Ok(()) };
        let (setting, noun, bytes) = (output.destination().setting(), output.destination().noun(), output.bytes());
        if can_be_smaller {
            warn!(worker = self.number, bytes, why, "{setting}: too large, trying again alone or smaller");
            return Ok(());
        }
        let problem = format!("the topic refuses even the smallest form of an output, {bytes} bytes of {noun}: {why}");
        Err(Failure::surroundings(setting, problem).hint("raise max.message.bytes of the topic"))
    }

    /// Memory is bounded by reading no further than outputs are committed.
    pub(super) fn hold_back_if_full(&mut self) {
        let now = self.transport.now();
        if self.ledger.is_settled() {
            self.settled = now;
        }
        let (outputs, bytes) = (self.ledger.outputs(), self.ledger.outputs_bytes());
        let is_overdue = now - self.settled >= UNCOMMITTED_MAX;
        if outputs >= OUTPUTS_MAX || bytes >= OUTPUTS_BYTES_MAX || is_overdue {
            let since = *self.full_since.get_or_insert(now);
            if !self.paused && now - since >= STALL_MAX {
                warn!(worker = self.number, outputs, bytes, "outputs are not committed; reading is paused");
                self.pause(true);
            }
        } else if outputs <= OUTPUTS_MAX / 2 && bytes <= OUTPUTS_BYTES_MAX / 2 {
            self.full_since = None;
            if self.paused && !matches!(self.phase, Phase::Stopping { .. }) {
                info!(worker = self.number, "reading goes on");
                self.pause(false);
            }
        }
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.transport.pause(paused);
        self.batch.read_on(self.transport.now());
    }

    /// A word about what goes wrong, once in a while.
    fn mention(&mut self, why: &str, what: &str) {
        if self.reminder.is_due(self.transport.now()) {
            warn!(worker = self.number, outputs = self.ledger.outputs(), why, "{what}");
        }
    }
}

/// An alert as `/api/v1/alerts` shows it: as it was written.
fn published(output: &Output) -> Option<Arc<RawValue>> {
    let text = String::from_utf8(output.outgoing().payload?.to_vec()).ok()?;
    RawValue::from_string(text).ok().map(Arc::from)
}
