//! The state of one partition: stream time, and one entry per group with all windows inside.
//!
//! Groups are forgotten lazily, when they are next touched, and swept by one coarse wheel entry each; both give the
//! same outcomes. Not shared between partitions: nothing may depend on who owns what.

mod changes;
mod eviction;
mod evidence;
mod group;
pub(super) mod key;
mod snapshot;
mod suppression;
mod waiting;
mod weight;
mod wheel;
mod window;

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::one::RefMut;

use super::event::Origin;
use super::limits::{Limit, Limits};
use super::outcome::Outcome;
use super::rule::Rule;
use super::time::{Span, Timestamp};
use super::window::ValueHasher;

use changes::Changes;
use eviction::{Evictions, RemainsMax};
pub(super) use evidence::{Sighting, Sources};
pub(super) use group::{Group, RuleState};
pub(super) use key::GroupKey;
pub use snapshot::{Delta, Format, Restoration, SnapshotError, StreamTime};
use waiting::WaitingRoom;
pub(super) use waiting::{Waiting, wait};
pub(super) use weight::Size;
use weight::place_weight;
use wheel::{Wheel, WheelStep, start_of, step_of};
pub(super) use window::{Arrival, Arrived, Frame, Reading, Window, labels_with};

/// Everything that detection remembers of one partition.
#[derive(Debug)]
pub struct PartitionState {
    groups: DashMap<GroupKey, Group, ValueHasher>,
    hasher: ValueHasher,
    stream_time: Timestamp,
    wheel: Wheel,
    evictions: Evictions,
    sources: Sources,
    waiting: WaitingRoom,
    /// T; ahead of it while the waits are decided that the next T ends, because groups are forgotten only after that.
    waits_end: Timestamp,
    /// How many events have arrived, and waits ended.
    arrivals: u64,
    /// Of all groups.
    size: Size,
    changes: Changes,
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
            wheel: Wheel::default(),
            evictions: Evictions::default(),
            sources: Sources::default(),
            waiting: WaitingRoom::default(),
            waits_end: Timestamp::BEFORE_ALL,
            arrivals: 0,
            size: Size::default(),
            changes: Changes::default(),
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
    pub const fn groups_bytes(&self) -> usize {
        self.size.bytes
    }

    /// The same with the table that they stand in.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // The table (hashbrown's) fills at most seven of eight places, and has a byte of its own for each.
        let places = self.groups.capacity() * 8 / 7;
        let empty = places.saturating_sub(self.groups.len());
        self.size.bytes + empty * (size_of::<(GroupKey, Group)>() + 1)
    }

    /// What everything here weighs towards `limits.state_bytes`.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.size.weight + self.waiting.weight() + self.evictions.weight()
    }

    pub(super) const fn hasher(&self) -> &ValueHasher {
        &self.hasher
    }

    /// Stream time advances to `time`, if that is later; groups past their time are swept.
    pub(super) fn advance(&mut self, time: Timestamp, lateness: Span, rules: &[Rule]) {
        self.stream_time = self.stream_time.max(time);
        self.waits_end = self.stream_time;
        self.arrivals += 1;
        if self.wheel.advance(step_of(self.stream_time - lateness)) {
            self.sweep(rules);
        }
    }

    /// Looks at the groups whose step has passed.
    #[cold]
    fn sweep(&mut self, rules: &[Rule]) {
        let now = self.wheel.now();
        while let Some((filed, keys)) = self.wheel.next_passed() {
            for key in keys {
                let Some(mut group) = self.groups.get_mut(&key).filter(|group| group.filed() == filed) else {
                    continue;
                };
                let bytes_before = group.bytes();
                if let Some(step) = group.look(rules, now) {
                    self.size.bytes = self.size.bytes + group.bytes() - bytes_before;
                    self.wheel.file(step, Arc::clone(&key));
                    continue;
                }
                drop(group);
                if let Some((key, group)) = self.groups.remove(&key) {
                    self.size -= entry_size(&key, &group);
                    self.changes.note(key);
                }
            }
        }
        self.evictions.forget_ended(start_of(now), rules, |key| self.changes.note(Arc::clone(key)));
    }

    /// T - L: an event before it is late.
    pub(super) fn horizon(&self, lateness: Span) -> Timestamp {
        self.stream_time - lateness
    }

    /// Where events came from.
    pub(super) const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The number of the source of an event.
    pub(super) fn source(&mut self, origin: &Origin) -> u32 {
        self.sources.number_of(origin)
    }

    /// Makes an entry for a group that has none; at the limit the stalest group makes room.
    pub(super) fn add_group(
        &mut self,
        key: &[u8],
        rules: &[Rule],
        (limits, lateness): (&Limits, Span),
        outcome: &mut Outcome,
    ) {
        while self.groups.len() >= limits.groups.max(1) && self.evict(rules, (limits, lateness)) {
            outcome.hit(Limit::Groups);
        }
        let key: GroupKey = Arc::from(key);
        let mut group = Group::remembering(&self.evictions.recall(&key), rules);
        group.file(step_of(self.stream_time));
        self.size += entry_size(&key, &group);
        self.wheel.file(group.filed(), Arc::clone(&key));
        self.groups.insert(Arc::clone(&key), group);
        self.evictions.added(&key, self.groups.len());
        if self.wheel.is_crowded(self.groups.len()) {
            self.wheel = self.refiled(self.wheel.now());
        }
    }

    /// After an event: the stalest groups make room where everything together takes more than it may.
    pub(super) fn bound(&mut self, rules: &[Rule], (limits, lateness): (&Limits, Span), outcome: &mut Outcome) {
        while self.weight() > limits.state_bytes && self.evict(rules, (limits, lateness)) {
            outcome.hit(Limit::StateBytes);
        }
    }

    /// The stalest group goes, and leaves its running suppressions behind. False if there is no group.
    fn evict(&mut self, rules: &[Rule], (limits, lateness): (&Limits, Span)) -> bool {
        let Some((key, mut group)) = self.evictions.stalest(&self.groups) else { return false };
        self.size -= entry_size(&key, &group);
        group.wake(rules, &self.hasher);
        self.waiting.forget(&key);
        self.changes.note(Arc::clone(&key));
        let running = group.running(rules, self.stream_time - lateness);
        self.evictions.remember(key, running, RemainsMax::of(limits), |dropped| self.changes.note(dropped));
        true
    }

    /// A wheel at a step with every group where it is filed.
    fn refiled(&self, now: WheelStep) -> Wheel {
        Wheel::resumed(now, self.groups.iter().map(|group| (group.filed(), Arc::clone(group.key()))))
    }

    /// Lets a match of the event at hand wait for its companion.
    pub(super) fn wait(&mut self, mut waiting: Waiting, count_max: usize, outcome: &mut Outcome) {
        waiting.arrival = self.arrivals;
        if let Some(dropped) = self.waiting.add(waiting, count_max) {
            self.changes.note(Arc::from(&*dropped.key));
            outcome.hit(Limit::Waiting);
        }
    }

    /// Waits that end before `time` are over, all of them if that is none; groups are not forgotten yet.
    pub(super) fn end_waits(&mut self, time: Option<Timestamp>) {
        self.waits_end = time.map_or(Timestamp::AFTER_ALL, |time| time.max(self.stream_time));
    }

    /// The time that ends waits.
    pub(super) const fn waits_end(&self) -> Timestamp {
        self.waits_end
    }

    /// The next match whose wait is over; what it causes arrives after everything so far.
    pub(super) fn next_due(&mut self, rules: &[Rule]) -> Option<Waiting> {
        let due = self.waiting.next_due(rules, self.waits_end)?;
        self.arrivals += 1;
        Some(due)
    }

    /// The entry of a group, if it has one; it may lie dormant.
    pub(super) fn find_group(&self, key: &[u8]) -> Option<RefMut<'_, GroupKey, Group>> {
        self.groups.get_mut(key)
    }

    /// A group is not as it was when changes were last looked at.
    pub(super) fn changed(&mut self, key: GroupKey) {
        self.changes.note(key);
    }

    /// A group's entry grew or shrank.
    pub(super) fn resized(&mut self, (before, after): (Size, Size)) {
        self.size += after;
        self.size -= before;
    }
}

/// A group with its key in the map and its place in the wheel.
fn entry_size(key: &GroupKey, group: &Group) -> Size {
    const POINTERS_AND_COUNTS: usize = 2 * size_of::<GroupKey>() + 16 + 1;
    let bytes = key.len() + POINTERS_AND_COUNTS + group.bytes();
    Size { bytes, weight: place_weight(key) + group.weight() }
}
