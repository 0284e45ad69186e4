//! Instances are killed, frozen and stopped while records flow: what a reader of committed records sees is what one
//! undisturbed run gives, to the last id.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use tokenwatch::traffic::{AttackKind, Traffic, TrafficConfig};

use super::deployment::{Deployment, Instance, PATIENCE};
use crate::support::kafka::{self, Broker, Received, Record};
use crate::support::process::{run, tokenwatch};
use crate::support::wait;

const EVENTS: usize = 100_000;
const KILLS: usize = 10;
const INSTANCES: usize = 3;

/// A deployment that notices soon when an instance is gone.
pub(super) fn deployment(broker: &Broker) -> Deployment<'_> {
    Deployment::new(broker, 1, 6)
        .property("session.timeout.ms", "6000")
        .property("heartbeat.interval.ms", "500")
        .section("[state]\nsnapshot_interval = \"1s\"\n")
}

/// Events with attacks, keyed by subject.
pub(super) fn events(count: usize) -> Vec<(String, Vec<u8>, i64)> {
    let config = TrafficConfig {
        seed: 7,
        attacks: AttackKind::COUNTED.to_vec(),
        attack_every_ms: 500,
        ..TrafficConfig::default()
    };
    let mut traffic = Traffic::new(config).expect("the settings are in range");
    let event = |_| {
        let mut payload = Vec::new();
        let event = traffic.next_event(&mut payload);
        let (subject, time_ms) = (event.subject.to_owned(), event.time_ms);
        (subject, payload, time_ms)
    };
    (0..count).map(event).collect()
}

pub(super) fn records(events: &[(String, Vec<u8>, i64)]) -> impl Iterator<Item = Record> {
    events.iter().map(|(key, payload, ms)| Record::new(payload.clone()).key(key.clone()).timestamp_ms(*ms))
}

/// The ids of the alerts that `replay` gives: one undisturbed run over everything.
pub(super) fn undisturbed(deployment: &Deployment<'_>, events: &[(String, Vec<u8>, i64)]) -> BTreeSet<String> {
    let lines: Vec<u8> = events.iter().flat_map(|(_, payload, _)| payload.iter().copied().chain([b'\n'])).collect();
    let path = deployment.at("events.jsonl");
    std::fs::write(&path, lines).expect("the folder can be written");
    let mut command = tokenwatch(["replay", "--config"]);
    command.arg(deployment.config()).arg(path);
    let finished = run(command, PATIENCE).expect_code(0);
    finished.stdout().lines().map(|line| id(&serde_json::from_str(line).expect("JSON"))).collect()
}

fn id(alert: &Value) -> String {
    alert["id"].as_str().expect("an id").to_owned()
}

/// Numbers that scatter, the same in every run.
fn scattered(step: usize, below: usize) -> usize {
    step.wrapping_mul(7_919).wrapping_add(104_729) % below
}

#[track_caller]
pub(super) fn assert_same(deployment: &Deployment<'_>, expected: &BTreeSet<String>) {
    let received: Vec<_> = deployment.alerts().iter().map(Received::json).map(|alert| id(&alert)).collect();
    let found: BTreeSet<_> = received.iter().cloned().collect();
    let missing = expected.difference(&found).count();
    let invented = found.difference(expected).count();
    assert_eq!((missing, invented, received.len() - found.len()), (0, 0, 0), "missing, invented, twice");
    assert!(found.len() > 80, "{} alerts are too few to prove much", found.len());
}

#[test]
fn ten_kills_lose_nothing_and_repeat_nothing() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let events = events(EVENTS);
    let expected = undisturbed(&deployment, &events);
    let mut produced = 0;
    let mut instances: Vec<Instance> = (0..INSTANCES).map(|_| deployment.start()).collect();
    for (step, chunk) in events.chunks(EVENTS.div_ceil(KILLS + 1)).enumerate() {
        deployment.produce(records(chunk));
        if step == KILLS {
            break;
        }
        // Some way into what is left, on whoever reads it, so that the kill comes in the middle of something.
        let victim = scattered(step, INSTANCES);
        produced += chunk.len();
        let done = usize::try_from(committed(&deployment)).expect("offsets are counts");
        let target = i64::try_from(done + scattered(step, (produced - done).max(1))).expect("few");
        wait::until("the instances to get on", PATIENCE, || {
            let committed = committed(&deployment);
            if committed >= target { Ok(()) } else { Err(format!("{committed} of {target}")) }
        });
        let mut killed = std::mem::replace(&mut instances[victim], deployment.start());
        killed.running.kill();
        drop(killed);
    }
    deployment.wait_until_all_is_committed();
    for instance in instances {
        instance.stop();
    }
    assert_same(&deployment, &expected);
}

fn committed(deployment: &Deployment<'_>) -> i64 {
    deployment.broker.committed(&deployment.group, &deployment.topics[0]).values().sum()
}

#[test]
fn windows_survive_a_stop_and_a_kill() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1).kafka("instance_id", "\"one\"");
    let ten = super::deployment::ten_reissues("ann", 0);
    let mut ten = ten.into_iter();
    let first = deployment.start_ready();
    deployment.produce(ten.by_ref().take(4));
    deployment.wait_until_all_is_committed();
    first.stop();
    let mut second = deployment.start_ready();
    deployment.produce(ten.by_ref().take(4));
    deployment.wait_until_all_is_committed();
    second.running.kill();
    drop(second);
    let third = deployment.start_ready();
    deployment.produce(ten);
    assert_eq!(deployment.wait_for_alerts(1).len(), 1, "the tenth event of a window that two others began");
    let metrics = third.metrics();
    for kind in ["state", "replayed"] {
        let read = metrics.sum("tokenwatch_restore_records_total", &[("kind", kind)]);
        assert!(read >= 1.0, "{kind}: {read}");
    }
    third.stop();
}

#[test]
fn a_state_topic_that_does_not_suit_is_refused_and_without_one_the_service_catches_up() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 3);
    broker.create_topic(&deployment.state, 2, &[("cleanup.policy", "compact")]);
    let finished = deployment.start().running.wait(PATIENCE).expect_code(3);
    assert!(finished.stderr().contains("kafka.state_topic") && finished.stderr().contains("has 2 partitions"));

    let deployment = Deployment::new(broker, 1, 3);
    broker.create_topic(&deployment.state, 3, &[("cleanup.policy", "delete")]);
    let finished = deployment.start().running.wait(PATIENCE).expect_code(3);
    assert!(finished.stderr().contains("cleanup.policy=delete"), "{}", finished.stderr());

    let mut deployment = Deployment::new(broker, 1, 1);
    let first = deployment.start_ready();
    deployment.produce(super::deployment::ten_reissues("ann", 0).into_iter().take(4));
    deployment.wait_until_all_is_committed();
    first.stop();
    deployment.state = kafka::unique("state");
    let mut second = deployment.start_ready();
    second.running.wait_for_stderr("a word about what is missed", PATIENCE, |text| {
        text.contains("has nothing of this partition").then_some(())
    });
    deployment.produce(super::deployment::ten_reissues("bob", 20));
    assert_eq!(deployment.wait_for_alerts(1).len(), 1);
    second.stop();
}

#[test]
fn a_stop_under_load_commits_what_it_decided_within_seconds() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 6);
    let events = events(EVENTS);
    deployment.produce(records(&events));
    let expected = undisturbed(&deployment, &events);
    let first = deployment.start();
    wait::until("some records to be committed", PATIENCE, || {
        let committed = committed(&deployment);
        if committed > 0 { Ok(()) } else { Err(committed.to_string()) }
    });
    let begun = Instant::now();
    first.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    let done = committed(&deployment);
    assert!(
        usize::try_from(done).expect("offsets are counts") < EVENTS,
        "it stopped when all was over: that proves nothing"
    );
    let second = deployment.start();
    deployment.wait_until_all_is_committed();
    second.stop();
    assert_same(&deployment, &expected);
}
