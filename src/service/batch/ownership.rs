//! The partitions that a batch decides records of: how they come, what of them is saved, and how they go.

use std::sync::Arc;
use std::time::Instant;

use crate::detect::Origin;
use crate::detect::state::{Restoration, SnapshotError};
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Part, Partition};
use crate::service::ledger::Ledger;
use crate::service::owned::{Kept, Owned, stands_beside_offset};
use crate::service::route::Told;
use crate::service::saved::{Keys, SavedError, head_beside};
use crate::service::threads::drop_aside;
use crate::service::transport::{Incoming, PartitionId, Position};
use crate::telemetry::{Dispositions, PartitionState};

use super::{Batch, GROUPS_AT_ONCE, Restored};

/// Alerts and rejections that nobody looks at, kept until there are so many: clearing has its price, too.
const MUTED_MAX: usize = 100;

impl Batch {
    /// A partition of which nothing is known. The seed is random, because subjects are chosen by attackers.
    #[must_use]
    pub fn unknown(&self) -> Partition {
        let mut state = self.pipeline.partition(rand::random());
        state.keep_changes();
        state
    }

    /// The keys of a topic's partitions in the state topic.
    #[must_use]
    pub fn keys(&self, topic: &str) -> Keys {
        Keys::new(&self.group_id, topic)
    }

    /// What is known of a partition that begins at `position`, where that goes with the offset; none where the state
    /// topic has it.
    #[must_use]
    pub fn beside(&self, position: &Position) -> Option<Result<Option<Partition>, SavedError>> {
        if !stands_beside_offset(self.pipeline.part()) {
            return None;
        }
        let restore = |head: Vec<u8>| {
            let nothing = std::iter::empty::<(&[u8], &[u8])>();
            self.pipeline.restore_from(nothing, &head, rand::random()).map(|(state, _)| state).map_err(SavedError::from)
        };
        let head = head_beside(position.offset, &position.metadata);
        Some(head.and_then(|head| head.map(restore).transpose()))
    }

    /// Begins to restore a partition of which so many entries were saved.
    #[must_use]
    pub fn restoration(&self, count: usize) -> Restoration {
        self.pipeline.restoration(count, rand::random())
    }

    /// The partition all of whose entries were taken, and those of them that are of no use any more.
    pub fn restored(&self, restoration: Restoration, head: &[u8]) -> Result<(Partition, Vec<Vec<u8>>), SnapshotError> {
        self.pipeline.restored(restoration, head)
    }

    /// Decides a record that was decided before, for what it leaves in the partition and nothing else: its outputs are
    /// committed, and it is counted.
    pub fn replay(&mut self, partition: &mut Partition, origin: &Origin, incoming: &Incoming<'_>) {
        let record = Record { origin, timestamp: incoming.timestamp, payload: incoming.payload };
        self.pipeline.decide_keyed(partition, 0, (&record, incoming.key), &mut self.muted);
        let BatchOutcome { detected, rejected, sent, .. } = &self.muted;
        if detected.alerts.len() + rejected.len() + sent.len() >= MUTED_MAX {
            self.muted.clear();
        }
    }

    /// How many partitions a source was known to have at the start, if this is not one of them: those who count its
    /// matches would wait for what nobody told them of.
    #[must_use]
    pub fn is_surplus(&self, partition: &PartitionId) -> Option<i32> {
        let known = self.meeting.sources.get(&*partition.topic).copied().unwrap_or(i32::MAX);
        (self.pipeline.part() == Part::Routing && partition.number >= known).then_some(known)
    }

    /// Owns a partition from `position` on. It is saved at `save_at`, or with its first commit if it never was.
    pub fn add(&mut self, position: Position, restored: Restored, (now, save_at): (Instant, Instant)) {
        let Position { partition: id, offset, .. } = position;
        let topic = self.topics.iter().position(|(name, _)| *name == id.topic).unwrap_or_else(|| {
            self.topics.push((Arc::clone(&id.topic), Dispositions::default()));
            self.topics.len() - 1
        });
        let origin = Origin { topic: Arc::clone(&id.topic), partition: id.number, offset };
        let Restored { state, saved: until, stale } = restored;
        let kept = || Kept { keys: self.keys(&id.topic), until, save_at, stale };
        let kept = (!stands_beside_offset(self.pipeline.part())).then(kept);
        self.owned.retain(|owned| owned.id != id);
        let (next, touched, halted) = (offset, false, false);
        let told = Told::nothing(now);
        self.owned.push(Owned { id, origin, state, next, touched, halted, short_looks: 0, topic, kept, told });
    }

    /// The partitions that are due to be saved: all that never were, because an offset without a head says that nothing
    /// is known; all whose saving costs next to nothing; and of those whose time it is, or that have changed much or moved
    /// far, the one that has waited longest.
    #[must_use]
    pub fn due(&self, now: Instant) -> Vec<PartitionId> {
        let kept = || self.owned.iter().filter_map(|owned| Some((owned, owned.kept.as_ref()?)));
        let is_due = |(owned, kept): &(&Owned, &Kept)| {
            let news = owned.news(kept);
            news.records > 0 && (news.is_much() || now >= kept.save_at)
        };
        let longest = kept().filter(is_due).min_by_key(|(_, kept)| kept.save_at).map(|(owned, _)| &owned.id);
        let saved_now = |(owned, kept): &(&Owned, &Kept)| {
            kept.until.is_none() || owned.news(kept).is_cheap() || Some(&owned.id) == longest
        };
        kept().filter(saved_now).map(|(owned, _)| owned.id.clone()).collect()
    }

    /// The partitions that never were saved: an offset without a head says that nothing is known.
    #[must_use]
    pub fn never_saved(&self) -> Vec<PartitionId> {
        let is_new = |owned: &&Owned| owned.kept.as_ref().is_some_and(|kept| kept.until.is_none());
        self.owned.iter().filter(is_new).map(|owned| owned.id.clone()).collect()
    }

    /// Enters into the ledger what brings the saved state of a partition up to date, if there is news, and its offset,
    /// so that both are committed together.
    pub fn save(&mut self, partition: &PartitionId, ledger: &mut Ledger, now: Instant, save_at: Instant) {
        let Some(owned) = self.owned.iter_mut().find(|owned| owned.id == *partition) else { return };
        let Some(kept) = &mut owned.kept else { return };
        kept.save_at = save_at;
        let records = owned.save(&self.pipeline, self.format);
        if records.is_empty() {
            return;
        }
        for (record, partition) in records {
            ledger.add(record, partition, now);
        }
        ledger.decided([owned.position(&self.pipeline, self.format)]);
    }

    /// Enters into the ledger how far a partition is decided.
    pub fn commit(&self, partition: &PartitionId, ledger: &mut Ledger) {
        let owned = self.owned.iter().find(|owned| owned.id == *partition);
        ledger.decided(owned.map(|owned| owned.position(&self.pipeline, self.format)));
    }

    /// The partitions that end before what was read of them, as they did at so many looks in a row. `end` knows where.
    pub fn overrun(&mut self, end: impl Fn(&PartitionId) -> Option<i64>, looks: u32) -> Vec<PartitionId> {
        for owned in &mut self.owned {
            let is_short = end(&owned.id).is_some_and(|end| end < owned.next);
            owned.short_looks = if is_short { owned.short_looks + 1 } else { 0 };
        }
        let is_overrun = |owned: &&Owned| owned.short_looks >= looks && !owned.halted;
        self.owned.iter().filter(is_overrun).map(|owned| owned.id.clone()).collect()
    }

    /// Decides no more records of these partitions: their next owner will.
    pub fn halt(&mut self, partitions: &[PartitionId]) {
        for owned in self.owned.iter_mut().filter(|owned| partitions.contains(&owned.id)) {
            owned.halted = true;
        }
    }

    /// Drops partitions and their windows.
    pub fn remove(&mut self, partitions: &[PartitionId]) {
        let (gone, kept) =
            std::mem::take(&mut self.owned).into_iter().partition(|owned| partitions.contains(&owned.id));
        self.owned = kept;
        let gone: Vec<_> = gone;
        if gone.iter().map(|owned| owned.state.groups()).sum::<usize>() >= GROUPS_AT_ONCE {
            drop_aside(gone);
        }
    }

    /// The partitions owned.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.owned.iter().map(|owned| &owned.id)
    }

    /// What each partition holds now; `left` knows how much of it is left to read from an offset on.
    pub fn states(
        &self,
        mut left: impl FnMut(&PartitionId, i64) -> Option<i64>,
    ) -> impl Iterator<Item = (&PartitionId, PartitionState)> {
        self.owned.iter().map(move |owned| {
            let state = PartitionState {
                groups: owned.state.groups(),
                state_bytes: owned.state.state_bytes(),
                lag_records: left(&owned.id, owned.next),
                stream_time: owned.state.stream_time(),
            };
            (&owned.id, state)
        })
    }
}
