//! Writes records and waits until the broker has acknowledged every one of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message};

use super::Broker;

/// Longer than librdkafka itself tries; see `message.timeout.ms` below.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(90);

/// A record to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    partition: Option<i32>,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp_ms: Option<i64>,
}

impl Record {
    /// A record with this payload, and nothing else set.
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: Some(payload.into()), ..Self::default() }
    }

    /// A record without a payload, which deletes its key from a compacted topic.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Sets the key, which also chooses the partition as the Java client does.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header; one name may stand several times.
    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }

    /// Sets the record's own time, in milliseconds since the epoch; a topic with `LogAppendTime` replaces it.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Sets the partition, whatever the key.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }
}

/// Where a record came to stand in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The offset within it.
    pub offset: i64,
}

impl Broker {
    /// Writes all records, in order within a partition; gives their positions in the order given.
    #[track_caller]
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<Position> {
        let results = send(&self.client_config(), topic, records);
        results.into_iter().map(|result| result.unwrap_or_else(|e| panic!("record for {topic}: {e}"))).collect()
    }
}

/// Writes all records with a client of this configuration, and tells for each what became of it.
pub fn send(
    config: &ClientConfig,
    topic: &str,
    records: impl IntoIterator<Item = Record>,
) -> Vec<Result<Position, KafkaError>> {
    let producer: BaseProducer<Deliveries> = fast(config)
        .create_with_context(Deliveries::default())
        .unwrap_or_else(|error| panic!("producer configuration: {error}"));
    let deliveries = producer.context().clone();
    for record in records {
        let index = deliveries.push(Err(KafkaError::MessageProduction(RDKafkaErrorCode::InProgress)));
        if let Err(error) = enqueue(&producer, topic, &record, index) {
            deliveries.set(index, Err(error));
        }
    }
    // What is not acknowledged by then is still marked as in progress.
    let _ = producer.flush(FLUSH_TIMEOUT);
    deliveries.take()
}

/// The given configuration and, where it says nothing, large batches and a queue that holds a whole test's records.
fn fast(config: &ClientConfig) -> ClientConfig {
    let defaults = [
        ("enable.idempotence", "true"),
        ("linger.ms", "5"),
        ("batch.size", "1000000"),
        // The broker or the topic decides what is too large, not this client.
        ("message.max.bytes", "100000000"),
        ("queue.buffering.max.messages", "500000"),
        ("message.timeout.ms", "60000"),
        ("partitioner", "murmur2_random"),
    ];
    let mut fast = config.clone();
    for (name, value) in defaults.into_iter().filter(|(name, _)| config.get(name).is_none()) {
        fast.set(name, value);
    }
    fast
}

fn enqueue(producer: &BaseProducer<Deliveries>, topic: &str, record: &Record, index: usize) -> Result<(), KafkaError> {
    let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, index);
    message.partition = record.partition;
    message.key = record.key.as_deref();
    message.payload = record.payload.as_deref();
    message.timestamp = record.timestamp_ms;
    if !record.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        message.headers = Some(
            record
                .headers
                .iter()
                .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() })),
        );
    }
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected)) => {
                producer.poll(Duration::from_millis(100));
                message = rejected;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// What became of each record, by its place in the order of sending.
#[derive(Debug, Clone, Default)]
struct Deliveries(std::sync::Arc<Mutex<Vec<Result<Position, KafkaError>>>>);

impl Deliveries {
    fn push(&self, result: Result<Position, KafkaError>) -> usize {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        results.push(result);
        results.len() - 1
    }

    fn set(&self, index: usize, result: Result<Position, KafkaError>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index] = result;
    }

    fn take(&self) -> Vec<Result<Position, KafkaError>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let result = match result {
            Ok(message) => Ok(Position { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        self.set(index, result);
    }
}
