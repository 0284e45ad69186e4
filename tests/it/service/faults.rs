//! What brokers and networks do to transactions under load: connections are cut, stalled, slowed down and refused, the
//! broker is killed and comes back, producers are fenced. What a reader of committed records sees is what one
//! undisturbed run gives, to the last id, and no instance ends before it is asked to.

use std::ops::Range;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::crashes::{assert_same, deployment, events, records, undisturbed};
use super::deployment::{Deployment, Instance, PATIENCE};
use super::storm::{ended, number};
use crate::support::kafka::{self, Broker, Operation, Options};
use crate::support::wait;

/// These keep their transactional ids, so that somebody else can take them; the third is a stranger.
const NAMES: [&str; 2] = ["one", "two"];

/// A victim that has records to commit has noticed by then.
const FENCE_MISSED: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Every connection is cut, several times.
    Cut,
    /// Nobody gets through for a while: broker and coordinators are gone.
    Refuse,
    /// Nothing arrives, and no connection ends, until every member's session is over.
    Stall,
    /// Everything arrives, late.
    Delay,
    /// The broker is killed, and started again.
    Restart,
    /// Somebody else takes over the transactional id of an instance.
    Fence,
}

const FAULTS: [Fault; 6] = [Fault::Cut, Fault::Refuse, Fault::Stall, Fault::Delay, Fault::Restart, Fault::Fence];

struct Storm<'a> {
    broker: &'a Broker,
    deployment: &'a Deployment<'a>,
    instances: Vec<Instance>,
    random: StdRng,
    /// An instance that lost its name, and how many of its transactions had been broken off before.
    fenced: Option<(usize, f64)>,
}

impl Storm<'_> {
    /// Lets time pass in which no instance may end.
    fn endure(&mut self, millis: Range<u64>) {
        let pause = Duration::from_millis(self.random.random_range(millis));
        let ended = wait::try_until(pause, || ended(&mut self.instances).ok_or_else(String::new));
        if let Ok(ended) = ended {
            panic!("instances end when they are asked to, and not before: {ended}");
        }
    }

    fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> f64 {
        self.instances.iter().map(|instance| instance.metrics().sum(metric, labels)).sum()
    }

    /// Waits until records are being decided that were not there `before`.
    fn wait_for_progress(&self, before: f64) {
        wait::until("records to be decided", PATIENCE, || {
            let now = self.sum("tokenwatch_records_total", &[]);
            if now > before { Ok(()) } else { Err(format!("{now} records, as before")) }
        });
    }

    fn inflict(&mut self, fault: Fault) {
        let proxy = self.broker.proxy();
        match fault {
            Fault::Cut => {
                for _ in 0..5 {
                    proxy.cut();
                    self.endure(20..500);
                }
            }
            Fault::Refuse => {
                proxy.refuse(true);
                self.endure(1_000..3_000);
            }
            // The session's timeout is 6 s.
            Fault::Stall => {
                proxy.stall(true);
                self.endure(7_000..9_000);
            }
            Fault::Delay => {
                proxy.delay(Duration::from_millis(self.random.random_range(20..150)));
                self.endure(2_000..4_000);
            }
            Fault::Restart => {
                self.broker.stop();
                self.endure(500..2_000);
                self.broker.restart();
            }
            Fault::Fence => self.fence(),
        }
        proxy.heal();
    }

    /// Takes the name of an instance that has partitions, which it notices with its next transaction.
    fn fence(&mut self) {
        let victim = self.random.random_range(0..NAMES.len());
        wait::until("the victim to have partitions", PATIENCE, || {
            match self.instances[victim].metrics().of("tokenwatch_consumer_lag").count() {
                0 => Err("none".to_owned()),
                _ => Ok(()),
            }
        });
        // It may notice before the call returns.
        let before = broken_off(&self.instances[victim]);
        self.broker.fence(&self.name_of_producer(victim));
        self.fenced = Some((victim, before));
    }

    /// Waits until the victim of a fence has noticed. One that was just making itself a new producer took its name back
    /// without a word, and is fenced again.
    fn wait_for_fence(&mut self) {
        let Some((victim, before)) = self.fenced.take() else { return };
        let noticed = || {
            let now = broken_off(&self.instances[victim]);
            if now > before { Ok(()) } else { Err(format!("{now} transactions broken off, as before")) }
        };
        if wait::try_until(FENCE_MISSED, noticed).is_err() {
            self.broker.fence(&self.name_of_producer(victim));
            wait::until("the fence to be noticed", PATIENCE, noticed);
        }
    }

    fn name_of_producer(&self, victim: usize) -> String {
        format!("{}/{}/0", self.deployment.group, NAMES[victim])
    }
}

fn broken_off(instance: &Instance) -> f64 {
    instance.metrics().sum("tokenwatch_transaction_failures_total", &[("result", "unknown")])
}

/// Every kind of fault `times` times in an order that the seed gives, each in the middle of its share of the events.
fn weather(events_count: usize, times: usize) {
    let Some(broker) = kafka::private(&Options::default().proxy()) else { return };
    let seed = number("TOKENWATCH_FAULTS_SEED", 5);
    println!("seed {seed}");
    let begun = Instant::now();
    let deployment = deployment(&broker);
    let events = events(events_count);
    let expected = undisturbed(&deployment, &events);
    let instances = NAMES.map(|name| deployment.start_as(name)).into_iter().chain([deployment.start()]).collect();
    let random = StdRng::seed_from_u64(u64::try_from(seed).expect("a seed"));
    let mut storm = Storm { broker: &broker, deployment: &deployment, instances, random, fenced: None };
    let mut faults = FAULTS.repeat(times);
    faults.shuffle(&mut storm.random);
    let mut chunks = events.chunks(events.len().div_ceil(faults.len() + 1));
    for fault in faults {
        storm.endure(0..1);
        let before = storm.sum("tokenwatch_records_total", &[]);
        let chunk = chunks.next().unwrap_or_default();
        let (first, rest) = chunk.split_at(chunk.len() * 3 / 4);
        deployment.produce(records(first));
        storm.wait_for_progress(before);
        storm.endure(0..200);
        println!("{:5.1} s: {fault:?}", begun.elapsed().as_secs_f32());
        storm.inflict(fault);
        deployment.produce(records(rest));
        storm.wait_for_fence();
    }
    deployment.produce(records(chunks.flatten().cloned().collect::<Vec<_>>().as_slice()));
    deployment.wait_until_all_is_committed();
    let failed = storm.sum("tokenwatch_transaction_failures_total", &[]);
    for instance in storm.instances {
        instance.stop();
    }
    assert_same(&deployment, &expected);
    assert!(broker.proxy().cut_count() > 0 && failed > 0.0, "faults that nobody notices prove nothing");
    println!("{} alerts, each once; {failed} transactions failed", expected.len());
}

#[test]
fn what_brokers_and_networks_do_loses_nothing_and_repeats_nothing() {
    weather(60_000, 1);
}

#[test]
#[ignore = "takes a quarter of an hour; TOKENWATCH_FAULTS_EVENTS and TOKENWATCH_FAULTS_TIMES make it shorter or longer"]
fn the_same_holds_for_hours_of_it() {
    weather(number("TOKENWATCH_FAULTS_EVENTS", 1_000_000), number("TOKENWATCH_FAULTS_TIMES", 20));
}

/// The right to write alerts goes in the middle of everything, and comes back.
#[test]
fn a_right_that_is_withdrawn_and_given_back_costs_an_exit_and_no_alert() {
    let Some(broker) = kafka::private(&Options::default().user("watch", "right").authorizer()) else { return };
    let deployment = deployment(&broker)
        .property("security.protocol", "SASL_PLAINTEXT")
        .property("sasl.mechanism", "SCRAM-SHA-256")
        .property("sasl.username", "watch")
        .property("sasl.password", "right");
    let events = events(60_000);
    let expected = undisturbed(&deployment, &events);
    let (first, rest) = events.split_at(events.len() / 2);
    let instance = deployment.start();
    deployment.produce(records(first));
    deployment.wait_for_alerts(1);
    broker.allow_only("watch", Operation::Read, &deployment.alerts);
    deployment.produce(records(rest));
    let finished = instance.running.wait(PATIENCE).expect_code(3);
    let last = finished.stderr().split("error: ").last().unwrap_or_default();
    for word in ["kafka.alerts_topic: the brokers refuse writes", &deployment.alerts, "hint: allow the operation Write"]
    {
        assert!(last.contains(word), "{word:?} is not in: {last}");
    }
    broker.allow_only("watch", Operation::Write, &deployment.alerts);
    let instance = deployment.start();
    deployment.wait_until_all_is_committed();
    instance.stop();
    assert_same(&deployment, &expected);
}

/// What is too large in company is sent alone while records flow.
#[test]
fn alerts_too_large_for_their_topic_are_written_once_all_the_same() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 6).property("compression.type", "none");
    for topic in [&deployment.alerts, &deployment.dead_letters] {
        broker.create_topic(topic, 1, &[("max.message.bytes", "2000")]);
    }
    let events = events(60_000);
    let expected = undisturbed(&deployment, &events);
    let instance = deployment.start();
    for chunk in events.chunks(5_000) {
        deployment.produce(records(chunk));
    }
    deployment.wait_until_all_is_committed();
    assert!(instance.metrics().sum("tokenwatch_transaction_failures_total", &[("result", "aborted")]) > 0.0);
    let finished = instance.stop();
    assert!(finished.stderr().contains("too large, trying again alone or smaller"), "{}", finished.stderr());
    assert_same(&deployment, &expected);
}
