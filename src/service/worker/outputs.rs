//! Outputs and offsets: handed over, acknowledged, tried again, committed, and held back where they pile up.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tracing::{info, warn};

use super::Worker;
use super::group::Phase;
use crate::service::failure::Failure;
use crate::service::output::Output;
use crate::service::transport::{Ticket, Transport, Undelivered};

/// Outputs under way at which no more records are read.
pub(super) const OUTPUTS_MAX: usize = 10_000;
/// Their bytes at which no more records are read.
const OUTPUTS_BYTES_MAX: usize = 64 << 20;
/// How long outputs may stall before reading is paused; a pause throws away what was fetched ahead.
const STALL_MAX: Duration = Duration::from_secs(1);
/// The longest that offsets wait for their commit if the records before them caused nothing.
pub(super) const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// The same if they caused an output.
const COMMIT_INTERVAL_PROMPT: Duration = Duration::from_millis(50);
/// Between a commit that failed and the next.
pub(super) const COMMIT_RETRY: Duration = Duration::from_millis(250);

impl<T: Transport> Worker<T> {
    pub(super) fn hand_over(&mut self) -> Result<(), Failure> {
        let now = self.transport.now();
        while let Some((ticket, output)) = self.ledger.next_due(now) {
            if let Err(why) = self.transport.send(ticket, &output.outgoing()) {
                let full = matches!(why, Undelivered::Retry(_));
                self.undelivered(ticket, why)?;
                if full {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) fn delivered(&mut self, ticket: Ticket) {
        let Some(output) = self.ledger.delivered(ticket) else { return };
        self.prompt = true;
        if output.as_alert().is_none() {
            return;
        }
        if let Some(caused_at) = output.caused_at() {
            let latency_ms = self.transport.wall().since(caused_at).millis();
            self.views.metrics.observe_alert_latency(Duration::from_millis(latency_ms.unsigned_abs()));
        }
        if let Some(published) = published(&output) {
            self.views.alerts.push(published);
        }
    }

    pub(super) fn undelivered(&mut self, ticket: Ticket, why: Undelivered) -> Result<(), Failure> {
        match why {
            Undelivered::Refused(failure) => return Err(failure),
            Undelivered::Retry(why) => {
                let now = self.transport.now();
                self.ledger.retry(ticket, now);
                if self.trouble.is_due(now) {
                    warn!(worker = self.number, outputs = self.ledger.outputs(), %why, "an output is not written; trying again");
                }
            }
            Undelivered::TooLarge(why) => return self.too_large(ticket, &why),
        }
        Ok(())
    }

    pub(super) fn commit_if_due(&mut self) {
        let now = self.transport.now();
        let interval = if self.prompt || self.draining() { COMMIT_INTERVAL_PROMPT } else { COMMIT_INTERVAL };
        if now < self.commit_not_before || now - self.commit_begun < interval {
            return;
        }
        if let Some(positions) = self.ledger.begin_commit() {
            self.commit_begun = now;
            self.prompt = false;
            self.transport.commit(positions);
        }
    }

    fn too_large(&mut self, ticket: Ticket, why: &str) -> Result<(), Failure> {
        let can_be_smaller = self.ledger.too_large(ticket);
        let Some(output) = self.ledger.output(ticket) else { return Ok(()) };
        let (setting, noun, bytes) = (output.destination().setting(), output.destination().noun(), output.bytes());
        if can_be_smaller {
            warn!(worker = self.number, bytes, why, "{setting}: too large, trying again alone or smaller");
            return Ok(());
        }
        let problem = format!("the topic refuses even the smallest form of an output, {bytes} bytes of {noun}: {why}");
        Err(Failure::surroundings(setting, problem).hint("raise max.message.bytes of the topic"))
    }

    /// Memory is bounded by reading no further than outputs are acknowledged.
    pub(super) fn hold_back_if_full(&mut self) {
        let now = self.transport.now();
        let (outputs, bytes) = (self.ledger.outputs(), self.ledger.outputs_bytes());
        if outputs >= OUTPUTS_MAX || bytes >= OUTPUTS_BYTES_MAX {
            let since = *self.full_since.get_or_insert(now);
            if !self.paused && now - since >= STALL_MAX {
                warn!(worker = self.number, outputs, bytes, "outputs are not acknowledged; reading is paused");
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
    }
}

/// An alert as `/api/v1/alerts` shows it: as it was written.
fn published(output: &Output) -> Option<Arc<RawValue>> {
    let text = String::from_utf8(output.outgoing().payload?.to_vec()).ok()?;
    RawValue::from_string(text).ok().map(Arc::from)
}
