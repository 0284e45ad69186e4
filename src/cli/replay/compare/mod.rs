//! `replay --compare`: two rule sets over the same events, and which alerts appear, disappear or change.
//!
//! Both sets are decided in one pass, each with a pipeline and windows of its own.

mod counterpart;
mod difference;
mod facts;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::cli::{Failure, Format, rules};
use crate::config::Config;
use crate::detect::alert::Alert;
use crate::detect::rule::RuleSet;
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
    /// Stands for the evidence, which would take more room than all the rest.
    evidence: u64,
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
    /// The least and the greatest event time.
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
    let mut both = Both::new(sides, &config.pipeline, places, records.report());
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
    /// The least and the greatest event time.
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
        Self { old, new, report, records: 0, late: 0, no_events: 0, span: None }
    }

    fn decide(&mut self, record: &Record<'_>) {
        let newest = self.new.partition.stream_time();
        self.old.decide(record);
        match self.new.decide(record) {
            Disposition::Accepted => self.widen(record, newest),
            Disposition::Late => {
                self.late += 1;
                self.widen(record, newest);
            }
            _ => self.no_events += 1,
        }
        self.records += 1;
    }

    /// Takes the time of an event into the span; `newest` is that of the partition before it.
    fn widen(&mut self, record: &Record<'_>, newest: Option<Timestamp>) {
        // Only of an event that is not the newest must the time be read again.
        let advanced = self.new.partition.stream_time().filter(|time| Some(*time) > newest);
        if let Some(time) = advanced.or_else(|| self.new.time(record)) {
            let (least, greatest) = self.span.unwrap_or((time, time));
            self.span = Some((least.min(time), greatest.max(time)));
        }
    }

    /// Nothing more comes of a partition; the next one begins with empty windows.
    fn end_partition(&mut self) {
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

    /// When the event of a record happened.
    fn time(&mut self, record: &Record<'_>) -> Option<Timestamp> {
        let places = Arc::clone(self.pipeline.places());
        self.pipeline.read(record, &places, &mut Vec::new()).ok().map(|event| event.time)
    }

    fn end_partition(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        self.keep();
        self.partition = self.pipeline.partition(rand::random());
    }

    fn keep(&mut self) {
        for mut alert in self.outcome.detected.alerts.drain(..) {
            let window = alert.window.map_or(Span::ZERO, |window| window.end.since(window.start));
            let evidence = serde_json::to_vec(&std::mem::take(&mut alert.evidence));
            let evidence = xxh3_64(&evidence.expect("evidence always serializes"));
            self.raised.push(Raised { alert, window, evidence });
        }
        self.outcome.clear();
    }
}
