//! A Kafka broker inside this process, for `demo` and for fast tests: librdkafka's mock cluster.
//!
//! It speaks the protocol to any client on this machine, but keeps only some megabytes a partition, and can prove no
//! delivery guarantee.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};

use crate::service::Failure;

/// A running broker; dropping it stops it.
pub struct EmbeddedBroker {
    /// The cluster belongs to a client that is otherwise unused.
    owner: BaseProducer<DefaultProducerContext>,
    address: String,
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Starts a broker with these topics, by name and number of partitions.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Failure> {
        let failed = |error: KafkaError| Failure::other(format!("the embedded broker does not start: {error}"));
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1").set_log_level(rdkafka::config::RDKafkaLogLevel::Critical);
        let owner: BaseProducer<DefaultProducerContext> = config.create().map_err(failed)?;
        let broker = {
            let cluster = owner
                .client()
                .mock_cluster()
                .ok_or_else(|| Failure::other("the embedded broker does not start: the client has none"))?;
            for (name, partitions) in topics {
                cluster.create_topic(name, *partitions, 1).map_err(failed)?;
            }
            cluster.bootstrap_servers()
        };
        let broker = Self { owner, address: broker };
        broker.hurry_groups(Duration::from_millis(100));
        Ok(broker)
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How long a new group waits for more members. The default of 3 s suits a deployment, not a demonstration.
    fn hurry_groups(&self, delay: Duration) {
        let delay_ms = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client lives as long as `self` and owns the cluster, which `start` has seen to exist.
        unsafe {
            let cluster = bindings::rd_kafka_handle_mock_cluster(native(&self.owner));
            bindings::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, delay_ms);
        }
    }
}

fn native<C>(producer: &BaseProducer<C>) -> *mut bindings::rd_kafka_t
where
    C: rdkafka::producer::ProducerContext + ClientContext,
{
    producer.client().native_ptr()
}
