//! The real broker keeps what it is given, refuses what it should, and survives a crash.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};

use crate::support::kafka::{self, Isolation, Operation, Options, Position, Received, Record, send};
use crate::support::wait;

const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

fn payloads(records: &[Received]) -> Vec<String> {
    records.iter().map(|r| String::from_utf8_lossy(r.payload.as_deref().unwrap_or_default()).into_owned()).collect()
}

#[test]
fn records_come_back_as_they_were_written() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("round-trip");
    broker.create_topic(&topic, 2, &[]);
    assert_eq!(broker.read(&topic, Isolation::Committed), []);
    let full = Record::new("{\"a\":1}").key("ann").timestamp_ms(1_700_000_000_123).partition(1);
    let full = full.header("twice", Some(b"1")).header("twice", Some(b"2")).header("none", None);
    let positions =
        broker.produce(&topic, [full, Record::tombstone("bob").partition(1), Record::new("x").partition(0)]);
    let at = |partition, offset| Position { partition, offset };
    assert_eq!(positions, [at(1, 0), at(1, 1), at(0, 0)]);

    let records = broker.read(&topic, Isolation::Committed);
    let [plain, full, tombstone] = &records[..] else { panic!("three records, by partition: {records:?}") };
    assert_eq!((plain.partition, plain.offset, &plain.key), (0, 0, &None));
    assert_eq!((full.partition, full.offset, full.key_text()), (1, 0, "ann"));
    assert_eq!(full.json(), serde_json::json!({"a": 1}));
    assert_eq!(full.timestamp, Timestamp::CreateTime(1_700_000_000_123));
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let headers = [("twice".into(), value("1")), ("twice".into(), value("2")), ("none".into(), None)];
    assert_eq!(full.headers, headers);
    assert_eq!((full.header("twice"), full.header("none"), full.header("other")), (Some("2"), None, None));
    assert_eq!((tombstone.key_text(), &tombstone.payload), ("bob", &None));
    assert_eq!(broker.end_offsets(&topic), BTreeMap::from([(0, 1), (1, 2)]));
}

#[test]
fn a_hundred_thousand_records_keep_their_order() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("many");
    broker.create_topic(&topic, 6, &[("message.timestamp.type", "LogAppendTime")]);
    let key = |i: usize| format!("subject-{}", i % 1000);
    broker.produce(&topic, (0..100_000).map(|i| Record::new(format!("{i:0>500}")).key(key(i))));
    let records = broker.read(&topic, Isolation::Uncommitted);
    assert_eq!(records.len(), 100_000);
    assert!(records.iter().all(|record| matches!(record.timestamp, Timestamp::LogAppendTime(_))));
    // By partition and offset: within a key the numbers rise, and each is congruent to its key.
    let mut last = BTreeMap::new();
    for record in &records {
        let number: usize = str::from_utf8(record.payload.as_deref().unwrap_or_default())
            .map_or(usize::MAX, |text| text.parse().unwrap_or(usize::MAX));
        assert_eq!(record.key_text(), key(number));
        let before = last.insert(record.key_text().to_owned(), (record.partition, number));
        assert!(before.is_none_or(|before| before < (record.partition, number) && before.0 == record.partition));
    }
    assert_eq!(last.len(), 1000);
}

#[test]
fn a_reader_waits_for_records_still_to_come() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("slow");
    broker.create_topic(&topic, 1, &[]);
    let mut calls = 0;
    let records = broker.read_until(&topic, Isolation::Committed, wait::PATIENCE, |records| {
        calls += 1;
        assert_eq!(records.len(), calls - 1, "every record before a call is seen by it");
        broker.produce(&topic, [Record::new(calls.to_string())]);
        records.len() == 3
    });
    assert_eq!(payloads(&records), ["1", "2", "3"]);
}

#[test]
fn only_committed_transactions_are_seen_as_committed() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("transactions");
    broker.create_topic(&topic, 1, &[]);
    let mut config = broker.client_config();
    config.set("transactional.id", kafka::unique("writer"));
    let producer: BaseProducer = config.create().expect("the configuration is right");
    producer.init_transactions(TRANSACTION_TIMEOUT).expect("the broker is a transaction coordinator");
    let begin_with = |payload: &str| {
        producer.begin_transaction().expect("none is open");
        producer.send(BaseRecord::<(), str>::to(&topic).payload(payload)).expect("the queue is empty");
        producer.flush(TRANSACTION_TIMEOUT).expect("the broker takes it");
    };
    begin_with("aborted");
    producer.abort_transaction(TRANSACTION_TIMEOUT).expect("it is open");
    begin_with("committed");
    producer.commit_transaction(TRANSACTION_TIMEOUT).expect("it is open");
    begin_with("open");

    assert_eq!(payloads(&broker.read(&topic, Isolation::Committed)), ["committed"]);
    assert_eq!(payloads(&broker.read(&topic, Isolation::Uncommitted)), ["aborted", "committed", "open"]);
    // Two markers stand between the three records.
    assert_eq!(broker.end_offsets(&topic), BTreeMap::from([(0, 5)]));
    producer.abort_transaction(TRANSACTION_TIMEOUT).expect("it is open");
}

#[test]
fn committed_offsets_of_a_group_are_found() {
    let Some(broker) = kafka::shared() else { return };
    let (topic, group) = (kafka::unique("offsets"), kafka::unique("group"));
    broker.create_topic(&topic, 3, &[]);
    assert_eq!(broker.committed(&group, &topic), BTreeMap::new());
    let mut config = broker.client_config();
    let consumer: BaseConsumer = config.set("group.id", &group).create().expect("the configuration is right");
    let mut offsets = TopicPartitionList::new();
    for (partition, offset) in [(0, 7), (2, 0)] {
        offsets.add_partition_offset(&topic, partition, Offset::Offset(offset)).expect("a valid offset");
    }
    consumer.commit(&offsets, CommitMode::Sync).expect("the group has no members that object");
    assert_eq!(broker.committed(&group, &topic), BTreeMap::from([(0, 7), (2, 0)]));
}

#[test]
fn a_deleted_topic_is_gone() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("deleted");
    broker.create_topic(&topic, 3, &[]);
    assert_eq!(broker.partition_count(&topic), 3);
    broker.delete_topic(&topic);
    assert_eq!(broker.partition_count(&topic), 0);
}

#[test]
fn a_topic_takes_records_up_to_its_limit() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("small");
    broker.create_topic(&topic, 1, &[("max.message.bytes", "2000")]);
    let results = send(&broker.client_config(), &topic, [Record::new(vec![b'x'; 1900])]);
    assert_eq!(results, [Ok(Position { partition: 0, offset: 0 })]);
    let results = send(&broker.client_config(), &topic, [Record::new(vec![b'x'; 2000])]);
    assert_eq!(results, [Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))]);
}

/// A private broker with two users, and what it does with their logins and rights, in one test: a start is dear.
#[test]
fn a_private_broker_refuses_a_wrong_password_and_a_forbidden_write() {
    let options = Options::default().user("ann", "right").user("bob", "secret").authorizer();
    let Some(broker) = kafka::private(&options.property("log.retention.hours", "1")) else { return };
    broker.create_topic("alerts", 1, &[]);

    let mut written = 0;
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let refused = login_error(&broker.login_config(mechanism, "ann", "wrong"));
        assert!(refused.contains("uthentication failed"), "{mechanism}: {refused}");
        let taken = send(&broker.login_config(mechanism, "ann", "right"), "alerts", [Record::new("a")]);
        assert_eq!(taken, [Ok(Position { partition: 0, offset: written })], "{mechanism}");
        written += 1;
    }

    broker.allow_only("ann", Operation::Read, "alerts");
    let forbidden = send(&broker.login_config("PLAIN", "ann", "right"), "alerts", [Record::new("b")]);
    assert_eq!(forbidden, [Err(KafkaError::MessageProduction(RDKafkaErrorCode::TopicAuthorizationFailed))]);
    broker.allow_only("bob", Operation::Write, "alerts");
    let allowed = send(&broker.login_config("PLAIN", "bob", "secret"), "alerts", [Record::new("b")]);
    assert_eq!(allowed, [Ok(Position { partition: 0, offset: written })]);
    // The harness itself is the super user.
    assert_eq!(payloads(&broker.read("alerts", Isolation::Committed)), ["a", "a", "a", "b"]);
}

/// What a client is told that asks for metadata with this login.
fn login_error(config: &ClientConfig) -> String {
    use rdkafka::ClientContext;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Errors(Arc<Mutex<Vec<(KafkaError, String)>>>);
    impl ClientContext for Errors {
        fn error(&self, error: KafkaError, reason: &str) {
            self.0.lock().expect("no panic").push((error, reason.to_owned()));
        }
    }
    impl rdkafka::consumer::ConsumerContext for Errors {}

    let errors = Errors::default();
    let consumer: BaseConsumer<Errors> =
        config.create_with_context(errors.clone()).expect("the configuration is right");
    wait::until("a refused login", wait::PATIENCE, || {
        let _ = consumer.poll(Duration::from_millis(10));
        let errors = errors.0.lock().expect("no panic");
        let authentication = KafkaError::Global(RDKafkaErrorCode::Authentication);
        let found = errors.iter().find(|(error, _)| *error == authentication).map(|(_, reason)| reason.clone());
        found.ok_or_else(|| format!("{errors:?}"))
    })
}

#[test]
fn a_stopped_broker_keeps_its_data_for_a_restart() {
    let Some(broker) = kafka::private(&Options::default()) else { return };
    broker.create_topic("kept", 1, &[]);
    broker.produce("kept", [Record::new("before")]);
    let address = broker.bootstrap_servers().to_owned();
    broker.stop();
    let mut impatient = broker.client_config();
    impatient.set("message.timeout.ms", "500");
    let results = send(&impatient, "kept", [Record::new("meanwhile")]);
    assert_eq!(results, [Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut))]);
    broker.restart();
    assert_eq!(broker.bootstrap_servers(), address);
    broker.produce("kept", [Record::new("after")]);
    assert_eq!(payloads(&broker.read("kept", Isolation::Committed)), ["before", "after"]);
}

#[test]
fn a_lonely_broker_refuses_writes_that_ask_for_two_replicas() {
    let Some(broker) = kafka::private(&Options::default().follower()) else { return };
    broker.create_topic("guarded", 1, &[("min.insync.replicas", "2")]);
    broker.produce("guarded", [Record::new("on both")]);
    broker.stop_follower();
    let mut impatient = broker.client_config();
    impatient.set("message.timeout.ms", "5000").set("retries", "0").set("enable.idempotence", "false");
    let results = send(&impatient, "guarded", [Record::new("on one")]);
    assert_eq!(results, [Err(KafkaError::MessageProduction(RDKafkaErrorCode::NotEnoughReplicas))]);
    assert_eq!(payloads(&broker.read("guarded", Isolation::Committed)), ["on both"]);
}
