//! The stream as the definitions tell it: time, lateness, groups, duplicates, chains, suppression, forgetting.
//!
//! Keeps every match for as long as the definitions remember its group, and looks at all of them each time. Nothing
//! here is meant to be fast.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::model::{BASE, Event, Logic, Rule};
use super::terms::{self, Match};
use super::windows::{self, Firing};
use super::{anomalies, values};

/// An alert, as far as the engine's is compared with it. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    pub(crate) rule: String,
    pub(crate) group: Vec<(String, String)>,
    pub(crate) time: i64,
    pub(crate) window: Option<(i64, i64)>,
    pub(crate) observed: Option<f64>,
    pub(crate) suppressed: u64,
    /// The id of the event that it carries.
    pub(crate) event_id: String,
}

/// What a rule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) firings: u64,
    pub(crate) alerts: u64,
    pub(crate) suppressed: u64,
    pub(crate) duplicates: u64,
}

/// What is known of one group of one rule.
#[derive(Debug, Default)]
struct Group {
    /// S(g), by (time, arrival).
    entries: Vec<Match>,
    /// The greatest time of an alert.
    alerted_at: Option<i64>,
    /// Firings suppressed since the last alert.
    quieted: u64,
}

/// A match of an `absence` whose time to be accompanied is not over.
#[derive(Clone, Debug)]
struct Waiting {
    rule: usize,
    group: Vec<String>,
    unaccompanied: Match,
    until: i64,
}

/// What one arrival caused, by index of the rule in order of depth and name.
#[derive(Default)]
struct Step {
    firings: Vec<(usize, Vec<String>, Match)>,
    alerts: Vec<(usize, Vec<String>, Alert)>,
}

/// One partition under one set of rules.
pub(crate) struct Oracle {
    /// By chain depth, then name.
    rules: Vec<Rule>,
    lateness: i64,
    future_skew_max: i64,
    stream_time: i64,
    arrivals: usize,
    groups: BTreeMap<(usize, Vec<String>), Group>,
    waiting: Vec<Waiting>,
    pub(crate) alerts: Vec<Alert>,
    /// By rule name.
    pub(crate) tallies: BTreeMap<String, Tally>,
    pub(crate) late: u64,
    pub(crate) rejected: usize,
}

impl Oracle {
    pub(crate) fn new(rules: &[Rule], lateness: i64, future_skew_max: i64) -> Self {
        let mut ordered = rules.to_vec();
        ordered.sort_by_key(|rule| (terms::depth(rules, rule), rule.name.clone()));
        Self {
            tallies: rules.iter().map(|rule| (rule.name.clone(), Tally::default())).collect(),
            rules: ordered,
            lateness,
            future_skew_max,
            stream_time: i64::MIN / 2,
            arrivals: 0,
            groups: BTreeMap::new(),
            waiting: Vec::new(),
            alerts: Vec::new(),
            late: 0,
            rejected: 0,
        }
    }

    /// Decides a whole stream and its end.
    pub(crate) fn run(rules: &[Rule], lateness: i64, future_skew_max: i64, events: &[Event]) -> Self {
        let mut oracle = Self::new(rules, lateness, future_skew_max);
        for (offset, event) in events.iter().enumerate() {
            oracle.receive(event, offset);
        }
        oracle.finish();
        oracle
    }

    fn receive(&mut self, event: &Event, offset: usize) {
        if event.recorded_at.is_some_and(|recorded| event.at > recorded + self.future_skew_max) {
            self.rejected += 1;
            return;
        }
        let time = BASE + event.at;
        self.stream_time = self.stream_time.max(time);
        self.decide_waiting();
        self.forget();
        let arrived = Match {
            time,
            arrival: self.next_arrival(),
            id: event.id.clone().unwrap_or_else(|| format!("stream/0/{offset}")),
            labels: event.marks.iter().cloned().collect(),
            fields: event.fields.clone(),
            event_fields: event.fields.clone(),
        };
        let mut step = Step::default();
        self.alert_on_single(&arrived, &mut step);
        if time < self.stream_time - self.lateness {
            self.late += 1;
        } else {
            self.correlate(Some(&arrived), &mut step);
        }
        self.raise(step);
    }

    fn finish(&mut self) {
        self.stream_time = i64::MAX / 2;
        self.decide_waiting();
        self.forget();
    }

    fn next_arrival(&mut self) -> usize {
        self.arrivals += 1;
        self.arrivals
    }

    fn raise(&mut self, mut step: Step) {
        step.alerts.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        self.alerts.extend(step.alerts.into_iter().map(|(_, _, alert)| alert));
    }

    fn decide_waiting(&mut self) {
        let order = |waiting: &Waiting, rules: &[Rule]| {
            let e = &waiting.unaccompanied;
            (e.time, e.arrival, rules[waiting.rule].name.clone(), waiting.group.clone())
        };
        loop {
            let due = (0..self.waiting.len())
                .filter(|&index| self.stream_time > self.waiting[index].until)
                .min_by_key(|&index| order(&self.waiting[index], &self.rules));
            let Some(due) = due else { return };
            let Waiting { rule, group, unaccompanied, .. } = self.waiting.remove(due);
            let mut step = Step::default();
            let entries = &self.groups[&(rule, group.clone())].entries;
            if let Some(firing) = anomalies::absence(&self.rules[rule], entries, &unaccompanied) {
                self.fire(rule, &group, firing, &unaccompanied, &mut step);
                self.number_firings(&mut step, 0);
            }
            self.correlate(None, &mut step);
            self.raise(step);
        }
    }

    fn forget(&mut self) {
        let (now, lateness, rules) = (self.stream_time, self.lateness, &self.rules);
        self.groups.retain(|(rule, _), group| {
            let newest = group.entries.last().map_or(i64::MIN / 2, |newest| newest.time);
            let remembered = newest + terms::memory(&rules[*rule]);
            let quiet = group.alerted_at.map(|at| at + terms::suppress(&rules[*rule]));
            now <= quiet.map_or(remembered, |quiet| quiet.max(remembered)) + lateness
        });
    }

    /// Detections that alert by themselves, late events included.
    fn alert_on_single(&mut self, arrived: &Match, step: &mut Step) {
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            if !matches!(rule.logic, Logic::Event)
                || !arrived.labels.contains(&rule.name)
                || !terms::alerts(&self.rules, rule)
            {
                continue;
            }
            let firing = Firing { at: arrived.time, window: None, observed: None };
            let groups = values::groups(&arrived.fields, &rule.group_by);
            if groups.is_empty() {
                let tally = self.tally(index);
                tally.firings += 1;
                tally.alerts += 1;
                step.alerts.push((index, vec![], self.alert(index, &[], firing, arrived, 0)));
            }
            for group in groups {
                let state = self.groups.entry((index, group.clone())).or_default();
                state.entries.push(arrived.clone());
                state.entries.sort_by_key(|entry| (entry.time, entry.arrival));
                self.fire(index, &group, firing, arrived, step);
            }
        }
        // What alerts by itself is nobody's match by way of its alert: referrers see its label on the event.
        step.firings.clear();
    }

    /// Shows an event, and the firings that it causes, to every correlation and anomaly.
    fn correlate(&mut self, event: Option<&Match>, step: &mut Step) {
        for index in 0..self.rules.len() {
            if matches!(self.rules[index].logic, Logic::Event) {
                continue;
            }
            let fired_before = step.firings.len();
            let firings = step.firings.iter().map(|(_, _, firing)| firing);
            let inbox: Vec<Match> = event.into_iter().chain(firings).cloned().collect();
            for arrived in inbox {
                for (group, labels) in terms::groups_of(&self.rules[index], &arrived) {
                    self.accept(index, &group, &Match { labels, ..arrived.clone() }, step);
                }
            }
            self.number_firings(step, fired_before);
        }
    }

    /// Firings of one rule come to the others by group.
    fn number_firings(&mut self, step: &mut Step, from: usize) {
        step.firings[from..].sort_by(|left, right| left.1.cmp(&right.1));
        for (_, _, firing) in &mut step.firings[from..] {
            firing.arrival = self.next_arrival();
        }
    }

    fn accept(&mut self, index: usize, group: &[String], arrived: &Match, step: &mut Step) {
        let rule = &self.rules[index];
        if !terms::belongs(rule, arrived) {
            return;
        }
        let state = self.groups.entry((index, group.to_vec())).or_default();
        if state.entries.iter().any(|held| arrived.repeats(held)) {
            self.tally(index).duplicates += 1;
            return;
        }
        state.entries.push(arrived.clone());
        state.entries.sort_by_key(|entry| (entry.time, entry.arrival));
        let firing = match &rule.logic {
            Logic::Absence { .. } if !arrived.is_of(&rule.rules) => None,
            Logic::Absence { wait, .. } if *wait > 0 && self.stream_time <= arrived.time + wait => {
                let until = arrived.time + wait;
                self.waiting.push(Waiting {
                    rule: index,
                    group: group.to_vec(),
                    unaccompanied: arrived.clone(),
                    until,
                });
                None
            }
            Logic::Absence { .. } => anomalies::absence(rule, &state.entries, arrived),
            _ => windows::decide(rule, &state.entries, arrived),
        };
        if let Some(firing) = firing {
            self.fire(index, group, firing, arrived, step);
        }
    }

    fn fire(&mut self, index: usize, group: &[String], firing: Firing, source: &Match, step: &mut Step) {
        let rule = &self.rules[index];
        let mut carried = source.clone();
        carried.time = firing.at;
        carried.labels = BTreeSet::from([rule.name.clone()]);
        let names = rule.group_by.iter().cloned();
        carried.fields.clone_from(&source.event_fields);
        carried.fields.extend(names.zip(group.iter().cloned().map(Json::from)));
        step.firings.push((index, group.to_vec(), carried));

        let (alerts, suppress) = (terms::alerts(&self.rules, rule), terms::suppress(rule));
        self.tally(index).firings += 1;
        if !alerts {
            return;
        }
        let state = self.groups.get_mut(&(index, group.to_vec())).expect("only a group with a match fires");
        if suppress > 0 && state.alerted_at.is_some_and(|at| firing.at < at + suppress) {
            state.quieted += 1;
            self.tally(index).suppressed += 1;
            return;
        }
        state.alerted_at = state.alerted_at.max(Some(firing.at));
        let suppressed = std::mem::take(&mut state.quieted);
        self.tally(index).alerts += 1;
        step.alerts.push((index, group.to_vec(), self.alert(index, group, firing, source, suppressed)));
    }

    fn tally(&mut self, index: usize) -> &mut Tally {
        self.tallies.get_mut(&self.rules[index].name).expect("every rule has a tally")
    }

    fn alert(&self, index: usize, group: &[String], firing: Firing, source: &Match, suppressed: u64) -> Alert {
        let rule = &self.rules[index];
        Alert {
            rule: rule.name.clone(),
            group: rule.group_by.iter().cloned().zip(group.iter().cloned()).collect(),
            time: firing.at,
            window: firing.window,
            observed: firing.observed,
            suppressed,
            event_id: source.id.clone(),
        }
    }
}
