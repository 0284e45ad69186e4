//! What each type of rule holds about a group, and how it takes a match.
//!
//! The windows themselves know no rule; this is the one place where a rule's logic meets its window.

use std::borrow::Cow;

use crate::detect::rule::compiled::{Condition, LabelledInput, Role};
use crate::detect::rule::{Logic, Rule};
use crate::detect::time::{Span, Timestamp};
use crate::detect::window::{
    AbsenceWindow, Aggregate, Bounds, ChangeWindow, Count, Demand, DistinctWindow, Firing, FreshWindow, LabelCounts,
    Note, OrderedWindow, Percentile, Place, Placed, RunningTotal, Share, Sliding, SpikeDemand, SpikeWindow, Total,
    TotalWindow, ValueHasher, VelocityWindow,
};

/// The matches that a rule's logic needs.
#[derive(Clone, Debug)]
pub(in crate::detect) enum Window {
    /// A single-event rule remembers its alerts and no matches.
    None,
    /// `event_count`.
    Count(Box<Sliding<Count>>),
    /// `value_count`.
    Distinct(Box<DistinctWindow>),
    /// `temporal`.
    Labels(Box<Sliding<LabelCounts>>),
    /// `temporal_ordered`.
    Ordered(Box<OrderedWindow>),
    /// `value_sum` and `value_avg`.
    Total(Box<TotalWindow>),
    /// `value_percentile`.
    Percentile(Box<Sliding<Percentile>>),
    /// `value_change`.
    Change(Box<ChangeWindow>),
    /// `geo_velocity`.
    Velocity(Box<VelocityWindow>),
    /// `new_value`.
    Fresh(Box<FreshWindow>),
    /// `absence`.
    Absence(Box<AbsenceWindow>),
    /// `ratio`.
    Share(Box<Sliding<Share>>),
    /// `spike`.
    Spike(Box<SpikeWindow>),
}

/// A match as a window takes it.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Arrival<'a> {
    pub(in crate::detect) time: Timestamp,
    /// Fingerprint of the event's id and the labels.
    pub(in crate::detect) id: u64,
    /// Bits of the rule's inputs.
    pub(in crate::detect) labels: u32,
    /// What the rule reads of the match.
    pub(in crate::detect) reading: Reading<'a>,
}

/// What a rule reads of a match, each type what it needs.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::detect) struct Reading<'a> {
    /// The values that are counted or compared, at least one.
    pub(in crate::detect) texts: &'a [Cow<'a, str>],
    /// The number that is added or ranked.
    pub(in crate::detect) number: f64,
    /// Where it happened.
    pub(in crate::detect) place: Place,
}

/// What bounds a window, and the hash of its values.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Frame<'a> {
    pub(in crate::detect) bounds: Bounds,
    /// T, or the T to come while the waits that it ends are decided.
    pub(in crate::detect) waits_end: Timestamp,
    /// No arrival to come is older: T - L, or less where firings arrive after a wait.
    pub(in crate::detect) oldest: Timestamp,
    pub(in crate::detect) values_max: usize,
    pub(in crate::detect) hasher: &'a ValueHasher,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Arrived {
    pub(in crate::detect) placed: Placed,
    /// Matches that `limits.window_entries` dropped.
    pub(in crate::detect) entries_dropped: u32,
    /// Values that `limits.set_values` dropped.
    pub(in crate::detect) values_dropped: u32,
    pub(in crate::detect) firing: Option<Firing>,
    /// True if the decision falls later: an `absence` that waits.
    pub(in crate::detect) waits: bool,
}

impl Arrived {
    const fn new(placed: Placed, entries_dropped: u32, firing: Option<Firing>) -> Self {
        Self { placed, entries_dropped, values_dropped: 0, firing, waits: false }
    }

    const DUPLICATE: Self = Self::new(Placed::Duplicate, 0, None);
}

/// The labels of a rule that have a role, as bits.
pub(in crate::detect) fn labels_with(inputs: &[LabelledInput], role: Role) -> u32 {
    let with_role = inputs.iter().enumerate().filter(|(_, input)| input.role == role);
    with_role.fold(0, |labels, (bit, _)| labels | 1 << bit)
}

impl Window {
    /// The window of a rule that has seen nothing.
    pub(in crate::detect) fn new(rule: &Rule) -> Self {
        match &rule.logic {
            Logic::Event => Self::None,
            Logic::EventCount { .. } => Self::Count(Box::new(Sliding::new(Count::default()))),
            Logic::ValueCount { .. } => Self::Distinct(Box::default()),
            Logic::Temporal { .. } => Self::Labels(Box::new(Sliding::new(LabelCounts::new(rule.inputs.len())))),
            Logic::TemporalOrdered { .. } => Self::Ordered(Box::new(OrderedWindow::new(rule.inputs.len()))),
            Logic::ValueSum { .. } => Self::Total(Box::new(TotalWindow::new(RunningTotal::new(Total::Sum)))),
            Logic::ValueAverage { .. } => Self::Total(Box::new(TotalWindow::new(RunningTotal::new(Total::Mean)))),
            Logic::ValuePercentile { percentile, .. } => {
                Self::Percentile(Box::new(Sliding::new(Percentile::new(*percentile))))
            }
            Logic::ValueChange { .. } => Self::Change(Box::default()),
            Logic::GeoVelocity { .. } => Self::Velocity(Box::default()),
            Logic::NewValue { .. } => Self::Fresh(Box::default()),
            Logic::Absence { .. } => Self::Absence(Box::default()),
            Logic::Ratio { count_min, .. } => Self::Share(Box::new(Sliding::new(Share::new(*count_min)))),
            Logic::Spike { .. } => Self::Spike(Box::default()),
        }
    }

    /// Something that must be read to be known, from what most matches of this type meet.
    pub(in crate::detect) fn touch(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Count(window) => window.series().touch(),
            Self::Distinct(window) => window.touch(),
            Self::Labels(window) => window.series().touch(),
            Self::Ordered(window) => window.touch(),
            Self::Total(window) => window.sliding.series().touch(),
            Self::Percentile(window) => window.series().touch(),
            Self::Change(window) => window.touch(),
            Self::Velocity(window) => window.series().touch(),
            Self::Fresh(window) => window.touch(),
            Self::Absence(window) => window.parts().0.touch(),
            Self::Share(window) => window.series().touch(),
            Self::Spike(window) => window.touch(),
        }
    }

    /// Expires what no arrival can need, takes the arrival if it is new, and decides.
    pub(in crate::detect) fn take(&mut self, arrival: &Arrival<'_>, frame: &Frame<'_>, rule: &Rule) -> Arrived {
        match (self, &rule.logic) {
            (Self::None, _) => {
                let firing = Firing { at: arrival.time, observed: 1.0, truncated: false, note: Note::None };
                Arrived::new(Placed::At(0), 0, Some(firing))
            }
            (Self::Count(window), Logic::EventCount { condition }) => {
                slide(window, (), arrival, frame, &monotone(condition))
            }
            (Self::Distinct(window), Logic::ValueCount { condition, .. }) => {
                count_values(window, arrival, frame, &monotone(condition))
            }
            (Self::Labels(window), Logic::Temporal { condition }) => {
                let all = all_of(rule.inputs.len());
                slide(window, arrival.labels, arrival, frame, &monotone(condition.as_ref().unwrap_or(&all)))
            }
            (Self::Ordered(window), Logic::TemporalOrdered { gap_min }) => order(window, arrival, frame, *gap_min),
            (Self::Total(window), Logic::ValueSum { condition, .. }) => total(window, arrival, frame, condition, true),
            (Self::Total(window), Logic::ValueAverage { condition, .. }) => {
                total(window, arrival, frame, condition, false)
            }
            (Self::Percentile(window), Logic::ValuePercentile { condition, .. }) => {
                let demand = Demand { condition, bears_clipping: false };
                slide(window, Percentile::item(arrival.reading.number), arrival, frame, &demand)
            }
            (Self::Share(window), Logic::Ratio { condition, .. }) => {
                let is_part = arrival.labels & labels_with(&rule.inputs, Role::Match) != 0;
                slide(window, is_part, arrival, frame, &Demand { condition, bears_clipping: false })
            }
            (Self::Change(window), Logic::ValueChange { .. }) => change(window, arrival, frame),
            (Self::Velocity(window), Logic::GeoVelocity { distance_km_min, condition, .. }) => {
                travel(window, arrival, frame, (*distance_km_min, condition))
            }
            (Self::Fresh(window), Logic::NewValue { learning, .. }) => see(window, arrival, frame, *learning),
            (Self::Absence(window), Logic::Absence { wait }) => miss(window, arrival, frame, rule, *wait),
            (Self::Spike(window), Logic::Spike { history, sigma, count_min }) => {
                let (history, sigma, count_min) = (*history, *sigma, *count_min);
                let demand = SpikeDemand { bucket: rule.timespan, history, sigma, count_min };
                spike(window, arrival, frame, &demand)
            }
            (window, logic) => unreachable!("{window:?} was not made from {logic:?}"),
        }
    }

    /// Bytes on the heap.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Count(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Distinct(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Labels(window) => size_of_val(&**window) + window.heap_bytes() + window.aggregate().heap_bytes(),
            Self::Ordered(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Total(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Percentile(window) => size_of_val(&**window) + window.heap_bytes() + window.aggregate().heap_bytes(),
            Self::Change(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Velocity(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Fresh(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Absence(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Share(window) => size_of_val(&**window) + window.heap_bytes(),
            Self::Spike(window) => size_of_val(&**window) + window.heap_bytes(),
        }
    }
}

/// A demand that only bears dropped matches if more of them could only have made it truer.
const fn monotone(condition: &Condition) -> Demand<'_> {
    Demand { condition, bears_clipping: condition.is_monotone() }
}

fn all_of(labels: usize) -> Condition {
    #[expect(clippy::cast_precision_loss, reason = "at most 32 labels")]
    Condition { gte: Some(labels as f64), ..Condition::default() }
}

fn slide<A: Aggregate>(
    window: &mut Sliding<A>,
    item: A::Item,
    arrival: &Arrival<'_>,
    frame: &Frame<'_>,
    demand: &Demand<'_>,
) -> Arrived {
    window.expire(frame.bounds.expired, drop);
    if window.holds(arrival.time, arrival.id, item) {
        return Arrived::DUPLICATE;
    }
    let mut dropped = 0;
    let placed = window.place((arrival.time, arrival.id), item, &frame.bounds, |_| dropped += 1);
    if placed == Placed::Dropped {
        return Arrived::new(placed, dropped + 1, None);
    }
    Arrived::new(placed, dropped, window.first_changed(arrival.time, frame.bounds.timespan, demand))
}

fn count_values(window: &mut DistinctWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, demand: &Demand<'_>) -> Arrived {
    let Frame { bounds, values_max, hasher, .. } = frame;
    window.expire(bounds.expired, hasher);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let key = (arrival.time, arrival.id);
    let (placed, evictions) = window.place(key, arrival.reading.texts, (bounds, *values_max), hasher);
    let firing = match placed {
        Placed::At(_) => window.first_changed(arrival.time, bounds.timespan, demand),
        Placed::Duplicate | Placed::Dropped => None,
    };
    Arrived { values_dropped: evictions.values, ..Arrived::new(placed, evictions.entries, firing) }
}

fn order(window: &mut OrderedWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, gap_min: Span) -> Arrived {
    window.expire(frame.bounds.expired);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let (placed, dropped) = window.place((arrival.time, arrival.id), arrival.labels, &frame.bounds);
    let firing = match placed {
        Placed::At(_) => window.first_changed((arrival.time, arrival.labels), frame.bounds.timespan, gap_min),
        Placed::Duplicate | Placed::Dropped => None,
    };
    Arrived::new(placed, dropped, firing)
}

/// A sum bears dropped matches if no dropped number was negative; a mean never does.
fn total(
    window: &mut TotalWindow,
    arrival: &Arrival<'_>,
    frame: &Frame<'_>,
    condition: &Condition,
    is_sum: bool,
) -> Arrived {
    let negative_clip = window.clipped_negative() > arrival.time - frame.bounds.timespan;
    let demand = Demand { condition, bears_clipping: is_sum && condition.is_monotone() && !negative_clip };
    let item = RunningTotal::item(arrival.reading.number);
    window.expire(frame.bounds.expired);
    if window.sliding.holds(arrival.time, arrival.id, item) {
        return Arrived::DUPLICATE;
    }
    let (placed, dropped) = window.place((arrival.time, arrival.id), item, &frame.bounds);
    if placed == Placed::Dropped {
        return Arrived::new(placed, dropped, None);
    }
    Arrived::new(placed, dropped, window.sliding.first_changed(arrival.time, frame.bounds.timespan, &demand))
}

fn change(window: &mut ChangeWindow, arrival: &Arrival<'_>, frame: &Frame<'_>) -> Arrived {
    window.expire(frame.bounds.expired, frame.hasher);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let text = arrival.reading.texts.first().map_or("", AsRef::as_ref);
    let (placed, dropped) = window.place((arrival.time, arrival.id), text, &frame.bounds, frame.hasher);
    let firing = match placed {
        Placed::At(at) => window.first_change(at, frame.bounds.timespan),
        Placed::Duplicate | Placed::Dropped => None,
    };
    Arrived::new(placed, dropped, firing)
}

fn travel(window: &mut VelocityWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, demand: (f64, &Condition)) -> Arrived {
    window.expire(frame.bounds.expired);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let (placed, dropped) = window.place((arrival.time, arrival.id), &arrival.reading.place, &frame.bounds);
    let firing = match placed {
        Placed::At(at) => window.first_journey(at, frame.bounds.timespan, demand),
        Placed::Duplicate | Placed::Dropped => None,
    };
    Arrived::new(placed, dropped, firing)
}

fn see(window: &mut FreshWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, learning: Span) -> Arrived {
    window.expire(frame.oldest);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let placed = window.place((arrival.time, arrival.id), &frame.bounds);
    let bounds = (&frame.bounds, frame.values_max, learning);
    let sighting = window.see(arrival.time, arrival.reading.texts, bounds, frame.hasher);
    Arrived { values_dropped: sighting.values_dropped, ..Arrived::new(placed, 0, sighting.firing) }
}

fn miss(window: &mut AbsenceWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, rule: &Rule, wait: Span) -> Arrived {
    window.expire(frame.oldest, rule.timespan, wait);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let is_companion = arrival.labels & labels_with(&rule.inputs, Role::Companion) != 0;
    let (placed, dropped) = window.place((arrival.time, arrival.id), is_companion, &frame.bounds);
    let is_missed = arrival.labels & labels_with(&rule.inputs, Role::Match) != 0;
    // Without a wait it decides on what has arrived; so does one that arrives when its wait is already over.
    let decided_now = is_missed && (wait == Span::ZERO || arrival.time + wait < frame.waits_end);
    let alone = decided_now && window.is_alone(arrival.time, rule.timespan, wait);
    let firing = Firing { at: arrival.time, observed: 0.0, truncated: false, note: Note::None };
    Arrived { waits: is_missed && !decided_now, ..Arrived::new(placed, dropped, alone.then_some(firing)) }
}

fn spike(window: &mut SpikeWindow, arrival: &Arrival<'_>, frame: &Frame<'_>, demand: &SpikeDemand) -> Arrived {
    window.expire(frame.oldest, demand);
    if window.holds(arrival.time, arrival.id) {
        return Arrived::DUPLICATE;
    }
    let (placed, dropped) = window.place((arrival.time, arrival.id), demand.bucket, &frame.bounds);
    let firing = match placed {
        Placed::At(_) => window.judge(arrival.time, demand),
        Placed::Duplicate | Placed::Dropped => None,
    };
    Arrived::new(placed, dropped, firing)
}
