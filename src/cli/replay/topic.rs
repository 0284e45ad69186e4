//! `replay --from kafka`: the records that a topic holds, in place of files.
//!
//! Each partition of the topic has windows of its own, as in the service, and they are replayed one after the other: so
//! the same records give the same lines in the same order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::cli::{Failure, say, split_groups};
use crate::config::Config;
use crate::detect::{Origin, Span, Timestamp};
use crate::ingest::Record;
use crate::kafka::{History, Period, Progress};

use super::Replay;

/// Other places than files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// A topic of the brokers that the configuration names
    Kafka,
}

/// The options that say which records of which topic.
#[derive(Debug, Args)]
pub(super) struct TopicArguments {
    /// Where the events come from, if not from files
    #[arg(long, value_name = "WHERE", requires = "topic", conflicts_with = "inputs")]
    from: Option<From>,
    /// The topic to read
    #[arg(long, value_name = "TOPIC", requires = "from")]
    topic: Option<String>,
    /// Only records of this time or later, by their own timestamps: 2026-11-23T17:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", requires = "from", value_parser = time)]
    since: Option<Timestamp>,
    /// Only records before this time, written likewise
    #[arg(long, value_name = "TIME", requires = "from", value_parser = time)]
    until: Option<Timestamp>,
}

/// A moment, or how long ago it was.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(time.as_millisecond()));
    }
    let Ok(ago) = Span::parse(text) else {
        return Err("write a time with its offset, as in 2026-11-23T17:00:00Z, or how long ago it was, as in 2h".into());
    };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(now_ms.saturating_sub(ago.millis())))
}

impl TopicArguments {
    /// Looks at the topic, if one is asked for; the configuration then is one that reads this topic.
    pub(super) fn open(&self, config: &mut Config) -> Result<Option<Topic>, Failure> {
        let Some((From::Kafka, topic)) = self.from.zip(self.topic.as_ref()) else { return Ok(None) };
        if config.kafka.bootstrap_servers.is_empty() {
            let how = "add --config FILE, or set TOKENWATCH_KAFKA__BOOTSTRAP_SERVERS";
            return Err(Failure::wrong(format!("--from kafka needs kafka.bootstrap_servers: {how}")));
        }
        if let Some((since, until)) = self.since.zip(self.until)
            && since >= until
        {
            return Err(Failure::wrong(format!("--since {since} is not before --until {until}")));
        }
        config.kafka.topics = vec![topic.clone()];
        let period = Period { since: self.since, until: self.until };
        let history = History::open(&config.kafka, topic, period)?;
        Ok(Some(Topic { origin: Origin { topic: topic.as_str().into(), partition: 0, offset: 0 }, history }))
    }
}

/// A topic that is read, and the place of its latest record.
pub(super) struct Topic {
    history: History,
    origin: Origin,
}

impl Topic {
    /// How many offsets there are to read.
    pub(super) const fn offsets_total(&self) -> u64 {
        self.history.offsets_total
    }

    /// Hands over the next records of one partition, each with its place.
    pub(super) fn read(&mut self, mut take: impl FnMut(&Record<'_>)) -> Result<Progress, Failure> {
        let origin = &mut self.origin;
        let progress = self.history.read(&mut |incoming| {
            (origin.partition, origin.offset) = (incoming.partition, incoming.offset);
            take(&Record { origin, timestamp: incoming.timestamp, payload: incoming.payload });
        });
        progress.map_err(Failure::from)
    }

    /// Says for which rules the service routes matches, which a replay does not: it counts each partition for itself.
    pub(super) fn warn_of_split_groups(&self, config: &Config, rules: &crate::detect::rule::RuleSet) {
        if self.history.partitions > 1 {
            for sentence in split_groups::sentences(config, rules) {
                say(format!("{sentence}; replay counts each partition for itself, and may miss alerts of theirs"));
            }
        }
    }
}

impl Replay {
    /// Decides all records of a topic.
    pub(super) fn read_topic(&mut self, mut topic: Topic, config: &Config) -> Result<(), Failure> {
        topic.warn_of_split_groups(config, self.pipeline.rules());
        loop {
            let mut offsets = Vec::new();
            let progress = topic.read(|record| {
                self.tally.bytes += record.payload.map_or(0, <[u8]>::len) as u64;
                let disposition = self.pipeline.decide(&mut self.partition, offsets.len(), record, &mut self.outcome);
                self.tally.count(disposition);
                offsets.push(record.origin.offset);
            });
            for (position, rejection) in &self.outcome.rejected {
                let Origin { topic, partition, .. } = &topic.origin;
                let place = format_args!("{topic}/{partition}, offset {}", offsets[*position]);
                self.report.explain(place, rejection);
            }
            self.account()?;
            self.report.progress(self.tally.records(), self.tally.alerts());
            match progress? {
                Progress::More => {}
                Progress::PartitionEnd => self.end_partition()?,
                Progress::End => return Ok(()),
            }
        }
    }
}
