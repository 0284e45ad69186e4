//! Records that are held back, to arrive late or a second time.

use std::collections::BTreeMap;

use super::stream::Delivery;

#[derive(Debug)]
pub(super) struct HeldRecord {
    pub time_ms: i64,
    /// Index of the subject.
    pub subject: usize,
    pub delivery: Delivery,
    pub bytes: Vec<u8>,
}

/// Held records by the event time at which they arrive, then in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct HeldRecords {
    records: BTreeMap<(i64, u64), HeldRecord>,
    count: u64,
}

impl HeldRecords {
    pub(super) fn hold(&mut self, until_ms: i64, record: HeldRecord) {
        self.records.insert((until_ms, self.count), record);
        self.count += 1;
    }

    /// The first record whose time has come.
    pub(super) fn release(&mut self, at: i64) -> Option<HeldRecord> {
        let first = self.records.first_entry()?;
        (first.key().0 <= at).then(|| first.remove())
    }
}
