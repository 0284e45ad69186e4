//! The newest matches of a rule and group, to point an alert at.
//!
//! Only as many are kept as an alert shows. A late arrival that completes an older window therefore shows those of that
//! window that are still among the newest, itself included.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::detect::alert::Evidence;
use crate::detect::time::Timestamp;

/// Matches in (time, arrival) order, at most a given number.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct EvidenceRing {
    newest: VecDeque<Arc<Evidence>>,
}

/// From matches in (time, arrival) order.
impl FromIterator<Arc<Evidence>> for EvidenceRing {
    fn from_iter<M: IntoIterator<Item = Arc<Evidence>>>(matches: M) -> Self {
        Self { newest: matches.into_iter().collect() }
    }
}

impl EvidenceRing {
    /// Adds a match; at `count_max` the oldest goes.
    pub(in crate::detect) fn add(&mut self, evidence: Arc<Evidence>, count_max: usize) {
        let at = match self.newest.back() {
            Some(last) if last.time > evidence.time => self.newest.partition_point(|held| held.time <= evidence.time),
            _ => self.newest.len(),
        };
        self.newest.insert(at, evidence);
        // More than one goes where the ring was restored under a smaller maximum than it was filled under.
        while self.newest.len() > count_max {
            self.newest.pop_front();
        }
    }

    /// The matches held, oldest first.
    pub(in crate::detect) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Evidence>> {
        self.newest.iter()
    }

    /// Forgets what no window can show any more.
    pub(in crate::detect) fn expire(&mut self, expired: Timestamp) {
        while self.newest.front().is_some_and(|evidence| evidence.time <= expired) {
            self.newest.pop_front();
        }
    }

    /// The held matches of the window (`start`, `end`], oldest first, `arrival` among them in any case.
    pub(in crate::detect) fn within(
        &self,
        (start, end): (Timestamp, Timestamp),
        arrival: &Arc<Evidence>,
    ) -> Vec<Arc<Evidence>> {
        let inside = |evidence: &&Arc<Evidence>| evidence.time > start && evidence.time <= end;
        let mut shown: Vec<_> = self.newest.iter().filter(inside).cloned().collect();
        if !shown.iter().any(|evidence| Arc::ptr_eq(evidence, arrival)) {
            shown.insert(0, Arc::clone(arrival));
        }
        shown
    }

    /// Bytes on the heap. A match that several rules show is counted for each.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.newest.capacity() * size_of::<Arc<Evidence>>() + self.newest.len() * EVIDENCE_BYTES
    }
}

/// An evidence with its reference counts and an id of the length of a UUID.
const EVIDENCE_BYTES: usize = size_of::<Evidence>() + 16 + 36;
