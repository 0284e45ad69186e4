//! A partition that a worker owns: its windows, how far it is decided, and what of it is saved.

use std::collections::HashSet;
use std::time::Instant;

use crate::detect::Origin;
use crate::detect::state::Format;
use crate::pipeline::{Partition, Pipeline};

use super::output::Output;
use super::route::Told;
use super::saved::{self, Keys};
use super::transport::PartitionId;

/// Records decided at which a partition is saved if hardly any group has changed, which costs next to nothing.
const QUIET_RECORDS_MAX: usize = 1_000;
/// So many records to a changed group are hardly any.
const QUIET_RECORDS_A_CHANGE: usize = 100;

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
    /// True once it is on its way to another owner, who decides what comes.
    pub(super) halted: bool,
    /// Index in the topics of the batch.
    pub(super) topic: usize,
    pub(super) keys: Keys,
    /// The offset up to which its saved state tells; none if nothing is saved.
    pub(super) saved: Option<i64>,
    /// When it is to be saved again.
    pub(super) save_at: Instant,
    /// Keys of the state topic that are of no use any more.
    pub(super) stale: Vec<Vec<u8>>,
    /// What those know of it who count its matches.
    pub(super) told: Told,
}

impl Owned {
    /// How many records were decided since it was saved; none if it never was.
    pub(super) fn tail(&self) -> i64 {
        self.saved.map_or(0, |saved| self.next - saved)
    }

    /// True if many records have changed hardly a group, as where matches only pass through.
    pub(super) fn is_quiet(&self) -> bool {
        let tail = usize::try_from(self.tail()).unwrap_or_default();
        tail >= QUIET_RECORDS_MAX && tail >= self.state.changes_count().saturating_mul(QUIET_RECORDS_A_CHANGE)
    }

    /// The records that bring what is saved up to date; none if it is.
    pub(super) fn save(&mut self, pipeline: &Pipeline, format: Format) -> Vec<(Output, PartitionId)> {
        if self.saved == Some(self.next) {
            return Vec::new();
        }
        let mut delta = pipeline.changes(&mut self.state, format);
        let stale = std::mem::take(&mut self.stale);
        let rewritten: HashSet<_> = delta.entries.iter().map(|(spelled, _)| spelled.clone()).collect();
        delta.entries.extend(stale.into_iter().filter(|key| !rewritten.contains(key)).map(|key| (key, None)));
        self.saved = Some(self.next);
        let records = saved::records(&self.keys, &self.id, self.next, (delta, format));
        records.map(|record| (record, self.id.clone())).collect()
    }
}
