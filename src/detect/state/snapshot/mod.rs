//! A partition's state as bytes, and back: whoever restores it goes on exactly as if it had never stopped.
//!
//! The unit is one group's entry under the group's key (`entry`), so that a store that keeps the latest value of each
//! key can be brought up to date by writing the groups that changed. What belongs to no group is in one small *head*:
//! stream time, how many events have arrived, and how far the wheel is. A [whole](PartitionState::snapshot) snapshot is
//! a head and the entries of all groups.
//!
//! Nothing in an entry depends on how a rule set numbers its parts (`names`): rules go by id and version, groups by
//! their fields. A rule set that changed takes what its unchanged rules held and drops the rest. Equal states give equal
//! bytes, whatever the hash seed.
//!
//! An entry stays right while its group is not touched, though stream time goes on: where the head's time has passed
//! what an entry says, [`Restoration::finish`] draws the conclusions that the partition drew (a wait that is over, a
//! place in the wheel that has passed, a group or a suppression that is forgotten). What does change an entry is a
//! match, a wait that ends in a firing, an eviction (of the group, or of a match that waits), and a return after one.
//!
//! Not where the bytes are kept, nor their secrecy: group values, counted values and event ids stand in the clear.

mod entry;
mod error;
mod exhibits;
mod names;
#[cfg(test)]
mod tests;
mod waiting;
mod windows;
mod wire;

use std::collections::HashMap;

use crate::detect::rule::RuleSet;
use crate::detect::rule::compiled::Input;
use crate::detect::state::wheel::{WheelStep, start_of, step_of};
use crate::detect::state::{GroupKey, PartitionState, Waiting, entry_bytes, wait};
use crate::detect::time::Timestamp;

use entry::{Context, Entry, Lent};
pub use error::SnapshotError;
use exhibits::Recalled;
use names::Names;
use wire::{Kind, Reader};

impl PartitionState {
    /// Everything that is known of the partition, in order of groups. `rules` are those it was decided under.
    #[must_use]
    pub fn snapshot(&self, rules: &RuleSet) -> Vec<u8> {
        let names = Names::new(rules);
        let waiting = self.waiting_by_group();
        let mut entries = Vec::with_capacity(self.groups.len());
        let mut add = |key: &GroupKey, entry: &Lent<'_>| {
            let spelled = names.spell(key);
            let value = entry::seal(&spelled, entry, &self.sources, rules, &names);
            entries.push((spelled, value));
        };
        for group in &self.groups {
            let waiting = waiting.get(&**group.key()).map_or(&[] as &[_], Vec::as_slice);
            add(group.key(), &Entry::Held(group.value(), waiting));
        }
        for (key, memories) in self.evictions.remembered() {
            add(key, &Entry::Remains(memories));
        }
        entries.sort_unstable();
        Kind::Whole.seal(&[], |writer| {
            writer.block(&self.head());
            writer.count(entries.len());
            for (spelled, value) in &entries {
                writer.block(spelled);
                writer.block(value);
            }
        })
    }

    /// The state that [`Self::snapshot`] wrote, as far as `rules` can go on with it.
    pub fn restore(bytes: &[u8], rules: &RuleSet, hash_seed: [u64; 4]) -> Result<Self, SnapshotError> {
        Kind::Whole.open(&[], bytes, |reader| {
            let head = reader.block()?;
            let mut restoration = Restoration::new(rules, hash_seed);
            let mut before: Option<&[u8]> = None;
            for _ in 0..reader.count(2)? {
                let spelled = reader.block()?;
                if before.is_some_and(|before| before >= spelled) {
                    return Err(reader.damage("groups are not in order"));
                }
                before = Some(spelled);
                restoration.entry(spelled, reader.block()?)?;
            }
            restoration.finish(head)
        })
    }

    fn head(&self) -> Vec<u8> {
        Kind::Head.seal(&[], |writer| {
            writer.time(self.stream_time);
            writer.uint(self.arrivals);
            writer.uint(u64::from(self.wheel.now()));
        })
    }

    fn waiting_by_group(&self) -> HashMap<&[u8], Vec<&Waiting>> {
        let mut groups: HashMap<&[u8], Vec<&Waiting>> = HashMap::new();
        for waiting in self.waiting.iter() {
            groups.entry(&waiting.key).or_default().push(waiting);
        }
        groups
    }
}

/// A state on its way back: entries in any order, each group once, then the head.
struct Restoration<'a> {
    context: Context<'a>,
    state: PartitionState,
    recalled: Recalled,
    waiting: Vec<Waiting>,
}

impl<'a> Restoration<'a> {
    fn new(rules: &'a RuleSet, hash_seed: [u64; 4]) -> Self {
        let state = PartitionState::new(hash_seed);
        let mut is_read = vec![false; rules.rules.len()];
        for input in rules.rules.iter().flat_map(|rule| &rule.inputs) {
            if let Input::Firing(rule) = input.input {
                is_read[rule] = true;
            }
        }
        let context = Context { rules, names: Names::new(rules), is_read, hasher: state.hasher.clone() };
        Self { context, state, recalled: Recalled::default(), waiting: Vec::new() }
    }

    /// Takes the entry of the group that is spelled so, if the rules have use for it.
    fn entry(&mut self, spelled: &[u8], value: &[u8]) -> Result<(), SnapshotError> {
        let Some(key) = self.context.names.group(spelled)? else { return Ok(()) };
        match self.context.open((&key, spelled), value, &mut self.recalled)? {
            Some(Entry::Held(group, waiting)) => {
                self.waiting.extend(waiting);
                self.state.groups.insert(key, group);
            }
            Some(Entry::Remains(memories)) => self.state.evictions.remember(key, memories, usize::MAX),
            None => {}
        }
        Ok(())
    }

    /// Sets the partition's time, and concludes from it what the partition had concluded.
    fn finish(self, head: &[u8]) -> Result<PartitionState, SnapshotError> {
        let Self { context: Context { rules, .. }, mut state, recalled, waiting } = self;
        state.sources = recalled.sources;
        Kind::Head.open(&[], head, |reader| {
            state.stream_time = reader.time()?;
            state.arrivals = reader.uint()?;
            state.arrival = state.arrivals;
            let now = reader.short()?;
            state.check(&waiting, now, reader)?;
            state.settle(waiting, now, rules);
            Ok(())
        })?;
        Ok(state)
    }
}

impl PartitionState {
    /// An error if something is known that can only be known later.
    fn check(&self, waiting: &[Waiting], now: WheelStep, reader: &Reader<'_>) -> Result<(), SnapshotError> {
        let groups = self.groups.iter().map(|group| group.latest()).max();
        let remains =
            self.evictions.remembered().flat_map(|(_, memories)| memories).map(|(_, memory)| memory.parts().0);
        let waits = waiting.iter().map(|waiting| waiting.time);
        let latest = groups.into_iter().chain(remains).chain(waits).max().unwrap_or(Timestamp::BEFORE_ALL);
        if latest > self.stream_time || now > step_of(self.stream_time) {
            return Err(reader.damage("a group has seen later events than the partition"));
        }
        let arrival = waiting.iter().map(|waiting| waiting.arrival).max().unwrap_or(0);
        // As many can never arrive; counting on from there must not overflow.
        if arrival > self.arrivals || i64::try_from(self.arrivals).is_err() {
            return Err(reader.damage("more events have arrived than can be"));
        }
        Ok(())
    }

    /// Drops and files what the partition would have dropped and filed by its stream time.
    fn settle(&mut self, waiting: Vec<Waiting>, now: WheelStep, rules: &RuleSet) {
        let rules = &rules.rules;
        self.groups.retain(|_, group| {
            if group.filed() < now {
                group.file(step_of(group.remembered_until(rules)));
            }
            group.filed() >= now
        });
        self.evictions.forget_ended(start_of(now), rules);
        for waiting in waiting {
            let is_over = waiting.time + wait(&rules[waiting.rule]) < self.stream_time;
            if !is_over {
                self.waiting.add(waiting, usize::MAX);
            }
        }
        self.wheel = self.refiled(now);
        self.bytes = self.groups.iter().map(|group| entry_bytes(group.key(), group.value())).sum();
    }
}
