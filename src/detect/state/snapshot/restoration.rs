//! From the entries of groups and a head to a partition that goes on.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;

use crate::detect::rule::RuleSet;
use crate::detect::rule::compiled::Input;
use crate::detect::state::eviction::RemainsMax;
use crate::detect::state::group::Group;
use crate::detect::state::key::GroupKey;
use crate::detect::state::wheel::{Wheel, WheelStep, start_of, step_of};
use crate::detect::state::{PartitionState, Size, Waiting, entry_size, wait};
use crate::detect::time::Timestamp;

use super::StreamTime;
use super::entry::{Context, Entry};
use super::error::SnapshotError;
use super::exhibits::Recalled;
use super::names::Names;
use super::wire::{Kind, Reader};

/// The lengths of a group's key and value, and of the value its format, its kind and its checksum.
pub(super) const ENTRY_BYTES_MIN: usize = 2 + 2 + size_of::<u64>();

/// A state on its way back: entries in any order, each group once, then the head.
pub struct Restoration {
    context: Context,
    state: PartitionState,
    recalled: Recalled,
    waiting: Vec<Waiting>,
    /// How groups are spelled that entries tell of and nobody needs any more.
    unused: Vec<Vec<u8>>,
    /// The latest time that any entry tells of, and the last arrival.
    latest: Timestamp,
    last_arrival: u64,
    stream_time: StreamTime,
}

impl fmt::Debug for Restoration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restoration").field("groups", &self.state.groups.len()).finish_non_exhaustive()
    }
}

impl Restoration {
    /// With room for `count` entries, as far as `rules` can go on with them. No result depends on the seed.
    #[must_use]
    pub fn new(rules: &Arc<RuleSet>, (hash_seed, stream_time): ([u64; 4], StreamTime), count: usize) -> Self {
        let mut state = PartitionState::new(hash_seed);
        state.groups = DashMap::with_capacity_and_hasher(count, state.hasher.clone());
        let mut is_read = vec![false; rules.rules.len()];
        for input in rules.rules.iter().flat_map(|rule| &rule.inputs) {
            if let Input::Firing(rule) = input.input {
                is_read[rule] = true;
            }
        }
        let (names, hasher) = (Names::new(rules), state.hasher.clone());
        let context = Context { rules: Arc::clone(rules), names, is_read, hasher };
        let (recalled, waiting, unused) = (Recalled::default(), Vec::new(), Vec::new());
        let (latest, last_arrival) = (Timestamp::BEFORE_ALL, 0);
        Self { context, state, recalled, waiting, unused, latest, last_arrival, stream_time }
    }

    /// Takes the entry of the group that is spelled so, if the rules have use for it.
    pub fn entry(&mut self, spelled: &[u8], value: &[u8]) -> Result<(), SnapshotError> {
        let Some(key) = self.context.names.group(spelled)? else {
            self.unused.push(spelled.to_vec());
            return Ok(());
        };
        match self.context.open((&key, spelled), value, &mut self.recalled)? {
            Some(Entry::Held(mut group, waiting)) => {
                self.latest = self.latest.max(group.latest());
                for waiting in &waiting {
                    self.latest = self.latest.max(waiting.time);
                    self.last_arrival = self.last_arrival.max(waiting.arrival);
                }
                if waiting.is_empty() {
                    group.rest(&self.context.rules.rules);
                }
                self.waiting.extend(waiting);
                self.state.groups.insert(key, group);
            }
            Some(Entry::Remains(memories)) if !memories.is_empty() => {
                let alerts = memories.iter().map(|(_, memory)| memory.parts().0);
                self.latest = alerts.fold(self.latest, Timestamp::max);
                // Nothing has to make room for it.
                self.state.evictions.remember(key, memories, RemainsMax::NONE, drop);
            }
            _ => self.unused.push(spelled.to_vec()),
        }
        Ok(())
    }

    /// Sets the partition's time, and concludes from it what the partition had concluded. Also how the groups are spelled
    /// whose entries are of no use any more. Changes are kept from here on.
    pub fn finish(mut self, head: &[u8]) -> Result<(PartitionState, Vec<Vec<u8>>), SnapshotError> {
        Kind::Head.open(&[], head, |reader| {
            let state = &mut self.state;
            state.stream_time = reader.time()?;
            state.arrivals = reader.uint()?;
            state.waits_end = state.stream_time;
            let now = reader.short()?;
            self.check(now, reader)?;
            self.settle(now);
            Ok(())
        })?;
        let mut state = PartitionState { sources: self.recalled.sources, ..self.state };
        state.keep_changes();
        Ok((state, self.unused))
    }

    /// An error if something is known that can only be known later.
    fn check(&self, now: WheelStep, reader: &Reader<'_>) -> Result<(), SnapshotError> {
        let PartitionState { stream_time, arrivals, .. } = self.state;
        let is_ahead = self.latest > stream_time && self.stream_time == StreamTime::Own;
        if is_ahead || now > step_of(stream_time) {
            return Err(reader.damage("a group has seen later events than the partition"));
        }
        // As many can never arrive; counting on from there must not overflow.
        if self.last_arrival > arrivals || i64::try_from(arrivals).is_err() {
            return Err(reader.damage("more events have arrived than can be"));
        }
        Ok(())
    }

    /// Drops and files what the partition would have dropped and filed by its stream time.
    fn settle(&mut self, now: WheelStep) {
        let Self { context, state, unused, .. } = self;
        let rules = &context.rules.rules;
        let (mut wheel, mut size) = (Wheel::resumed(now, std::iter::empty()), Size::default());
        state.groups.retain(|key: &GroupKey, group: &mut Group| {
            let stays = group.filed() >= now || group.look(rules, now).is_some();
            if stays {
                wheel.file(group.filed(), key.clone());
                size += entry_size(key, group);
            } else {
                unused.push(context.names.spell(key));
            }
            stays
        });
        (state.wheel, state.size) = (wheel, size);
        state.evictions.forget_ended(start_of(now), rules, |key| unused.push(context.names.spell(key)));
        for waiting in self.waiting.drain(..) {
            let is_over = waiting.time + wait(&rules[waiting.rule]) < state.stream_time;
            if !is_over {
                // Nothing has to make room for it.
                let _ = state.waiting.add(waiting, usize::MAX);
            }
        }
    }
}
