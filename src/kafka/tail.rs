//! Reads a topic from its beginning, without a group: what has been published, as any consumer would see it.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use crate::service::Failure;

/// How long the question for a topic's partitions may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A reader of one topic.
pub struct Tail {
    consumer: BaseConsumer<DefaultConsumerContext>,
    topic: String,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Tail {
    /// Begins with the oldest record of each partition.
    pub fn open(bootstrap_servers: &str, topic: &str) -> Result<Self, Failure> {
        let failed = |error: KafkaError| Failure::other(format!("cannot read {topic:?}: {error}"));
        let consumer: BaseConsumer<DefaultConsumerContext> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            // The client wants a group where it consumes; with partitions of our choice it joins none.
            .set("group.id", "tokenwatch-tail")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "50")
            .create()
            .map_err(failed)?;
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX).map_err(failed)?;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// Hands the value of the next record to `read`, waiting up to `wait` for it; none if there was none.
    pub fn next<R>(&self, wait: Duration, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match self.consumer.poll(wait)? {
            Ok(message) => Some(read(message.payload().unwrap_or_default())),
            // What disturbs a client passes or shows elsewhere; here it means that nothing came.
            Err(_) => None,
        }
    }
}
