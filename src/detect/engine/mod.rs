//! One event in, everything that follows from it out.
//!
//! In this order: stream time advances, groups past their time are forgotten, the event is matched; then single-event
//! rules, then windows, then the correlations over their firings. Alerts come by chain depth, rule name and group.

mod firings;
mod grouping;
mod plan;
mod raise;
mod reading;
pub mod route;
mod step;
mod summary;
mod watch;

use std::sync::Arc;

use super::event::Event;
use super::limits::Limits;
use super::matcher::{LabelSet, LogSource, Scope};
use super::observation::Fate;
use super::outcome::Outcome;
use super::rule::RuleSet;
use super::state::{PartitionState, Reading};
use super::time::{Span, Timestamp};
use super::value::Value;
use super::window::{Firing, Note};

use firings::Firings;
use grouping::{GroupKeys, Keys};
use plan::Plan;
use raise::raise_unquieted;
use smallvec::SmallVec;
use step::{Match, Reader};
use watch::Noted;

/// What bounds detection besides the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSettings {
    /// L: how much older than stream time an event may be and still enter windows.
    pub lateness: Span,
    /// The limits on what is held.
    pub limits: Limits,
    /// The most matches that an alert points to.
    pub evidence_max: usize,
    /// Texts that count as an absent group-by value, in any case.
    pub placeholders: Vec<String>,
}

/// Whether windows saw an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// They did.
    InTime,
    /// It was older than T - L: single-event rules alone saw it.
    Late,
}

/// Decides events under one rule set. The state is the partition's, so one engine serves many.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<RuleSet>,
    settings: EngineSettings,
    plan: Plan,
    labels: LabelSet,
    keys: GroupKeys,
    /// The labels of the event that each rule counts, as bits of its inputs; zero between events.
    touched: Vec<u32>,
    firings: Firings,
    /// The detections for events of another source than the native one, whose detections the matcher keeps.
    scope: Option<Scope>,
    /// Where limits are counted that are hit again where the windows are.
    ignored: Outcome,
}

impl Engine {
    /// An engine for a rule set and native events.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, settings: EngineSettings) -> Self {
        Self::of_source(rules, settings, &LogSource::native())
    }

    /// An engine for a rule set and events that declare this.
    #[must_use]
    pub fn of_source(rules: Arc<RuleSet>, settings: EngineSettings, source: &LogSource) -> Self {
        let scope = (*source != LogSource::native()).then(|| rules.matcher.scope(source));
        let plan = Plan::new(&rules);
        let keys = GroupKeys::new(&rules, &settings);
        let touched = vec![0; rules.rules.len()];
        let ignored = Outcome::new(&rules);
        let (labels, firings) = (LabelSet::default(), Firings::default());
        Self { rules, settings, plan, labels, keys, touched, firings, scope, ignored }
    }

    /// Decides one event: alerts, tallies and limits hit go into `outcome`.
    pub fn process(&mut self, state: &mut PartitionState, event: &Event<'_>, outcome: &mut Outcome) -> Lateness {
        let rules = Arc::clone(&self.rules);
        self.decide_due(&rules, state, Some(event.time), outcome);
        state.advance(event.time, self.settings.lateness, &rules.rules);
        let late = event.time < state.horizon(self.settings.lateness);
        let mut labels = std::mem::take(&mut self.labels);
        self.label(event.values, &mut labels);
        self.labels = labels;
        if !self.labels.is_empty() {
            self.firings.begin();
            self.keys.begin();
            self.touch(late);
            self.decide(&rules, state, event, outcome);
            self.firings.finish(outcome);
        }
        state.bound(&rules.rules, (&self.settings.limits, self.settings.lateness), outcome);
        count(late, outcome)
    }

    /// Writes into `labels` which detections an event of these values satisfies.
    pub fn label(&self, values: &[Value<'_>], labels: &mut LabelSet) {
        match &self.scope {
            None => self.rules.matcher.labels(values, labels),
            Some(scope) => self.rules.matcher.labels_in(scope, values, labels),
        }
    }

    /// The end of a replay or a test: stream time passes everything, and what still waits is decided.
    pub fn finish(&mut self, state: &mut PartitionState, outcome: &mut Outcome) {
        let rules = Arc::clone(&self.rules);
        self.decide_due(&rules, state, None, outcome);
    }

    /// Decides each match whose wait ends before `time`, or all that wait if that is none.
    fn decide_due(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        time: Option<Timestamp>,
        outcome: &mut Outcome,
    ) {
        state.end_waits(time);
        while let Some(waiting) = state.next_due(&rules.rules) {
            self.firings.begin();
            self.keys.begin();
            let event = waiting.event();
            let subject = Match::of_event(&event, state.source(event.origin));
            if !self.conclude_waiting(rules, state, &waiting, &subject, outcome) {
                continue;
            }
            for at in 0..self.plan.order().len() {
                let rule = self.plan.order()[at];
                if self.plan.reads_firings(rule) {
                    self.arrive_firings(rules, state, rule, &subject, outcome);
                }
            }
            self.firings.finish(outcome);
        }
        self.firings.waits_ended();
    }

    /// Notes which rules count the event, under which labels. Of a late event, only single-event rules do.
    fn touch(&mut self, late: bool) {
        for label in self.labels.iter() {
            for (rule, bit) in self.plan.readers(label) {
                if !late || self.plan.is_single_event(rule) {
                    self.touched[rule] |= bit;
                }
            }
        }
    }

    /// Tries the rules in order of depth; neighbours that take the same groups visit a group together.
    fn decide(&mut self, rules: &RuleSet, state: &mut PartitionState, event: &Event<'_>, outcome: &mut Outcome) {
        let subject = Match::of_event(event, state.source(event.origin));
        let mut together: SmallVec<[Reader; 8]> = SmallVec::new();
        for at in 0..self.plan.order().len() {
            let rule = self.plan.order()[at];
            let labels = std::mem::take(&mut self.touched[rule]);
            let grouping = self.plan.grouping(rule);
            if self.plan.counts(rule, labels) {
                match grouping {
                    _ if self.plan.is_unquieted(rule) => self.alert_on_each(rules, rule, &subject, outcome),
                    Some(_) => together.push((rule, labels)),
                    None => self.arrive_by_label(rules, state, (rule, labels), &subject, outcome),
                }
            }
            let next = self.plan.order().get(at + 1).copied();
            let next_shares = next.is_some_and(|next| self.plan.shares_groups(rule, next));
            if let Some(grouping) = grouping
                && !next_shares
                && !together.is_empty()
            {
                self.arrive(rules, state, (grouping, &together), &subject, outcome);
                together.clear();
            }
            if self.plan.reads_firings(rule) {
                self.arrive_firings(rules, state, rule, &subject, outcome);
            }
        }
    }

    /// The firings of this arrival that `rule` counts, each a match of its own.
    fn arrive_firings(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        rule: usize,
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) {
        for (fired, labels, rank) in self.firings.read_by(&rules.rules[rule]) {
            let overlay = fired.overlay(rules);
            let subject = subject.firing((fired.at, rank), &overlay);
            self.arrive_by_label(rules, state, (rule, labels), &subject, outcome);
        }
    }

    /// A match arrives at a rule whose labels, by `aliases`, take the group from different fields.
    fn arrive_by_label(
        &mut self,
        rules: &RuleSet,
        state: &mut PartitionState,
        (rule, labels): Reader,
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) {
        let mut labels_by_key: Vec<(Vec<u8>, u32)> = Vec::new();
        for (bit, input) in rules.rules[rule].inputs.iter().enumerate().filter(|(bit, _)| labels & (1 << bit) != 0) {
            let keys = self.keys.take(rules, input.grouping, subject, outcome);
            for key in &keys {
                match labels_by_key.iter_mut().find(|(known, _)| known == key) {
                    Some((_, labels)) => *labels |= 1 << bit,
                    None => labels_by_key.push((key.clone(), 1 << bit)),
                }
            }
            self.keys.put_back(input.grouping, subject, keys);
        }
        if labels_by_key.is_empty() {
            outcome.rules[rule].missing_key += 1;
            let noted = Noted { rules, reader: (rule, labels), key: None, subject, fate: Fate::NoGroup };
            noted.write(Reading::default(), None, outcome);
        }
        for (key, labels) in
            labels_by_key.into_iter().filter(|(_, labels)| self.plan.counts(rule, *labels)).collect::<Vec<_>>()
        {
            self.visit(rules, state, (&key, &[(rule, labels)]), subject, outcome);
        }
    }

    /// A single-event rule without suppression: nothing is kept.
    fn alert_on_each(&mut self, rules: &RuleSet, rule: usize, subject: &Match<'_, '_>, outcome: &mut Outcome) {
        let grouping = rules.rules[rule].inputs[0].grouping;
        let keys: Keys = self.keys.take(rules, grouping, subject, outcome);
        if keys.is_empty() {
            outcome.rules[rule].missing_key += 1;
            self.alert_unquieted(rules, rule, None, subject, outcome);
        }
        for key in &keys {
            self.alert_unquieted(rules, rule, Some(key), subject, outcome);
        }
        self.keys.put_back(grouping, subject, keys);
    }

    fn alert_unquieted(
        &mut self,
        rules: &RuleSet,
        rule: usize,
        key: Option<&[u8]>,
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) {
        let tally = &mut outcome.rules[rule];
        tally.matches += 1;
        tally.firings += 1;
        tally.alerts += 1;
        let firing = Firing { at: subject.time, observed: 1.0, truncated: false, note: Note::None };
        let noted = Noted { rules, reader: (rule, 1), key, subject, fate: Fate::Counted };
        noted.write(Reading::default(), Some((firing, true)), outcome);
        self.firings.raised(rule, raise_unquieted(rules, rule, key, subject));
    }
}

fn count(late: bool, outcome: &mut Outcome) -> Lateness {
    if late {
        outcome.late += 1;
        return Lateness::Late;
    }
    outcome.accepted += 1;
    Lateness::InTime
}
