//! The engine's side of the comparison: the same rules and records, as text, through the production pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokenwatch::detect::outcome::RuleTally;
use tokenwatch::detect::rule::{Options, Problem, RuleSet, Source, compile};
use tokenwatch::detect::{self, Limits, Origin, Span, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};

use super::model::{BASE, Event, Rule};
use super::naive::{Alert, Tally};

/// A record: its own timestamp in milliseconds since the epoch, if it has one, and its value.
pub(crate) type Line = (Option<i64>, String);

/// What came of a stream.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) alerts: Vec<detect::Alert>,
    /// By rule name.
    pub(crate) tallies: BTreeMap<String, Tally>,
    pub(crate) accepted: u64,
    pub(crate) late: u64,
    pub(crate) rejected: usize,
}

impl Run {
    /// The alerts as the oracle tells them; the event's id is not part of an alert.
    pub(crate) fn facts(&self) -> Vec<Alert> {
        let fact = |alert: &detect::Alert| Alert {
            rule: alert.rule.name.clone(),
            group: alert.group.0.clone(),
            time: alert.time.millis(),
            window: alert.window.map(|window| (window.start.millis(), window.end.millis())),
            observed: alert.observed.map(|observed| observed.0),
            suppressed: alert.suppressed,
            event_id: String::new(),
        };
        self.alerts.iter().map(fact).collect()
    }

    fn new(rules: &RuleSet, outcome: BatchOutcome) -> Self {
        let BatchOutcome { detected, rejected, .. } = outcome;
        let named = rules.rules.iter().map(|rule| rule.header.name.clone());
        let tally = |counted: &RuleTally| Tally {
            firings: counted.firings,
            alerts: counted.alerts,
            suppressed: counted.suppressed,
            duplicates: counted.duplicates,
        };
        Self {
            tallies: named.zip(detected.rules.iter().map(tally)).collect(),
            alerts: detected.alerts,
            accepted: detected.accepted,
            late: detected.late,
            rejected: rejected.len(),
        }
    }
}

/// Settings with limits that no test reaches.
pub(crate) fn settings(lateness: i64, future_skew_max: i64) -> Settings {
    const NEVER_REACHED: usize = 1 << 24;
    let limits =
        Limits { groups: NEVER_REACHED, window_entries: NEVER_REACHED, set_values: NEVER_REACHED, ..Limits::default() };
    Settings {
        limits,
        lateness: Span::from_millis(lateness),
        future_skew_max: Span::from_millis(future_skew_max),
        ..Settings::default()
    }
}

/// The rules as the engine runs them, or why it will not.
pub(crate) fn compiled(rules: &[Rule]) -> Result<Arc<RuleSet>, Vec<Problem>> {
    let documents: Vec<_> = rules.iter().map(Rule::to_yaml).collect();
    let file = Source { path: "rules.yml", text: &documents.join("---\n") };
    compile(&[file], &Options::default()).map(|compiled| Arc::new(compiled.rules))
}

/// The records of a stream as they arrive.
pub(crate) fn records(events: &[Event]) -> Vec<Line> {
    let line = |(offset, event): (usize, &Event)| (event.recorded_at.map(|at| BASE + at), event.to_json(offset));
    events.iter().enumerate().map(line).collect()
}

/// Decides a stream and its end.
pub(crate) fn run(rules: &Arc<RuleSet>, settings: &Settings, records: &[Line]) -> Run {
    let mut pipeline = Pipeline::new(Arc::clone(rules), settings);
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(rules);
    for (offset, (timestamp, payload)) in (0..).zip(records) {
        let origin = Origin { topic: "stream".into(), partition: 0, offset };
        let timestamp = timestamp.map(Timestamp::from_millis);
        let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
    }
    pipeline.finish(&mut partition, &mut outcome);
    Run::new(rules, outcome)
}
