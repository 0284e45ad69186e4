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

mod dormant;
mod entry;
mod error;
mod exhibits;
mod format;
mod names;
mod restoration;
#[cfg(test)]
mod tests;
mod waiting;
mod windows;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use crate::detect::rule::RuleSet;
use crate::detect::state::{GroupKey, PartitionState, Waiting};

pub(super) use dormant::Dormant;
use entry::{Entry, Lent};
pub use error::SnapshotError;
pub use format::Format;
use names::Names;
pub use restoration::Restoration;
use wire::Kind;

/// What brings a store of entries by group up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Of each group that changed, how it is spelled and its entry; none if nothing is known of it any more.
    pub entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What belongs to no group.
    pub head: Vec<u8>,
}

/// What a partition's stream time follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamTime {
    /// Its own events: no group has seen a later one.
    Own,
    /// Sources elsewhere, of which one may be far behind the others.
    Sources,
}

impl PartitionState {
    /// From now on [`Self::changes`] tells of every group that changes.
    pub fn keep_changes(&mut self) {
        self.changes.keep();
    }

    /// How many groups have changed since changes were last taken, or a few more.
    #[must_use]
    pub fn changes_count(&self) -> usize {
        self.changes.count()
    }

    /// What has changed since changes were last taken, or kept, in this format. `rules` are those it was decided under.
    pub fn changes(&mut self, rules: &RuleSet, format: Format) -> Delta {
        let names = Names::new(rules);
        let keys = self.changes.take();
        for key in &keys {
            if let Some(mut group) = self.groups.get_mut(key) {
                group.seen();
            }
        }
        let waiting = self.waiting_by_group();
        let entry = |key: &GroupKey| {
            let spelled = names.spell(key);
            let value = if let Some(group) = self.groups.get(key) {
                let waiting = waiting.get(&**key).map_or(&[] as &[_], Vec::as_slice);
                let group = group.awake(&rules.rules, &self.hasher);
                Some(entry::seal((format, &spelled), &Entry::Held(&group, waiting), &self.sources, rules, &names))
            } else {
                let remains = self.evictions.remembered_of(key);
                let remains = remains.map(Entry::Remains);
                remains.map(|remains| entry::seal((format, &spelled), &remains, &self.sources, rules, &names))
            };
            (spelled, value)
        };
        Delta { entries: keys.iter().map(entry).collect(), head: self.head(format) }
    }

    /// Everything that is known of the partition, in order of groups, in the usual format. `rules` are those it was
    /// decided under.
    #[must_use]
    pub fn snapshot(&self, rules: &RuleSet) -> Vec<u8> {
        let names = Names::new(rules);
        let waiting = self.waiting_by_group();
        let mut entries = Vec::with_capacity(self.groups.len());
        let mut add = |key: &GroupKey, entry: &Lent<'_>| {
            let spelled = names.spell(key);
            let value = entry::seal((Format::USUAL, &spelled), entry, &self.sources, rules, &names);
            entries.push((spelled, value));
        };
        for group in &self.groups {
            let waiting = waiting.get(&**group.key()).map_or(&[] as &[_], Vec::as_slice);
            add(group.key(), &Entry::Held(&group.awake(&rules.rules, &self.hasher), waiting));
        }
        for (key, memories) in self.evictions.remembered() {
            add(key, &Entry::Remains(memories));
        }
        entries.sort_unstable();
        Kind::Whole.seal(Format::USUAL, &[], |writer| {
            writer.block(&self.head(Format::USUAL));
            writer.count(entries.len());
            for (spelled, value) in &entries {
                writer.block(spelled);
                writer.block(value);
            }
        })
    }

    /// The state that [`Self::snapshot`] wrote, as far as `rules` can go on with it.
    pub fn restore(
        bytes: &[u8],
        rules: &Arc<RuleSet>,
        seed_and_time: ([u64; 4], StreamTime),
    ) -> Result<Self, SnapshotError> {
        Kind::Whole.open(&[], bytes, |reader| {
            let head = reader.block()?;
            let count = reader.count(restoration::ENTRY_BYTES_MIN)?;
            let mut restoration = Restoration::new(rules, seed_and_time, count);
            let mut before: Option<&[u8]> = None;
            for _ in 0..count {
                let spelled = reader.block()?;
                if before.is_some_and(|before| before >= spelled) {
                    return Err(reader.damage("groups are not in order"));
                }
                before = Some(spelled);
                restoration.entry(spelled, reader.block()?)?;
            }
            restoration.finish(head).map(|(state, _)| state)
        })
    }

    /// What belongs to no group: all there is where nothing is grouped.
    #[must_use]
    pub fn head(&self, format: Format) -> Vec<u8> {
        Kind::Head.seal(format, &[], |writer| {
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
