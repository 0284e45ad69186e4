//! What is on its way out, and which offsets may be committed because of what has arrived.
//!
//! The one rule: an offset is committed only when every output of every record before it is acknowledged. Outputs are
//! held until then, so that they can be sent again. No clock and no transport here: both are the worker's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::output::Output;
use super::transport::{PartitionId, Position, Ticket};

/// The wait before an output is sent again doubles from here…
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// …up to here.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Outputs under way and offsets that wait for them.
#[derive(Debug, Default)]
pub struct Ledger {
    next: Ticket,
    /// Every output that is not acknowledged.
    held: BTreeMap<Ticket, Held>,
    held_bytes: usize,
    /// Held outputs that are to be sent, by when.
    waiting: BTreeSet<(Option<Instant>, Ticket)>,
    /// Held outputs that a topic found too large in company; each is sent with nothing else under way.
    alone: VecDeque<Ticket>,
    /// How many outputs are with the transport.
    sent: usize,
    /// Offsets in the order in which their records were decided.
    steps: VecDeque<Step>,
    /// Offsets that may be committed.
    ready: BTreeMap<PartitionId, i64>,
    /// Offsets that are being committed; none if no commit is under way.
    committing: Option<Vec<Position>>,
}

#[derive(Debug)]
struct Held {
    output: Output,
    retries: u32,
    /// It was too large before, and has been sent alone since.
    alone: bool,
    since: Instant,
}

/// Offsets that may be committed once every ticket below `below` is settled.
#[derive(Debug)]
struct Step {
    below: Ticket,
    offsets: BTreeMap<PartitionId, i64>,
}

impl Ledger {
    /// Takes an output in, to be sent at once.
    pub fn add(&mut self, output: Output, now: Instant) {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        self.held_bytes += output.bytes();
        self.held.insert(ticket, Held { output, retries: 0, alone: false, since: now });
        self.waiting.insert((None, ticket));
    }

    /// Notes how far the records are decided whose outputs have been added so far.
    pub fn decided(&mut self, positions: impl IntoIterator<Item = Position>) {
        let below = self.next;
        if self.steps.back().is_none_or(|step| step.below != below) {
            self.steps.push_back(Step { below, offsets: BTreeMap::new() });
        }
        let step = self.steps.back_mut().expect("one was pushed if there was none");
        step.offsets.extend(positions.into_iter().map(|position| (position.partition, position.offset)));
        self.advance();
    }

    /// The next output to be handed to the transport, if one is due.
    pub fn next_due(&mut self, now: Instant) -> Option<(Ticket, &Output)> {
        let ticket = match self.alone.front() {
            Some(_) if self.sent > 0 => return None,
            Some(_) => self.alone.pop_front()?,
            None => {
                let (at, ticket) = *self.waiting.first()?;
                if at.is_some_and(|at| at > now) {
                    return None;
                }
                self.waiting.pop_first();
                ticket
            }
        };
        self.sent += 1;
        Some((ticket, &self.held[&ticket].output))
    }

    /// An output is acknowledged and leaves; none if it was not under way.
    pub fn delivered(&mut self, ticket: Ticket) -> Option<Output> {
        let held = self.held.remove(&ticket)?;
        self.sent -= 1;
        self.held_bytes -= held.output.bytes();
        self.advance();
        Some(held.output)
    }

    /// An output was not written: it will be sent again after a while, longer each time.
    pub fn retry(&mut self, ticket: Ticket, now: Instant) {
        let Some(held) = self.held.get_mut(&ticket) else { return };
        self.sent -= 1;
        let backoff = BACKOFF_MIN.saturating_mul(1 << held.retries.min(16)).min(BACKOFF_MAX);
        held.retries = held.retries.saturating_add(1);
        self.waiting.insert((Some(now + backoff), ticket));
    }

    /// An output was too large for its topic: it will be sent again alone, because a topic's limit holds for a batch
    /// of records together; if it was alone already, smaller. False if it cannot be made smaller.
    #[must_use]
    pub fn too_large(&mut self, ticket: Ticket) -> bool {
        let Some(held) = self.held.get_mut(&ticket) else { return true };
        self.sent -= 1;
        self.alone.push_back(ticket);
        if !std::mem::replace(&mut held.alone, true) {
            return true;
        }
        let bytes_before = held.output.bytes();
        let shrunk = held.output.shrink();
        self.held_bytes = self.held_bytes - bytes_before + held.output.bytes();
        shrunk
    }

    /// An output that is still held.
    #[must_use]
    pub fn output(&self, ticket: Ticket) -> Option<&Output> {
        self.held.get(&ticket).map(|held| &held.output)
    }

    /// Takes the offsets that may be committed; they count as being committed from now on. None if there are none, or
    /// others are being committed.
    pub fn begin_commit(&mut self) -> Option<&[Position]> {
        if !self.may_commit() {
            return None;
        }
        let ready = std::mem::take(&mut self.ready).into_iter();
        Some(self.committing.insert(ready.map(|(partition, offset)| Position { partition, offset }).collect()))
    }

    /// The offsets that were being committed are.
    pub fn committed(&mut self) {
        self.committing = None;
    }

    /// The offsets that were being committed are not: they are to be committed again, where nothing newer is.
    pub fn not_committed(&mut self) {
        for position in self.committing.take().into_iter().flatten() {
            self.ready.entry(position.partition).or_insert(position.offset);
        }
    }

    /// Forgets the offsets of partitions that are no longer ours. Their outputs go on: what they say is true.
    pub fn forget(&mut self, partitions: &[PartitionId]) {
        self.ready.retain(|partition, _| !partitions.contains(partition));
        if let Some(committing) = &mut self.committing {
            committing.retain(|position| !partitions.contains(&position.partition));
        }
        for step in &mut self.steps {
            step.offsets.retain(|partition, _| !partitions.contains(partition));
        }
    }

    /// True if an offset of one of the partitions is still to be committed.
    #[must_use]
    pub fn owes(&self, partitions: &[PartitionId]) -> bool {
        self.ready.keys().any(|partition| partitions.contains(partition))
            || self.committing.iter().flatten().any(|position| partitions.contains(&position.partition))
            || self.steps.iter().any(|step| step.offsets.keys().any(|partition| partitions.contains(partition)))
    }

    /// True if nothing is under way and nothing is to be committed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.held.is_empty() && self.steps.is_empty() && self.ready.is_empty() && self.committing.is_none()
    }

    /// True if some offset may be committed and none is being committed.
    #[must_use]
    pub fn may_commit(&self) -> bool {
        self.committing.is_none() && !self.ready.is_empty()
    }

    /// How many outputs are not acknowledged.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.held.len()
    }

    /// Bytes of the outputs that are not acknowledged.
    #[must_use]
    pub const fn outputs_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The output that has waited longest for its acknowledgement, and since when.
    #[must_use]
    pub fn oldest(&self) -> Option<(&Output, Instant)> {
        self.held.values().next().map(|held| (&held.output, held.since))
    }

    fn advance(&mut self) {
        let settled_below = self.held.keys().next().copied().unwrap_or(self.next);
        while let Some(step) = self.steps.pop_front_if(|step| step.below <= settled_below) {
            self.ready.extend(step.offsets);
        }
    }
}
