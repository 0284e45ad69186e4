//! One match arrives at the rules that count it: its groups, their windows, what fires.

use std::sync::Arc;

use dashmap::mapref::one::RefMut;
use xxhash_rust::xxh3::xxh3_64;

use crate::detect::event::Event;
use crate::detect::fields::Slot;
use crate::detect::limits::Limit;
use crate::detect::observation::Fate;
use crate::detect::outcome::Outcome;
use crate::detect::rule::{Logic, RuleSet};
use crate::detect::state::{
    Arrival, Arrived, Frame, Group, GroupKey, PartitionState, Reading, RuleState, Sighting, Size, Sources, Waiting,
    Window, wait,
};
use crate::detect::time::Timestamp;
use crate::detect::value::Value;
use crate::detect::window::{Bounds, Firing, Note, Placed, ValueHasher};

use super::firings::{Fired, Firings};
use super::plan::Plan;
use super::raise::{Raising, raise};
use super::reading::Read;
use super::watch::Noted;
use super::{Engine, EngineSettings};

/// A rule that counts a match, and under which of its labels: bits of its inputs.
pub(super) type Reader = (usize, u32);

/// What rules count: an event, or the firing of another rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'e, 'o> {
    pub(super) event: &'o Event<'e>,
    pub(super) time: Timestamp,
    /// The number of the event's source.
    source: u32,
    /// Its place among the matches of one arrival: 0 for the event.
    rank: u32,
    /// The group-by fields of the rule that fired, set to the group's values; none for an event.
    overlay: Option<&'o [(Slot, Value<'e>)]>,
}

impl<'e, 'o> Match<'e, 'o> {
    pub(super) const fn of_event(event: &'o Event<'e>, source: u32) -> Self {
        Self { event, time: event.time, source, rank: 0, overlay: None }
    }

    /// The firing at `time` of a rule whose group-by fields have the values of `overlay`.
    pub(super) const fn firing(&self, (time, rank): (Timestamp, u32), overlay: &'o [(Slot, Value<'e>)]) -> Self {
        Self { time, rank, overlay: Some(overlay), ..*self }
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
        // The labels are mixed in by hand: as a seed, they shine through the hash of an id of a few bytes.
        xxh3_64(self.event.id.as_bytes()) ^ u64::from(labels).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    pub(super) fn sighting(&self) -> Sighting {
        Sighting::new(self.event.id, self.time, (self.event.origin, self.source))
    }
}

/// Everything that stays the same while one match goes through one group.
struct Visit<'a, 'e, 'o> {
    rules: &'a RuleSet,
    plan: &'a Plan,
    settings: &'a EngineSettings,
    subject: &'a Match<'e, 'o>,
    key: &'a [u8],
    /// T - L.
    horizon: Timestamp,
    /// The time that ends waits.
    waits_end: Timestamp,
    hasher: ValueHasher,
}

/// What a group held before and after a match.
type Resize = (Size, Size);

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
        for (index, labels) in readers {
            outcome.rules[*index].missing_key += 1;
            if rules.rules[*index].logic == Logic::Event {
                self.alert_unquieted(rules, *index, None, subject, outcome);
            } else {
                let noted = Noted { rules, reader: (*index, *labels), key: None, subject, fate: Fate::NoGroup };
                noted.write(Reading::default(), None, outcome);
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
        let Self { settings, firings, plan, .. } = self;
        let (horizon, waits_end, hasher) =
            (state.horizon(settings.lateness), state.waits_end(), state.hasher().clone());
        let visit = Visit { rules, plan, settings, subject, key, horizon, waits_end, hasher };
        let mut woken = Resize::default();
        let (resize, changed) = if let Some(mut group) = state.find_group(key) {
            woken = group.wake(&rules.rules, state.hasher());
            visit.take(group, readers, state.sources(), firings, outcome)
        } else {
            state.add_group(key, &rules.rules, (&settings.limits, settings.lateness), outcome);
            let group = state.find_group(key).expect("it has just been added");
            visit.take(group, readers, state.sources(), firings, outcome)
        };
        state.resized(woken);
        state.resized(resize);
        if let Some(key) = changed {
            state.changed(key);
        }
        for (rule, key) in firings.take_waiting() {
            let match_place = (subject.time, subject.rank);
            let waiting = Waiting::new((rule, &key), match_place, subject.event, plan.is_read(rule));
            state.wait(waiting, settings.limits.waiting, outcome);
        }
    }

    /// The wait of a match has ended: true if it fires.
    pub(super) fn conclude_waiting(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        waiting: &Waiting,
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) -> bool {
        let Self { settings, firings, plan, .. } = self;
        let rule = &rules.rules[waiting.rule];
        // A group in which something waits is awake.
        let Some(mut group) = state.find_group(&waiting.key) else { return false };
        let Some(held) = group.find(waiting.rule) else { return false };
        let Window::Absence(window) = &held.window else { return false };
        if !window.is_alone(waiting.time, rule.timespan, wait(rule)) {
            return false;
        }
        let (horizon, waits_end, hasher) =
            (state.horizon(settings.lateness), state.waits_end(), state.hasher().clone());
        let visit = Visit { rules, plan, settings, subject, key: &waiting.key, horizon, waits_end, hasher };
        let firing = Firing { at: waiting.time, observed: 0.0, truncated: false, note: Note::None };
        let is_raised = visit.fire((held, waiting.rule), firing, state.sources(), firings, outcome);
        visit.noted((waiting.rule, 1), Fate::Awaited).write(Reading::default(), Some((firing, is_raised)), outcome);
        let changed = group.change().then(|| Arc::clone(group.key()));
        drop(group);
        if let Some(key) = changed {
            state.changed(key);
        }
        true
    }
}

impl<'e, 'o> Visit<'_, 'e, 'o> {
    /// A group takes the match. Also its key, if it has not changed before.
    fn take(
        &self,
        mut group: RefMut<'_, GroupKey, Group>,
        readers: &[Reader],
        sources: &Sources,
        firings: &mut Firings,
        outcome: &mut Outcome,
    ) -> (Resize, Option<GroupKey>) {
        let resize = self.steps(&mut group, readers, sources, firings, outcome);
        (resize, group.change().then(|| Arc::clone(group.key())))
    }

    /// The rules take the match, one after the other.
    fn steps(
        &self,
        group: &mut Group,
        readers: &[Reader],
        sources: &Sources,
        firings: &mut Firings,
        outcome: &mut Outcome,
    ) -> Resize {
        group.touch(readers.iter().map(|(rule, _)| *rule));
        let mut size_before = Size { bytes: group.own_bytes(), weight: 0 };
        let mut size_after = Size::default();
        for reader in readers {
            let (before, after) = self.step(group, *reader, sources, firings, outcome);
            size_before += before;
            size_after += after;
        }
        size_after.bytes += group.own_bytes();
        (size_before, size_after)
    }

    /// One rule takes the match. Returns what it holds about the group, its own bytes excluded, before and after.
    fn step(
        &self,
        group: &mut Group,
        (index, labels): Reader,
        sources: &Sources,
        firings: &mut Firings,
        outcome: &mut Outcome,
    ) -> Resize {
        let Self { subject, settings: EngineSettings { limits, .. }, horizon, .. } = *self;
        let rule = &self.rules.rules[index];
        let Some(read) = Read::of(&rule.logic, subject, limits, outcome) else {
            self.noted((index, labels), Fate::LacksField).write(Reading::default(), None, outcome);
            return Resize::default();
        };
        let (state, before) = group.state(index, rule, firings.forgets(index, self.key).then_some(horizon));
        // Firings of rules that wait arrive later than any event may.
        let oldest = horizon.min(horizon + self.settings.lateness - self.plan.lag(index));
        let entries_max = limits.window_entries.max(1);
        let bounds = Bounds { timespan: rule.timespan, expired: oldest - rule.timespan, entries_max };
        let waits_end = self.waits_end;
        let frame = Frame { bounds, waits_end, oldest, values_max: limits.set_values.max(1), hasher: &self.hasher };
        let id = subject.fingerprint(labels);
        let arrival = Arrival { time: subject.time, id, labels, reading: read.lend() };
        let arrived = state.window.take(&arrival, &frame, rule);
        let mut fired = None;
        if account(&arrived, index, outcome) {
            let is_newest = subject.time >= state.newest;
            state.newest = state.newest.max(subject.time);
            state.evidence.add(firings.sighting(subject), is_newest, self.settings.evidence_max);
            if state.is_forgotten(rule, horizon) {
                firings.recall(index, self.key);
            }
            if arrived.waits {
                firings.wait(index, self.key);
            }
            if let Some(firing) = arrived.firing {
                fired = Some((firing, self.fire((state, index), firing, sources, firings, outcome)));
            }
        }
        let fate = match arrived.placed {
            Placed::At(_) => Fate::Counted,
            Placed::Duplicate => Fate::Duplicate,
            Placed::Dropped => Fate::Dropped,
        };
        self.noted((index, labels), fate).write(arrival.reading, fired, outcome);
        (before, state.count_bytes())
    }

    const fn noted(&self, reader: Reader, fate: Fate) -> Noted<'_, 'e, 'o> {
        Noted { rules: self.rules, reader, key: Some(self.key), subject: self.subject, fate }
    }

    /// A rule fires: a match for the rules that read it and, unless suppressed, an alert. True if it raised one.
    fn fire(
        &self,
        (state, index): (&mut RuleState, usize),
        firing: Firing,
        sources: &Sources,
        firings: &mut Firings,
        outcome: &mut Outcome,
    ) -> bool {
        let rule = &self.rules.rules[index];
        let tally = &mut outcome.rules[index];
        tally.firings += 1;
        if self.plan.is_read(index) {
            firings.fired(Fired { rule: index, key: self.key.into(), at: firing.at });
        }
        if !rule.alerts {
            return false;
        }
        let Some(suppressed) = state.memory.fire(firing.at, rule.suppress) else {
            tally.suppressed += 1;
            return false;
        };
        tally.alerts += 1;
        let raising = Raising {
            rules: self.rules,
            index,
            key: self.key,
            subject: self.subject,
            firing,
            suppressed,
            sighting: firings.sighting(self.subject),
            sources,
            evidence_max: self.settings.evidence_max,
        };
        firings.raised(index, raise(&raising, state));
        true
    }
}

/// Counts what became of a match; true if it is in S(g) now.
fn account(arrived: &Arrived, index: usize, outcome: &mut Outcome) -> bool {
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
