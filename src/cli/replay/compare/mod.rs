//! `replay --compare`: two rule sets over the same events, and which alerts appear, disappear or change.
//!
//! Both sets are decided in one pass, each with a pipeline and windows of its own.

mod difference;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::input::Inputs;
use crate::cli::{Failure, Format, rules};
use crate::config::Config;
use crate::detect::alert::{Alert, Group};
use crate::detect::rule::{RuleHeader, RuleSet};
use crate::detect::{Span, Timestamp};
use crate::geo::Databases;
use crate::ingest::geo::Places;
use crate::ingest::{Disposition, Record};
use crate::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

use super::report::Report;

/// Lines between two steps of the progress bar.
const PROGRESS_LINES: u64 = 1 << 14;

/// What is compared of an alert.
#[derive(Clone, Debug)]
struct Raised {
    alert: Alert,
    /// The length of its window; zero for a single-event rule.
    window: Span,
}

/// One rule set at work.
struct Side {
    rules: Arc<RuleSet>,
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    raised: Vec<Raised>,
}

/// What both sets made of the events.
struct Replayed {
    old: Vec<Raised>,
    new: Vec<Raised>,
    old_rules: Arc<RuleSet>,
    new_rules: Arc<RuleSet>,
    records: u64,
    late: u64,
    /// Records that are no events, or that a mapping drops.
    no_events: u64,
    /// The event times of the first record and of the newest.
    span: Option<(Timestamp, Timestamp)>,
}

/// Runs the comparison; the result is data, for standard output.
pub(super) fn run(
    (old, new): (&[PathBuf], &[PathBuf]),
    inputs: &Inputs,
    config: &Config,
    format: Format,
) -> Result<(), Failure> {
    let sides = (rules::load(old, config)?.rules, rules::load(new, config)?.rules);
    let databases = Databases::open(&config.geo)?;
    let replayed = replay(sides, inputs, config, databases.places())?;
    let comparison = difference::compare(&replayed);
    let shown = match format {
        Format::Text => text::comparison(&comparison),
        Format::Json => serde_json::to_string_pretty(&comparison).expect("comparisons always serialize") + "\n",
    };
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))
}

fn replay(
    (old, new): (Arc<RuleSet>, Arc<RuleSet>),
    inputs: &Inputs,
    config: &Config,
    places: &Arc<Places>,
) -> Result<Replayed, Failure> {
    // Every firing that suppression let through is compared, but none of the evidence.
    let settings = Settings { evidence_max: 0, ..config.pipeline.clone() };
    let (mut old, mut new) = (Side::new(old, &settings, places), Side::new(new, &settings, places));
    let report = Report::new(inputs.bytes_total);
    let (mut records, mut late, mut no_events, mut first) = (0, 0, 0, None);
    inputs.each_line(config.pipeline.limits.event_bytes, |origin, line| {
        let record = Record { origin, timestamp: None, payload: Some(line) };
        old.decide(&record);
        match new.decide(&record) {
            Disposition::Accepted => {}
            Disposition::Late => late += 1,
            _ => no_events += 1,
        }
        first = first.or_else(|| new.partition.stream_time());
        records += 1;
        if records % PROGRESS_LINES == 0 {
            report.progress(inputs.bytes_read(), new.raised.len() as u64);
        }
    })?;
    old.finish();
    new.finish();
    report.clear();
    Ok(Replayed {
        span: first.zip(new.partition.stream_time()),
        old: old.raised,
        new: new.raised,
        old_rules: old.rules,
        new_rules: new.rules,
        records,
        late,
        no_events,
    })
}

impl Side {
    fn new(rules: Arc<RuleSet>, settings: &Settings, places: &Arc<Places>) -> Self {
        let pipeline = Pipeline::with_places(Arc::clone(&rules), settings, Arc::clone(places));
        let partition = pipeline.partition(rand::random());
        Self { outcome: BatchOutcome::new(&rules), partition, pipeline, rules, raised: Vec::new() }
    }

    fn decide(&mut self, record: &Record<'_>) -> Disposition {
        let disposition = self.pipeline.decide(&mut self.partition, 0, record, &mut self.outcome);
        self.keep();
        disposition
    }

    fn finish(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        self.keep();
    }

    fn keep(&mut self) {
        let window = |alert: &Alert| alert.window.map_or(Span::ZERO, |window| window.end.since(window.start));
        let alerts = self.outcome.detected.alerts.drain(..);
        self.raised.extend(alerts.map(|alert| Raised { window: window(&alert), alert }));
        self.outcome.clear();
    }
}

/// A rule of either set: of two rules the same if their ids are, else if their names are.
fn counterpart<'r>(rule: &RuleHeader, others: &'r RuleSet) -> Option<&'r RuleHeader> {
    let others = || others.rules.iter().map(|other| &*other.header);
    others().find(|other| other.id == rule.id).or_else(|| others().find(|other| other.name == rule.name))
}

/// Where alerts can belong together: one rule, one group.
type Place = (String, Group);
