//! Writes events to source topics: the other side of the service, for `demo` and tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::service::Failure;

/// A producer of events.
pub struct Feed {
    producer: BaseProducer<Counting>,
}

#[derive(Debug, Default)]
struct Counting {
    failed: Arc<AtomicU64>,
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("under_way", &self.producer.in_flight_count()).finish()
    }
}

impl Feed {
    /// A producer to these brokers.
    pub fn new(bootstrap_servers: &str) -> Result<Self, Failure> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap_servers)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("compression.type", "lz4");
        let producer = config
            .create_with_context(Counting::default())
            .map_err(|error| Failure::other(format!("no producer can be made: {error}")))?;
        Ok(Self { producer })
    }

    /// Hands over a record with `timestamp_ms` as its own time; waits where the client's queue is full. All records
    /// of a key are written in order.
    pub fn send(&self, topic: &str, key: &[u8], payload: &[u8], timestamp_ms: i64) -> Result<(), Failure> {
        let mut record = BaseRecord::to(topic).key(key).payload(payload).timestamp(timestamp_ms);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => return Err(Failure::other(format!("cannot write to {topic:?}: {error}"))),
            }
        }
    }

    /// Serves acknowledgements; call it now and then.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything is written; how many records were not.
    pub fn finish(self, patience: Duration) -> Result<(), Failure> {
        let flushed = self.producer.flush(patience);
        let failed = self.producer.context().failed.load(Ordering::Relaxed);
        match flushed {
            Ok(()) if failed == 0 => Ok(()),
            Ok(()) => Err(Failure::other(format!("{failed} records were not written"))),
            Err(error) => Err(Failure::other(format!("records are still not written after {patience:.0?}: {error}"))),
        }
    }
}
