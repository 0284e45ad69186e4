//! The state of one partition: stream time, and one entry per group with all windows inside.
//!
//! Groups are forgotten lazily, when they are next touched, and swept by one coarse wheel entry each; both give the
//! same outcomes. Not shared between partitions: nothing may depend on who owns what.

mod eviction;
mod evidence;
mod group;
pub(super) mod key;
mod suppression;
mod waiting;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::one::RefMut;

use super::limits::{Limit, Limits};
use super::outcome::Outcome;
use super::rule::Rule;
use super::time::{Span, Timestamp};
use super::window::ValueHasher;

use eviction::Evictions;
pub(super) use group::{Group, RuleState};
use key::GroupKey;
use waiting::WaitingRoom;
pub(super) use waiting::{Waiting, wait};
pub(super) use window::{Arrival, Arrived, Frame, Reading, Window, labels_with};

/// How coarse the wheel is: groups are swept in steps of a minute of stream time.
const WHEEL_STEP_MS: i64 = 60_000;

/// Everything that detection remembers of one partition.
#[derive(Debug)]
pub struct PartitionState {
    groups: DashMap<GroupKey, Group, ValueHasher>,
    hasher: ValueHasher,
    stream_time: Timestamp,
    /// Groups by the step in which they may first be swept; one entry a group.
    wheel: BTreeMap<i64, Vec<GroupKey>>,
    evictions: Evictions,
    waiting: WaitingRoom,
    /// How many events have arrived.
    arrivals: u64,
    /// The number of the event at hand: the last to arrive, or the one whose wait has ended.
    arrival: u64,
    bytes: usize,
}

impl PartitionState {
    /// A partition of which nothing is known. No result depends on the seed.
    #[must_use]
    pub fn new(hash_seed: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_seed;
        let hasher = ValueHasher::with_seeds(a, b, c, d);
        Self {
            groups: DashMap::with_hasher(hasher.clone()),
            hasher,
            stream_time: Timestamp::BEFORE_ALL,
            wheel: BTreeMap::new(),
            evictions: Evictions::default(),
            waiting: WaitingRoom::default(),
            arrivals: 0,
            arrival: 0,
            bytes: 0,
        }
    }

    /// The greatest event time accepted so far; none before the first event.
    #[must_use]
    pub fn stream_time(&self) -> Option<Timestamp> {
        (self.stream_time != Timestamp::BEFORE_ALL).then_some(self.stream_time)
    }

    /// Groups held.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Bytes that the groups hold, counted from the capacities of their parts.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn hasher(&self) -> &ValueHasher {
        &self.hasher
    }

    /// Stream time advances to `time`, if that is later; groups past their time are swept.
    pub(super) fn advance(&mut self, time: Timestamp, lateness: Span, rules: &[Rule]) {
        self.stream_time = self.stream_time.max(time);
        self.arrivals += 1;
        self.arrival = self.arrivals;
        let horizon = self.stream_time - lateness;
        while let Some(step) = self.wheel.first_entry()
            && *step.key() < step_of(horizon)
        {
            for key in step.remove() {
                self.sweep(key, horizon, rules);
            }
            self.evictions.forget_ended(horizon, rules);
        }
    }

    fn sweep(&mut self, key: GroupKey, horizon: Timestamp, rules: &[Rule]) {
        let Some(until) = self.groups.get(&key).map(|group| group.remembered_until(rules)) else { return };
        if until < horizon {
            if let Some((key, group)) = self.groups.remove(&key) {
                self.bytes -= entry_bytes(&key, &group);
            }
        } else {
            self.wheel.entry(step_of(until)).or_default().push(key);
        }
    }

    /// T - L: an event before it is late.
    pub(super) fn horizon(&self, lateness: Span) -> Timestamp {
        self.stream_time - lateness
    }

    /// Makes an entry for a group that has none; at the limit the stalest group makes room.
    pub(super) fn make_sure_of(&mut self, key: &[u8], rules: &[Rule], bounds: (&Limits, Span), outcome: &mut Outcome) {
        if !self.groups.contains_key(key) {
            self.insert(key, rules, bounds, outcome);
        }
    }

    /// The entry of a group that has one.
    pub(super) fn group(&self, key: &[u8]) -> RefMut<'_, GroupKey, Group> {
        self.groups.get_mut(key).expect("the caller made sure of it")
    }

    #[cold]
    fn insert(&mut self, key: &[u8], rules: &[Rule], (limits, lateness): (&Limits, Span), outcome: &mut Outcome) {
        let horizon = self.stream_time - lateness;
        while self.groups.len() >= limits.groups.max(1) {
            let Some((key, group)) = self.evictions.stalest(&self.groups) else { break };
            self.bytes -= entry_bytes(&key, &group);
            self.waiting.forget(&key);
            self.evictions.remember(key, group.running(rules, horizon), limits.groups);
            outcome.hit(Limit::Groups);
        }
        let key: GroupKey = Arc::from(key);
        let group = Group::remembering(&self.evictions.recall(&key), rules);
        self.bytes += entry_bytes(&key, &group);
        self.wheel.entry(step_of(self.stream_time)).or_default().push(Arc::clone(&key));
        self.evictions.added(&key);
        self.groups.insert(key, group);
    }

    /// Lets a match of the event at hand wait for its companion.
    pub(super) fn wait(&mut self, mut waiting: Waiting, count_max: usize, outcome: &mut Outcome) {
        waiting.arrival = self.arrival;
        if self.waiting.add(waiting, count_max) {
            outcome.hit(Limit::Waiting);
        }
    }

    /// The next match whose wait ends before `time`, or any that waits if that is none.
    pub(super) fn next_due(&mut self, rules: &[Rule], time: Option<Timestamp>) -> Option<Waiting> {
        let due = self.waiting.next_due(rules, time)?;
        self.arrival = due.arrival;
        Some(due)
    }

    /// The entry of a group, if it has one.
    pub(super) fn find_group(&self, key: &[u8]) -> Option<RefMut<'_, GroupKey, Group>> {
        self.groups.get_mut(key)
    }

    /// A group's entry grew or shrank.
    pub(super) const fn resized(&mut self, bytes_before: usize, bytes_after: usize) {
        self.bytes = self.bytes + bytes_after - bytes_before;
    }
}

const fn step_of(time: Timestamp) -> i64 {
    time.millis().div_euclid(WHEEL_STEP_MS)
}

/// A group with its key in the map and its place in the wheel.
fn entry_bytes(key: &GroupKey, group: &Group) -> usize {
    const POINTERS_AND_COUNTS: usize = 2 * size_of::<GroupKey>() + 16 + 1;
    key.len() + POINTERS_AND_COUNTS + group.bytes()
}
