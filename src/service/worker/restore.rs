//! A partition that is ours goes on as if it had never stopped: what was saved of it is read, then the records since are
//! decided again with nobody listening, up to where the group stands.
//!
//! One partition after the other, a little in each step, so that the partitions that are read already go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Worker;
use crate::detect::Origin;
use crate::detect::rule::RuleSet;
use crate::detect::state::Restoration;
use crate::pipeline::Partition;
use crate::service::batch::{GROUPS_AT_ONCE, Restored};
use crate::service::failure::Failure;
use crate::service::saved::{Keys, Saved, SavedError};
use crate::service::threads::drop_aside;
use crate::service::transport::{Hindrance, LookBack, PartitionId, StartPosition, Stretch, Transport};
use crate::telemetry::ReadBack;

/// Records read back in one step.
const STEP_RECORDS_MAX: usize = 5_000;
/// Between two words about a restore that takes long.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How many times the interval between two saves is divided, so that partitions take turns.
const TURNS: u32 = 16;

/// Partitions whose beginning is known, and the one that is being restored.
#[derive(Debug, Default)]
pub(super) struct Restores {
    queue: VecDeque<Job>,
    active: Option<(Job, Step)>,
    /// Those under which the active one is restored.
    rules: Option<Arc<RuleSet>>,
    /// True if the last step found something to read.
    busy: bool,
}

/// A partition to be restored up to where it begins.
#[derive(Debug)]
struct Job {
    question: u64,
    start: StartPosition,
    reported: Instant,
}

/// What is being read.
#[derive(Debug)]
enum Step {
    State { keys: Keys, saved: Saved, problem: Option<SavedError>, records: usize },
    Groups(Box<Groups>),
    Records { restored: Box<Restored>, origin: Origin, from: i64, gap: Option<i64> },
}

/// What was saved, while groups are made of it.
#[derive(Debug)]
struct Groups {
    saved: Saved,
    restoration: Restoration,
    /// How many entries are groups already.
    done: usize,
    problem: Option<SavedError>,
    head: Vec<u8>,
    /// The offset up to which it tells.
    offset: i64,
}

impl Step {
    fn drop_aside(self) {
        let entries = match &self {
            Self::State { saved, .. } => saved.entries.len(),
            Self::Groups(groups) => groups.saved.entries.len(),
            Self::Records { restored, .. } => restored.state.groups(),
        };
        if entries >= GROUPS_AT_ONCE {
            drop_aside(self);
        }
    }
}

impl Groups {
    fn go_on(&mut self) -> LookBack {
        let Self { saved, restoration, done, problem, .. } = self;
        match saved.hand_over(*done, STEP_RECORDS_MAX, |spelled, value| restoration.entry(spelled, value)) {
            Ok(0) => return LookBack::End,
            Ok(count) => *done += count,
            Err(why) => {
                *problem = Some(why.into());
                return LookBack::End;
            }
        }
        LookBack::More
    }
}

impl Job {
    const fn partition(&self) -> &PartitionId {
        &self.start.position.partition
    }
}

impl Restores {
    pub(super) fn add(&mut self, question: u64, start: StartPosition, now: Instant) {
        self.queue.push_back(Job { question, start, reported: now });
    }

    pub(super) fn remove(&mut self, partitions: &[PartitionId]) {
        self.queue.retain(|job| !partitions.contains(job.partition()));
        if let Some((_, step)) = self.active.take_if(|(job, _)| partitions.contains(job.partition())) {
            step.drop_aside();
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some((_, step)) = std::mem::take(self).active {
            step.drop_aside();
        }
    }

    /// True if the next step need not wait for anything.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }
}

impl<T: Transport> Worker<T> {
    /// Goes a step on with restoring, and begins with the next partition when one is done.
    pub(super) fn restore(&mut self) -> Result<(), Failure> {
        self.restores.busy = false;
        let is_old = |rules: &Arc<RuleSet>| !Arc::ptr_eq(rules, self.batch.rules());
        if self.restores.rules.as_ref().is_some_and(is_old)
            && let Some((job, step)) = self.restores.active.take()
        {
            // What was restored so far was restored for other rules.
            step.drop_aside();
            self.restores.queue.push_front(job);
        }
        if self.restores.active.is_none() {
            let Some(job) = self.restores.queue.pop_front() else { return Ok(()) };
            if let Some(beside) = self.batch.beside(&job.start.position) {
                let restored = self.recall_beside(&job, beside)?;
                return self.restored(job, restored);
            }
            if let Err(why) = self.transport.look_back(&Stretch::State(job.partition().clone())) {
                return self.not_begun(Some(job.partition()), why);
            }
            let keys = self.batch.keys(&job.partition().topic);
            let step = Step::State { keys, saved: Saved::default(), problem: None, records: 0 };
            self.restores.active = Some((job, step));
            self.restores.rules = Some(Arc::clone(self.batch.rules()));
        }
        let Some((mut job, mut step)) = self.restores.active.take() else { return Ok(()) };
        match self.read_back(&mut job, &mut step) {
            Ok(LookBack::More) => self.restores.active = Some((job, step)),
            Ok(LookBack::End) => return self.read_to_the_end(job, step),
            Err(why) => return self.not_begun(Some(job.partition()), why),
        }
        Ok(())
    }

    fn read_back(&mut self, job: &mut Job, step: &mut Step) -> Result<LookBack, Hindrance> {
        let Self { transport, batch, .. } = self;
        let mut count = 0;
        let look_back = match step {
            Step::State { keys, saved, problem, records } => transport.read_back(STEP_RECORDS_MAX, &mut |record| {
                if let Err(why) = saved.take(keys, record.key.unwrap_or_default(), record.payload) {
                    problem.get_or_insert(why);
                }
                (count, *records) = (count + 1, *records + 1);
            })?,
            Step::Groups(groups) => {
                self.restores.busy = true;
                return Ok(groups.go_on());
            }
            Step::Records { restored, origin, from, gap } => transport.read_back(STEP_RECORDS_MAX, &mut |record| {
                gap.get_or_insert(record.offset - *from);
                origin.offset = record.offset;
                batch.replay(&mut restored.state, origin, &record);
                count += 1;
            })?,
        };
        let kind = if matches!(step, Step::State { .. }) { ReadBack::State } else { ReadBack::Replayed };
        self.views.metrics.count_read_back(kind, count);
        self.restores.busy = count > 0 || look_back == LookBack::End;
        self.report(job, step);
        Ok(look_back)
    }

    fn read_to_the_end(&mut self, job: Job, step: Step) -> Result<(), Failure> {
        match step {
            Step::State { saved, problem, .. } => match problem.map_or_else(|| self.head_of_use(&job, &saved), Err) {
                Ok(Some((offset, head))) => {
                    let restoration = self.batch.restoration(saved.entries.len());
                    let (done, problem) = (0, None);
                    let groups = Groups { saved, restoration, done, problem, head, offset };
                    self.restores.active = Some((job, Step::Groups(Box::new(groups))));
                    Ok(())
                }
                Ok(None) => {
                    let restored = self.restored_to_nothing(&saved);
                    self.restored(job, restored)
                }
                Err(why) => self.not_of_use(job, &saved, &why),
            },
            Step::Groups(groups) => {
                let Groups { saved, restoration, problem, head, offset, .. } = *groups;
                let restored = match problem {
                    None => self.batch.restored(restoration, &head).map_err(SavedError::from),
                    Some(why) => Err(why),
                };
                let until = job.start.position.offset;
                match restored {
                    Ok((state, unused)) => {
                        let restored = Restored { state, saved: Some(offset), stale: unused };
                        if offset < until {
                            self.begin_replay(job, restored, (offset, until))
                        } else {
                            self.restored(job, restored)
                        }
                    }
                    Err(why) => self.not_of_use(job, &saved, &why),
                }
            }
            Step::Records { restored, gap, from, .. } => {
                let until = job.start.position.offset;
                if let Some(missing) = gap.or(Some(until - from)).filter(|missing| *missing > 0) {
                    warn!(worker = self.number, partition = %job.partition(), records = missing,
                        "the topic no longer has all records since the state was saved; windows miss some of them");
                }
                self.restored(job, *restored)
            }
        }
    }

    /// Windows begin empty where what was saved is damaged; what a newer version saved is left alone.
    fn not_of_use(&mut self, job: Job, saved: &Saved, why: &SavedError) -> Result<(), Failure> {
        match why {
            SavedError::UnknownFormat { found } => Err(newer("kafka.state_topic", job.partition(), *found)),
            SavedError::Damaged(why) => {
                warn!(worker = self.number, partition = %job.partition(), why,
                    "kafka.state_topic: what was saved is damaged; windows begin empty and miss what came before");
                let restored = self.restored_to_nothing(saved);
                self.restored(job, restored)
            }
        }
    }

    /// The offset up to which what was saved tells, and the engine's head, if the partition can go on with it.
    fn head_of_use(&self, job: &Job, saved: &Saved) -> Result<Option<(i64, Vec<u8>)>, SavedError> {
        let begins_at = job.start.position.offset;
        let Some((offset, head)) = saved.head()? else {
            if job.start.committed && begins_at > 0 {
                warn!(worker = self.number, partition = %job.partition(), offset = begins_at,
                    "kafka.state_topic has nothing of this partition: its windows begin empty, so for as long as the \
                     longest timespan of the rules, what depends on earlier events is missed");
            }
            return Ok(None);
        };
        if !job.start.committed || offset > begins_at {
            warn!(worker = self.number, partition = %job.partition(), saved = offset, offset = begins_at,
                "the group's offsets have been moved back or away since the state was saved; windows begin empty");
            return Ok(None);
        }
        Ok(Some((offset, head.to_vec())))
    }

    /// The partition as what stands beside its offset tells; there is nothing to decide again.
    fn recall_beside(&self, job: &Job, beside: Result<Option<Partition>, SavedError>) -> Result<Restored, Failure> {
        let (partition, offset) = (job.partition(), job.start.position.offset);
        let state = match beside {
            Ok(Some(state)) => state,
            Ok(None) => {
                if job.start.committed && offset > 0 {
                    warn!(worker = self.number, %partition, offset,
                        "nothing stands beside the group's offset: which events are late is judged from here on");
                }
                self.batch.unknown()
            }
            Err(SavedError::UnknownFormat { found }) => return Err(newer("kafka.group_id", partition, found)),
            Err(SavedError::Damaged(why)) => {
                warn!(worker = self.number, %partition, offset, why,
                    "what stands beside the group's offset is damaged: which events are late is judged from here on");
                self.batch.unknown()
            }
        };
        Ok(Restored { state, saved: None, stale: Vec::new() })
    }

    fn restored_to_nothing(&self, saved: &Saved) -> Restored {
        Restored { state: self.batch.unknown(), saved: None, stale: saved.entries.keys().cloned().collect() }
    }

    fn begin_replay(&mut self, job: Job, restored: Restored, (from, until): (i64, i64)) -> Result<(), Failure> {
        let partition = job.partition().clone();
        let origin = Origin { topic: partition.topic.clone(), partition: partition.number, offset: from };
        if let Err(why) = self.transport.look_back(&Stretch::Records { partition, from, until }) {
            return self.not_begun(Some(job.partition()), why);
        }
        let restored = Box::new(restored);
        self.restores.active = Some((job, Step::Records { restored, origin, from, gap: None }));
        Ok(())
    }

    fn restored(&mut self, job: Job, restored: Restored) -> Result<(), Failure> {
        self.restores.busy = true;
        let partition = job.partition().clone();
        let Some(since) = self.arrivals.since(&partition, job.question) else { return Ok(()) };
        if let Err(why) = self.transport.begin(&job.start.position) {
            return self.not_begun(Some(&partition), why);
        }
        let now = self.transport.now();
        self.arrivals.remove(std::slice::from_ref(&partition));
        self.views.metrics.observe_restore(now - since);
        info!(worker = self.number, partitions = %partition, offset = job.start.position.offset,
            groups = restored.state.groups(), seconds = (now - since).as_secs_f64(), "partitions are read");
        self.own(job.start, restored, now);
        self.show_readiness();
        Ok(())
    }

    fn own(&mut self, start: StartPosition, restored: Restored, now: Instant) {
        let turn = start.position.partition.number.unsigned_abs() % TURNS;
        let save_at = now + self.save_interval * (TURNS + turn) / (2 * TURNS);
        let (id, committed) = (start.position.partition.clone(), start.committed);
        self.batch.add(start.position, restored, (now, save_at));
        if !committed {
            self.batch.commit(&id, &mut self.ledger);
        }
    }

    fn report(&self, job: &mut Job, step: &Step) {
        let now = self.transport.now();
        if now - job.reported < REPORT_INTERVAL {
            return;
        }
        job.reported = now;
        let partition = job.partition();
        match step {
            Step::Groups(groups) => {
                let (done, all) = (groups.done, groups.saved.entries.len());
                info!(worker = self.number, %partition, done, all, "restoring: making groups of what was saved");
            }
            Step::State { records, .. } => {
                info!(worker = self.number, %partition, records, "restoring: reading what was saved");
            }
            Step::Records { origin, from, .. } => {
                let (done, all) = (origin.offset - from, job.start.position.offset - from);
                info!(worker = self.number, %partition, done, all, "restoring: deciding records again");
            }
        }
    }
}

fn newer(setting: &'static str, partition: &PartitionId, found: u8) -> Failure {
    let problem = format!("what is saved of {partition} was written by a newer version: its format is {found}");
    Failure::surroundings(setting, problem)
        .hint("use that version or a later one; deleting what it saved would lose what the windows hold")
}
