//! Which groups are not as they were when a snapshot was last taken.
//!
//! A group stands here once, however often it changes: its entry carries a flag. Groups that are gone may stand here more
//! than once. Nothing is kept where nobody takes snapshots.

use super::key::GroupKey;

/// The changed groups, if anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Changes(Option<Vec<GroupKey>>);

impl Changes {
    /// From now on they are kept.
    pub(super) fn keep(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(super) fn note(&mut self, key: GroupKey) {
        if let Some(keys) = &mut self.0 {
            keys.push(key);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }

    /// Each once, in order.
    pub(super) fn take(&mut self) -> Vec<GroupKey> {
        let mut keys = self.0.as_mut().map(std::mem::take).unwrap_or_default();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}
