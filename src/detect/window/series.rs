//! S(g): the matches of one rule and group, ordered by (event time, arrival).

use std::collections::VecDeque;

use crate::detect::time::{Span, Timestamp};

/// One match: its time, the fingerprint of its identity, and what its rule counts. 48 bits hold every event time and
/// leave 48 for the fingerprint, which only ever has to tell matches of one millisecond apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<I> {
    packed: [u32; 3],
    pub(super) item: I,
}

impl<I> Entry<I> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two halves of 48 bits")]
    fn new(time: Timestamp, id: u64, item: I) -> Self {
        let time = time.millis() as u64;
        Self { packed: [time as u32, (time >> 32) as u32 & 0xFFFF | (id >> 32) as u32 & 0xFFFF_0000, id as u32], item }
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.packed[0]) | i64::from(self.packed[1] & 0xFFFF) << 32)
    }

    /// The fingerprint's 48 bits, the others zero: enough to make an equal entry from.
    const fn id(&self) -> u64 {
        ((self.packed[1] & 0xFFFF_0000) as u64) << 32 | self.packed[2] as u64
    }

    const fn is(&self, other: &Self) -> bool {
        self.packed[0] == other.packed[0] && self.packed[1] == other.packed[1] && self.packed[2] == other.packed[2]
    }
}

/// What bounds a series when a match arrives.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Bounds {
    /// The window's length W.
    pub(in crate::detect) timespan: Span,
    /// Matches at or before this time can be in no window that a future arrival changes: T - L - W.
    pub(in crate::detect) expired: Timestamp,
    /// `limits.window_entries`.
    pub(in crate::detect) entries_max: usize,
}

/// What became of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Placed {
    /// It stands in the series from this position on.
    At(usize),
    /// It was there already.
    Duplicate,
    /// The series was full of newer matches.
    Dropped,
}

/// The matches held, and the time of the newest one that a limit dropped.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Series<I> {
    pub(super) entries: VecDeque<Entry<I>>,
    clipped: Timestamp,
    /// No match is older; this and the next are kept here so that most arrivals need not look at the matches.
    oldest: Timestamp,
    /// The time of the newest match; before all without any.
    newest: Timestamp,
}

impl<I: Copy> Default for Series<I> {
    fn default() -> Self {
        Self::resumed(Timestamp::BEFORE_ALL, 0)
    }
}

impl<I: Copy> Series<I> {
    /// No matches yet, room for some, and the time of the newest one that a limit dropped.
    pub(in crate::detect) fn resumed(clipped: Timestamp, capacity: usize) -> Self {
        Self {
            entries: VecDeque::with_capacity(capacity),
            clipped,
            oldest: Timestamp::EVENT_MAX,
            newest: Timestamp::BEFORE_ALL,
        }
    }

    /// Appends a match that is not older than any other.
    pub(in crate::detect) fn push(&mut self, time: Timestamp, id: u64, item: I) {
        self.insert(self.len(), time, id, item);
    }

    /// The matches in order, each with 48 bits of its fingerprint, the others zero.
    pub(in crate::detect) fn matches(&self) -> impl ExactSizeIterator<Item = (Timestamp, u64, I)> + '_ {
        self.entries.iter().map(|entry| (entry.time(), entry.id(), entry.item))
    }

    /// Time of the newest match that a limit dropped.
    pub(in crate::detect) const fn clipped(&self) -> Timestamp {
        self.clipped
    }

    /// The time of the newest match; before all without any.
    pub(super) const fn newest(&self) -> Timestamp {
        self.newest
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn time(&self, index: usize) -> Timestamp {
        self.entries[index].time()
    }

    /// True if a limit dropped a match from the window that ends at `end`.
    pub(super) fn is_clipped(&self, end: Timestamp, timespan: Span) -> bool {
        self.clipped > end - timespan
    }

    /// Notes that a limit dropped a match of this time.
    pub(super) fn clip(&mut self, time: Timestamp) {
        self.clipped = self.clipped.max(time);
    }

    /// The position of the first match after `time`.
    pub(super) fn after(&self, time: Timestamp) -> usize {
        if time >= self.newest {
            self.entries.len()
        } else {
            self.entries.partition_point(|entry| entry.time() <= time)
        }
    }

    /// True if a match of the same time and identity stands just before position `after`.
    pub(super) fn holds(&self, time: Timestamp, id: u64, after: usize, item: I) -> bool {
        if time > self.newest {
            return false;
        }
        let wanted = Entry::new(time, id, item);
        let same_time = self.entries.range(..after).rev().take_while(|entry| entry.time() == time);
        same_time.into_iter().any(|entry| entry.is(&wanted))
    }

    pub(super) fn insert(&mut self, at: usize, time: Timestamp, id: u64, item: I) {
        let entry = Entry::new(time, id, item);
        self.oldest = self.oldest.min(time);
        self.newest = self.newest.max(time);
        if self.len() == self.entries.capacity() {
            // Most groups hold few matches, so the first steps are small.
            self.entries.reserve_exact((self.len() / 2).max(1));
        }
        if at == self.entries.len() {
            self.entries.push_back(entry);
        } else {
            self.entries.insert(at, entry);
        }
    }

    /// Removes and returns the stalest match if it stands at or before `expired`.
    pub(super) fn pop_expired(&mut self, expired: Timestamp) -> Option<(Timestamp, I)> {
        if self.oldest > expired {
            return None;
        }
        self.oldest = self.entries.front().map_or(Timestamp::EVENT_MAX, Entry::time);
        if self.oldest <= expired { self.pop() } else { None }
    }

    /// Removes and returns the stalest match.
    pub(super) fn pop(&mut self) -> Option<(Timestamp, I)> {
        let stalest = self.entries.pop_front()?;
        if self.entries.is_empty() {
            self.newest = Timestamp::BEFORE_ALL;
        }
        Some((stalest.time(), stalest.item))
    }

    /// Keeps the matches that `is_kept`, which is asked of each in order.
    pub(super) fn retain(&mut self, is_kept: impl FnMut(&Entry<I>) -> bool) {
        self.entries.retain(is_kept);
        self.newest = self.entries.back().map_or(Timestamp::BEFORE_ALL, Entry::time);
    }

    /// Something that must be read to be known, near where the next match goes.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.entries.back().map_or(0, |entry| u64::from(entry.packed[0]))
    }

    /// Bytes of the matches held with a quarter of them as room to spare, whatever room there is.
    pub(in crate::detect) fn weight(&self) -> usize {
        self.entries.len() * size_of::<Entry<I>>() * 5 / 4
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<I>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_every_event_time_in_sixteen_bytes() {
        for time in [Timestamp::EVENT_MIN, Timestamp::from_millis(1_795_456_618_123), Timestamp::EVENT_MAX] {
            assert_eq!(Entry::new(time, u64::MAX, ()).time(), time);
            assert_eq!(Entry::new(time, 0, ()).time(), time);
            assert_eq!(Entry::new(time, u64::MAX, ()).id(), 0xFFFF_0000_FFFF_FFFF);
        }
        assert_eq!(size_of::<Entry<u32>>(), 16);
    }

    #[test]
    fn identity_is_time_and_fingerprint() {
        let (time, other) = (Timestamp::from_millis(5), Timestamp::from_millis(6));
        let mut series = Series::default();
        series.insert(0, time, 1 << 63, ());
        series.insert(1, time, 2, ());
        assert!(series.holds(time, 1 << 63, 2, ()) && series.holds(time, 2, 2, ()));
        assert!(!series.holds(time, 3, 2, ()) && !series.holds(other, 2, 2, ()));
    }
}
