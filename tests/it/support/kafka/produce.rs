//! Writes records and waits until the broker has acknowledged every one of them.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message};

use super::Broker;
use crate::support::wait;

const POLL: Duration = Duration::from_millis(20);

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

/// What became of a record.
pub(super) type Delivery = Result<Position, KafkaError>;

impl Broker {
    /// Writes all records, in order within a partition; gives their positions in the order given.
    #[track_caller]
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<Position> {
        let results = send_with(self.producer(), topic, records);
        results.into_iter().map(|result| result.unwrap_or_else(|e| panic!("record for {topic}: {e}"))).collect()
    }

    /// Takes over a transactional id, as another process of that name does: whoever has it is fenced.
    #[track_caller]
    pub fn fence(&self, transactional_id: &str) {
        let mut config = self.client_config();
        config.set("transactional.id", transactional_id);
        let producer: BaseProducer = config.create().expect("the harness's own client configuration is right");
        // A transaction that the broker is just ending has to be over first.
        wait::until(&format!("the transactional id {transactional_id}"), wait::PATIENCE, || {
            producer.init_transactions(wait::PATIENCE).map_err(|error| error.to_string())
        });
    }
}

/// Writes all records with a client of this configuration, and tells for each what became of it.
#[track_caller]
pub fn send(config: &ClientConfig, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<Delivery> {
    send_with(&producer(config), topic, records)
}

/// A producer of this configuration. Making one takes half a second: it needs an id from the broker.
#[track_caller]
pub(super) fn producer(config: &ClientConfig) -> BaseProducer<Receipts> {
    fast(config).create_with_context(Receipts).unwrap_or_else(|error| panic!("producer configuration: {error}"))
}

/// Threads may share a producer: each waits for its own records.
fn send_with(
    producer: &BaseProducer<Receipts>,
    topic: &str,
    records: impl IntoIterator<Item = Record>,
) -> Vec<Delivery> {
    let deliveries = Deliveries::default();
    for (index, record) in records.into_iter().enumerate() {
        deliveries.lock().push(None);
        let receipt = Box::new(Receipt { deliveries: deliveries.clone(), index });
        if let Err(error) = enqueue(producer, topic, &record, receipt) {
            deliveries.lock()[index] = Some(Err(error));
        }
    }
    // librdkafka reports each record in the end, be it that its `message.timeout.ms` is over.
    while deliveries.lock().iter().any(Option::is_none) {
        producer.poll(POLL);
    }
    let results = mem::take(&mut *deliveries.lock());
    results.into_iter().flatten().collect()
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

fn enqueue(
    producer: &BaseProducer<Receipts>,
    topic: &str,
    record: &Record,
    receipt: Box<Receipt>,
) -> Result<(), KafkaError> {
    let mut message = BaseRecord::<[u8], [u8], Box<Receipt>>::with_opaque_to(topic, receipt);
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
                producer.poll(POLL);
                message = rejected;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// What became of each record of one call, by its place in the order of sending; `None` while it is under way.
#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Vec<Option<Delivery>>>>);

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Delivery>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes with a record through librdkafka and back.
pub(super) struct Receipt {
    deliveries: Deliveries,
    index: usize,
}

/// Hands each record's fate to the call that sent it.
pub(super) struct Receipts;

impl ClientContext for Receipts {}

impl ProducerContext for Receipts {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        let result = match result {
            Ok(message) => Ok(Position { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        receipt.deliveries.lock()[receipt.index] = Some(result);
    }
}
