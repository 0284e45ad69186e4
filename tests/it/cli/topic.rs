//! `tokenwatch replay --from kafka`: what a real topic holds, in place of files.

use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};

use super::fixture::{Folder, RULES, failed_login, json_lines};
use crate::support::kafka::{self, Broker, Isolation, Record};
use crate::support::process::Finished;

/// 2026-01-01T00:00:00Z, with which the failed logins begin.
const MIDNIGHT_MS: i64 = 1_767_225_600_000;

/// A failed login whose record has the event's time.
fn login(subject: &str, second: u32) -> Record {
    Record::new(failed_login(subject, second)).timestamp_ms(MIDNIGHT_MS + i64::from(second) * 1_000)
}

fn configured(folder: &Folder, broker: &Broker) {
    folder.write("kafka.toml", format!("[kafka]\nbootstrap_servers = [{:?}]\n", broker.bootstrap_servers()));
}

/// A replay of a topic under `rules.yml`, with more arguments.
#[track_caller]
fn replay(folder: &Folder, topic: &str, more: &[&str]) -> Finished {
    let from = ["replay", "--config", "kafka.toml", "--rules", "rules.yml", "--from", "kafka", "--topic", topic];
    folder.run(&[&from, more].concat())
}

/// Who alerted, and in which partition and at which offset the evidence lies.
fn alerts(finished: &Finished) -> Vec<(Value, Vec<(i64, i64)>)> {
    let number = |value: &Value| value.as_i64().expect("a number");
    let places = |alert: &Value| {
        let evidence = alert["evidence"].as_array().expect("a list");
        evidence.iter().map(|place| (number(&place["partition"]), number(&place["offset"]))).collect()
    };
    json_lines(finished.stdout()).iter().map(|alert| (alert["group"]["jwt.sub"].clone(), places(alert))).collect()
}

#[test]
fn each_partition_has_windows_of_its_own_and_comes_after_the_one_before() {
    let Some(broker) = kafka::shared() else { return };
    let (folder, topic) = (Folder::new(), kafka::unique("history"));
    broker.create_topic(&topic, 3, &[]);
    let logins = |subject, partition, seconds: [u32; 3]| seconds.map(|at| login(subject, at).partition(partition));
    broker.produce(&topic, logins("bob", 2, [0, 10, 20]));
    broker.produce(&topic, logins("ann", 0, [30, 40, 50]));
    // Two here and one there are three in no window.
    broker
        .produce(&topic, [login("eve", 60).partition(0), login("eve", 61).partition(0), login("eve", 62).partition(2)]);
    broker.produce(&topic, [Record::new("not JSON").partition(2)]);
    configured(&folder, broker);
    let finished = replay(&folder, &topic, &[]).expect_code(0);
    let expected = [(json!("ann"), vec![(0, 0), (0, 1), (0, 2)]), (json!("bob"), vec![(2, 0), (2, 1), (2, 2)])];
    assert_eq!(alerts(&finished), expected);
    assert_eq!(json_lines(finished.stdout())[0]["evidence"][0]["topic"], json!(topic));
    for said in ["10 records", &format!("{topic}/2, offset 4: "), "replay counts each partition for itself"] {
        assert!(finished.stderr().contains(said), "{said} in {}", finished.stderr());
    }
    assert_eq!(replay(&folder, &topic, &[]).expect_code(0).stdout(), finished.stdout(), "the same lines again");
}

#[test]
fn a_period_is_of_the_records_own_times() {
    let Some(broker) = kafka::shared() else { return };
    let (folder, topic) = (Folder::new(), kafka::unique("period"));
    broker.create_topic(&topic, 1, &[]);
    // The fourth was written by a slower clock: it belongs to the period that the third does not.
    broker.produce(&topic, [0, 60, 180, 120, 200].map(|second| login("ann", second)));
    configured(&folder, broker);
    let records = |more: &[&str]| {
        let finished = replay(&folder, &topic, &[more, &["--format", "json"]].concat()).expect_code(0);
        let summary: Value = serde_json::from_str(finished.stderr().lines().last().unwrap_or_default()).expect("JSON");
        (summary["records"].as_u64().expect("a number"), alerts(&finished).len())
    };
    assert_eq!(records(&[]), (5, 1));
    assert_eq!(records(&["--since", "2026-01-01T00:01:00Z"]), (4, 1), "the first moment counts");
    assert_eq!(records(&["--until", "2026-01-01T00:03:00Z"]), (3, 1), "the last does not");
    assert_eq!(records(&["--since", "2026-01-01T00:01:00Z", "--until", "2026-01-01T03:03:00+03:00"]), (2, 0));
    assert_eq!(records(&["--since", "1h"]), (0, 0), "nothing was written within the hour");
}

#[test]
fn the_brokers_clock_ends_a_period_too() {
    let Some(broker) = kafka::shared() else { return };
    let (folder, topic) = (Folder::new(), kafka::unique("append-time"));
    broker.create_topic(&topic, 1, &[("message.timestamp.type", "LogAppendTime")]);
    broker.produce(&topic, [0, 60, 120].map(|second| login("ann", second)));
    configured(&folder, broker);
    assert_eq!(alerts(&replay(&folder, &topic, &["--since", "1h"]).expect_code(0)).len(), 1);
    assert_eq!(alerts(&replay(&folder, &topic, &["--until", "1h"]).expect_code(0)).len(), 0);
}

#[test]
fn only_committed_records_count_and_markers_are_no_records() {
    let Some(broker) = kafka::shared() else { return };
    let (folder, topic) = (Folder::new(), kafka::unique("committed"));
    broker.create_topic(&topic, 1, &[]);
    let patience = std::time::Duration::from_secs(30);
    let mut config = broker.client_config();
    config.set("transactional.id", &topic).set("transaction.timeout.ms", "60000");
    let producer: rdkafka::producer::BaseProducer = config.create().expect("a producer");
    producer.init_transactions(patience).expect("a name of its own");
    let transaction = |seconds: [u32; 3]| {
        producer.begin_transaction().expect("none is open");
        for second in seconds {
            let event = failed_login("ann", second);
            producer.send(BaseRecord::<str, str>::to(&topic).payload(&event)).expect("room in the queue");
        }
        producer.flush(patience).expect("they are written");
    };
    transaction([0, 1, 2]);
    producer.abort_transaction(patience).expect("aborted");
    transaction([4_000, 4_001, 4_002]);
    producer.commit_transaction(patience).expect("committed");
    assert_eq!(broker.read(&topic, Isolation::Committed).len(), 3);
    configured(&folder, broker);
    let closed = replay(&folder, &topic, &[]).expect_code(0);
    assert_eq!(alerts(&closed), [(json!("ann"), vec![(0, 4), (0, 5), (0, 6)])], "{}", closed.stderr());
    // What stands behind an open transaction may still come to nothing: the replay ends before it.
    transaction([8_000, 8_001, 8_002]);
    let open = replay(&folder, &topic, &[]).expect_code(0);
    assert_eq!(open.stdout(), closed.stdout());
    producer.abort_transaction(patience).expect("aborted");
}

#[test]
fn two_rule_sets_are_compared_over_a_topic() {
    let Some(broker) = kafka::shared() else { return };
    let (folder, topic) = (Folder::new(), kafka::unique("compared"));
    broker.create_topic(&topic, 2, &[]);
    broker.produce(&topic, [0, 1, 2].map(|second| login("ann", second).partition(0)));
    broker.produce(&topic, [86_398, 86_399].map(|second| login("bob", second).partition(1)));
    configured(&folder, broker);
    folder.write("lower.yml", RULES.replace("gte: 3", "gte: 2"));
    let from = ["--from", "kafka", "--topic", &topic, "--format", "json"];
    let compare = ["replay", "--config", "kafka.toml", "--rules", "lower.yml", "--compare", "rules.yml"];
    let finished = folder.run(&[&compare[..], &from].concat()).expect_code(0);
    let comparison: Value = serde_json::from_str(finished.stdout()).expect("JSON");
    assert_eq!(comparison["records"], 5);
    let row = &comparison["rules"][0];
    assert_eq!((&row["old"], &row["new"]), (&json!(1), &json!(2)), "{comparison:#}");
    // A day lies between the first event of one partition and the newest of the other.
    assert_eq!(row["new_per_day"].as_f64().map(f64::round), Some(2.0), "{comparison:#}");
}

#[test]
fn what_cannot_be_read_is_told_with_the_setting() {
    let folder = Folder::new();
    let said = |arguments: &[&str], code: i32, words: &[&str]| {
        let finished = folder.run(&[&["replay", "--rules", "rules.yml"], arguments].concat()).expect_code(code);
        for word in words {
            assert!(finished.stderr().contains(word), "{word} in {}", finished.stderr());
        }
    };
    let topic = ["--from", "kafka", "--topic", "audit"];
    said(&topic, 2, &["kafka.bootstrap_servers", "--config FILE", "TOKENWATCH_KAFKA__BOOTSTRAP_SERVERS"]);
    said(&["--from", "kafka"], 2, &["--topic"]);
    said(&["--topic", "audit"], 2, &["--from"]);
    said(&[&topic[..], &["events.jsonl"]].concat(), 2, &["cannot be used with"]);
    said(&[&topic[..], &["--since", "yesterday"]].concat(), 2, &["2026-11-23T17:00:00Z", "2h"]);
    let Some(broker) = kafka::shared() else { return };
    configured(&folder, broker);
    let configured = ["--config", "kafka.toml"];
    let reversed = ["--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"];
    said(&[&configured[..], &topic, &reversed].concat(), 2, &["--since 2026-01-02T00:00:00.000Z is not before"]);
    let missing = kafka::unique("missing");
    let missing = ["--from", "kafka", "--topic", &missing];
    said(&[&configured[..], &missing].concat(), 3, &["--topic: there is no topic"]);
    folder.write("nobody.toml", "[kafka]\nbootstrap_servers = [\"127.0.0.1:1\"]\n");
    said(&[&["--config", "nobody.toml"][..], &topic].concat(), 3, &["no broker of 127.0.0.1:1 answers"]);
}
