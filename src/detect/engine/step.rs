//! One match arrives at the rules that count it: its groups, their windows, what fires.

use std::sync::Arc;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::detect::alert::Evidence;
use crate::detect::event::Event;
use crate::detect::fields::Slot;
use crate::detect::limits::Limit;
use crate::detect::outcome::Outcome;
use crate::detect::rule::{Logic, RuleSet};
use crate::detect::state::{Arrival, Frame, Group, PartitionState};
use crate::detect::time::Timestamp;
use crate::detect::value::Value;
use crate::detect::window::{Bounds, Placed, ValueHasher};

use super::Engine;
use super::firings::{Fired, Firings};
use super::raise::{Raising, raise};
use super::values::counted_values;

/// A rule that counts a match, and under which of its labels: bits of its inputs.
pub(super) type Reader = (usize, u32);

/// What rules count: an event, or the firing of another rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'e, 'o> {
    pub(super) event: &'o Event<'e>,
    pub(super) time: Timestamp,
    /// The group-by fields of the rule that fired, set to the group's values; none for an event.
    overlay: Option<&'o [(Slot, Value<'e>)]>,
}

impl<'e, 'o> Match<'e, 'o> {
    pub(super) const fn of_event(event: &'o Event<'e>) -> Self {
        Self { event, time: event.time, overlay: None }
    }

    pub(super) const fn of_firing(event: &'o Event<'e>, time: Timestamp, overlay: &'o [(Slot, Value<'e>)]) -> Self {
        Self { event, time, overlay: Some(overlay) }
    }

    pub(super) const fn is_firing(&self) -> bool {
        self.overlay.is_some()
    }

    pub(super) fn value(&self, slot: Slot) -> &'o Value<'e> {
        let overlay = self.overlay.unwrap_or_default();
        let laid_over = overlay.iter().find(|(over, _)| *over == slot).map(|(_, value)| value);
        laid_over.unwrap_or(&self.event.values[slot.index()])
    }

    /// 64 bits over the event's id and the labels; the same on every machine, because snapshots keep it. It only ever
    /// tells apart the matches of one rule, group and millisecond.
    fn fingerprint(&self, labels: u32) -> u64 {
        xxh3_64_with_seed(self.event.id.as_bytes(), u64::from(labels))
    }

    pub(super) fn evidence(&self) -> Arc<Evidence> {
        Arc::new(Evidence { id: self.event.id.into(), time: self.time, origin: self.event.origin.clone() })
    }
}

/// Everything that stays the same while one match goes through one group.
struct Visit<'a, 'e, 'o> {
    rules: &'a RuleSet,
    subject: &'a Match<'e, 'o>,
    key: &'a [u8],
    /// T - L.
    horizon: Timestamp,
    hasher: ValueHasher,
}

impl Engine {
    /// A match arrives at rules that take the same groups from it.
    pub(super) fn arrive(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        (grouping, readers): (usize, &[Reader]),
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) {
        let keys = self.keys.take(rules, grouping, subject, outcome);
        if keys.is_empty() {
            self.without_group(rules, readers, subject, outcome);
        }
        for key in &keys {
            self.visit(rules, state, (key, readers), subject, outcome);
        }
        self.keys.put_back(grouping, subject, keys);
    }

    /// A match that lacks a group-by field counts in no window; a single-event rule alerts on it unquieted.
    fn without_group(&mut self, rules: &RuleSet, readers: &[Reader], subject: &Match<'_, '_>, outcome: &mut Outcome) {
        for (index, _) in readers {
            outcome.rules[*index].missing_key += 1;
            if rules.rules[*index].logic == Logic::Event {
                self.alert_unquieted(rules, *index, None, subject, outcome);
            }
        }
    }

    /// A match arrives at one group.
    pub(super) fn visit(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        (key, readers): (&[u8], &[Reader]),
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) {
        let Self { settings, firings, .. } = self;
        let bounds = (&settings.limits, settings.lateness);
        state.make_sure_of(key, &rules.rules, bounds, outcome);
        let horizon = state.horizon(settings.lateness);
        let visit = Visit { rules, subject, key, horizon, hasher: state.hasher().clone() };
        let mut group = state.group(key);
        let (mut bytes_before, mut bytes_after) = (group.own_bytes(), 0);
        for reader in readers {
            let (before, after) = visit.step(&mut group, *reader, settings, firings, outcome);
            bytes_before += before;
            bytes_after += after;
        }
        bytes_after += group.own_bytes();
        drop(group);
        state.resized(bytes_before, bytes_after);
    }
}

impl Visit<'_, '_, '_> {
    /// One rule takes the match. Returns the heap bytes of what it holds about the group, before and after.
    fn step(
        &self,
        group: &mut Group,
        (index, labels): Reader,
        settings: &super::EngineSettings,
        firings: &mut Firings,
        outcome: &mut Outcome,
    ) -> (usize, usize) {
        let Self { rules, subject, key, horizon, hasher } = self;
        let rule = &rules.rules[index];
        let values = match &rule.logic {
            Logic::ValueCount { fields, .. } => counted_values(fields, subject, &settings.limits, outcome),
            _ => SmallVec::new(),
        };
        if values.is_empty() && matches!(rule.logic, Logic::ValueCount { .. }) {
            return (0, 0);
        }
        let state = group.state(index, rule, *horizon);
        let before = state.heap_bytes();
        let bounds = Bounds {
            timespan: rule.timespan,
            expired: *horizon - rule.timespan,
            entries_max: settings.limits.window_entries.max(1),
        };
        let frame = Frame { bounds, values_max: settings.limits.set_values.max(1), hasher };
        let arrival = Arrival { time: subject.time, id: subject.fingerprint(labels), values: &values };
        if !account(state.window.take(&arrival, &frame), index, outcome) {
            return (before, state.heap_bytes());
        }
        state.newest = state.newest.max(subject.time);
        let evidence = firings.evidence(subject);
        state.evidence.expire(bounds.expired);
        state.evidence.add(Arc::clone(&evidence), settings.evidence_max);
        let condition = rule.logic.condition();
        let holds = |value: f64, clipped: bool| (!clipped || condition.is_monotone()) && condition.holds(value);
        if let Some(firing) = state.window.first_changed(subject.time, rule.timespan, holds) {
            outcome.rules[index].firings += 1;
            firings.fired(Fired { rule: index, key: (*key).into(), at: firing.at });
            if rule.alerts {
                match state.memory.fire(firing.at, rule.suppress) {
                    None => outcome.rules[index].suppressed += 1,
                    Some(suppressed) => {
                        outcome.rules[index].alerts += 1;
                        let evidence_max = settings.evidence_max;
                        let raising =
                            Raising { rules, index, key, subject, firing, suppressed, evidence, evidence_max };
                        firings.raised(index, raise(&raising, state));
                    }
                }
            }
        }
        (before, state.heap_bytes())
    }
}

/// Counts what became of a match; true if it is in S(g) now.
fn account(arrived: crate::detect::state::Arrived, index: usize, outcome: &mut Outcome) -> bool {
    for _ in 0..arrived.entries_dropped {
        outcome.hit(Limit::WindowEntries);
    }
    for _ in 0..arrived.values_dropped {
        outcome.hit(Limit::SetValues);
    }
    match arrived.placed {
        Placed::At(_) => outcome.rules[index].matches += 1,
        Placed::Duplicate => outcome.rules[index].duplicates += 1,
        Placed::Dropped => {}
    }
    matches!(arrived.placed, Placed::At(_))
}
