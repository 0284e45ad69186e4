//! Reads topics to their end, and where groups stand in them, without joining any group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Message, Offset, Timestamp, TopicPartitionList};

use super::{Broker, unique};
use crate::support::wait;

const POLL: Duration = Duration::from_millis(50);
const QUERY_TIMEOUT: Duration = Duration::from_secs(20);
/// Offsets inside the transaction of a killed instance are unknown until the broker ends it: after its timeout (10 s) and
/// at the next of the broker's looks (every 10 s). Where instances are killed one after the other that repeats itself.
const PENDING_TIMEOUT: Duration = Duration::from_mins(2);

/// Which records of transactions a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Those of committed transactions, up to the first one still open.
    Committed,
    /// All of them, also of open and aborted ones.
    Uncommitted,
}

/// A record as a reader gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The partition that it stands in.
    pub partition: i32,
    /// The offset within the partition.
    pub offset: i64,
    /// The record's time and whose clock gave it.
    pub timestamp: Timestamp,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The payload's bytes; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Received {
    /// The key, which must be text.
    #[track_caller]
    pub fn key_text(&self) -> &str {
        let key = self.key.as_deref().unwrap_or_else(|| panic!("record without a key: {self:?}"));
        str::from_utf8(key).unwrap_or_else(|error| panic!("key: {error}"))
    }

    /// The payload, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let payload = self.payload.as_deref().unwrap_or_else(|| panic!("record without a payload: {self:?}"));
        serde_json::from_slice(payload).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(payload)))
    }

    /// The last header of this name, as text; `None` where there is none or it has no value.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(own, _)| own == name)?;
        Some(str::from_utf8(value.as_deref()?).unwrap_or_else(|error| panic!("header {name}: {error}")))
    }
}

impl Broker {
    /// Every record that the topic holds now, by partition and offset.
    #[track_caller]
    pub fn read(&self, topic: &str, isolation: Isolation) -> Vec<Received> {
        let mut reader = Reader::new(self, topic, isolation);
        reader.read_to_end();
        reader.into_sorted()
    }

    /// Reads on, past the end, until `enough` likes what the topic holds; panics at the deadline.
    ///
    /// The slice that `enough` gets is in order of arrival. This proves that records come, never that no more do.
    #[track_caller]
    pub fn read_until(
        &self,
        topic: &str,
        isolation: Isolation,
        patience: Duration,
        mut enough: impl FnMut(&[Received]) -> bool,
    ) -> Vec<Received> {
        let mut reader = Reader::new(self, topic, isolation);
        wait::until(&format!("enough records in {topic}"), patience, || {
            reader.read_to_end();
            if enough(&reader.received) { Ok(()) } else { Err(format!("{} records", reader.received.len())) }
        });
        reader.into_sorted()
    }

    /// The offset after the newest record of each partition, transaction markers counted.
    #[track_caller]
    pub fn end_offsets(&self, topic: &str) -> BTreeMap<i32, i64> {
        let consumer = self.consumer();
        let end_of = |partition| {
            let (_, end) = consumer
                .fetch_watermarks(topic, partition, QUERY_TIMEOUT)
                .unwrap_or_else(|error| panic!("end of {topic}/{partition}: {error}"));
            (partition, end)
        };
        (0..self.partition_count(topic)).map(end_of).collect()
    }

    /// The offset that a group has committed for each partition of a topic; partitions without one are left out.
    #[track_caller]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let mut config = self.client_config();
        // Read as committed, so that an offset inside an open transaction is waited for.
        config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create().expect("the harness's own client configuration is right");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..self.partition_count(topic) {
            partitions.add_partition(topic, partition);
        }
        let committed = consumer.committed_offsets(partitions, PENDING_TIMEOUT);
        let committed = committed.unwrap_or_else(|error| panic!("offsets of group {group}: {error}"));
        let offsets = committed.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        });
        offsets.collect()
    }
}

/// A consumer of all partitions of one topic, and what it has read.
struct Reader {
    consumer: BaseConsumer,
    partitions: usize,
    /// Partitions that have nothing more at the moment.
    at_end: BTreeSet<i32>,
    received: Vec<Received>,
}

impl Reader {
    #[track_caller]
    fn new(broker: &Broker, topic: &str, isolation: Isolation) -> Self {
        let isolation = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        let mut config = broker.client_config();
        config
            // librdkafka asks for a group even where partitions are assigned by hand; it never joins this one.
            .set("group.id", unique("reader"))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .set("fetch.wait.max.ms", "20")
            .set("fetch.queue.backoff.ms", "1")
            .set("queued.min.messages", "1000000");
        let consumer: BaseConsumer = config.create().expect("the harness's own client configuration is right");
        // Asked through this very client: one that does not know its topic yet waits half a second and looks again.
        let metadata = consumer.fetch_metadata(Some(topic), QUERY_TIMEOUT);
        let metadata = metadata.unwrap_or_else(|error| panic!("metadata of {topic}: {error}"));
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        assert!(partitions > 0, "there is no topic {topic} to read");
        let mut assignment = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions().iter().map(MetadataPartition::id) {
            let added = assignment.add_partition_offset(topic, partition, Offset::Beginning);
            added.expect("the beginning is a position");
        }
        consumer.assign(&assignment).unwrap_or_else(|error| panic!("assign {topic}: {error}"));
        Self { consumer, partitions, at_end: BTreeSet::new(), received: Vec::new() }
    }

    /// Reads until every partition has been seen at its end; later calls read what came since, if anything did.
    #[track_caller]
    fn read_to_end(&mut self) {
        wait::until("the end of a topic", wait::PATIENCE, || {
            while let Some(message) = self.consumer.poll(POLL) {
                match message {
                    Ok(message) => {
                        self.at_end.remove(&message.partition());
                        self.received.push(received(&message));
                    }
                    Err(KafkaError::PartitionEOF(partition)) => drop(self.at_end.insert(partition)),
                    // librdkafka retries what can be retried; the deadline shows what cannot.
                    Err(error) => return Err(error.to_string()),
                }
                if self.at_end.len() == self.partitions {
                    return Ok(());
                }
            }
            // Nothing new since an earlier call, or nothing at all yet.
            if self.at_end.len() == self.partitions { Ok(()) } else { Err(format!("at end: {:?}", self.at_end)) }
        });
    }

    fn into_sorted(mut self) -> Vec<Received> {
        self.received.sort_by_key(|record| (record.partition, record.offset));
        self.received
    }
}

fn received(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        let owned =
            |header: rdkafka::message::Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        headers.iter().map(owned).collect()
    });
    Received {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
