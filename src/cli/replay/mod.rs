//! `tokenwatch replay`: events from files or a topic in, alerts out, decided by the pipeline that the service runs.
//!
//! All files together are one partition, in the order in which they were named; a topic has its own. Nothing is dropped
//! in silence: what is no event is explained, the first few times for each reason, and counted.

mod compare;
mod report;
mod summary;
mod topic;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use crate::config::{Config, Purpose};
use crate::detect::Origin;
use crate::geo::Databases;
use crate::ingest::{Record, Rejection};
use crate::pipeline::{BatchOutcome, Partition, Pipeline};

use super::input::lines::{Line, Lines};
use super::input::{Input, Inputs};
use super::{Failure, Format, rules, source};
use report::Report;
use summary::Tally;
use topic::Topic;

/// Writes of alerts are gathered up to this; each batch ends with a flush, so that a pipe is never kept waiting.
const OUTPUT_BYTES: usize = 64 << 10;

/// Runs rules over events from files or a Kafka topic; alerts come out as JSON lines.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule file, or folder that is searched for .yml and .yaml; may be repeated
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Configuration (.toml, .yaml); its rules count where --rules is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the records are: native (audit events) or raw (any JSON objects with a time, for rules of any logsource)
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Rules to compare with, the old ones: says which alerts appear, disappear or change instead of printing them; may be
    /// repeated
    #[arg(long, value_name = "OLD_RULES")]
    compare: Vec<PathBuf>,
    /// How the summary on standard error looks, or the comparison
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    topic: topic::TopicArguments,
    /// Files with one JSON event a line, also as .gz or .zst; - or none is standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    source::choose(arguments.source.as_deref(), &mut config)?;
    let paths = if arguments.rules.is_empty() { &config.rules.paths } else { &arguments.rules };
    if paths.is_empty() {
        return Err(Failure::wrong("no rules were given: add --rules PATH, or rules.paths to the configuration"));
    }
    let paths = paths.clone();
    let records = match arguments.topic.open(&mut config)? {
        Some(topic) => Records::Topic(topic),
        None => Records::Files(Inputs::find(&arguments.inputs)?),
    };
    if !arguments.compare.is_empty() {
        return compare::run((&arguments.compare, &paths), records, &config, arguments.format);
    }
    let rules = rules::load(&paths, &config)?.rules;
    let databases = Databases::open(&config.geo)?;
    let pipeline = Pipeline::with_places(rules, &config.pipeline, Arc::clone(databases.places()));
    let mut replay = Replay::new(pipeline, config.pipeline.limits.event_bytes, records.report());
    match records {
        Records::Files(inputs) => {
            for index in 0..inputs.len() {
                replay.read(inputs.open(index)?, &inputs)?;
            }
            replay.end_partition()?;
        }
        Records::Topic(topic) => replay.read_topic(topic, &config)?,
    }
    replay.conclude(arguments.format);
    Ok(())
}

/// Where the records come from.
enum Records {
    Files(Inputs),
    Topic(Topic),
}

impl Records {
    fn report(&self) -> Report {
        match self {
            Self::Files(inputs) => Report::new(inputs.bytes_total),
            Self::Topic(topic) => Report::of_records(topic.offsets_total()),
        }
    }
}

struct Replay {
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    tally: Tally,
    report: Report,
    output: BufWriter<StdoutLock<'static>>,
    event_bytes_max: usize,
    started: Instant,
}

impl Replay {
    fn new(pipeline: Pipeline, event_bytes_max: usize, report: Report) -> Self {
        Self {
            // Attackers do not choose what is replayed twice, but nothing is gained by a fixed seed either: no result
            // depends on it.
            partition: pipeline.partition(rand::random()),
            outcome: BatchOutcome::new(pipeline.rules()),
            tally: Tally::new(pipeline.rules()),
            report,
            output: BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock()),
            event_bytes_max,
            started: Instant::now(),
            pipeline,
        }
    }

    fn read(&mut self, input: Input, inputs: &Inputs) -> Result<(), Failure> {
        let mut lines = Lines::new(input.reader, self.event_bytes_max);
        let mut origin = Origin { topic: input.name, partition: 0, offset: 0 };
        let mut line_count = 0;
        loop {
            let first = line_count;
            let more = lines.read_batch(|line| {
                self.decide(line, first, &mut origin);
                line_count = line.number + 1;
            });
            self.close_batch(&origin.topic, first)?;
            self.report.progress(inputs.bytes_read(), self.tally.alerts());
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    let after = format!("{} cannot be read beyond line {line_count}: {error}", origin.topic);
                    return Err(Failure::unavailable(after));
                }
            }
        }
    }

    fn decide(&mut self, line: Line<'_>, first: u64, origin: &mut Origin) {
        if line.is_blank() {
            return;
        }
        origin.offset = line.number.cast_signed();
        self.tally.bytes += line.length as u64;
        let position = usize::try_from(line.number - first).expect("a batch fits into memory");
        let record = Record { origin, timestamp: None, payload: Some(line.bytes) };
        let disposition = self.pipeline.decide(&mut self.partition, position, &record, &mut self.outcome);
        self.tally.count(disposition);
        // Of a line above the limit only the beginning is here; its size is known all the same.
        if let Some((at, Rejection::TooLarge { bytes, .. })) = self.outcome.rejected.last_mut()
            && *at == position
        {
            *bytes = line.length;
        }
    }

    /// Writes the alerts of a batch and explains its rejections; `first` is the line that has position 0.
    fn close_batch(&mut self, name: &str, first: u64) -> Result<(), Failure> {
        for (position, rejection) in &self.outcome.rejected {
            // People and editors count lines from 1.
            self.report.explain(format_args!("{name}:{}", first + *position as u64 + 1), rejection);
        }
        self.account()
    }

    /// Writes the alerts of a batch, counts everything and forgets it.
    fn account(&mut self) -> Result<(), Failure> {
        self.write_alerts().map_err(|error| Failure::output(&error))?;
        self.tally.add(&self.outcome);
        self.outcome.clear();
        Ok(())
    }

    fn write_alerts(&mut self) -> io::Result<()> {
        let alerts = &self.outcome.detected.alerts;
        if alerts.is_empty() {
            return Ok(());
        }
        let output = &mut self.output;
        self.report.suspend(|| {
            for alert in alerts {
                serde_json::to_writer(&mut *output, alert)?;
                output.write_all(b"\n")?;
            }
            output.flush()
        })
    }

    /// Nothing more comes of a partition; the next one begins with empty windows.
    fn end_partition(&mut self) -> Result<(), Failure> {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        self.partition = self.pipeline.partition(rand::random());
        self.account()
    }

    fn conclude(self, format: Format) {
        self.report.finish(&self.tally.summary(self.started.elapsed()), format);
    }
}
