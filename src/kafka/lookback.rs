//! Reads a stretch of one partition again, beside the group: what was saved, and records since.
//!
//! It belongs to no group and commits nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tracing::warn;

use crate::config::KafkaSettings;
use crate::service::Failure;
use crate::service::transport::{Hindrance, Incoming, LookBack, Stretch};

use super::client;
use super::error;
use super::stable_end::StableEnd;
use super::state_topic;
use super::transport::incoming;

/// A reader of one stretch at a time.
pub(super) struct Reader {
    config: ClientConfig,
    state_topic: String,
    /// Sees transactions that are not over, too; made when it is needed, and again after it failed: it asks the leaders
    /// that it knows, which may be gone.
    observer: Option<Arc<BaseConsumer<Quiet>>>,
    reading: Option<Reading>,
}

/// A client for one stretch: one that is used again may tell of an end that it saw before, or not tell of it again.
struct Reading {
    consumer: Arc<BaseConsumer<Quiet>>,
    /// What is to be read, once everything in it is decided.
    awaited: Option<(StableEnd, TopicPartitionList)>,
    /// The offset at which the stretch ends before the partition does.
    until: Option<i64>,
    /// The partition's number.
    number: i32,
}

/// How long a question about the topic may take, which the worker waits for.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// That a partition ends is an answer here, not an error for the log.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        if error::code(&error) != Code::PartitionEOF {
            warn!(%error, reason, "kafka client");
        }
    }
}

impl ConsumerContext for Quiet {}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("is_reading", &self.reading.is_some()).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader that reads nothing yet.
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self {
            config: client::reader(settings),
            state_topic: settings.state_topic.clone(),
            observer: None,
            reading: None,
        }
    }

    pub(super) fn begin(&mut self, stretch: &Stretch) -> Result<(), Hindrance> {
        let observer = matches!(stretch, Stretch::State(_)).then(|| self.observer()).transpose()?;
        let (topic, number, from, until) = match stretch {
            Stretch::State(partition) => (self.state_topic.as_str(), partition.number, Offset::Beginning, None),
            Stretch::Records { partition, from, until } => {
                (&*partition.topic, partition.number, Offset::Offset(*from), Some(*until))
            }
        };
        self.reading = None;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, from).map_err(|error| passing(&error))?;
        let consumer = quiet(&self.config)?;
        let mut awaited = None;
        if let Some(observer) = observer {
            let end = StableEnd::of((topic, number), observer, Arc::clone(&consumer)).map_err(Hindrance::Lasting)?;
            awaited = Some((end, list));
        } else {
            // The group has read these records as committed ones, so everything here is decided.
            consumer.assign(&list).map_err(|error| passing(&error))?;
        }
        self.reading = Some(Reading { consumer, awaited, until, number });
        Ok(())
    }

    fn observer(&mut self) -> Result<Arc<BaseConsumer<Quiet>>, Hindrance> {
        if let Some(observer) = &self.observer {
            return Ok(Arc::clone(observer));
        }
        let mut config = self.config.clone();
        config.set("isolation.level", "read_uncommitted");
        let observer = quiet(&config)?;
        self.observer = Some(Arc::clone(&observer));
        Ok(observer)
    }

    pub(super) fn read(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<LookBack, Hindrance> {
        let Some(reading) = &mut self.reading else { return Ok(LookBack::End) };
        if let Some((end, list)) = &reading.awaited {
            match end.has_come() {
                Ok(false) => return Ok(LookBack::More),
                Ok(true) => reading.consumer.assign(list).map_err(|error| passing(&error))?,
                Err(error) => {
                    self.observer = None;
                    return Err(reading.state_not_read(&self.state_topic, &error));
                }
            }
            reading.awaited = None;
        }
        let is_at_end = |next: i64| reading.until.is_some_and(|until| next >= until);
        for _ in 0..records_max {
            let ends = match reading.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(record)) if is_at_end(record.offset()) => true,
                Some(Ok(record)) => {
                    each(incoming(&record));
                    is_at_end(record.offset() + 1)
                }
                Some(Err(KafkaError::PartitionEOF(_))) => true,
                Some(Err(error)) if reading.until.is_none() => {
                    return Err(reading.state_not_read(&self.state_topic, &error));
                }
                Some(Err(error)) => return Err(passing(&error)),
            };
            if ends {
                self.reading = None;
                return Ok(LookBack::End);
            }
        }
        Ok(LookBack::More)
    }
}

impl Reading {
    /// What was saved cannot be read. A client may not know of a partition while its leader changes; only if the brokers
    /// say so themselves is it not there.
    fn state_not_read(&self, topic: &str, error: &KafkaError) -> Hindrance {
        if error::code(error) == Code::TopicAuthorizationFailed {
            let problem = format!("the brokers refuse to let this client read {topic:?}");
            let hint = format!("allow the operation Read on the topic {topic:?} to this client");
            return Hindrance::Lasting(Failure::surroundings("kafka.state_topic", problem).hint(hint));
        }
        if error::code(error) != Code::UnknownPartition {
            return passing(error);
        }
        let metadata = match self.consumer.fetch_metadata(Some(topic), ANSWER_MAX) {
            Ok(metadata) => metadata,
            Err(error) => return passing(&error),
        };
        let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
        let is_there =
            |id: i32| known.is_some_and(|known| known.partitions().iter().any(|partition| partition.id() == id));
        if is_there(0) && !is_there(self.number) {
            return Hindrance::Lasting(state_topic::lacks_partition(topic));
        }
        passing(error)
    }
}

fn quiet(config: &ClientConfig) -> Result<Arc<BaseConsumer<Quiet>>, Hindrance> {
    let created = config.create_with_context(Quiet);
    created.map(Arc::new).map_err(|error| Hindrance::Lasting(client::not_created(&error)))
}

fn passing(error: &KafkaError) -> Hindrance {
    Hindrance::Passing(format!("what was saved cannot be read: {error}"))
}
