//! Sums, means and percentiles of a number, as the definition gives them: doubles, added in the order of S(g).
//!
//! Adding in order means that a window cannot simply subtract what leaves it. The running sum is therefore only an
//! estimate with a bound on its error; where a condition's bound lies within that, and where an alert prints the
//! number, the window is added up anew. Sums of whole numbers below 2^53 are exact either way.

use crate::detect::time::Timestamp;

use super::series::{Bounds, Placed};
use super::slide::{Aggregate, Sliding};

/// A double as an item of 8 bytes that needs no alignment.
pub(in crate::detect) type Packed = [u32; 2];

#[expect(clippy::cast_possible_truncation, reason = "two halves of 64 bits")]
pub(in crate::detect) const fn pack(number: f64) -> Packed {
    let bits = number.to_bits();
    [bits as u32, (bits >> 32) as u32]
}

pub(in crate::detect) fn unpack([low, high]: Packed) -> f64 {
    f64::from_bits(u64::from(low) | u64::from(high) << 32)
}

/// Whether a running total stands for the sum or the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Total {
    /// `value_sum`.
    Sum,
    /// `value_avg`.
    Mean,
}

/// `value_sum` and `value_avg`: an estimate of the sum, and how wrong it can be.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct RunningTotal {
    total: Total,
    count: u32,
    sum: f64,
    /// Sum of the magnitudes of everything that entered or left since the estimate was last exact.
    moved: f64,
    moves: u32,
    /// True once a number moved that is no whole number below 2^53.
    inexact: bool,
}

/// Above this, whole doubles have gaps.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn is_exact(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < EXACT_MAX
}

impl RunningTotal {
    pub(in crate::detect) const fn new(total: Total) -> Self {
        Self { total, count: 0, sum: 0.0, moved: 0.0, moves: 0, inexact: false }
    }

    /// A number as an item.
    pub(in crate::detect) const fn item(number: f64) -> Packed {
        pack(number)
    }

    fn moved(&mut self, number: f64) {
        self.moved += number.abs();
        self.moves = self.moves.saturating_add(1);
        self.inexact |= !is_exact(number);
        if self.count == 0 {
            *self = Self::new(self.total);
        }
    }
}

impl Aggregate for RunningTotal {
    type Item = Packed;

    fn enter(&mut self, item: Packed) {
        let number = unpack(item);
        self.count += 1;
        self.sum += number;
        self.moved(number);
    }

    fn leave(&mut self, item: Packed) {
        let number = unpack(item);
        self.count -= 1;
        self.sum -= number;
        self.moved(number);
    }

    fn value(&self) -> f64 {
        match self.total {
            Total::Sum => self.sum,
            Total::Mean => self.sum / f64::from(self.count),
        }
    }

    /// Each of the `moves` additions, here and in the definition's own sum, is off by at most half a unit in the last
    /// place of a partial sum, and no partial sum is greater than `moved` (Higham, Accuracy and Stability of Numerical
    /// Algorithms, 4.2); doubled for safety.
    fn uncertainty(&self) -> f64 {
        if !self.inexact && self.moved < EXACT_MAX {
            return 0.0;
        }
        let bound = 4.0 * f64::from(self.moves) * f64::EPSILON * self.moved;
        let divisor = if self.total == Total::Mean { f64::from(self.count.max(1)) } else { 1.0 };
        if bound.is_finite() { bound / divisor + f64::EPSILON * self.value().abs() } else { f64::INFINITY }
    }

    fn recount(&self, items: impl Iterator<Item = Packed>) -> f64 {
        let (sum, count) = items.fold((0.0, 0u32), |(sum, count), item| (sum + unpack(item), count + 1));
        match self.total {
            Total::Sum => sum,
            Total::Mean => sum / f64::from(count),
        }
    }

    fn is_stale(&self) -> bool {
        self.moves / 4 > self.count + 16
    }

    fn refresh(&mut self, items: impl Iterator<Item = Packed>) {
        *self = self.emptied();
        items.for_each(|item| self.enter(item));
    }

    fn is_meaningful(&self) -> bool {
        self.count > 0
    }

    fn emptied(&self) -> Self {
        Self::new(self.total)
    }
}

/// The matches of a `value_sum` or `value_avg` rule in one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct TotalWindow {
    pub(in crate::detect) sliding: Sliding<RunningTotal>,
    clipped_negative: Timestamp,
}

impl TotalWindow {
    pub(in crate::detect) fn new(empty: RunningTotal) -> Self {
        Self { sliding: Sliding::new(empty), clipped_negative: Timestamp::BEFORE_ALL }
    }

    /// Over matches that were held before. Added up in order, so the estimate starts out exact.
    pub(in crate::detect) const fn resumed(sliding: Sliding<RunningTotal>, clipped_negative: Timestamp) -> Self {
        Self { sliding, clipped_negative }
    }

    /// Removes matches that no future arrival can need.
    pub(in crate::detect) fn expire(&mut self, expired: Timestamp) {
        self.sliding.expire(expired, drop);
    }

    /// Time of the newest match with a negative number that a limit dropped, or later: without it, a sum is too great.
    pub(in crate::detect) const fn clipped_negative(&self) -> Timestamp {
        self.clipped_negative
    }

    /// Places a match that is no duplicate; how many the limit dropped.
    pub(in crate::detect) fn place(&mut self, key: (Timestamp, u64), item: Packed, bounds: &Bounds) -> (Placed, u32) {
        let (mut dropped, mut negative) = (0, false);
        let placed = self.sliding.place(key, item, bounds, |item| {
            dropped += 1;
            negative |= unpack(item) < 0.0;
        });
        if placed == Placed::Dropped {
            dropped += 1;
            negative |= unpack(item) < 0.0;
        }
        if negative {
            self.clipped_negative = self.clipped_negative.max(key.0);
        }
        (placed, dropped)
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.sliding.heap_bytes()
    }
}

/// `value_percentile`: the numbers of the window in order, in chunks, so that one joins or leaves by moving few others.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Percentile {
    rank_percent: f64,
    chunks: Vec<Vec<f64>>,
    count: usize,
}

/// A chunk this long is split in two.
const CHUNK_MAX: usize = 256;

impl Percentile {
    /// Of a window without matches; `percentile` is from 1 to 100.
    pub(in crate::detect) const fn new(percentile: f64) -> Self {
        Self { rank_percent: percentile, chunks: Vec::new(), count: 0 }
    }

    /// A number as an item; the two zeros are one.
    pub(in crate::detect) fn item(number: f64) -> Packed {
        pack(if number == 0.0 { 0.0 } else { number })
    }

    /// The first chunk that may hold `number`, that is, whose greatest is not below it.
    fn chunk(&self, number: f64) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last < number))
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        let numbers: usize = self.chunks.iter().map(Vec::capacity).sum();
        self.chunks.capacity() * size_of::<Vec<f64>>() + numbers * size_of::<f64>()
    }
}

impl Aggregate for Percentile {
    type Item = Packed;

    fn enter(&mut self, item: Packed) {
        let number = unpack(item);
        self.count += 1;
        let at = self.chunk(number).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else { return self.chunks.push(vec![number]) };
        chunk.insert(chunk.partition_point(|held| *held < number), number);
        if chunk.len() > CHUNK_MAX {
            let upper = chunk.split_off(CHUNK_MAX / 2);
            self.chunks.insert(at + 1, upper);
        }
    }

    fn leave(&mut self, item: Packed) {
        let number = unpack(item);
        self.count -= 1;
        let at = self.chunk(number);
        let chunk = &mut self.chunks[at];
        chunk.remove(chunk.partition_point(|held| *held < number));
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// Nearest rank: the number at place `ceil(percentile / 100 * count)`.
    fn value(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts"
        )]
        let rank = (self.rank_percent * self.count as f64 / 100.0).ceil() as usize;
        let mut place = rank.clamp(1, self.count.max(1)) - 1;
        for chunk in &self.chunks {
            match chunk.get(place) {
                Some(number) => return *number,
                None => place -= chunk.len(),
            }
        }
        f64::NAN
    }

    fn is_meaningful(&self) -> bool {
        self.count > 0
    }

    fn emptied(&self) -> Self {
        Self::new(self.rank_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn enter(window: &mut impl Aggregate<Item = Packed>, numbers: &[f64]) {
        for number in numbers {
            window.enter(pack(*number));
        }
    }

    fn leave(window: &mut impl Aggregate<Item = Packed>, numbers: &[f64]) {
        for number in numbers {
            window.leave(pack(*number));
        }
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_sorted_window_s(
            numbers in prop::collection::vec(-20i32..20, 1..700), gone in 0usize..600, percentile in 1u8..=100,
        ) {
            let numbers: Vec<_> = numbers.into_iter().map(f64::from).collect();
            let gone = gone.min(numbers.len() - 1);
            let mut window = Percentile::new(f64::from(percentile));
            enter(&mut window, &numbers);
            leave(&mut window, &numbers[..gone]);
            let mut sorted = numbers[gone..].to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = (usize::from(percentile) * sorted.len()).div_ceil(100);
            prop_assert!((window.value() - sorted[rank.max(1) - 1]).abs() < f64::EPSILON);
        }

        #[test]
        fn a_running_sum_is_as_near_as_it_says(numbers in prop::collection::vec(-1e9f64..1e9, 1..200), gone in 0usize..150) {
            let gone = gone.min(numbers.len() - 1);
            for total in [Total::Sum, Total::Mean] {
                let mut window = RunningTotal::new(total);
                enter(&mut window, &numbers);
                leave(&mut window, &numbers[..gone]);
                let exact = window.recount(numbers[gone..].iter().map(|number| pack(*number)));
                prop_assert!((window.value() - exact).abs() <= window.uncertainty());
            }
        }
    }
}
