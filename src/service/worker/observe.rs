//! What is to be seen of a worker while it runs: gauges, readiness, and a word when something takes long.

use std::time::{Duration, Instant};

use tracing::warn;

use super::Worker;
use crate::service::output::Destination;
use crate::service::transport::Transport;

/// How long an output waits for its commit before that is worth a word.
pub(super) const OVERDUE: Duration = Duration::from_secs(5);
/// Between two words about a trouble that goes on.
const REMINDER_INTERVAL: Duration = Duration::from_secs(5);
/// Between two looks at lag and state.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps a trouble that goes on from filling the log.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    said: Option<Instant>,
}

impl Reminder {
    /// True if it has not been so for a while.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now - said >= REMINDER_INTERVAL);
        if due {
            self.said = Some(now);
        }
        due
    }
}

impl<T: Transport> Worker<T> {
    /// Once in a while: gauges of the partitions, and whether the output topics do their part.
    pub(super) fn look_around(&mut self) {
        let now = self.transport.now();
        if now - self.observed < OBSERVE_INTERVAL {
            return;
        }
        self.observed = now;
        let transport = &mut self.transport;
        for (id, state) in self.batch.states(|id, next| transport.left(id, next)) {
            self.views.metrics.set_partition(&id.topic, id.number, state);
        }
        self.show_waiting();
        self.look_for_overdue_outputs(now);
        if !self.draining() {
            self.look_for_lost_logs();
        }
    }

    /// Tells those who count matches how far their sources are. Not while nothing can be sent, because that would pile up,
    /// nor while nothing is read, because whether anything is left is not known then.
    pub(super) fn mark_sources(&mut self) {
        let now = self.transport.now();
        let is_reading = !self.paused && self.full_since.is_none();
        if self.stage.is_open() && is_reading && !self.draining() && self.batch.is_mark_due(now) {
            let Self { transport, batch, ledger, .. } = self;
            batch.mark(ledger, now, |id, next| transport.left(id, next));
        }
    }

    /// Tells how many partitions are not read yet.
    pub(super) fn show_waiting(&mut self) {
        let waiting = i64::try_from(self.arrivals.count()).unwrap_or(i64::MAX);
        self.views.metrics.add_partitions_waiting(waiting - self.waiting_shown);
        self.waiting_shown = waiting;
    }

    fn look_for_overdue_outputs(&mut self, now: Instant) {
        let oldest = self.ledger.oldest().filter(|(_, since)| now - *since >= OVERDUE);
        let overdue = oldest.map(|(output, since)| (output.destination(), now - since));
        for destination in Destination::ALL {
            let key = format!("worker {}: {}", self.number, destination.setting());
            match overdue {
                Some((waiting, waited)) if waiting == destination => {
                    let what = format!(
                        "no {} has been committed for {}s: is the broker away, or are fewer replicas in sync than \
                         min.insync.replicas asks for?",
                        destination.noun(),
                        waited.as_secs()
                    );
                    if self.reminder.is_due(now) {
                        warn!(
                            worker = self.number,
                            outputs = self.ledger.outputs(),
                            "{}: {what}",
                            destination.setting()
                        );
                    }
                    self.views.readiness.missing(&key, what);
                }
                _ => self.views.readiness.found(&key),
            }
        }
    }
}
