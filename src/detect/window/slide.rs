//! A window that slides over a series and never recounts.
//!
//! In order, an arrival enters at one end and expired matches leave at the other: amortised O(1), whatever the length.
//! An arrival out of order is placed by binary search; then only the windows that it changes are visited, by moving
//! the same aggregate back and forth or, where that is shorter, by filling an empty one.

use crate::detect::rule::compiled::Condition;
use crate::detect::time::{Span, Timestamp};

use super::firing::{Firing, Note};
use super::series::{Bounds, Placed, Series};

/// Something kept over the matches of a window that matches can enter and leave in any order.
pub(in crate::detect) trait Aggregate {
    /// What it takes of a match.
    type Item: Copy;
    /// A match joins the window.
    fn enter(&mut self, item: Self::Item);
    /// A match that had joined leaves.
    fn leave(&mut self, item: Self::Item);
    /// What a condition is compared with, give or take [`Self::uncertainty`].
    fn value(&self) -> f64;
    /// How far [`Self::value`] may be from the value that the definition gives.
    fn uncertainty(&self) -> f64 {
        0.0
    }
    /// The value that the definition gives, from the window's matches in order.
    fn recount(&self, _items: impl Iterator<Item = Self::Item>) -> f64 {
        self.value()
    }
    /// True if so much has moved since the value was last exact that counting anew pays.
    fn is_stale(&self) -> bool {
        false
    }
    /// Counts the window's matches anew.
    fn refresh(&mut self, _items: impl Iterator<Item = Self::Item>) {}
    /// False while the window holds too little for any condition.
    fn is_meaningful(&self) -> bool {
        true
    }
    /// The same aggregate over no matches.
    fn emptied(&self) -> Self;
}

/// What a window must satisfy.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Demand<'a> {
    pub(in crate::detect) condition: &'a Condition,
    /// True if matches that a limit dropped can only have made the condition truer.
    pub(in crate::detect) bears_clipping: bool,
}

impl Demand<'_> {
    /// Whether the window's value satisfies the condition; recounted only where the running value is too uncertain.
    fn is_met<A: Aggregate>(&self, aggregate: &A, clipped: bool, items: impl Iterator<Item = A::Item>) -> bool {
        if clipped && !self.bears_clipping || !aggregate.is_meaningful() {
            return false;
        }
        let (value, uncertainty) = (aggregate.value(), aggregate.uncertainty());
        if uncertainty > 0.0 && self.condition.bounds().any(|(_, bound)| (value - bound).abs() <= uncertainty) {
            return self.condition.holds(aggregate.recount(items));
        }
        self.condition.holds(value)
    }
}

/// A series and the aggregate over the window that ends at its newest match.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Sliding<A: Aggregate> {
    pub(super) series: Series<A::Item>,
    /// Where the newest window starts.
    start: usize,
    /// No match of the newest window is older; kept for the same reason as in the series.
    start_time: Timestamp,
    pub(super) newest: A,
}

/// A window [low, high) in positions of a series, and the aggregate over it.
struct View<'a, A: Aggregate> {
    series: &'a Series<A::Item>,
    timespan: Span,
    low: usize,
    high: usize,
    aggregate: &'a mut A,
}

impl<A: Aggregate> View<'_, A> {
    /// Moves to the window that ends at `end`. Whichever way it goes, matches join before others leave, so that no
    /// match leaves that had not joined.
    fn move_to(&mut self, end: Timestamp) {
        let entries = &self.series.entries;
        while self.high < entries.len() && entries[self.high].time() <= end {
            self.aggregate.enter(entries[self.high].item);
            self.high += 1;
        }
        while self.low > 0 && entries[self.low - 1].time() > end - self.timespan {
            self.low -= 1;
            self.aggregate.enter(entries[self.low].item);
        }
        while self.high > 0 && entries[self.high - 1].time() > end {
            self.high -= 1;
            self.aggregate.leave(entries[self.high].item);
        }
        while self.low < self.high && entries[self.low].time() <= end - self.timespan {
            self.aggregate.leave(entries[self.low].item);
            self.low += 1;
        }
    }

    /// The first window that ends at a match in [`from`, `until`) and meets the demand.
    fn first(&mut self, from: Timestamp, until: Timestamp, demand: &Demand<'_>) -> Option<Firing> {
        let mut end = from;
        loop {
            self.move_to(end);
            let truncated = self.series.is_clipped(end, self.timespan);
            let items = self.series.entries.range(self.low..self.high).map(|entry| entry.item);
            if demand.is_met(self.aggregate, truncated, items) {
                return Some(Firing { at: end, observed: self.aggregate.value(), truncated, note: Note::None });
            }
            end = self.series.entries.get(self.high)?.time();
            if end >= until {
                return None;
            }
        }
    }
}

impl<A: Aggregate> Sliding<A> {
    pub(in crate::detect) fn new(newest: A) -> Self {
        Self { series: Series::default(), start: 0, start_time: Timestamp::EVENT_MAX, newest }
    }

    /// Over matches that were held before; `empty` is the aggregate over none.
    pub(in crate::detect) fn resumed(series: Series<A::Item>, timespan: Span, empty: A) -> Self {
        let mut resumed = Self { series, start_time: Timestamp::BEFORE_ALL, start: 0, newest: empty };
        resumed.start = resumed.series.after(resumed.series.newest() - timespan);
        for entry in resumed.series.entries.range(resumed.start..) {
            resumed.newest.enter(entry.item);
        }
        resumed
    }

    /// The matches held.
    pub(in crate::detect) const fn series(&self) -> &Series<A::Item> {
        &self.series
    }

    /// Removes matches that no future arrival can need; `dropped` hears of each.
    pub(in crate::detect) fn expire(&mut self, expired: Timestamp, mut dropped: impl FnMut(A::Item)) {
        while let Some((_, item)) = self.series.pop_expired(expired) {
            self.popped(item, &mut dropped);
        }
    }

    /// The stalest match has gone from the series.
    fn popped(&mut self, item: A::Item, dropped: &mut impl FnMut(A::Item)) {
        match self.start.checked_sub(1) {
            Some(start) => self.start = start,
            None => self.newest.leave(item),
        }
        dropped(item);
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64, item: A::Item) -> bool {
        self.series.holds(time, id, self.series.after(time), item)
    }

    /// Places a match that is no duplicate; the stalest makes room at the limit and is told to `dropped`.
    pub(in crate::detect) fn place(
        &mut self,
        (time, id): (Timestamp, u64),
        item: A::Item,
        bounds: &Bounds,
        mut dropped: impl FnMut(A::Item),
    ) -> Placed {
        let mut at = self.series.after(time);
        while self.series.len() >= bounds.entries_max {
            if at == 0 {
                self.series.clip(time);
                return Placed::Dropped;
            }
            let (stalest, item) = self.series.pop().expect("a full series is not empty");
            self.popped(item, &mut dropped);
            self.series.clip(stalest);
            at -= 1;
        }
        let is_newest = at == self.series.len();
        self.series.insert(at, time, id, item);
        if is_newest || at >= self.start && time > self.series.newest() - bounds.timespan {
            self.newest.enter(item);
            self.start_time = self.start_time.min(time);
        } else {
            self.start += 1;
        }
        if is_newest {
            self.advance(bounds.timespan);
        }
        Placed::At(at)
    }

    /// Lets go of what left the newest window.
    fn advance(&mut self, timespan: Span) {
        let outside = self.series.newest() - timespan;
        while self.start_time <= outside {
            let oldest = &self.series.entries[self.start];
            self.start_time = oldest.time();
            if self.start_time <= outside {
                self.newest.leave(oldest.item);
                self.start += 1;
            }
        }
    }

    /// Of the windows that an arrival at `time` changed, the first that meets the demand.
    pub(in crate::detect) fn first_changed(
        &mut self,
        time: Timestamp,
        timespan: Span,
        demand: &Demand<'_>,
    ) -> Option<Firing> {
        let end = self.series.newest();
        if time >= end {
            let truncated = self.series.is_clipped(end, timespan);
            if self.newest.is_stale() {
                self.newest.refresh(self.series.entries.range(self.start..).map(|entry| entry.item));
            }
            let items = self.series.entries.range(self.start..).map(|entry| entry.item);
            let met = demand.is_met(&self.newest, truncated, items);
            return met.then(|| Firing { at: end, observed: self.newest.value(), truncated, note: Note::None });
        }
        let until = time + timespan;
        let (low, high) = (self.series.after(time - timespan), self.series.after(time));
        let series = &self.series;
        if series.len() - high <= high - low {
            let aggregate = &mut self.newest;
            let mut view = View { series, timespan, low: self.start, high: series.len(), aggregate };
            let firing = view.first(time, until, demand);
            view.move_to(end);
            return firing;
        }
        let mut aggregate = self.newest.emptied();
        View { series, timespan, low, high: low, aggregate: &mut aggregate }.first(time, until, demand)
    }

    /// Drops every match whose item `is_unwanted`, as a limit does: its windows count as clipped.
    pub(super) fn remove_where(&mut self, is_unwanted: impl Fn(A::Item) -> bool, mut dropped: impl FnMut(A::Item)) {
        let mut place = 0;
        let (start, mut removed_before_start, mut newest_removed) = (self.start, 0, None);
        let aggregate = &mut self.newest;
        self.series.retain(|entry| {
            place += 1;
            if !is_unwanted(entry.item) {
                return true;
            }
            if place > start {
                aggregate.leave(entry.item);
            } else {
                removed_before_start += 1;
            }
            dropped(entry.item);
            newest_removed = Some(entry.time());
            false
        });
        self.start -= removed_before_start;
        if let Some(time) = newest_removed {
            self.series.clip(time);
        }
    }

    /// The items of the window that ends at `end`, oldest first.
    pub(in crate::detect) fn items(&self, end: Timestamp, timespan: Span) -> impl Iterator<Item = A::Item> + '_ {
        let (low, high) = (self.series.after(end - timespan), self.series.after(end));
        self.series.entries.range(low..high).map(|entry| entry.item)
    }

    /// The value of the window that ends at `end`, as the definition gives it.
    pub(in crate::detect) fn recount(&self, end: Timestamp, timespan: Span) -> f64 {
        self.newest.recount(self.items(end, timespan))
    }

    /// The aggregate over the newest window.
    pub(in crate::detect) const fn aggregate(&self) -> &A {
        &self.newest
    }

    /// Bytes on the heap, the aggregate's own excluded.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.series.heap_bytes()
    }
}

#[cfg(test)]
mod tests;
