//! `replay --compare`: two rule sets over the same events, and which alerts appear, disappear or change.
//!
//! Both sets are decided in one pass, each with a pipeline and windows of its own.

mod difference;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::{Failure, Format, rules};
use crate::config::Config;
use crate::detect::alert::{Alert, Group};
use crate::detect::rule::{RuleHeader, RuleSet};
use crate::detect::{Span, Timestamp};
use crate::geo::Databases;
use crate::ingest::geo::Places;
use crate::ingest::{Disposition, Record};
use crate::kafka::Progress;
use crate::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

use super::Records;
use super::report::Report;

/// Records between two steps of the progress bar.
const PROGRESS_RECORDS: u64 = 1 << 14;

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
    records: Records,
    config: &Config,
    format: Format,
) -> Result<(), Failure> {
    let sides = (rules::load(old, config)?.rules, rules::load(new, config)?.rules);
    let databases = Databases::open(&config.geo)?;
    let replayed = replay(sides, records, config, databases.places())?;
    let comparison = difference::compare(&replayed);
    let shown = match format {
        Format::Text => text::comparison(&comparison),
        Format::Json => serde_json::to_string_pretty(&comparison).expect("comparisons always serialize") + "\n",
    };
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))
}

fn replay(
    sides: (Arc<RuleSet>, Arc<RuleSet>),
    records: Records,
    config: &Config,
    places: &Arc<Places>,
) -> Result<Replayed, Failure> {
    // Every firing that suppression let through is compared, but none of the evidence.
    let settings = Settings { evidence_max: 0, ..config.pipeline.clone() };
    let mut both = Both::new(sides, &settings, places, records.report());
    match records {
        Records::Files(inputs) => {
            inputs.each_line(config.pipeline.limits.event_bytes, |origin, line| {
                both.decide(&Record { origin, timestamp: None, payload: Some(line) });
                if both.records.is_multiple_of(PROGRESS_RECORDS) {
                    both.report.progress(inputs.bytes_read(), both.new.raised.len() as u64);
                }
            })?;
            both.end_partition();
        }
        Records::Topic(mut topic) => {
            topic.warn_of_split_groups(config, &both.new.rules);
            loop {
                let progress = topic.read(|record| both.decide(record))?;
                both.report.progress(both.records, both.new.raised.len() as u64);
                match progress {
                    Progress::More => {}
                    Progress::PartitionEnd => both.end_partition(),
                    Progress::End => break,
                }
            }
        }
    }
    both.report.clear();
    Ok(Replayed {
        span: both.span,
        old: both.old.raised,
        new: both.new.raised,
        old_rules: both.old.rules,
        new_rules: both.new.rules,
        records: both.records,
        late: both.late,
        no_events: both.no_events,
    })
}

/// Both rule sets at work on the same records.
struct Both {
    old: Side,
    new: Side,
    report: Report,
    records: u64,
    late: u64,
    no_events: u64,
    /// The event time of the partition's first record.
    first: Option<Timestamp>,
    /// Of the partitions before it.
    span: Option<(Timestamp, Timestamp)>,
}

impl Both {
    fn new(
        (old, new): (Arc<RuleSet>, Arc<RuleSet>),
        settings: &Settings,
        places: &Arc<Places>,
        report: Report,
    ) -> Self {
        let (old, new) = (Side::new(old, settings, places), Side::new(new, settings, places));
        Self { old, new, report, records: 0, late: 0, no_events: 0, first: None, span: None }
    }

    fn decide(&mut self, record: &Record<'_>) {
        self.old.decide(record);
        match self.new.decide(record) {
            Disposition::Accepted => {}
            Disposition::Late => self.late += 1,
            _ => self.no_events += 1,
        }
        self.first = self.first.or_else(|| self.new.partition.stream_time());
        self.records += 1;
    }

    /// Nothing more comes of a partition; the next one begins with empty windows.
    fn end_partition(&mut self) {
        let own = self.first.take().zip(self.new.partition.stream_time());
        self.span = match (self.span, own) {
            (Some((first, newest)), Some((own_first, own_newest))) => {
                Some((first.min(own_first), newest.max(own_newest)))
            }
            (before, own) => before.or(own),
        };
        self.old.end_partition();
        self.new.end_partition();
    }
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

    fn end_partition(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        self.keep();
        self.partition = self.pipeline.partition(rand::random());
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
