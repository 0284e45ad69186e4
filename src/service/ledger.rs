//! What has been decided and is not committed: outputs, and the offsets that go with them.
//!
//! The one rule: an offset is committed in the transaction that holds every output of every record before it, or in a
//! later one. Outputs are held until then, so that an aborted transaction can be filled again. No clock and no transport
//! here: both are the worker's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::output::{Destination, Output};
use super::transport::{PartitionId, Position, Ticket};

/// How long the size that a topic refused is held against others: they may be compressed better, and the limit be raised.
const REFUSED_MAX: Duration = Duration::from_mins(10);

/// Outputs and offsets on their way into a transaction, and those of the one that is being committed.
#[derive(Debug, Default)]
pub struct Ledger {
    next: Ticket,
    /// Every output that is not committed.
    held: BTreeMap<Ticket, Held>,
    /// Of those, how many are state, and the bytes of the others.
    held_state: usize,
    held_bytes: usize,
    /// Held outputs that are in no transaction.
    waiting: BTreeSet<Ticket>,
    /// Held outputs that a topic found too large in company; each is sent with nothing else under way.
    alone: BTreeSet<Ticket>,
    /// The one of them that is with the transport.
    alone_under_way: Option<Ticket>,
    /// How many bytes a topic was found to refuse of an output alone, and when: others are made smaller beforehand.
    refused: BTreeMap<Destination, (usize, Instant)>,
    /// How many outputs are with the transport.
    under_way: usize,
    /// Since when the oldest alert waits that no commit has taken.
    alert_since: Option<Instant>,
    /// Offsets that no commit has taken yet, and what the group is to keep beside each.
    offsets: BTreeMap<PartitionId, (i64, String)>,
    /// The commit under way.
    committing: Option<Commit>,
}

#[derive(Debug)]
struct Held {
    output: Output,
    partition: PartitionId,
    stage: Stage,
    /// It was too large before, and has been sent alone since.
    alone: bool,
    /// Its partition is no longer ours: it goes with the transaction that it is in, or not at all.
    orphaned: bool,
    since: Instant,
}

/// How far an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    UnderWay,
    Acknowledged,
}

/// What a commit covers: every output below, and these offsets.
#[derive(Debug)]
struct Commit {
    below: Ticket,
    positions: Vec<Position>,
}

impl Ledger {
    /// Takes in an output that a record of `partition` caused.
    pub fn add(&mut self, mut output: Output, partition: PartitionId, now: Instant) {
        let refused = self.refused.get(&output.destination()).filter(|(_, at)| now - *at < REFUSED_MAX);
        if let Some((bytes, _)) = refused {
            shrink_below(&mut output, *bytes);
        }
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        match output.destination() {
            Destination::State => self.held_state += 1,
            Destination::DeadLetters | Destination::ShadowAlerts | Destination::Matches => {
                self.held_bytes += output.bytes();
            }
            Destination::Alerts => {
                self.held_bytes += output.bytes();
                self.alert_since.get_or_insert(now);
            }
        }
        let held = Held { output, partition, stage: Stage::Waiting, alone: false, orphaned: false, since: now };
        self.held.insert(ticket, held);
        self.waiting.insert(ticket);
    }

    /// Notes how far the records are decided whose outputs have been added so far.
    pub fn decided(&mut self, positions: impl IntoIterator<Item = Position>) {
        let offsets =
            positions.into_iter().map(|Position { partition, offset, metadata }| (partition, (offset, metadata)));
        self.offsets.extend(offsets);
    }

    /// The next output to be handed to the transport, if one is due. Always in the order of tickets, because of two
    /// records of the state topic with one key the later one stands.
    pub fn next_due(&mut self) -> Option<(Ticket, &Output)> {
        if self.alone_under_way.is_some() {
            return None;
        }
        let ticket = self.alone.first().into_iter().chain(self.waiting.first()).min().copied()?;
        if self.alone.contains(&ticket) {
            if self.under_way > 0 {
                return None;
            }
            self.alone.remove(&ticket);
            self.alone_under_way = Some(ticket);
        } else {
            self.waiting.remove(&ticket);
        }
        let held = self.held.get_mut(&ticket)?;
        held.stage = Stage::UnderWay;
        self.under_way += 1;
        Some((ticket, &held.output))
    }

    /// True if an output that is sent alone keeps others waiting.
    #[must_use]
    pub fn waits_alone(&self) -> bool {
        let is_any = self.alone_under_way.is_some() || !self.alone.is_empty();
        self.committing.is_none() && self.under_way > 0 && is_any
    }

    /// An output was not taken: it is due again.
    pub fn not_taken(&mut self, ticket: Ticket) {
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.stage == Stage::UnderWay) else { return };
        held.stage = Stage::Waiting;
        self.under_way -= 1;
        self.alone_under_way.take_if(|alone| *alone == ticket);
        if held.alone {
            self.alone.insert(ticket);
        } else {
            self.waiting.insert(ticket);
        }
    }

    /// An output is written; it is held until its transaction is committed.
    pub fn delivered(&mut self, ticket: Ticket) {
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.stage == Stage::UnderWay) else { return };
        held.stage = Stage::Acknowledged;
        self.under_way -= 1;
        self.alone_under_way.take_if(|alone| *alone == ticket);
    }

    /// An output was too large for its topic: with the next transaction it goes alone, because a topic's limit holds
    /// for a batch of records together; if it was alone already, smaller, as all go that are as large. False if it cannot
    /// be made smaller.
    #[must_use]
    pub fn too_large(&mut self, ticket: Ticket, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(&ticket) else { return true };
        if !std::mem::replace(&mut held.alone, true) {
            return true;
        }
        let (destination, bytes) = (held.output.destination(), held.output.bytes());
        let shrunk = held.output.shrink();
        self.held_bytes = self.held_bytes + held.output.bytes() - bytes;
        self.refused.insert(destination, (bytes, now));
        for held in self.held.values_mut().filter(|held| held.output.destination() == destination) {
            let before = held.output.bytes();
            shrink_below(&mut held.output, bytes);
            self.held_bytes = self.held_bytes + held.output.bytes() - before;
        }
        shrunk
    }

    /// An output that is still held.
    #[must_use]
    pub fn output(&self, ticket: Ticket) -> Option<&Output> {
        self.held.get(&ticket).map(|held| &held.output)
    }

    /// True if there are offsets to commit, every output is with the transport, and no commit is under way.
    #[must_use]
    pub fn may_commit(&self) -> bool {
        self.committing.is_none() && !self.offsets.is_empty() && self.waiting.is_empty() && self.alone.is_empty()
    }

    /// Takes the offsets to be committed together with everything that is with the transport. None unless
    /// [`Self::may_commit`].
    pub fn begin_commit(&mut self) -> Option<&[Position]> {
        if !self.may_commit() {
            return None;
        }
        self.alert_since = None;
        let offsets = std::mem::take(&mut self.offsets).into_iter();
        let positions =
            offsets.map(|(partition, (offset, metadata))| Position { partition, offset, metadata }).collect();
        let commit = self.committing.insert(Commit { below: self.next, positions });
        Some(&commit.positions)
    }

    /// The commit under way is done: these outputs are public.
    pub fn committed(&mut self) -> Vec<Output> {
        let Some(Commit { below, .. }) = self.committing.take() else { return Vec::new() };
        self.alone_under_way = None;
        let after = self.held.split_off(&below);
        let outputs: Vec<_> = std::mem::replace(&mut self.held, after).into_values().collect();
        self.under_way -= outputs.iter().filter(|held| held.stage == Stage::UnderWay).count();
        for held in &outputs {
            uncount(held, &mut self.held_state, &mut self.held_bytes);
        }
        outputs.into_iter().map(|held| held.output).collect()
    }

    /// The open transaction is aborted: all that it held is due again, where its partition is still ours.
    pub fn aborted(&mut self) {
        let positions = self.committing.take().into_iter().flat_map(|commit| commit.positions);
        for Position { partition, offset, metadata } in positions {
            self.offsets.entry(partition).or_insert((offset, metadata));
        }
        self.drop_held(|held| held.orphaned);
        self.waiting.clear();
        self.alone.clear();
        self.alone_under_way = None;
        self.under_way = 0;
        for (ticket, held) in &mut self.held {
            held.stage = Stage::Waiting;
            if held.output.destination() == Destination::Alerts {
                self.alert_since.get_or_insert(held.since);
            }
            if held.alone {
                self.alone.insert(*ticket);
            } else {
                self.waiting.insert(*ticket);
            }
        }
    }

    /// Forgets partitions that are no longer ours. A commit under way stays as it is: it succeeds or fails as a whole.
    /// True if the open transaction holds outputs of theirs, and so must not be committed.
    #[must_use]
    pub fn forget(&mut self, partitions: &[PartitionId]) -> bool {
        let below = self.committing.as_ref().map_or(Ticket(0), |commit| commit.below);
        if let Some(commit) = &mut self.committing {
            commit.positions.retain(|position| !partitions.contains(&position.partition));
        }
        self.offsets.retain(|partition, _| !partitions.contains(partition));
        for held in self.held.values_mut().filter(|held| partitions.contains(&held.partition)) {
            held.orphaned = true;
        }
        self.drop_held(|held| held.orphaned && held.stage == Stage::Waiting);
        self.held.range(below..).any(|(_, held)| held.orphaned)
    }

    /// Forgets everything: what was decided will be decided again.
    pub fn forget_all(&mut self) {
        *self = Self { next: self.next, refused: std::mem::take(&mut self.refused), ..Self::default() };
    }

    /// True if an offset of one of the partitions is still to be committed.
    #[must_use]
    pub fn owes(&self, partitions: &[PartitionId]) -> bool {
        let mut committing = self.committing.iter().flat_map(|commit| &commit.positions);
        self.offsets.keys().any(|partition| partitions.contains(partition))
            || committing.any(|position| partitions.contains(&position.partition))
    }

    /// True if nothing is to be committed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.held.is_empty() && self.offsets.is_empty() && self.committing.is_none()
    }

    /// How many outputs are not committed, less the state among them, which is bounded by itself.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.held.len() - self.held_state
    }

    /// Their bytes.
    #[must_use]
    pub const fn outputs_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The output that has waited longest for its commit, and since when.
    #[must_use]
    pub fn oldest(&self) -> Option<(&Output, Instant)> {
        self.held.values().next().map(|held| (&held.output, held.since))
    }

    /// Since when the oldest alert waits that no commit has taken.
    #[must_use]
    pub const fn alert_since(&self) -> Option<Instant> {
        self.alert_since
    }

    fn drop_held(&mut self, is_dropped: impl Fn(&Held) -> bool) {
        let Self { held, held_state, held_bytes, waiting, alone, .. } = self;
        held.retain(|ticket, held| {
            let stays = !is_dropped(held);
            if !stays {
                uncount(held, held_state, held_bytes);
                waiting.remove(ticket);
                alone.remove(ticket);
            }
            stays
        });
    }
}

/// Makes an output smaller than so many bytes, as far as that can be. What says that something was cut takes bytes, too.
fn shrink_below(output: &mut Output, bytes_max: usize) {
    let mut bytes = output.bytes();
    while bytes >= bytes_max && output.shrink() && output.bytes() < bytes {
        bytes = output.bytes();
    }
}

fn uncount(held: &Held, held_state: &mut usize, held_bytes: &mut usize) {
    if held.output.destination() == Destination::State {
        *held_state -= 1;
    } else {
        *held_bytes -= held.output.bytes();
    }
}
