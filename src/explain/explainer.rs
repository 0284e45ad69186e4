//! Follows a rule through records, one at a time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use crate::detect::alert::{Alert, Group};
use crate::detect::matcher::LabelSet;
use crate::detect::observation::{Fate, Observation, Watch};
use crate::detect::rule::compiled::{Input, Role};
use crate::detect::rule::{Logic, RuleSet};
use crate::detect::time::Timestamp;
use crate::detect::value::Value;
use crate::ingest::geo::Places;
use crate::ingest::{Disposition, Record};
use crate::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

use super::approach::Seen;
use super::blame::{blame, missing_keys};
use super::reason::{Exclusions, Reason};
use super::report::{EventReport, Events, Explanation};
use super::story::Story;
use super::terms::Terms;

/// No result depends on it, and nobody attacks an explanation.
const HASH_SEED: [u64; 4] = [0; 4];

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// Position of the rule in its set.
    pub rule: usize,
    /// Names and values of the groups that are asked about; empty for all.
    pub only: Group,
    /// An alert whose events are wanted, with their records.
    pub alert: Option<Uuid>,
}

/// An alert, and every event that made it.
#[derive(Debug)]
pub struct Made {
    /// The alert.
    pub alert: Alert,
    /// The matches in its window, oldest first.
    pub events: Vec<EventReport>,
}

/// Decides records as a replay does, and notes what the rule makes of them.
#[derive(Debug)]
pub struct Explainer {
    rules: Arc<RuleSet>,
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    settings: Settings,
    question: Question,
    /// The detections under the rule, by label.
    beneath: Vec<usize>,
    labels: LabelSet,
    events: Events,
    exclusions: Exclusions,
    stories: BTreeMap<(usize, Vec<(String, String)>), Story>,
    made: Option<Made>,
}

/// A firing under the rule during one arrival: who fired, when, and out of which matches.
type Inner = (usize, Timestamp, Vec<Rc<Seen>>);

impl Explainer {
    /// For a rule of a set, which is watched together with those under it.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, settings: &Settings, question: Question) -> Self {
        Self::with_places(rules, settings, question, Arc::default())
    }

    /// The same with tables to look up where events come from.
    #[must_use]
    pub fn with_places(rules: Arc<RuleSet>, settings: &Settings, question: Question, places: Arc<Places>) -> Self {
        let (watched, beneath) = under(&rules, question.rule);
        let pipeline = Pipeline::with_places(Arc::clone(&rules), settings, places);
        let mut outcome = BatchOutcome::new(&rules);
        outcome.detected.watch = Some(Watch::of(&rules, watched));
        Self {
            partition: pipeline.partition(HASH_SEED),
            rules,
            pipeline,
            outcome,
            settings: settings.clone(),
            question,
            beneath,
            labels: LabelSet::default(),
            events: Events::default(),
            exclusions: Exclusions::default(),
            stories: BTreeMap::new(),
            made: None,
        }
    }

    /// The next record.
    pub fn take(&mut self, record: &Record<'_>) {
        let places = Arc::clone(self.pipeline.places());
        let mut values = Vec::new();
        if let Err(rejection) = self.pipeline.read(record, &places, &mut values) {
            if self.question.only.0.is_empty() {
                self.events.total += 1;
                self.exclusions.add(Reason::NotAnEvent, rejection.reason().to_owned(), record.origin);
            }
            return;
        }
        self.pipeline.labels(&values, &mut self.labels);
        let disposition = self.pipeline.decide(&mut self.partition, 0, record, &mut self.outcome);
        let seen = self.outcome.detected.watch.as_mut().map(|watch| std::mem::take(&mut watch.seen));
        let seen = seen.unwrap_or_default();
        if self.concerns(&values) {
            self.count(record, &values, disposition, &seen);
        }
        self.follow(seen, Some((record, &values)));
    }

    /// The end of the input: what waits is decided, and everything is told.
    #[must_use]
    pub fn finish(mut self) -> Explanation {
        self.conclude();
        let rules = Arc::clone(&self.rules);
        let rule = &rules.rules[self.question.rule];
        let terms = Terms { rules: &rules, rule };
        let of_rule = self.stories.into_iter().filter(|((rule, _), _)| *rule == self.question.rule);
        let mut groups: Vec<_> = of_rule.map(|((_, group), story)| story.report(Group(group), &terms)).collect();
        // Those that fired come first.
        groups.sort_by(|a, b| a.distance().total_cmp(&b.distance()).then(b.firings.cmp(&a.firings)));
        Explanation {
            rule: Arc::clone(&rule.header),
            alerts: rule.alerts,
            asks: terms.asks(),
            group_by: rules.keyspaces[rule.keyspace].clone(),
            only: self.question.only,
            events: self.events,
            excluded: self.exclusions.report(),
            groups,
        }
    }

    /// The end of the input, where an alert was asked for: its events, if it was raised.
    #[must_use]
    pub fn finish_alert(mut self) -> Option<Made> {
        self.conclude();
        self.made
    }

    fn conclude(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        let seen = self.outcome.detected.watch.as_mut().map(|watch| std::mem::take(&mut watch.seen));
        self.follow(seen.unwrap_or_default(), None);
    }

    /// True if an event has the values of the group that was asked about.
    fn concerns(&self, values: &[Value<'_>]) -> bool {
        let rule = &self.rules.rules[self.question.rule];
        let names = &self.rules.keyspaces[rule.keyspace];
        self.question.only.0.iter().all(|(name, wanted)| {
            let Some(place) = names.iter().position(|known| known == name) else { return false };
            let slots = rule.inputs.iter().map(|input| self.rules.groupings[input.grouping].slots[place]);
            let mut elements = slots.flat_map(|slot| values[slot.index()].elements());
            elements.any(|element| element.key_text().is_some_and(|text| text == *wanted))
        })
    }

    /// Counts an event, and what keeps it from the rule altogether.
    fn count(&mut self, record: &Record<'_>, values: &[Value<'_>], disposition: Disposition, seen: &[Observation]) {
        self.events.total += 1;
        let rule = &self.rules.rules[self.question.rule];
        if !self.beneath.iter().any(|label| self.labels.contains(*label)) {
            let (reason, detail) = blame(&self.rules, &self.beneath, &self.settings.source.logsource(), values);
            self.exclusions.add(reason, detail, record.origin);
            return;
        }
        self.events.matched += 1;
        if disposition == Disposition::Late && rule.logic != Logic::Event {
            let detail = format!("by more than {}", self.settings.lateness);
            self.exclusions.add(Reason::Late, detail, record.origin);
        } else if rule.inputs.iter().any(|input| input.role == Role::Whole) && seen.is_empty() {
            self.exclusions.add(Reason::OutsideWhole, String::new(), record.origin);
        }
    }

    /// What the engine made of the matches of one arrival, in its order: inner rules before outer ones.
    fn follow(&mut self, seen: Vec<Observation>, arrival: Option<(&Record<'_>, &[Value<'_>])>) {
        let mut inner: Vec<Inner> = Vec::new();
        for observation in seen {
            let is_asked = observation.rule == self.question.rule;
            if is_asked && !self.is_of_group(observation.group.as_ref(), arrival.map(|(_, values)| values)) {
                continue;
            }
            match observation.fate {
                Fate::Counted | Fate::Awaited => self.tell(observation, arrival.map(|(record, _)| record), &mut inner),
                _ if is_asked => self.exclude(&observation, arrival.map(|(_, values)| values)),
                _ => {}
            }
        }
        self.outcome.clear();
    }

    /// Of a match without a group the event tells, as far as it has the fields that were asked about.
    fn is_of_group(&self, group: Option<&Group>, values: Option<&[Value<'_>]>) -> bool {
        let only = &self.question.only.0;
        match group {
            _ if only.is_empty() => true,
            Some(group) => only.iter().all(|pair| group.0.contains(pair)),
            None => values.is_some_and(|values| self.concerns(values)),
        }
    }

    fn exclude(&mut self, observation: &Observation, values: Option<&[Value<'_>]>) {
        let rule = &self.rules.rules[observation.rule];
        let terms = Terms { rules: &self.rules, rule };
        let (reason, detail) = match observation.fate {
            Fate::NoGroup => {
                let missing = values.map(|values| missing_keys(&terms, observation.labels, values, &self.settings));
                (Reason::MissingKey, missing.unwrap_or_default())
            }
            Fate::LacksField => {
                let lacking = values.map_or_else(|| terms.fields(), |values| terms.lacking(values));
                (Reason::MissingField, lacking)
            }
            Fate::Dropped => (Reason::Limit, "limits.window_entries".to_owned()),
            Fate::Duplicate | Fate::Counted | Fate::Awaited => (Reason::Duplicate, String::new()),
        };
        self.exclusions.add(reason, detail, &observation.origin);
    }

    /// A match that counts, or one whose wait has ended.
    fn tell(&mut self, observation: Observation, record: Option<&Record<'_>>, inner: &mut Vec<Inner>) {
        let rules = Arc::clone(&self.rules);
        let rule = &rules.rules[observation.rule];
        let terms = Terms { rules: &rules, rule };
        let now = self.partition.stream_time().unwrap_or(observation.time);
        let expired = now - self.settings.lateness - rule.timespan - terms.wait();
        let bounds = (expired, self.settings.limits.window_entries);
        let group = observation.group.clone().unwrap_or_default();
        let story = self.stories.entry((observation.rule, group.0.clone())).or_default();
        let keeps_text = self.question.alert.is_some();
        let payload = record.filter(|_| keeps_text).and_then(|record| record.payload);
        let text = payload.and_then(|payload| serde_json::from_slice(payload).ok());
        let firing = observation.firing;
        let index = observation.rule;
        let made_of = made_of(&terms, &observation, inner);
        let Some(nearest) = story.follow(observation, (text, made_of), bounds, &terms) else { return };
        let Some(firing) = firing else { return };
        inner.push((index, firing.at, nearest.matches.clone()));
        if firing.is_raised && index == self.question.rule && self.made.is_none() {
            let alerts = &self.outcome.detected.alerts;
            let wanted = alerts.iter().find(|alert| Some(alert.id) == self.question.alert);
            if let Some(alert) = wanted.filter(|alert| alert.group == group && alert.time == firing.at) {
                let events = nearest.matches.iter().map(|seen| seen.report(&terms)).collect();
                self.made = Some(Made { alert: alert.clone(), events });
            }
        }
    }
}

/// The matches that made the firings that a match is.
fn made_of(terms: &Terms<'_>, observation: &Observation, inner: &[Inner]) -> Vec<Rc<Seen>> {
    let inputs = terms.rule.inputs.iter().enumerate();
    let mine: Vec<Input> =
        inputs.filter(|(bit, _)| observation.labels & (1 << bit) != 0).map(|(_, input)| input.input).collect();
    let fired = inner.iter().filter(|(rule, at, _)| *at == observation.time && mine.contains(&Input::Firing(*rule)));
    fired.flat_map(|(.., matches)| matches).cloned().collect()
}

/// A rule with all rules under it, and the detections at the bottom.
fn under(rules: &RuleSet, rule: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut watched, mut labels) = (vec![rule], Vec::new());
    let mut next = 0;
    while let Some(index) = watched.get(next).copied() {
        next += 1;
        for input in &rules.rules[index].inputs {
            match input.input {
                Input::Detection(label) if !labels.contains(&label) => labels.push(label),
                Input::Firing(inner) if !watched.contains(&inner) => watched.push(inner),
                Input::Detection(_) | Input::Firing(_) => {}
            }
        }
    }
    (watched, labels)
}
