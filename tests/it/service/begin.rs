//! Where a group begins, and that it goes on where it was.

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::deployment::{Deployment, PATIENCE, ten_reissues};
use crate::support::kafka::{self, Record};
use crate::support::wait;

/// A login a day of January 2026, its record's timestamp the same.
fn login(day: i64) -> Record {
    let text = format!(r#"{{"@timestamp":"2026-01-{day:02}T00:00:00Z","event.action":"login"}}"#);
    Record::new(text).partition(0).timestamp_ms(1_767_225_600_000 + (day - 1) * 86_400_000)
}

/// Starts with three logins in the topic and sends two more; how many records the service consumes. None without a broker.
fn consumed(start: &str) -> Option<usize> {
    let broker = kafka::shared()?;
    let deployment = Deployment::new(broker, 1, 2).kafka("start", &format!("{start:?}"));
    deployment.produce([1, 2, 3].map(login));
    let instance = deployment.start_ready();
    deployment.produce([4, 5].map(login));
    deployment.wait_until_all_is_committed();
    let records = instance.metrics().sum("tokenwatch_records_total", &[]);
    instance.stop();
    assert_eq!(deployment.broker.committed(&deployment.group, &deployment.topics[0]), BTreeMap::from([(0, 5), (1, 0)]));
    Some(records.to_string().parse().expect("a whole number"))
}

#[track_caller]
fn assert_consumed(start: &str, expected: usize) {
    if let Some(records) = consumed(start) {
        assert_eq!(records, expected, "start = {start}");
    }
}

#[test]
fn a_new_group_begins_with_the_oldest_record() {
    assert_consumed("earliest", 5);
}

#[test]
fn a_new_group_begins_with_what_comes_next() {
    assert_consumed("latest", 2);
}

#[test]
fn a_new_group_begins_at_a_time() {
    // The record of that moment included.
    assert_consumed("2026-01-03T00:00:00Z", 3);
    // The record of a second before left out.
    assert_consumed("2026-01-03T00:00:01Z", 2);
    // No record is that young.
    assert_consumed("2027-01-01T00:00:00Z", 2);
}

#[test]
fn a_group_goes_on_where_it_was() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1);
    deployment.produce(ten_reissues("ann", 0));
    let instance = deployment.start();
    deployment.wait_for_alerts(1);
    instance.stop();
    deployment.wait_until_all_is_committed();
    deployment.produce(ten_reissues("bob", 20));
    let instance = deployment.start();
    instance.wait_until_consumed(10);
    deployment.wait_for_alerts(2);
    instance.stop();
    assert_eq!(deployment.alerts().len(), 2, "nothing is repeated");
}

#[test]
fn an_offset_behind_the_end_of_a_topic_does_not_make_what_comes_pass_for_read() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1);
    let record = |number: usize| Record::new("no event").key(number.to_string());
    let first = deployment.start_ready();
    deployment.produce((0..10).map(record));
    deployment.wait_until_all_is_committed();
    first.stop();
    // As if the topic had been made anew, or a broker without its last records had become its leader.
    let consumer: BaseConsumer =
        broker.client_config().set("group.id", &deployment.group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&deployment.topics[0], 0, Offset::Offset(1_000)).expect("an offset");
    wait::until("the group to be empty", PATIENCE, || {
        consumer.commit(&list, CommitMode::Sync).map_err(|error| error.to_string())
    });
    let second = deployment.start_ready();
    deployment.produce((10..15).map(record));
    deployment.wait_until_all_is_committed();
    let finished = second.stop();
    assert!(finished.stderr().contains("the topic was made anew, or has lost records"), "{}", finished.stderr());
    assert_eq!(deployment.dead_letters().len(), 10 + 15, "it is read from its beginning");
}

#[test]
fn the_group_protocol_of_kafka_4_works_too() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 3).kafka("group_protocol", "\"consumer\"");
    deployment.produce(ten_reissues("ann", 0));
    let instance = deployment.start();
    deployment.wait_for_alerts(1);
    deployment.wait_until_all_is_committed();
    instance.stop();
}
