//! `new_value`: which values a group has shown lately.
//!
//! Only arrivals at or after the newest match are judged, so a value's last sight says all; the matches themselves are
//! only kept for as long as an arrival can repeat one of them.

use crate::detect::time::{Span, Timestamp};

use super::firing::{Firing, Note};
use super::series::{Bounds, Placed, Series};
use super::values::{ValueHasher, ValueTable};

/// What a `new_value` rule holds about one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct FreshWindow {
    values: ValueTable,
    /// By value number; [`Timestamp::BEFORE_ALL`] for a free one.
    last_seen: Vec<Timestamp>,
    /// For telling duplicates only.
    recent: Series<()>,
    earliest: Timestamp,
    newest: Timestamp,
    /// Last sight of the newest value that a limit dropped.
    clipped: Timestamp,
    /// The table is swept once it has grown to this many values.
    sweep_at: usize,
}

const SWEEP_MIN: usize = 16;

impl Default for FreshWindow {
    fn default() -> Self {
        Self {
            values: ValueTable::default(),
            last_seen: Vec::new(),
            recent: Series::default(),
            earliest: Timestamp::EVENT_MAX,
            newest: Timestamp::BEFORE_ALL,
            clipped: Timestamp::BEFORE_ALL,
            sweep_at: SWEEP_MIN,
        }
    }
}

/// What an arrival brought to a [`FreshWindow`].
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Sighting {
    /// Its firing, if a value was new.
    pub(in crate::detect) firing: Option<Firing>,
    /// Values that `limits.set_values` dropped.
    pub(in crate::detect) values_dropped: u32,
}

/// What a [`FreshWindow`] knows besides values and the matches that can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Acquaintance {
    /// [`Timestamp::EVENT_MAX`] if there was no match yet.
    pub(in crate::detect) earliest: Timestamp,
    /// [`Timestamp::BEFORE_ALL`] if there was no match yet.
    pub(in crate::detect) newest: Timestamp,
    /// Last sight of the newest value that a limit dropped; [`Timestamp::BEFORE_ALL`] if none was.
    pub(in crate::detect) clipped: Timestamp,
    pub(in crate::detect) sweep_at: usize,
}

impl FreshWindow {
    /// Over what was held before; the values follow with [`Self::recall`].
    pub(in crate::detect) fn resumed(recent: Series<()>, acquaintance: Acquaintance) -> Self {
        let Acquaintance { earliest, newest, clipped, sweep_at } = acquaintance;
        Self { recent, earliest, newest, clipped, sweep_at, ..Self::default() }
    }

    /// A value that was held before, and its last sight; false if it is held already.
    pub(in crate::detect) fn recall(&mut self, text: &str, last_seen: Timestamp, hasher: &ValueHasher) -> bool {
        let is_new = self.values.find(text, hasher).is_none();
        if is_new {
            self.values.hold(text, hasher);
            self.last_seen.push(last_seen);
        }
        is_new
    }

    /// What is held, the values with their last sights in text order.
    pub(in crate::detect) fn parts(&self) -> (&Series<()>, Acquaintance, Vec<(&str, Timestamp)>) {
        let Self { recent, earliest, newest, clipped, sweep_at, .. } = self;
        let (earliest, newest, clipped, sweep_at) = (*earliest, *newest, *clipped, *sweep_at);
        let held = (0u32..).zip(&self.last_seen).filter(|(_, seen)| **seen != Timestamp::BEFORE_ALL);
        let mut sights: Vec<_> = held.map(|(number, seen)| (self.values.text(number), *seen)).collect();
        sights.sort_unstable();
        (recent, Acquaintance { earliest, newest, clipped, sweep_at }, sights)
    }

    /// Forgets matches that no arrival at or after `horizon` (T - L) can repeat.
    pub(in crate::detect) fn expire(&mut self, horizon: Timestamp) {
        while self.recent.entries.front().is_some_and(|entry| entry.time() < horizon) {
            self.recent.pop();
        }
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.recent.holds(time, id, self.recent.after(time), ())
    }

    /// Remembers a match that is no duplicate.
    pub(in crate::detect) fn place(&mut self, (time, id): (Timestamp, u64), bounds: &Bounds) -> Placed {
        while self.recent.len() >= bounds.entries_max {
            self.recent.pop();
        }
        let at = self.recent.after(time);
        self.recent.insert(at, time, id, ());
        Placed::At(at)
    }

    /// Sees the values of a match at `time` (at least one), and judges whether one is new.
    pub(in crate::detect) fn see(
        &mut self,
        time: Timestamp,
        texts: &[impl AsRef<str>],
        (bounds, values_max, learning): (&Bounds, usize, Span),
        hasher: &ValueHasher,
    ) -> Sighting {
        let timespan = bounds.timespan;
        let is_judged = self.newest != Timestamp::BEFORE_ALL && time >= self.newest && self.clipped <= time - timespan;
        self.earliest = self.earliest.min(time);
        self.newest = self.newest.max(time);
        let mut new_value = None;
        let mut values_dropped = 0;
        for text in texts {
            let known = self.values.find(text.as_ref(), hasher);
            let last_seen = known.map_or(Timestamp::BEFORE_ALL, |number| self.last_seen[number as usize]);
            let number = known.unwrap_or_else(|| {
                values_dropped += self.make_room(bounds.expired, values_max, hasher);
                self.values.hold(text.as_ref(), hasher)
            });
            self.last_seen.resize(self.values.numbers(), Timestamp::BEFORE_ALL);
            if last_seen <= time - timespan && new_value.is_none() {
                new_value = Some(number);
            }
            self.last_seen[number as usize] = last_seen.max(time);
        }
        let may_fire = is_judged && time >= self.earliest + learning;
        let firing = new_value.filter(|_| may_fire).map(|value| {
            let note = Note::NewValue { value, known: self.known(time, timespan) };
            Firing { at: time, observed: 0.0, truncated: false, note }
        });
        Sighting { firing, values_dropped }
    }

    /// How many values were last seen in the window before a match at `time`.
    fn known(&self, time: Timestamp, timespan: Span) -> u32 {
        let seen = self.last_seen.iter().filter(|seen| **seen > time - timespan && **seen < time);
        u32::try_from(seen.count()).unwrap_or(u32::MAX)
    }

    /// Drops values out of every window when the table has grown, and the stalest one where it is full.
    fn make_room(&mut self, expired: Timestamp, values_max: usize, hasher: &ValueHasher) -> u32 {
        if self.values.len() >= self.sweep_at.min(values_max) {
            for number in (0u32..).take(self.last_seen.len()) {
                let seen = self.last_seen[number as usize];
                if seen != Timestamp::BEFORE_ALL && seen <= expired {
                    self.forget(number, hasher);
                }
            }
            self.sweep_at = (self.values.len() * 2).max(SWEEP_MIN);
        }
        let mut dropped = 0;
        while self.values.len() >= values_max {
            let held = (0u32..).zip(&self.last_seen).filter(|(_, seen)| **seen != Timestamp::BEFORE_ALL);
            let stalest = held.min_by_key(|(number, seen)| (**seen, self.values.text(*number)));
            let Some((number, seen)) = stalest.map(|(number, seen)| (number, *seen)) else { break };
            self.clipped = self.clipped.max(seen);
            self.forget(number, hasher);
            dropped += 1;
        }
        dropped
    }

    fn forget(&mut self, number: u32, hasher: &ValueHasher) {
        self.last_seen[number as usize] = Timestamp::BEFORE_ALL;
        self.values.release(number, hasher);
    }

    /// A value by its number.
    pub(in crate::detect) fn text(&self, number: u32) -> &str {
        self.values.text(number)
    }

    /// Something that must be read to be known, near where the next match goes.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.recent.touch()
    }

    /// Bytes of the values and matches held, whatever the room for them.
    pub(in crate::detect) fn weight(&self) -> usize {
        self.values.weight() + self.values.len() * size_of::<Timestamp>() + self.recent.weight()
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.recent.heap_bytes() + self.last_seen.capacity() * size_of::<Timestamp>()
    }
}
