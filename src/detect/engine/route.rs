//! Detection in two halves, for rules whose groups lie across partitions: the first takes an event apart into matches, one
//! for each place where groups are counted; the second, in that place, puts them into windows.
//!
//! The first half remembers stream time and nothing else, so lateness is judged where the event was read. The second
//! half's stream time is an argument: it follows from all sources together.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::detect::event::Event;
use crate::detect::outcome::Outcome;
use crate::detect::rule::route::Routes;
use crate::detect::rule::{Logic, RuleSet};
use crate::detect::state::{PartitionState, key};
use crate::detect::time::Timestamp;

use super::reading::Read;
use super::step::{Match, Reader};
use super::{Engine, Lateness, count};

/// Rules that count a match, and under which of their labels: bits of their inputs.
pub type Readers = SmallVec<[(usize, u32); 4]>;

/// An event as some rules count it, on its way to the place where the groups with these values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The route, as [`Routes`] numbers it.
    pub route: usize,
    /// The values that decide where it goes.
    pub group: Vec<String>,
    /// The rules that count it, and under which of their labels: bits of their inputs.
    pub readers: Readers,
}

/// A match as it arrives in the second half.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    /// The event, with those values that its readers need.
    pub event: &'a Event<'a>,
    /// [`Routed::route`].
    pub route: usize,
    /// [`Routed::group`].
    pub group: &'a [String],
    /// [`Routed::readers`].
    pub readers: &'a [(usize, u32)],
}

impl Engine {
    /// The first half: what rules that remember something count of an event goes into `matches`; the alerts of those that
    /// remember nothing go into `outcome`.
    pub fn take_apart(
        &mut self,
        routes: &Routes,
        state: &mut PartitionState,
        event: &Event<'_>,
        matches: &mut Vec<Routed>,
        outcome: &mut Outcome,
    ) -> Lateness {
        let rules = Arc::clone(&self.rules);
        state.advance(event.time, self.settings.lateness, &rules.rules);
        let late = event.time < state.horizon(self.settings.lateness);
        let mut labels = std::mem::take(&mut self.labels);
        self.label(event.values, &mut labels);
        self.labels = labels;
        if !self.labels.is_empty() {
            self.firings.begin();
            self.keys.begin();
            self.touch(late);
            let subject = Match::of_event(event, state.source(event.origin));
            for at in 0..self.plan.order().len() {
                let rule = self.plan.order()[at];
                let labels = std::mem::take(&mut self.touched[rule]);
                match routes.of_rule(rule) {
                    _ if !self.plan.counts(rule, labels) => {}
                    Some(route) => self.route(&rules, (routes, route), (rule, labels), &subject, matches, outcome),
                    None => self.alert_on_each(&rules, rule, &subject, outcome),
                }
            }
            self.firings.finish(outcome);
        }
        count(late, outcome)
    }

    /// Adds a rule's groups to where they are counted.
    fn route(
        &mut self,
        rules: &RuleSet,
        (routes, route): (&Routes, usize),
        (rule, labels): Reader,
        subject: &Match<'_, '_>,
        matches: &mut Vec<Routed>,
        outcome: &mut Outcome,
    ) {
        let mut groups: SmallVec<[(Vec<u8>, usize, u32); 1]> = SmallVec::new();
        for (bit, input) in rules.rules[rule].inputs.iter().enumerate().filter(|(bit, _)| labels & (1 << bit) != 0) {
            let keys = self.keys.take(rules, input.grouping, subject, outcome);
            for key in &keys {
                match groups.iter_mut().find(|(known, ..)| known == key) {
                    Some((.., labels)) => *labels |= 1 << bit,
                    None => groups.push((key.clone(), input.grouping, 1 << bit)),
                }
            }
            self.keys.put_back(input.grouping, subject, keys);
        }
        if groups.is_empty() {
            outcome.rules[rule].missing_key += 1;
            if rules.rules[rule].logic == Logic::Event {
                self.alert_unquieted(rules, rule, None, subject, outcome);
            }
            return;
        }
        // What lacks the field that a rule counts is in none of its windows. Limits are hit where the windows are.
        if Read::of(&rules.rules[rule].logic, subject, &self.settings.limits, &mut self.ignored).is_none() {
            return;
        }
        for (key, grouping, _) in groups.iter().filter(|(.., labels)| self.plan.counts(rule, *labels)) {
            let values = key::values(key);
            let group = routes.places(route, *grouping).iter().map(|place| values[*place].clone()).collect();
            add(matches, route, group, (rule, labels));
        }
    }

    /// The second half: a match arrives where its groups are, at a time when the sources together have come to
    /// `stream_time`.
    pub fn put_together(
        &mut self,
        state: &mut PartitionState,
        arriving: &Arriving<'_>,
        routes: &Arc<Routes>,
        stream_time: Timestamp,
        outcome: &mut Outcome,
    ) -> Lateness {
        let rules = Arc::clone(&self.rules);
        self.advance_to(state, stream_time, outcome);
        let late = arriving.event.time < state.horizon(self.settings.lateness);
        self.firings.begin();
        self.keys.begin_in(routes, arriving.route, arriving.group);
        for (rule, labels) in arriving.readers {
            if !late || self.plan.is_single_event(*rule) {
                self.touched[*rule] |= labels;
            }
        }
        self.decide(&rules, state, arriving.event, outcome);
        self.firings.finish(outcome);
        state.bound(&rules.rules, (&self.settings.limits, self.settings.lateness), outcome);
        count(late, outcome)
    }

    /// Stream time advances without an event: what has waited for it is decided.
    pub fn advance_to(&mut self, state: &mut PartitionState, stream_time: Timestamp, outcome: &mut Outcome) {
        let rules = Arc::clone(&self.rules);
        self.decide_due(&rules, state, Some(stream_time), outcome);
        state.advance(stream_time, self.settings.lateness, &rules.rules);
    }
}

/// Adds a rule to those that count the match in a place. Its labels are all of its: which of them hold for which group
/// is worked out there.
fn add(matches: &mut Vec<Routed>, route: usize, group: Vec<String>, reader: Reader) {
    match matches.iter_mut().find(|known| known.route == route && known.group == group) {
        Some(known) if known.readers.contains(&reader) => {}
        Some(known) => known.readers.push(reader),
        None => matches.push(Routed { route, group, readers: SmallVec::from_slice(&[reader]) }),
    }
}
