//! What `kafka.keyed_by` promises is held against the records.

use tokenwatch::ingest::placing::explained;

use super::deployment::{Deployment, count, ten_reissues};
use crate::support::kafka::{self, Record};

/// A login of ann whose record may have any key.
fn login() -> Record {
    let text = r#"{"@timestamp":"2026-01-01T00:00:20Z","event.action":"login","jwt.sub":"ann"}"#;
    Record::new(text).timestamp_ms(1_767_225_620_000)
}

/// What is counted of these records, and whether the log speaks of them. None without a broker.
fn miskeyed(keyed_by: &str, records: Vec<Record>) -> Option<(f64, bool)> {
    let deployment = Deployment::new(kafka::shared()?, 1, 2).kafka("keyed_by", &format!("{keyed_by:?}"));
    let sent = records.len();
    deployment.produce(records);
    let instance = deployment.start_ready();
    instance.wait_until_consumed(sent);
    deployment.wait_until_all_is_committed();
    let counted = instance.metrics().sum("tokenwatch_miskeyed_records_total", &[]);
    let finished = instance.stop();
    Some((counted, finished.stderr().contains("records have other keys than the text of")))
}

#[test]
fn records_with_other_keys_than_promised_are_counted_and_spoken_of() {
    let records = ten_reissues("ann", 0).into_iter().chain([login(), login().key("bob")]);
    if let Some(found) = miskeyed("jwt.sub", records.collect()) {
        assert_eq!(found, (count(2), true));
    }
}

/// Every key is as promised, and lies where its producer's library places it.
#[test]
fn producers_that_place_keys_differently_are_counted_and_spoken_of() {
    const RECORDS: usize = 8_000;
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 4);
    let record = |number: usize| {
        let subject = format!("user-{number}");
        let partitioner = usize::from(number.is_multiple_of(4));
        let partition = (0..4).find(|at| explained(subject.as_bytes(), *at, 4)[partitioner]).expect("somewhere");
        let text = format!(r#"{{"@timestamp":"2026-01-01T00:00:20Z","event.action":"login","jwt.sub":"{subject}"}}"#);
        Record::new(text).key(subject).partition(partition).timestamp_ms(1_767_225_620_000)
    };
    deployment.produce((0..RECORDS).map(record));
    let instance = deployment.start_ready();
    deployment.wait_until_all_is_committed();
    let counted = instance.metrics().sum("tokenwatch_miskeyed_records_total", &[]);
    let finished = instance.stop();
    assert!(finished.stderr().contains("producers place one key in different partitions"), "{}", finished.stderr());
    assert!(counted > 0.0, "{counted}");
}

#[test]
fn records_that_keep_the_promise_are_not() {
    let records = || ten_reissues("ann", 0).into_iter().chain([login().key("ann")]).collect();
    if let Some(found) = miskeyed("jwt.sub", records()) {
        assert_eq!(found, (count(0), false));
    }
    if let Some(found) = miskeyed("", records()) {
        assert_eq!(found, (count(0), false), "nothing is promised");
    }
}
