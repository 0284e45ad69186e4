//! `spike`: the count in a bucket against the buckets before it.
//!
//! Counts outlive the matches: a bucket keeps a number, and matches themselves are only kept for as long as an arrival
//! can repeat one of them.

use std::collections::VecDeque;

use crate::detect::time::{Span, Timestamp};

use super::firing::{Firing, Note};
use super::series::{Bounds, Placed, Series};

/// The parameters of a `spike` rule.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct SpikeDemand {
    /// Length of a bucket; buckets are aligned to the epoch.
    pub(in crate::detect) bucket: Span,
    /// How many buckets before it are looked at.
    pub(in crate::detect) history: u32,
    /// How many deviations above the mean are too many.
    pub(in crate::detect) sigma: f64,
    /// Fewest matches that make a spike.
    pub(in crate::detect) count_min: u32,
}

/// The matches of a `spike` rule in one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct SpikeWindow {
    /// For telling duplicates only.
    recent: Series<()>,
    /// Number of the first bucket in `counts`.
    first: i64,
    counts: VecDeque<u32>,
    /// The bucket of the group's earliest match.
    earliest: i64,
    /// The newest bucket that lacks a match because of a limit.
    clipped: i64,
}

impl Default for SpikeWindow {
    fn default() -> Self {
        Self { recent: Series::default(), first: 0, counts: VecDeque::new(), earliest: i64::MAX, clipped: i64::MIN }
    }
}

/// What a [`SpikeWindow`] is made of, besides the matches that can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Buckets {
    /// Number of the first bucket that has a count; meaningless without counts.
    pub(in crate::detect) first: i64,
    pub(in crate::detect) counts: VecDeque<u32>,
    /// The bucket of the group's earliest match, if it has had one.
    pub(in crate::detect) earliest: Option<i64>,
    /// The newest bucket that lacks a match because of a limit, if there is one.
    pub(in crate::detect) clipped: Option<i64>,
}

impl SpikeWindow {
    /// Over what was held before.
    pub(in crate::detect) fn resumed(recent: Series<()>, buckets: Buckets) -> Self {
        let Buckets { first, counts, earliest, clipped } = buckets;
        Self { recent, first, counts, earliest: earliest.unwrap_or(i64::MAX), clipped: clipped.unwrap_or(i64::MIN) }
    }

    /// The matches that can be repeated, and the counts.
    pub(in crate::detect) fn parts(&self) -> (&Series<()>, Buckets) {
        let buckets = Buckets {
            first: self.first,
            counts: self.counts.clone(),
            earliest: (self.earliest != i64::MAX).then_some(self.earliest),
            clipped: (self.clipped != i64::MIN).then_some(self.clipped),
        };
        (&self.recent, buckets)
    }

    /// Removes what no arrival at or after `horizon` (T - L) can need.
    pub(in crate::detect) fn expire(&mut self, horizon: Timestamp, demand: &SpikeDemand) {
        while self.recent.entries.front().is_some_and(|entry| entry.time() < horizon) {
            self.recent.pop();
        }
        let needed = bucket_of(horizon, demand.bucket) - i64::from(demand.history);
        while self.first < needed && self.counts.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.recent.holds(time, id, self.recent.after(time), ())
    }

    /// Counts a match that is no duplicate; how many the limit dropped.
    pub(in crate::detect) fn place(
        &mut self,
        (time, id): (Timestamp, u64),
        bucket: Span,
        bounds: &Bounds,
    ) -> (Placed, u32) {
        let number = bucket_of(time, bucket);
        let mut dropped = 0;
        // What was dropped cannot be told from a repetition any more, so an arrival that old is not counted.
        if self.recent.is_clipped(time, Span::from_millis(1)) {
            self.clipped = self.clipped.max(number);
            return (Placed::Dropped, 1);
        }
        while self.recent.len() >= bounds.entries_max {
            if let Some((stalest, ())) = self.recent.pop() {
                self.recent.clip(stalest);
                dropped += 1;
            }
        }
        let at = self.recent.after(time);
        self.recent.insert(at, time, id, ());
        self.count(number);
        (Placed::At(at), dropped)
    }

    fn count(&mut self, number: i64) {
        if self.counts.is_empty() {
            self.first = number;
        }
        while number < self.first {
            self.counts.push_front(0);
            self.first -= 1;
        }
        let place = usize::try_from(number - self.first).expect("not before the first");
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(1);
        self.earliest = self.earliest.min(number);
    }

    fn count_in(&self, number: i64) -> u32 {
        let place = usize::try_from(number - self.first).ok();
        place.and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }

    /// Whether the bucket of an arrival at `time` spikes.
    pub(in crate::detect) fn judge(&self, time: Timestamp, demand: &SpikeDemand) -> Option<Firing> {
        let number = bucket_of(time, demand.bucket);
        let from = (number - i64::from(demand.history)).max(self.earliest);
        let known = number - from;
        if self.clipped >= number - i64::from(demand.history) || known * 2 < i64::from(demand.history) || known == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of buckets")]
        let known = known as f64;
        let counts = || (from..number).map(|bucket| f64::from(self.count_in(bucket)));
        let mean = counts().sum::<f64>() / known;
        let deviation = (counts().map(|count| (count - mean) * (count - mean)).sum::<f64>() / known).sqrt();
        let count = self.count_in(number);
        let observed = f64::from(count);
        if count < demand.count_min || observed <= mean + demand.sigma * deviation.max(1.0) {
            return None;
        }
        Some(Firing { at: time, observed, truncated: false, note: Note::Spike { mean, deviation } })
    }

    /// Something that must be read to be known, near where the next match goes.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.recent.touch()
    }

    /// Bytes of the buckets and matches held, whatever the room for them.
    pub(in crate::detect) fn weight(&self) -> usize {
        self.recent.weight() + self.counts.len() * size_of::<u32>()
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.recent.heap_bytes() + self.counts.capacity() * size_of::<u32>()
    }
}

/// The number of the bucket that a time falls into.
pub(in crate::detect) fn bucket_of(time: Timestamp, bucket: Span) -> i64 {
    time.millis().div_euclid(bucket.millis().max(1))
}
