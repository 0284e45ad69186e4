//! What fired and what was raised while one event was decided.

use std::collections::HashSet;

use crate::detect::alert::Alert;
use crate::detect::fields::Slot;
use crate::detect::outcome::Outcome;
use crate::detect::rule::compiled::Input;
use crate::detect::rule::{Rule, RuleSet};
use crate::detect::state::{Sighting, key};
use crate::detect::time::Timestamp;
use crate::detect::value::Value;

use super::step::Match;

/// A rule fired for a group: a match for the rules that refer to it, suppressed or not.
#[derive(Clone, Debug)]
pub(super) struct Fired {
    pub(super) rule: usize,
    pub(super) key: Box<[u8]>,
    pub(super) at: Timestamp,
}

impl Fired {
    /// The group-by fields of the rule that fired, with this group's values. An alias is no field.
    pub(super) fn overlay(&self, rules: &RuleSet) -> Vec<(Slot, Value<'static>)> {
        let names = &rules.keyspaces[rules.rules[self.rule].keyspace];
        let values = key::values(&self.key).into_iter().map(|text| Value::Text(text.into()));
        names.iter().zip(values).filter_map(|(name, value)| Some((rules.fields.find(name)?, value))).collect()
    }
}

/// The firings and alerts of one arrival.
#[derive(Debug, Default)]
pub(super) struct Firings {
    fired: Vec<Fired>,
    raised: Vec<(usize, Alert)>,
    sighting: Option<Sighting>,
    /// Rules and groups in which the match at hand waits for its companion.
    waiting: Vec<(usize, Box<[u8]>)>,
    /// Rules and groups that were past their time when a firing came out of a wait. Groups are forgotten once the waits
    /// that end together are decided, so the next such firing meets this one.
    recalled: HashSet<(usize, Box<[u8]>)>,
}

impl Firings {
    /// Another event is at hand.
    pub(super) fn begin(&mut self) {
        self.fired.clear();
        self.sighting = None;
    }

    pub(super) fn fired(&mut self, fired: Fired) {
        self.fired.push(fired);
    }

    pub(super) fn raised(&mut self, rule: usize, alert: Alert) {
        self.raised.push((rule, alert));
    }

    pub(super) fn wait(&mut self, rule: usize, key: &[u8]) {
        self.waiting.push((rule, key.into()));
    }

    /// The waits that end together are decided.
    pub(super) fn waits_ended(&mut self) {
        self.recalled.clear();
    }

    /// Whether a rule forgets a group that is past its time now: not before the waits that end together are decided.
    pub(super) fn forgets(&self, rule: usize, key: &[u8]) -> bool {
        self.recalled.is_empty() || !self.recalled.contains(&(rule, key.into()))
    }

    /// A firing came to a rule in a group that is past its time.
    pub(super) fn recall(&mut self, rule: usize, key: &[u8]) {
        self.recalled.insert((rule, key.into()));
    }

    /// Hands over what waits.
    pub(super) fn take_waiting(&mut self) -> Vec<(usize, Box<[u8]>)> {
        std::mem::take(&mut self.waiting)
    }

    /// The match as it is kept; an event's is made once for all its rules.
    pub(super) fn sighting(&mut self, subject: &Match<'_, '_>) -> Sighting {
        if subject.is_firing() {
            return subject.sighting();
        }
        self.sighting.get_or_insert_with(|| subject.sighting()).clone()
    }

    /// The firings that a rule counts, in order of rule and group, with the bits of the rule's inputs and the rank of
    /// each among the matches of this arrival. The event itself has rank 0.
    pub(super) fn read_by(&self, reader: &Rule) -> Vec<(Fired, u32, u32)> {
        if !reader.inputs.iter().any(|input| self.fired.iter().any(|fired| input.input == Input::Firing(fired.rule))) {
            return Vec::new();
        }
        let labels = |fired: &Fired| {
            let inputs = reader.inputs.iter().enumerate();
            let mine = inputs.filter(|(_, input)| input.input == Input::Firing(fired.rule));
            mine.fold(0u32, |labels, (bit, _)| labels | 1 << bit)
        };
        // Whatever fires later is of a rule as deep as the reader or deeper, and ranks behind.
        let mut ranked: Vec<_> = self.fired.iter().collect();
        ranked.sort_by_key(|fired| (fired.rule, &fired.key));
        let ranked = ranked.into_iter().zip(1u32..).map(|(fired, rank)| (fired.clone(), labels(fired), rank));
        ranked.filter(|(_, labels, _)| *labels != 0).collect()
    }

    /// Hands over the alerts in the order in which they are promised: chain depth and rule name, which is the order of
    /// rules in their set, then group.
    pub(super) fn finish(&mut self, outcome: &mut Outcome) {
        self.raised.sort_by(|(a, first), (b, second)| (a, &first.group.0).cmp(&(b, &second.group.0)));
        outcome.alerts.extend(self.raised.drain(..).map(|(_, alert)| alert));
    }
}
