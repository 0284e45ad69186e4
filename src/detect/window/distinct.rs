//! Distinct values in a window, by a running count per value.

use smallvec::SmallVec;

use crate::detect::time::{Span, Timestamp};

use super::firing::Firing;
use super::series::{Bounds, Placed, Series};
use super::slide::{Aggregate, Demand, Sliding};
use super::values::{ValueHasher, ValueTable};

/// By value; most groups show few, and those stand in the window itself.
type Counts = SmallVec<[u32; 4]>;

/// How many matches of the window hold each value, and how many values have any.
#[derive(Clone, Debug, Default)]
struct Distinct {
    counts: Counts,
    distinct: u32,
}

impl Aggregate for Distinct {
    type Item = u32;

    fn enter(&mut self, value: u32) {
        let count = &mut self.counts[value as usize];
        self.distinct += u32::from(*count == 0);
        *count += 1;
    }

    fn leave(&mut self, value: u32) {
        let count = &mut self.counts[value as usize];
        *count -= 1;
        self.distinct -= u32::from(*count == 0);
    }

    fn value(&self) -> f64 {
        f64::from(self.distinct)
    }

    fn emptied(&self) -> Self {
        Self { counts: Counts::from_elem(0, self.counts.len()), distinct: 0 }
    }
}

/// The matches of a `value_count` rule in one group. A match with several values has one entry for each, so the limit
/// on entries bounds the values of lists, too.
#[derive(Clone, Debug)]
pub(in crate::detect) struct DistinctWindow {
    values: ValueTable,
    sliding: Sliding<Distinct>,
}

/// What a match brought about beyond its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::detect) struct Evictions {
    /// Entries that `limits.window_entries` dropped.
    pub(in crate::detect) entries: u32,
    /// Values that `limits.set_values` dropped.
    pub(in crate::detect) values: u32,
}

impl Default for DistinctWindow {
    fn default() -> Self {
        Self { values: ValueTable::default(), sliding: Sliding::new(Distinct::default()) }
    }
}

impl DistinctWindow {
    /// Over matches that were held before, each holding a value of the table.
    pub(in crate::detect) fn resumed(values: ValueTable, series: Series<u32>, timespan: Span) -> Self {
        let none = Distinct { counts: Counts::from_elem(0, values.numbers()), distinct: 0 };
        Self { values, sliding: Sliding::resumed(series, timespan, none) }
    }

    /// Something that must be read to be known, near what the next match meets.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.values.touch() ^ self.sliding.series().touch()
    }

    /// The values, and the matches with the number of each one's value.
    pub(in crate::detect) const fn parts(&self) -> (&ValueTable, &Series<u32>) {
        (&self.values, self.sliding.series())
    }

    /// Removes matches that no future arrival can need.
    pub(in crate::detect) fn expire(&mut self, expired: Timestamp, hasher: &ValueHasher) {
        let Self { values, sliding } = self;
        sliding.expire(expired, |value| values.release(value, hasher));
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.sliding.holds(time, id, 0)
    }

    /// Places a match with one entry for each of its values (at least one); it must be no duplicate.
    pub(in crate::detect) fn place(
        &mut self,
        key: (Timestamp, u64),
        texts: &[impl AsRef<str>],
        (bounds, values_max): (&Bounds, usize),
        hasher: &ValueHasher,
    ) -> (Placed, Evictions) {
        let mut evictions = Evictions::default();
        let mut placed = Placed::Dropped;
        for text in texts {
            if self.values.find(text.as_ref(), hasher).is_none() && self.values.len() >= values_max {
                self.evict_stalest_value(hasher);
                evictions.values += 1;
            }
            let Self { values, sliding } = self;
            let number = values.hold(text.as_ref(), hasher);
            if sliding.newest.counts.len() < values.numbers() {
                sliding.newest.counts.resize(values.numbers(), 0);
            }
            let at = sliding.place(key, number, bounds, |value| {
                evictions.entries += 1;
                values.release(value, hasher);
            });
            if at == Placed::Dropped {
                evictions.entries += 1;
                values.release(number, hasher);
            } else {
                placed = at;
            }
        }
        (placed, evictions)
    }

    /// Drops the value not seen for longest, with its matches; of several, the first in text order.
    fn evict_stalest_value(&mut self, hasher: &ValueHasher) {
        let Self { values, sliding } = self;
        let mut last_seen = vec![None; values.numbers()];
        for entry in &sliding.series.entries {
            last_seen[entry.item as usize] = Some(entry.time());
        }
        let held = (0u32..).zip(last_seen).filter_map(|(number, seen)| seen.map(|seen| (seen, number)));
        let Some((_, stalest)) = held.min_by_key(|(seen, number)| (*seen, values.text(*number))) else { return };
        sliding.remove_where(|value| value == stalest, |value| values.release(value, hasher));
    }

    /// Of the windows that an arrival at `time` changed, the first that meets the demand.
    pub(in crate::detect) fn first_changed(
        &mut self,
        time: Timestamp,
        timespan: Span,
        demand: &Demand<'_>,
    ) -> Option<Firing> {
        self.sliding.first_changed(time, timespan, demand)
    }

    /// The first `count_max` distinct values of the window that ends at `end`, in order of first sight.
    pub(in crate::detect) fn values(&self, end: Timestamp, timespan: Span, count_max: usize) -> Vec<String> {
        let mut seen = vec![false; self.values.numbers()];
        let fresh =
            self.sliding.items(end, timespan).filter(|value| !std::mem::replace(&mut seen[*value as usize], true));
        fresh.take(count_max).map(|value| self.values.text(value).to_owned()).collect()
    }

    /// Bytes on the heap.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        let counts = &self.sliding.newest.counts;
        let counts_bytes = if counts.spilled() { counts.capacity() * size_of::<u32>() } else { 0 };
        self.sliding.heap_bytes() + counts_bytes + self.values.heap_bytes()
    }
}
