//! Everything that is held about one group: a window and an alert memory for each rule that has seen it.

use std::borrow::Cow;

use crate::detect::rule::{Logic, Rule};
use crate::detect::time::{Span, Timestamp};
use crate::detect::window::{Bounds, Count, DistinctWindow, Firing, Placed, Sliding, ValueHasher};

use super::evidence::EvidenceRing;
use super::suppression::AlertMemory;

/// One group's entry in its partition.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct Group {
    /// Ordered by rule.
    rules: Vec<RuleState>,
}

/// What one rule holds about one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct RuleState {
    rule: u16,
    pub(in crate::detect) memory: AlertMemory,
    /// The newest match time.
    pub(in crate::detect) newest: Timestamp,
    pub(in crate::detect) window: Window,
    pub(in crate::detect) evidence: EvidenceRing,
}

/// The matches that a rule's logic needs.
#[derive(Clone, Debug)]
pub(in crate::detect) enum Window {
    /// A single-event rule remembers its alerts and no matches.
    None,
    /// `event_count`.
    Count(Box<Sliding<Count>>),
    /// `value_count`.
    Distinct(Box<DistinctWindow>),
}

impl Group {
    /// What `rule` holds; new if it has not seen this group, or if it has forgotten it by `horizon` (T - L).
    pub(in crate::detect) fn state(&mut self, index: usize, rule: &Rule, horizon: Timestamp) -> &mut RuleState {
        match self.position(index) {
            Ok(at) => {
                let state = &mut self.rules[at];
                if state.is_forgotten(rule, horizon) {
                    *state = RuleState::new(index, rule);
                }
                state
            }
            Err(at) => {
                self.rules.insert(at, RuleState::new(index, rule));
                &mut self.rules[at]
            }
        }
    }

    fn position(&self, rule: usize) -> Result<usize, usize> {
        self.rules.binary_search_by_key(&rule, |state| usize::from(state.rule))
    }

    /// The newest match time over all rules.
    pub(in crate::detect) fn newest(&self) -> Timestamp {
        self.rules.iter().map(|state| state.newest).max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The time after which, with the lateness on top, every rule has forgotten this group.
    pub(in crate::detect) fn remembered_until(&self, rules: &[Rule]) -> Timestamp {
        let until = self.rules.iter().map(|state| state.remembered_until(&rules[usize::from(state.rule)]));
        until.max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The alert memories whose suppression runs on at `horizon`.
    pub(in crate::detect) fn running(&self, rules: &[Rule], horizon: Timestamp) -> Vec<(u16, AlertMemory)> {
        let runs = |state: &&RuleState| state.memory.ends(rules[usize::from(state.rule)].suppress) > horizon;
        self.rules.iter().filter(runs).map(|state| (state.rule, state.memory)).collect()
    }

    /// An entry that remembers alerts and nothing else.
    pub(in crate::detect) fn remembering(memories: &[(u16, AlertMemory)], rules: &[Rule]) -> Self {
        let state = |(rule, memory): &(u16, AlertMemory)| {
            let index = usize::from(*rule);
            RuleState { memory: *memory, ..RuleState::new(index, &rules[index]) }
        };
        Self { rules: memories.iter().map(state).collect() }
    }

    /// Bytes of this entry without what its rules hold on the heap.
    pub(in crate::detect) const fn own_bytes(&self) -> usize {
        size_of::<Self>() + self.rules.capacity() * size_of::<RuleState>()
    }

    /// Bytes of this entry, counted from the capacities of what it holds.
    pub(in crate::detect) fn bytes(&self) -> usize {
        let heap: usize = self.rules.iter().map(RuleState::heap_bytes).sum();
        self.own_bytes() + heap
    }
}

impl RuleState {
    fn new(index: usize, rule: &Rule) -> Self {
        let window = match rule.logic {
            Logic::Event => Window::None,
            Logic::EventCount { .. } => Window::Count(Box::new(Sliding::new(Count::default()))),
            Logic::ValueCount { .. } => Window::Distinct(Box::default()),
            _ => unreachable!("the compiler refuses the types that have no window yet"),
        };
        Self {
            rule: u16::try_from(index).expect("the compiler bounds the rules"),
            memory: AlertMemory::default(),
            newest: Timestamp::BEFORE_ALL,
            window,
            evidence: EvidenceRing::default(),
        }
    }

    /// The later of the newest match time + R and the end of the last suppression.
    fn remembered_until(&self, rule: &Rule) -> Timestamp {
        (self.newest + retention(rule)).max(self.memory.ends(rule.suppress))
    }

    fn is_forgotten(&self, rule: &Rule, horizon: Timestamp) -> bool {
        horizon > self.remembered_until(rule)
    }

    /// Bytes on the heap.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        let window = match &self.window {
            Window::None => 0,
            Window::Count(window) => size_of_val(&**window) + window.heap_bytes(),
            Window::Distinct(window) => size_of_val(&**window) + window.heap_bytes(),
        };
        window + self.evidence.heap_bytes()
    }
}

/// R: how long a group's newest match keeps it known.
fn retention(rule: &Rule) -> Span {
    match rule.logic {
        Logic::Event => Span::ZERO,
        Logic::EventCount { .. } | Logic::ValueCount { .. } => rule.timespan,
        _ => unreachable!("the compiler refuses the types that have no window yet"),
    }
}

/// A match as a window takes it.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Arrival<'a> {
    pub(in crate::detect) time: Timestamp,
    /// Fingerprint of the event's id and the labels.
    pub(in crate::detect) id: u64,
    /// The values that a `value_count` counts, at least one; nothing else reads them.
    pub(in crate::detect) values: &'a [Cow<'a, str>],
}

/// What bounds a window, and the hash of its values.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Frame<'a> {
    pub(in crate::detect) bounds: Bounds,
    pub(in crate::detect) values_max: usize,
    pub(in crate::detect) hasher: &'a ValueHasher,
}

/// What became of an arrival, with the limits that it hit.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Arrived {
    pub(in crate::detect) placed: Placed,
    pub(in crate::detect) entries_dropped: u32,
    pub(in crate::detect) values_dropped: u32,
}

impl Window {
    /// Expires what no arrival can need, then takes the arrival if it is new.
    pub(in crate::detect) fn take(&mut self, arrival: &Arrival<'_>, frame: &Frame<'_>) -> Arrived {
        let Frame { bounds, values_max, hasher } = frame;
        let key = (arrival.time, arrival.id);
        let nothing_dropped = |placed| Arrived { placed, entries_dropped: 0, values_dropped: 0 };
        match self {
            Self::None => nothing_dropped(Placed::At(0)),
            Self::Count(window) => {
                window.expire(bounds.expired, drop);
                if window.holds(key.0, key.1, ()) {
                    return nothing_dropped(Placed::Duplicate);
                }
                let mut entries_dropped = 0;
                let placed = window.place(key, (), bounds, |()| entries_dropped += 1);
                entries_dropped += u32::from(placed == Placed::Dropped);
                Arrived { placed, entries_dropped, values_dropped: 0 }
            }
            Self::Distinct(window) => {
                window.expire(bounds.expired, hasher);
                if window.holds(key.0, key.1) {
                    return nothing_dropped(Placed::Duplicate);
                }
                let (placed, evictions) = window.place(key, arrival.values, (bounds, *values_max), hasher);
                Arrived { placed, entries_dropped: evictions.entries, values_dropped: evictions.values }
            }
        }
    }

    /// Of the windows that an arrival at `time` changed, the first that satisfies `holds` (value, clipped).
    pub(in crate::detect) fn first_changed(
        &mut self,
        time: Timestamp,
        timespan: Span,
        holds: impl Fn(f64, bool) -> bool,
    ) -> Option<Firing> {
        match self {
            Self::None => Some(Firing { at: time, observed: 1.0, truncated: false }),
            Self::Count(window) => window.first_changed(time, timespan, holds),
            Self::Distinct(window) => window.first_changed(time, timespan, holds),
        }
    }
}
