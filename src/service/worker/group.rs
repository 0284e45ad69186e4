//! Partitions come and go, and the worker ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::transaction::Stage;
use super::{Progress, Worker};
use crate::service::failure::Failure;
use crate::service::transport::{Breakage, Hindrance, PartitionId, StartPosition, Transport};

/// How long a revoked partition is held back for what it caused; well below the group's patience.
const RELEASE_MAX: Duration = Duration::from_secs(30);
/// How long a stop waits for what is under way.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long it then waits for what is known to be saved; together with a commit well below what orchestrators grant.
const SAVE_MAX: Duration = Duration::from_secs(4);
/// Between being expelled and joining again.
pub(super) const REJOIN_WAIT: Duration = Duration::from_secs(1);
/// Between two attempts to begin partitions.
pub(super) const BEGIN_RETRY: Duration = Duration::from_millis(500);

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
        /// True once every decided record is committed: what is still under way only spares the next owner work.
        only_saves: bool,
    },
}

/// A change of partitions that is to be dealt with.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// Ours now.
    Assigned(Vec<PartitionId>),
    /// To be given back.
    Revoked(Vec<PartitionId>),
    /// Somebody else's already.
    Lost(Vec<PartitionId>),
}

/// Partitions that are ours and not read yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: Vec<Arrival>,
    /// The number of the last question where partitions begin.
    question: u64,
    /// True once the group has given us anything, be it nothing.
    assigned: bool,
}

#[derive(Debug)]
struct Arrival {
    partition: PartitionId,
    since: Instant,
    /// Later than `since` where beginning has failed before.
    not_before: Instant,
    /// The question under which its beginning is being looked up.
    asked: Option<u64>,
    /// Since when its log has been found to end before the group's offset.
    short_since: Option<Instant>,
}

impl Arrivals {
    pub(super) fn add(&mut self, partitions: impl IntoIterator<Item = PartitionId>, now: Instant) {
        let arrival = |partition| Arrival { partition, since: now, not_before: now, asked: None, short_since: None };
        self.waiting.extend(partitions.into_iter().map(arrival));
    }

    pub(super) fn remove(&mut self, partitions: &[PartitionId]) {
        self.waiting.retain(|arrival| !partitions.contains(&arrival.partition));
    }

    /// Since when a partition waits, if this question is the last that was asked about it.
    pub(super) fn since(&self, partition: &PartitionId, question: u64) -> Option<Instant> {
        let is_it = |arrival: &&Arrival| arrival.partition == *partition && arrival.asked == Some(question);
        self.waiting.iter().find(is_it).map(|arrival| arrival.since)
    }

    fn partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.waiting.iter().map(|arrival| &arrival.partition)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Takes those that are to be looked up now.
    fn ask(&mut self, now: Instant) -> Option<(u64, Vec<PartitionId>)> {
        let is_due = |arrival: &&mut Arrival| arrival.asked.is_none() && arrival.not_before <= now;
        let due: Vec<_> = self.waiting.iter_mut().filter(is_due).collect();
        if due.is_empty() {
            return None;
        }
        self.question += 1;
        let mut partitions = Vec::with_capacity(due.len());
        for arrival in due {
            arrival.asked = Some(self.question);
            partitions.push(arrival.partition.clone());
        }
        Some((self.question, partitions))
    }

    /// A partition is looked up again, later.
    pub(super) fn again(&mut self, partition: &PartitionId, not_before: Instant) {
        for arrival in self.waiting.iter_mut().filter(|arrival| arrival.partition == *partition) {
            (arrival.asked, arrival.not_before) = (None, not_before);
        }
    }

    /// For how long a partition's log has been found to end before the group's offset, now that it is.
    pub(super) fn short_for(&mut self, partition: &PartitionId, now: Instant) -> Duration {
        let arrival = self.waiting.iter_mut().find(|arrival| arrival.partition == *partition);
        arrival.map_or(Duration::ZERO, |arrival| now - *arrival.short_since.get_or_insert(now))
    }

    /// All that wait are looked up again, later: what was asked before may say less than is known by then.
    fn again_all(&mut self, not_before: Instant) {
        for arrival in &mut self.waiting {
            (arrival.asked, arrival.not_before) = (None, not_before);
        }
    }
}

impl<T: Transport> Worker<T> {
    /// Takes in the next change of partitions; one at a time, because a group waits for the answer.
    pub(super) fn rebalance(&mut self) {
        let now = self.transport.now();
        while !matches!(self.phase, Phase::Releasing { .. }) {
            match self.rebalances.pop_front() {
                None => break,
                Some(Rebalance::Lost(partitions)) => {
                    warn!(worker = self.number, partitions = %list(&partitions), "partitions were lost to the group");
                    self.arrivals.assigned = false;
                    self.drop_partitions(&partitions);
                }
                Some(Rebalance::Revoked(partitions)) if matches!(self.phase, Phase::Stopping { .. }) => {
                    self.given_up.extend(partitions);
                }
                // Nothing is begun any more.
                Some(_) if matches!(self.phase, Phase::Stopping { .. }) => {}
                Some(Rebalance::Revoked(partitions)) => {
                    self.batch.halt(&partitions);
                    self.arrivals.remove(&partitions);
                    self.restores.remove(&partitions);
                    self.save(&partitions);
                    self.phase = Phase::Releasing { partitions, deadline: now + RELEASE_MAX };
                }
                Some(Rebalance::Assigned(partitions)) => {
                    self.arrivals.assigned = true;
                    self.arrivals.add(partitions, now);
                }
            }
            self.show_readiness();
        }
    }

    /// What was ours is somebody else's, or nobody's, until the group has been joined again.
    pub(super) fn expelled(&mut self, breakage: &Breakage) -> Result<(), Failure> {
        let now = self.transport.now();
        let Breakage { fenced, why } = breakage;
        if *fenced {
            self.trouble.fenced(now, why)?;
        }
        warn!(worker = self.number, %why, "the group has another member of our name; joining again");
        self.rejoin_at = Some(now + REJOIN_WAIT);
        (self.is_handing_over, self.given_up) = (false, Vec::new());
        self.rebalances.clear();
        if matches!(self.phase, Phase::Releasing { .. }) {
            self.phase = Phase::Running;
        }
        let all: Vec<_> = self.batch.partitions().chain(self.arrivals.partitions()).cloned().collect();
        self.forget(&all);
        self.arrivals.assigned = false;
        self.show_readiness();
        Ok(())
    }

    pub(super) fn rejoin_if_due(&mut self) -> Result<(), Failure> {
        let now = self.transport.now();
        let is_due = self.rejoin_at.take_if(|at| *at <= now).is_some();
        if is_due && !matches!(self.phase, Phase::Stopping { .. }) { self.transport.rejoin() } else { Ok(()) }
    }

    /// Asks where partitions begin, once the producer has made sure that nothing of its predecessor is under way.
    pub(super) fn receive_arrivals(&mut self) {
        if matches!(self.stage, Stage::Preparing | Stage::Broken { .. }) {
            return;
        }
        if let Some((question, partitions)) = self.arrivals.ask(self.transport.now()) {
            self.transport.find(question, &partitions);
        }
    }

    /// Where partitions begin is known; before they do, what is known of them is restored.
    pub(super) fn found(&mut self, question: u64, starts: Vec<StartPosition>) -> Result<(), Failure> {
        let now = self.transport.now();
        for mut start in starts {
            if self.arrivals.since(&start.position.partition, question).is_none() || !self.look_at_log(&mut start, now)
            {
                continue;
            }
            let partition = &start.position.partition;
            if let Some(known) = self.batch.is_surplus(partition) {
                let problem =
                    format!("{:?} got more partitions than the {known} that it had at the start", partition.topic);
                let hint = "start all instances again: what else is to be done, they say then";
                return Err(Failure::surroundings("kafka.topics", problem).hint(hint));
            }
            self.restores.add(question, start, now);
        }
        Ok(())
    }

    /// Something stands in the way of beginning, with this partition where that is known: all that wait are tried again,
    /// and this one last.
    pub(super) fn not_begun(&mut self, partition: Option<&PartitionId>, why: Hindrance) -> Result<(), Failure> {
        self.restores.clear();
        if let Some(at) = self.arrivals.waiting.iter().position(|arrival| Some(&arrival.partition) == partition) {
            let last = self.arrivals.waiting.remove(at);
            self.arrivals.waiting.push(last);
        }
        self.arrivals.again_all(self.transport.now() + BEGIN_RETRY);
        match why {
            Hindrance::Lasting(failure) => Err(failure),
            Hindrance::Passing(why) => {
                warn!(worker = self.number, %why, "assigned partitions cannot be begun; trying again");
                Ok(())
            }
        }
    }

    /// Every partition that stays ours begins anew where the group stands.
    pub(super) fn begin_again(&mut self) {
        let all: Vec<_> = self.batch.partitions().cloned().collect();
        self.transport.halt(&all);
        self.batch.remove(&all);
        let now = self.transport.now();
        let leaving: &[PartitionId] =
            if let Phase::Releasing { partitions, .. } = &self.phase { partitions } else { &[] };
        self.restores.clear();
        self.arrivals.again_all(now);
        self.arrivals.add(all.into_iter().filter(|id| !leaving.contains(id)), now);
        self.show_readiness();
    }

    /// Lets what is known of partitions be committed with their last offsets, so that their next owner has nothing to
    /// decide again.
    fn save(&mut self, partitions: &[PartitionId]) {
        let now = self.transport.now();
        for partition in partitions {
            self.batch.save(partition, &mut self.ledger, now, now + self.save_interval);
        }
    }

    fn drop_partitions(&mut self, partitions: &[PartitionId]) {
        self.forget(partitions);
        self.transport.release(partitions);
    }

    pub(super) fn forget(&mut self, partitions: &[PartitionId]) {
        if self.ledger.forget(partitions) {
            self.abort();
        }
        self.batch.remove(partitions);
        self.arrivals.remove(partitions);
        self.restores.remove(partitions);
        for id in partitions {
            self.views.metrics.remove_partition(&id.topic, id.number);
        }
    }

    pub(super) fn advance_phase(&mut self) -> Result<Progress, Failure> {
        let now = self.transport.now();
        if self.stop.load(Ordering::Relaxed) && !matches!(self.phase, Phase::Stopping { .. }) {
            self.pause(true);
            self.restores.clear();
            let stopping = Phase::Stopping { deadline: now + STOP_MAX, only_saves: false };
            if let Phase::Releasing { partitions, .. } = std::mem::replace(&mut self.phase, stopping) {
                self.given_up = partitions;
            }
        }
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Running => Ok(Progress::Continue),
            Phase::Releasing { partitions, deadline } => {
                self.release(partitions, deadline);
                Ok(Progress::Continue)
            }
            Phase::Stopping { only_saves: false, .. } if self.ledger.is_settled() => {
                let all: Vec<_> = self.batch.partitions().cloned().collect();
                self.save(&all);
                self.phase = Phase::Stopping { deadline: now + SAVE_MAX, only_saves: true };
                Ok(Progress::Continue)
            }
            Phase::Stopping { deadline, only_saves } if self.ledger.is_settled() => {
                if !self.given_up.is_empty() {
                    let given_up = std::mem::take(&mut self.given_up);
                    self.drop_partitions(&given_up);
                }
                if !self.is_handing_over || now >= deadline {
                    return Ok(Progress::Done);
                }
                self.phase = Phase::Stopping { deadline, only_saves };
                Ok(Progress::Continue)
            }
            Phase::Stopping { deadline, only_saves } if now < deadline => {
                self.phase = Phase::Stopping { deadline, only_saves };
                Ok(Progress::Continue)
            }
            Phase::Stopping { only_saves: true, .. } => {
                warn!(
                    worker = self.number,
                    "kafka.state_topic: what is known could not be saved within {}s; the next owner decides the records \
                     since the last save again",
                    SAVE_MAX.as_secs()
                );
                Ok(Progress::Done)
            }
            Phase::Stopping { .. } => Err(Failure::other(format!(
                "stopped after {}s with {} outputs or their offsets uncommitted; they will be decided again",
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
                "partitions are given back uncommitted; the next owner decides their last records again");
        } else {
            info!(worker = self.number, partitions = %names, "partitions were given back");
        }
        self.drop_partitions(&partitions);
    }

    pub(super) fn show_readiness(&self) {
        let key = format!("worker {}", self.number);
        if !self.arrivals.assigned {
            self.views.readiness.missing(&key, "waits for the consumer group to assign partitions");
        } else if self.arrivals.waiting.is_empty() {
            self.views.readiness.found(&key);
        } else {
            let partitions: Vec<_> = self.arrivals.waiting.iter().map(|arrival| arrival.partition.clone()).collect();
            self.views.readiness.missing(&key, format!("partitions are not read yet: {}", list(&partitions)));
        }
    }
}

pub(super) fn list(partitions: &[PartitionId]) -> String {
    partitions.iter().map(PartitionId::to_string).collect::<Vec<_>>().join(" ")
}
