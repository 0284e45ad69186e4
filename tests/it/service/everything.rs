//! A hundred thousand events with attacks and broken records at known places, from the topics to the alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use tokenwatch::traffic::{AttackKind, Label, Malformed, Traffic, TrafficConfig};

use super::deployment::{Deployment, EVENT_BYTES_MAX, PATIENCE, count};
use super::expected::{Finding, findings};
use crate::support::kafka::{self, Position, Received, Record};
use crate::support::process::{run, tokenwatch};
use crate::support::{net, wait};

const EVENTS: usize = 100_000;
/// A broken record after every so many events.
const BROKEN_EVERY: usize = 400;
const MINUTE_MS: i64 = 60_000;

/// What was sent, in order.
struct Sent {
    /// Topic, partition and offset.
    at: (String, i32, i64),
    key: String,
    payload: Vec<u8>,
    /// Why it must end as a dead letter.
    broken: Option<&'static str>,
}

fn reason(kind: Malformed) -> &'static str {
    match kind {
        Malformed::NestedTooDeep => "too_deep",
        kind => kind.name(),
    }
}

/// The rule that looks for an attack.
fn rule(kind: AttackKind) -> &'static str {
    match kind {
        AttackKind::GeoChange => "geo_change",
        AttackKind::ServiceFanOut => "cross_service_fan_out",
        AttackKind::ReissueLoop => "token_reissue_rate",
        kind => panic!("{kind:?} is not planted here"),
    }
}

/// Events and broken records for two topics, keyed by subject, each subject in one topic, and the labels.
fn records() -> (Vec<(usize, Sent, i64)>, Vec<Label>) {
    let config = TrafficConfig {
        seed: 2,
        attacks: AttackKind::COUNTED.to_vec(),
        attack_every_ms: 1_000,
        ..TrafficConfig::default()
    };
    let mut traffic = Traffic::new(config).expect("the settings are in range");
    let (mut records, mut labels) = (Vec::new(), Vec::new());
    let mut serial = 0;
    let mut push = |key: String, payload, broken, time_ms| {
        let topic = key.bytes().map(usize::from).sum::<usize>() % 2;
        records.push((topic, Sent { at: (String::new(), 0, 0), key, payload, broken }, time_ms));
    };
    for number in 0..EVENTS {
        let mut payload = Vec::new();
        let event = traffic.next_event(&mut payload);
        let time_ms = event.time_ms;
        push(event.subject.to_owned(), payload, None, time_ms);
        labels.append(&mut traffic.drain_labels());
        if number % BROKEN_EVERY == 0 {
            let kind = Malformed::ALL.get(serial % (Malformed::ALL.len() + 1));
            let mut payload = Vec::new();
            let (record_ms, broken) = if let Some(kind) = kind {
                kind.write(serial as u64, time_ms, EVENT_BYTES_MAX, &mut payload);
                (time_ms, reason(*kind))
            } else {
                // An event ahead of its record is well formed, and broken all the same.
                payload.extend_from_slice(br#"{"@timestamp":"2026-03-01T00:00:00Z","event.action":"login"}"#);
                (time_ms - 10 * MINUTE_MS, "future_timestamp")
            };
            push(format!("broken {serial}"), payload, Some(broken), record_ms);
            serial += 1;
        }
    }
    labels.extend(traffic.finish());
    (records, labels)
}

fn send(deployment: &Deployment<'_>, records: Vec<(usize, Sent, i64)>) -> Vec<Sent> {
    let mut sent: Vec<(usize, Sent)> = Vec::new();
    let mut by_topic: [Vec<(usize, Record)>; 2] = Default::default();
    for (index, (topic, one, time_ms)) in records.into_iter().enumerate() {
        let record = Record::new(one.payload.clone()).key(one.key.clone()).timestamp_ms(time_ms);
        by_topic[topic].push((index, record));
        sent.push((topic, one));
    }
    for (topic, batch) in deployment.topics.iter().zip(by_topic) {
        let (indices, batch): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        for (index, Position { partition, offset }) in indices.into_iter().zip(deployment.broker.produce(topic, batch))
        {
            sent[index].1.at = (topic.clone(), partition, offset);
        }
    }
    sent.into_iter().map(|(_, one)| one).collect()
}

fn finding(alert: &Value) -> Finding {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&alert["rule"]["name"]), text(&alert["group"]["jwt.sub"]), text(&alert["time"]))
}

fn ids(alerts: &[Value]) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_hundred_thousand_events_give_exactly_the_expected_alerts_and_dead_letters() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 2, 6).kafka("workers", "2");
    let mut instance = deployment.start();
    // So that both sides of the route have two workers at work.
    instance.running.wait_for_stderr("both workers to own partitions", PATIENCE, |text| {
        let owns = |worker: &str| text.lines().any(|line| line.contains("are read") && line.contains(worker));
        let owned = ["worker=0 partitions=audit", "worker=1 partitions=audit", "worker=2 partitions=matches"];
        owned.iter().all(|worker| owns(worker)).then_some(())
    });
    let (records, labels) = records();
    let sent = send(&deployment, records);
    instance.wait_until_consumed(sent.len());
    instance.wait_until_ready();
    deployment.counted_matches(1, PATIENCE);
    let alerted = count(deployment.alerts().len());
    let metrics = wait::until("every alert to be acknowledged", PATIENCE, || {
        let metrics = instance.metrics();
        let answered = metrics.sum("tokenwatch_alert_latency_seconds_count", &[]);
        if answered >= alerted { Ok(metrics) } else { Err(format!("{answered} of {alerted}")) }
    });
    let recent = net::get(&instance.url("/api/v1/alerts?limit=1000")).expect("an answer").body;
    let finished = instance.stop();
    for warning in ["message.timestamp.type=CreateTime", "matches of rules grouped by jwt.sub go through the topic"] {
        assert!(finished.stderr().contains(warning), "{warning}: {}", finished.stderr());
    }
    deployment.wait_until_all_is_committed();

    let received = deployment.alerts();
    let alerts: Vec<Value> = received.iter().map(Received::json).collect();
    assert_alerts(&received, &alerts, &sent, &labels);
    assert_eq!(ids(&alerts), replayed(&deployment, &sent), "replay gives the same ids");
    assert_dead_letters(&deployment.dead_letters(), &sent);

    let dead_letters = sent.iter().filter(|one| one.broken.is_some()).count();
    for topic in &deployment.topics {
        let expected = count(sent.iter().filter(|one| one.at.0 == *topic).count());
        let labels = [("topic", topic.as_str())];
        assert_eq!(metrics.sum("tokenwatch_records_total", &labels).to_string(), expected.to_string());
        assert_eq!(metrics.sum("tokenwatch_events_total", &labels).to_string(), expected.to_string());
    }
    for (name, expected) in [
        ("tokenwatch_alerts_total", alerts.len()),
        ("tokenwatch_alert_latency_seconds_count", alerts.len()),
        ("tokenwatch_dead_letters_total", dead_letters),
        ("tokenwatch_rules", 3),
    ] {
        assert_eq!(metrics.sum(name, &[]).to_string(), expected.to_string(), "{name}");
    }
    let recent: Value = serde_json::from_str(&recent).expect("JSON");
    assert_eq!(ids(recent["alerts"].as_array().expect("a list")), ids(&alerts), "/api/v1/alerts shows them too");
}

#[track_caller]
fn assert_alerts(received: &[Received], alerts: &[Value], sent: &[Sent], labels: &[Label]) {
    let mut found: Vec<_> = alerts.iter().map(finding).collect();
    found.sort();
    let events = sent.iter().filter(|one| one.broken.is_none()).map(|one| one.payload.as_slice());
    let mut counted = findings(events);
    counted.sort();
    assert_eq!(found, counted, "alerts and a naive count");
    let time = |ms| jiff::Timestamp::from_millisecond(ms).expect("in range");
    let mut labelled: Vec<_> = labels
        .iter()
        .filter_map(|label| {
            let fires_at = label.fires_at.as_ref()?;
            let time = format!("{:.3}", time(fires_at.time_ms));
            Some((rule(label.kind).to_owned(), label.group["jwt.sub"].clone(), time))
        })
        .collect();
    labelled.sort();
    assert_eq!(found, labelled, "alerts and labels");
    assert!(found.len() > 80, "{} attacks are too few to prove much", found.len());
    assert_eq!(ids(alerts).len(), alerts.len(), "each once");

    let places: BTreeMap<_, _> = sent.iter().map(|one| (one.at.clone(), one)).collect();
    for (record, alert) in received.iter().zip(alerts) {
        let subject = alert["group"]["jwt.sub"].as_str().expect("a subject");
        assert_eq!(record.key_text(), format!("{{\"jwt.sub\":\"{subject}\"}}"));
        let last = alert["evidence"].as_array().and_then(|evidence| evidence.last()).expect("evidence");
        let number = |name: &str| last[name].as_i64().expect("a number");
        let partition = i32::try_from(number("partition")).expect("a partition");
        let at = (last["topic"].as_str().expect("a topic").to_owned(), partition, number("offset"));
        assert_eq!(places[&at].key, subject, "evidence points to the record");
    }
}

#[track_caller]
fn assert_dead_letters(dead_letters: &[Received], sent: &[Sent]) {
    let mut expected: BTreeMap<_, _> =
        sent.iter().filter_map(|one| Some((one.at.clone(), (one, one.broken?)))).collect();
    for letter in dead_letters {
        let header = |name: &str| letter.header(&format!("__connect.errors.{name}")).expect("a header");
        let number = |name: &str| header(name).parse::<i64>().expect("a number");
        let partition = i32::try_from(number("partition")).expect("a partition");
        let at = (header("topic").to_owned(), partition, number("offset"));
        let (original, reason) = expected.remove(&at).unwrap_or_else(|| panic!("{at:?} is not expected, or twice"));
        assert_eq!(header("exception.class.name"), reason, "{}", header("exception.message"));
        assert_eq!(letter.payload.as_deref(), Some(original.payload.as_slice()), "the bytes as they came");
        assert_eq!(letter.key_text(), original.key);
        let stage = if reason == "future_timestamp" { "TRANSFORMATION" } else { "VALUE_CONVERTER" };
        assert_eq!(header("stage"), stage);
    }
    assert_eq!(expected.len(), 0, "dead letters are missing");
}

/// The ids of the alerts that `replay` gives for the same events.
fn replayed(deployment: &Deployment<'_>, sent: &[Sent]) -> BTreeSet<String> {
    let mut lines = Vec::new();
    for one in sent.iter().filter(|one| one.broken.is_none()) {
        lines.extend_from_slice(&one.payload);
        lines.push(b'\n');
    }
    let events = deployment.at("events.jsonl");
    std::fs::write(&events, lines).expect("the folder can be written");
    let mut command: Command = tokenwatch(["replay", "--config"]);
    command.arg(deployment.config()).arg(events);
    let finished = run(command, PATIENCE).expect_code(0);
    ids(&finished.stdout().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>())
}
