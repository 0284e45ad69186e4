//! `absence`: whether a match has a companion around it.

use crate::detect::time::{Span, Timestamp};

use super::series::{Bounds, Placed, Series};

/// What an `absence` rule holds about one group.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct AbsenceWindow {
    /// For telling duplicates only.
    recent: Series<()>,
    companions: Series<()>,
}

impl AbsenceWindow {
    /// Over what was held before: the matches that can be repeated, and the companions.
    pub(in crate::detect) const fn resumed(recent: Series<()>, companions: Series<()>) -> Self {
        Self { recent, companions }
    }

    /// The matches that can be repeated, and the companions.
    pub(in crate::detect) const fn parts(&self) -> (&Series<()>, &Series<()>) {
        (&self.recent, &self.companions)
    }

    /// Removes what no arrival at or after `horizon` (T - L), and no match that still waits, can need.
    pub(in crate::detect) fn expire(&mut self, horizon: Timestamp, timespan: Span, wait: Span) {
        while self.recent.entries.front().is_some_and(|entry| entry.time() < horizon) {
            self.recent.pop();
        }
        let expired = horizon - timespan - wait;
        while self.companions.entries.front().is_some_and(|entry| entry.time() <= expired) {
            self.companions.pop();
        }
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.recent.holds(time, id, self.recent.after(time), ())
    }

    /// Remembers a match that is no duplicate; how many companions the limit dropped.
    pub(in crate::detect) fn place(
        &mut self,
        (time, id): (Timestamp, u64),
        is_companion: bool,
        bounds: &Bounds,
    ) -> (Placed, u32) {
        while self.recent.len() >= bounds.entries_max {
            self.recent.pop();
        }
        let at = self.recent.after(time);
        self.recent.insert(at, time, id, ());
        let mut dropped = 0;
        if is_companion {
            let at = self.companions.after(time);
            self.companions.insert(at, time, id, ());
            while self.companions.len() > bounds.entries_max {
                if let Some((stalest, ())) = self.companions.pop() {
                    self.companions.clip(stalest);
                    dropped += 1;
                }
            }
        }
        (Placed::At(at), dropped)
    }

    /// True if a match at `time` surely has no companion in (time - timespan, time + wait].
    pub(in crate::detect) fn is_alone(&self, time: Timestamp, timespan: Span, wait: Span) -> bool {
        let start = time - timespan;
        let next = self.companions.after(start);
        let accompanied = next < self.companions.len() && self.companions.time(next) <= time + wait;
        !accompanied && !self.companions.is_clipped(time, timespan)
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.recent.heap_bytes() + self.companions.heap_bytes()
    }
}
