//! Partitions come and go, and the worker ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Progress, Worker};
use crate::service::failure::Failure;
use crate::service::transport::{Hindrance, PartitionId, Transport};

/// How long a revoked partition is held back for what it caused; well below the group's patience.
const RELEASE_MAX: Duration = Duration::from_secs(30);
/// How long a stop waits for what is under way.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two attempts to begin partitions.
const BEGIN_RETRY: Duration = Duration::from_millis(500);

/// What a worker is about.
#[derive(Debug)]
pub(super) enum Phase {
    /// Records are read and decided.
    Running,
    /// Revoked partitions are given back once what they caused is committed; others go on.
    Releasing {
        /// The revoked ones.
        partitions: Vec<PartitionId>,
        /// When they are given back in any case.
        deadline: Instant,
    },
    /// No record is decided any more; what is under way is settled.
    Stopping {
        /// When it stops in any case.
        deadline: Instant,
    },
}

/// A change of partitions that is to be answered.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// Ours now.
    Assigned {
        partitions: Vec<PartitionId>,
        since: Instant,
        /// Later than `since` where beginning has failed before.
        not_before: Instant,
    },
    /// To be given back.
    Revoked(Vec<PartitionId>),
    /// Somebody else's already.
    Lost(Vec<PartitionId>),
}

impl<T: Transport> Worker<T> {
    /// Answers the next change of partitions; one at a time, because a group waits for the answer.
    pub(super) fn rebalance(&mut self) -> Result<(), Failure> {
        let now = self.transport.now();
        while !matches!(self.phase, Phase::Releasing { .. }) {
            match self.rebalances.pop_front() {
                None => break,
                Some(Rebalance::Lost(partitions)) => {
                    warn!(worker = self.number, partitions = %list(&partitions), "partitions were lost to the group");
                    self.drop_partitions(&partitions);
                    self.wait_for_group();
                }
                // Leaving the group answers for the rest.
                Some(_) if matches!(self.phase, Phase::Stopping { .. }) => {}
                Some(Rebalance::Revoked(partitions)) => {
                    self.phase = Phase::Releasing { partitions, deadline: now + RELEASE_MAX };
                }
                Some(Rebalance::Assigned { partitions, since, not_before }) if now < not_before => {
                    self.rebalances.push_front(Rebalance::Assigned { partitions, since, not_before });
                    break;
                }
                Some(Rebalance::Assigned { partitions, since, .. }) => self.begin(partitions, since)?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, partitions: Vec<PartitionId>, since: Instant) -> Result<(), Failure> {
        match self.transport.begin(&partitions) {
            Ok(starts) => {
                let now = self.transport.now();
                for start in starts {
                    if !start.committed {
                        self.ledger.decided([start.position.clone()]);
                    }
                    self.batch.add(start.position);
                    self.views.metrics.observe_restore(now - since);
                }
                if self.paused {
                    self.transport.pause(true);
                }
                self.views.readiness.found(&self.readiness_key());
                info!(worker = self.number, partitions = %list(&partitions), "partitions were assigned");
                Ok(())
            }
            Err(Hindrance::Lasting(failure)) => Err(failure),
            Err(Hindrance::Passing(why)) => {
                warn!(worker = self.number, %why, "assigned partitions cannot be begun; trying again");
                let not_before = self.transport.now() + BEGIN_RETRY;
                self.rebalances.push_front(Rebalance::Assigned { partitions, since, not_before });
                Ok(())
            }
        }
    }

    fn drop_partitions(&mut self, partitions: &[PartitionId]) {
        self.ledger.forget(partitions);
        self.batch.remove(partitions);
        self.transport.release(partitions);
        for id in partitions {
            self.views.metrics.remove_partition(&id.topic, id.number);
        }
    }

    pub(super) fn advance_phase(&mut self) -> Result<Progress, Failure> {
        let now = self.transport.now();
        if self.stop.load(Ordering::Relaxed) && !matches!(self.phase, Phase::Stopping { .. }) {
            self.pause(true);
            self.phase = Phase::Stopping { deadline: now + STOP_MAX };
        }
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Running => Ok(Progress::Continue),
            Phase::Releasing { partitions, deadline } => {
                self.release(partitions, deadline);
                Ok(Progress::Continue)
            }
            Phase::Stopping { .. } if self.ledger.is_settled() => Ok(Progress::Done),
            Phase::Stopping { deadline } if now < deadline => {
                self.phase = Phase::Stopping { deadline };
                Ok(Progress::Continue)
            }
            Phase::Stopping { .. } => Err(Failure::other(format!(
                "stopped after {}s with {} outputs unacknowledged or offsets uncommitted; they will be repeated",
                STOP_MAX.as_secs(),
                self.ledger.outputs(),
            ))),
        }
    }

    /// Gives revoked partitions back if nothing is owed for them any more, or it is time.
    fn release(&mut self, partitions: Vec<PartitionId>, deadline: Instant) {
        let owes = self.ledger.owes(&partitions);
        if owes && self.transport.now() < deadline {
            self.phase = Phase::Releasing { partitions, deadline };
            return;
        }
        let names = list(&partitions);
        if owes {
            warn!(worker = self.number, partitions = %names,
                "partitions are given back uncommitted; the next owner will repeat some outputs");
        } else {
            info!(worker = self.number, partitions = %names, "partitions were given back");
        }
        self.drop_partitions(&partitions);
    }

    pub(super) fn wait_for_group(&self) {
        let why = "waits for the consumer group to assign partitions";
        self.views.readiness.missing(&self.readiness_key(), why);
    }

    fn readiness_key(&self) -> String {
        format!("worker {}", self.number)
    }
}

fn list(partitions: &[PartitionId]) -> String {
    partitions.iter().map(PartitionId::to_string).collect::<Vec<_>>().join(" ")
}
