//! Instances join and leave without a pause, and one sleeps through its own replacement: nothing is lost or repeated.

use super::crashes::{assert_same, deployment, events, records, undisturbed};
use super::deployment::{Deployment, Instance, PATIENCE};
use crate::support::kafka::{self, Broker};
use crate::support::wait;

const EVENTS: usize = 60_000;
const STEPS: usize = 12;
/// The one that freezes is there from the first step to the last.
const FREEZES_AT: usize = 4;
const PARTITIONS: usize = 6;

fn partitions(instances: &[Instance]) -> usize {
    instances.iter().map(|instance| instance.metrics().of("tokenwatch_consumer_lag").count()).sum()
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
