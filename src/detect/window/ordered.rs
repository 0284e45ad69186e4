//! `temporal_ordered`: distinct matches that satisfy the labels in their order.
//!
//! For each label the matches that carry it are kept apart, in order. A chain through the arriving match is found by
//! going back from it to the latest match that fits each earlier step, and forward to the earliest that fits each later
//! step: no other chain through it begins later or ends earlier.

use std::collections::VecDeque;

use crate::detect::time::{Span, Timestamp};

use super::firing::{Firing, Note};
use super::series::{Bounds, Placed, Series};

/// A match in the order of S(g): its time, and its arrival among those of the group.
type Step = (Timestamp, u64);

/// The matches of a `temporal_ordered` rule in one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct OrderedWindow {
    series: Series<u32>,
    /// By label, the matches that carry it.
    steps: Vec<VecDeque<Step>>,
    arrivals: u64,
}

impl OrderedWindow {
    /// For a rule with `labels` steps.
    pub(in crate::detect) fn new(labels: usize) -> Self {
        Self { series: Series::default(), steps: vec![VecDeque::new(); labels], arrivals: 0 }
    }

    /// Over matches that were held before, the labels of each among `labels`. Only the order of matches of one time
    /// matters, so they count as having arrived in the order in which they stand.
    pub(in crate::detect) fn resumed(series: Series<u32>, labels: usize) -> Self {
        let mut resumed = Self { series, ..Self::new(labels) };
        for entry in &resumed.series.entries {
            resumed.arrivals += 1;
            for label in carried(entry.item, labels) {
                resumed.steps[label].push_back((entry.time(), resumed.arrivals));
            }
        }
        resumed
    }

    /// The matches and their labels.
    pub(in crate::detect) const fn series(&self) -> &Series<u32> {
        &self.series
    }

    /// Removes matches that no future arrival can need.
    pub(in crate::detect) fn expire(&mut self, expired: Timestamp) {
        while self.series.pop_expired(expired).is_some() {}
        for steps in &mut self.steps {
            while steps.front().is_some_and(|(time, _)| *time <= expired) {
                steps.pop_front();
            }
        }
    }

    /// True if a match of this time and identity is held.
    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.series.holds(time, id, self.series.after(time), 0)
    }

    /// Places a match that is no duplicate; how many the limit dropped.
    pub(in crate::detect) fn place(
        &mut self,
        (time, id): (Timestamp, u64),
        labels: u32,
        bounds: &Bounds,
    ) -> (Placed, u32) {
        let mut dropped = 0;
        let mut at = self.series.after(time);
        while self.series.len() >= bounds.entries_max {
            dropped += 1;
            if at == 0 {
                self.series.clip(time);
                return (Placed::Dropped, dropped);
            }
            if let Some((stalest, stalest_labels)) = self.series.pop() {
                self.series.clip(stalest);
                at -= 1;
                for label in carried(stalest_labels, self.steps.len()) {
                    self.steps[label].pop_front();
                }
            }
        }
        self.series.insert(at, time, id, labels);
        self.arrivals += 1;
        let step = (time, self.arrivals);
        for label in carried(labels, self.steps.len()) {
            let steps = &mut self.steps[label];
            let at = if steps.back().is_none_or(|last| *last < step) {
                steps.len()
            } else {
                steps.partition_point(|held| *held < step)
            };
            steps.insert(at, step);
        }
        (Placed::At(at), dropped)
    }

    /// The earliest window that the match placed last completes with a chain through it.
    pub(in crate::detect) fn first_changed(
        &self,
        (time, labels): (Timestamp, u32),
        timespan: Span,
        gap_min: Span,
    ) -> Option<Firing> {
        let arrival = (time, self.arrivals);
        let chains = carried(labels, self.steps.len()).filter_map(|label| self.chain(arrival, label, gap_min));
        let inside = chains.filter(|(start, end)| *start > *end - timespan);
        let at = inside.map(|(_, end)| end).min()?;
        #[expect(clippy::cast_precision_loss, reason = "at most 32 labels")]
        let observed = self.steps.len() as f64;
        Some(Firing { at, observed, truncated: self.series.is_clipped(at, timespan), note: Note::None })
    }

    /// The latest start and the earliest end of a chain in which `arrival` is the step of `label`.
    fn chain(&self, arrival: Step, label: usize, gap_min: Span) -> Option<(Timestamp, Timestamp)> {
        let back = |step: Option<Step>, label: usize| latest_before(&self.steps[label], step?, gap_min);
        let on = |step: Option<Step>, label: usize| earliest_after(&self.steps[label], step?, gap_min);
        let start = (0..label).rev().fold(Some(arrival), back)?;
        let end = (label + 1..self.steps.len()).fold(Some(arrival), on)?;
        Some((start.0, end.0))
    }

    /// Something that must be read to be known, near where the next match goes.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.series.touch()
    }

    /// Bytes of the matches held, each of which is a step of every label that it carries, whatever the room for them.
    pub(in crate::detect) fn weight(&self) -> usize {
        let steps: usize = self.steps.iter().map(VecDeque::len).sum();
        self.series.weight() + self.steps.len() * size_of::<VecDeque<Step>>() + steps * size_of::<Step>()
    }

    /// Bytes on the heap.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        let steps: usize = self.steps.iter().map(VecDeque::capacity).sum();
        self.series.heap_bytes() + self.steps.capacity() * size_of::<VecDeque<Step>>() + steps * size_of::<Step>()
    }
}

fn carried(labels: u32, count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(move |label| labels & (1 << label) != 0)
}

/// The latest of `steps` before `step` and at least `gap_min` earlier. The search gallops from the newest end, so that
/// in order it costs the same however many are held.
fn latest_before(steps: &VecDeque<Step>, step: Step, gap_min: Span) -> Option<Step> {
    let fits = |held: &Step| *held < step && held.0 <= step.0 - gap_min;
    let mut stride = 1;
    let mut high = steps.len();
    while high > 0 {
        let low = high.saturating_sub(stride);
        if fits(&steps[low]) {
            let more = steps.range(low..high).take_while(|held| fits(held)).count();
            return Some(steps[low + more - 1]);
        }
        high = low;
        stride *= 2;
    }
    None
}

/// The earliest of `steps` after `step` and at least `gap_min` later.
fn earliest_after(steps: &VecDeque<Step>, step: Step, gap_min: Span) -> Option<Step> {
    let is_too_early = |held: &Step| *held <= step || held.0 < step.0 + gap_min;
    steps.get(steps.partition_point(is_too_early)).copied()
}
