//! A partition that a worker owns: its windows, how far it is decided, and what of it is saved.

use std::collections::HashSet;
use std::time::Instant;

use crate::detect::Origin;
use crate::detect::state::Format;
use crate::pipeline::{Part, Partition, Pipeline};

use super::output::Output;
use super::route::Told;
use super::saved::{self, Keys};
use super::transport::{PartitionId, Position};

/// What has happened to a partition since it was saved.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// Records decided; none if it never was saved.
    pub(super) records: usize,
    /// Groups that changed.
    changes: usize,
    /// What so many groups hold on average, in bytes of memory.
    bytes: usize,
}

impl News {
    /// Changed groups at which a partition is saved before it is time.
    const CHANGES_MAX: usize = 50_000;
    /// Bytes at which it is, too: they are written in one transaction, which must not take long.
    const BYTES_MAX: usize = 64 << 20;
    /// Records at which it is, too: a restore decides them again, at about the pace of the first time.
    const RECORDS_MAX: usize = 100_000;
    /// Records at which it is if hardly any group has changed, which costs next to nothing…
    const CHEAP_RECORDS_MAX: usize = 1_000;
    /// …and so many records to a changed group are hardly any.
    const CHEAP_RECORDS_A_CHANGE: usize = 100;

    /// True if a restore would have much to read or to decide again.
    pub(super) const fn is_much(self) -> bool {
        self.records >= Self::RECORDS_MAX || self.changes >= Self::CHANGES_MAX || self.bytes >= Self::BYTES_MAX
    }

    /// True if many records have changed hardly a group, as where hardly an event matches.
    pub(super) const fn is_cheap(self) -> bool {
        self.records >= Self::CHEAP_RECORDS_MAX && self.records / Self::CHEAP_RECORDS_A_CHANGE >= self.changes
    }
}

/// A partition with its windows.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) id: PartitionId,
    /// Where the record under decision stands; kept to share the topic's name.
    pub(super) origin: Origin,
    pub(super) state: Partition,
    /// The offset after the last record decided.
    pub(super) next: i64,
    /// True if a record of the current batch was in it.
    pub(super) touched: bool,
    /// How many looks in a row found that its log ends before `next`.
    pub(super) short_looks: u32,
    /// True once it is on its way to another owner, who decides what comes.
    pub(super) halted: bool,
    /// Index in the topics of the batch.
    pub(super) topic: usize,
    /// What the state topic has of it; none where all that is known of it stands beside its offset.
    pub(super) kept: Option<Kept>,
    /// What those know of it who count its matches.
    pub(super) told: Told,
}

/// What the state topic has of a partition.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) keys: Keys,
    /// The offset up to which it tells; none if nothing is saved.
    pub(super) until: Option<i64>,
    /// When the partition is to be saved again.
    pub(super) save_at: Instant,
    /// Keys that are of no use any more.
    pub(super) stale: Vec<Vec<u8>>,
}

/// True if all that those who go this part of the way know of a partition is a head, which goes with its offset.
pub(super) const fn stands_beside_offset(part: Part) -> bool {
    matches!(part, Part::Routing)
}

impl Owned {
    /// What has happened since what is kept was written.
    pub(super) fn news(&self, kept: &Kept) -> News {
        let records = kept.until.map_or(0, |until| self.next - until);
        let changes = self.state.changes_count();
        let bytes = changes.saturating_mul(self.state.groups_bytes() / self.state.groups().max(1));
        News { records: usize::try_from(records).unwrap_or_default(), changes, bytes }
    }

    /// How far it is decided, with what is known of it if that goes with the offset.
    pub(super) fn position(&self, pipeline: &Pipeline, format: Format) -> Position {
        let position = Position::new(self.id.clone(), self.next);
        if self.kept.is_some() {
            return position;
        }
        let head = pipeline.head(&self.state, format);
        Position { metadata: saved::metadata(format, self.next, &head), ..position }
    }

    /// The records that bring what the state topic has up to date; none if it is.
    pub(super) fn save(&mut self, pipeline: &Pipeline, format: Format) -> Vec<(Output, PartitionId)> {
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.until != Some(self.next)) else { return Vec::new() };
        let mut delta = pipeline.changes(&mut self.state, format);
        let stale = std::mem::take(&mut kept.stale);
        let rewritten: HashSet<_> = delta.entries.iter().map(|(spelled, _)| spelled.clone()).collect();
        delta.entries.extend(stale.into_iter().filter(|key| !rewritten.contains(key)).map(|key| (key, None)));
        kept.until = Some(self.next);
        let records = saved::records(&kept.keys, &self.id, self.next, (delta, format));
        records.map(|record| (record, self.id.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(records: usize, changes: usize) -> (bool, bool) {
        let news = News { records, changes, bytes: 0 };
        (news.is_much(), news.is_cheap())
    }

    #[test]
    fn much_is_what_takes_long_to_write() {
        let is_much = |bytes| News { records: 10, changes: 10, bytes }.is_much();
        assert!(!is_much((64 << 20) - 1));
        assert!(is_much(64 << 20));
    }

    #[test]
    fn much_is_a_hundred_thousand_records_or_half_as_many_groups() {
        assert_eq!(news(99_999, 49_999), (false, false));
        assert_eq!(news(100_000, 49_999), (true, false));
        assert_eq!(news(99_999, 50_000), (true, false));
    }

    #[test]
    fn cheap_is_a_thousand_records_if_a_hundred_change_one_group() {
        assert_eq!(news(999, 0), (false, false));
        assert_eq!(news(1_000, 10), (false, true));
        assert_eq!(news(1_000, 11), (false, false));
    }
}
