//! Instances join and leave without a pause, and one sleeps through its own replacement: nothing is lost or repeated.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::crashes::{assert_same, deployment, events, records, undisturbed};
use super::deployment::{Deployment, Instance, PATIENCE};
use crate::support::kafka::{self, Broker};
use crate::support::wait;

const EVENTS: usize = 60_000;
const STEPS: usize = 12;
/// The one that freezes is there from the first step to the last.
const FREEZES_AT: usize = 4;
const PARTITIONS: usize = 6;
/// From the readiness of an instance to a commit of its partitions that the test has seen.
const COMMIT_SEEN_MAX: Duration = Duration::from_secs(5);

fn owned(instance: &Instance) -> usize {
    instance.metrics().of("tokenwatch_consumer_lag").count()
}

fn partitions(instances: &[Instance]) -> usize {
    instances.iter().map(owned).sum()
}

#[test]
fn instances_that_join_leave_and_freeze_lose_nothing_and_repeat_nothing() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let events = events(EVENTS);
    let expected = undisturbed(&deployment, &events);
    let mut sleeper = deployment.start_ready();
    let mut others = vec![deployment.start_ready()];
    for (step, chunk) in events.chunks(EVENTS.div_ceil(STEPS)).enumerate() {
        deployment.produce(records(chunk));
        if step == FREEZES_AT {
            sleeper.running.freeze();
            wait::until("the others to take over its partitions", PATIENCE, || match partitions(&others) {
                PARTITIONS => Ok(()),
                found => Err(format!("{found} partitions")),
            });
            sleeper.running.wake();
        } else if others.len() < 2 {
            others.push(deployment.start());
        } else {
            others.remove(0).stop();
        }
    }
    deployment.wait_until_all_is_committed();
    sleeper.stop();
    for instance in others {
        instance.stop();
    }
    assert_same(&deployment, &expected);
}

/// Three instances with names are stopped and started again, one after the other, again and again.
fn deploy_in_turns(broker: &Broker, protocol: &str) {
    let deployment = Deployment::new(broker, 1, 6)
        .kafka("group_protocol", &format!("{protocol:?}"))
        .section("[state]\nsnapshot_interval = \"1s\"\n");
    let events = events(EVENTS);
    let expected = undisturbed(&deployment, &events);
    let name = |number: usize| format!("instance-{number}");
    let mut instances: Vec<_> = (0..3).map(|number| deployment.start_as(&name(number))).collect();
    // A named member that stops while partitions are on their way from it to others leaves them without an owner.
    wait::until("each to have its share", PATIENCE, || {
        let owned: Vec<_> = instances.iter().map(|each| each.metrics().of("tokenwatch_consumer_lag").count()).collect();
        if owned == [2, 2, 2] { Ok(()) } else { Err(format!("{owned:?}")) }
    });
    for (step, chunk) in events.chunks(EVENTS.div_ceil(STEPS)).enumerate() {
        deployment.produce(records(chunk));
        let next = instances.remove(0);
        next.wait_until_ready();
        next.stop();
        instances.push(deployment.start_as(&name(step % 3)));
    }
    deployment.wait_until_all_is_committed();
    for instance in instances {
        instance.stop();
    }
    assert_same(&deployment, &expected);
}

/// Says that it is over, also where a test fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The longest time that each partition was seen to stand still, while records were written to all of them.
fn longest_pauses(deployment: &Deployment<'_>, is_over: &AtomicBool) -> Vec<Duration> {
    let mut seen = [(0, Instant::now(), Duration::ZERO); PARTITIONS];
    while !is_over.load(Ordering::Relaxed) {
        let committed = deployment.broker.committed(&deployment.group, &deployment.topics[0]);
        let now = Instant::now();
        for (partition, offset) in committed {
            let (last, since, longest) = &mut seen[usize::try_from(partition).expect("a partition")];
            if offset > *last {
                *longest = (*longest).max(now - *since);
                (*last, *since) = (offset, now);
            }
        }
    }
    seen.iter().map(|(_, since, longest)| (*longest).max(since.elapsed())).collect()
}

/// Half a dozen records for each partition, again and again, each time as soon as the broker has the last ones.
fn keep_producing(deployment: &Deployment<'_>, is_over: &AtomicBool) {
    let events = events(20_000);
    let mut chunks = events.chunks(40).cycle();
    while !is_over.load(Ordering::Relaxed) {
        deployment.produce(chunks.next().into_iter().flat_map(records));
    }
}

#[test]
fn a_deploy_stops_no_partition_longer_than_a_restart_and_its_restore() {
    let Some(broker) = kafka::shared() else { return };
    // A member with a name keeps its partitions while it is away: nobody else's stop for its sake.
    let deployment = Deployment::new(broker, 1, 6).section("[state]\nsnapshot_interval = \"1s\"\n");
    let name = |number: usize| format!("instance-{number}");
    let mut instances: Vec<_> = (0..3).map(|number| deployment.start_as(&name(number))).collect();
    wait::until("every instance to own its share", PATIENCE, || {
        match instances.iter().map(owned).collect::<Vec<_>>() {
            shares if shares.iter().all(|share| *share == PARTITIONS / 3) => Ok(()),
            shares => Err(format!("{shares:?}")),
        }
    });
    let is_over = AtomicBool::new(false);
    let (pauses, restarts) = thread::scope(|scope| {
        let until = Until(&is_over);
        scope.spawn(|| keep_producing(&deployment, &is_over));
        let pauses = scope.spawn(|| longest_pauses(&deployment, &is_over));
        let restarts: Vec<_> = (0..3)
            .map(|number| {
                let begun = Instant::now();
                instances.remove(0).stop();
                instances.push(deployment.start_as(&name(number)));
                instances[2].wait_until_ready();
                begun.elapsed()
            })
            .collect();
        drop(until);
        (pauses.join().expect("no panic"), restarts)
    });
    println!("restarts took {restarts:.2?}, partitions stood still for at most {pauses:.2?}");
    let restart = restarts.into_iter().max().unwrap_or_default();
    assert!(pauses.iter().all(|pause| *pause < restart + COMMIT_SEEN_MAX), "{pauses:?} against {restart:?}");
    for instance in instances {
        instance.stop();
    }
}

#[test]
fn a_deploy_of_one_named_instance_after_the_other_loses_nothing_and_repeats_nothing() {
    let Some(broker) = kafka::shared() else { return };
    deploy_in_turns(broker, "classic");
}

#[test]
fn the_same_holds_under_the_group_protocol_of_kafka_4() {
    let Some(broker) = kafka::shared() else { return };
    deploy_in_turns(broker, "consumer");
}
