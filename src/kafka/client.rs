//! The settings of our clients, and what is wrong if one cannot be made.
//!
//! Three layers: defaults that suit an audit stream, then `kafka.properties`, then what the service's promises hang
//! on, which the configuration refuses to take from anybody else.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::config::{GroupProtocol, KafkaSettings};
use crate::service::Failure;

/// The largest record that our producer hands to a broker. Topics decide themselves what they take; this only keeps
/// a request below the brokers' `socket.request.max.bytes`, 100 MiB.
const RECORD_BYTES_MAX: u32 = 64 << 20;

/// For every client: names, properties, brokers.
fn common(settings: &KafkaSettings, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("client.id", "tokenwatch")
        // A broker that comes back is to be found again within seconds, not within ten.
        .set("reconnect.backoff.max.ms", "2000")
        .set("log.connection.close", "false");
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in settings.properties.iter() {
        config.set(name, value);
    }
    config.set("bootstrap.servers", settings.bootstrap_servers.join(","));
    config
}

/// The name of a worker's transactions. Without `kafka.instance_id` no process ever has the name of another, so what a
/// killed one left open ends by its timeout.
pub(super) fn transactional_id(settings: &KafkaSettings, worker: usize) -> String {
    let instance = settings.instance_id.clone().unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
    format!("{}/{instance}/{worker}", settings.group_id)
}

/// A member of the consumer group: the one of this worker.
pub(super) fn consumer(settings: &KafkaSettings, worker: usize) -> ClientConfig {
    let defaults = [
        // The default of a second starves a consumer that is faster than the fetch queue is long.
        ("fetch.queue.backoff.ms", "5"),
        ("queued.min.messages", "500000"),
        // One queue holds what is fetched of all partitions, in order: a flood in one delays the others by what fits.
        // An answer of a broker may come on top.
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.max.bytes", "16777216"),
    ];
    let mut config = common(settings, &defaults);
    if settings.group_protocol == GroupProtocol::Classic {
        // Partitions that stay are read on while others move.
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    if let Some(instance) = &settings.instance_id {
        config.set("group.instance.id", format!("{instance}-{worker}"));
    }
    config
        .set("group.id", &settings.group_id)
        .set("group.protocol", settings.group_protocol.name())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        // Else what nobody reads, as the last record of a transaction, would look like something left to read for ever.
        .set("enable.partition.eof", "true")
        // Only for offsets that a topic no longer has: the oldest record left is the next one. Where a group without
        // offsets begins is looked up, not left to this.
        .set("auto.offset.reset", "earliest");
    config
}

/// A client that reads partitions of its choice, in no group, and is told where they end.
pub(super) fn reader(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings, &[("fetch.queue.backoff.ms", "5"), ("fetch.wait.max.ms", "50")]);
    config
        // The client wants a group where it consumes; with partitions of our choice it joins none.
        .set("group.id", &settings.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest");
    config
}

/// The writer of everything that leaves, in transactions of this name.
pub(super) fn producer(settings: &KafkaSettings, transactional_id: &str) -> ClientConfig {
    let record_bytes_max = RECORD_BYTES_MAX.to_string();
    let mut config = common(
        settings,
        &[
            ("linger.ms", "5"),
            // The state of several partitions may go out at once.
            ("queue.buffering.max.messages", "1000000"),
            ("retry.backoff.ms", "20"),
            ("compression.type", "lz4"),
            // As Java clients place keys, so that other tools find a group's alerts where they look for them.
            ("partitioner", "murmur2_random"),
            ("message.max.bytes", &record_bytes_max),
            // A transaction that nobody ends keeps every reader of committed records waiting this long.
            ("transaction.timeout.ms", "10000"),
            // Shorter, so that what cannot be written is aborted by us and tried again, however long that takes.
            ("message.timeout.ms", "7000"),
            ("allow.auto.create.topics", "false"),
        ],
    );
    config.set("enable.idempotence", "true").set("acks", "all").set("transactional.id", transactional_id);
    config
}

/// A client that only asks questions.
pub(super) fn observer(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings, &[]);
    config.set("enable.auto.commit", "false");
    config
}

/// The setting to look at when a login is refused.
pub(super) fn login_setting(settings: &KafkaSettings) -> &'static str {
    let mechanism = settings.properties.get("sasl.mechanism").or_else(|| settings.properties.get("sasl.mechanisms"));
    match mechanism {
        Some("OAUTHBEARER") => "kafka.properties.sasl.oauthbearer.config",
        Some("GSSAPI") => "kafka.properties.sasl.kerberos.principal",
        Some(_) => "kafka.properties.sasl.password",
        None => "kafka.properties.sasl.mechanism",
    }
}

/// Why a client could not be made: always a property.
pub(super) fn not_created(error: &KafkaError) -> Failure {
    match error {
        // The description quotes the value, which may be a secret; the value of a choice never is.
        KafkaError::ClientConfig(_, description, name, _) if is_secret(name) => {
            let problem = if description.starts_with("No such") { "is unknown" } else { "is refused by the client" };
            Failure::configuration(format!("kafka.properties.{name}"), problem)
        }
        KafkaError::ClientConfig(_, description, name, _) => {
            Failure::configuration(format!("kafka.properties.{name}"), description.clone())
        }
        KafkaError::ClientCreation(reason) => Failure::configuration("kafka.properties", reason.clone()),
        other => Failure::other(format!("no Kafka client can be made: {other}")),
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "key", "pem", "token", "config"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_promises_is_set_after_the_properties() {
        let settings =
            KafkaSettings { bootstrap_servers: vec!["a:1".to_owned(), "b:2".to_owned()], ..KafkaSettings::default() };
        let config = consumer(&settings, 0);
        assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        let modern = KafkaSettings { group_protocol: GroupProtocol::Consumer, ..settings };
        assert_eq!(consumer(&modern, 0).get("partition.assignment.strategy"), None, "the brokers decide");
        assert!(consumer(&modern, 0).create_native_config().is_ok());
        assert!(producer(&modern, "watch/a/0").create_native_config().is_ok());
    }

    #[test]
    fn an_unknown_property_is_named() {
        let mut config = ClientConfig::new();
        config.set("fetch.wait.maximum", "1");
        let error = config.create_native_config().err().expect("unknown to the client");
        let failure = not_created(&error);
        assert_eq!(failure.setting.as_deref(), Some("kafka.properties.fetch.wait.maximum"));
        assert_eq!(failure.remedy, crate::service::Remedy::Configuration);
    }
}
