//! The crash storm by the clock: whoever reads, and whatever it is in the middle of, is killed every few seconds.

use std::time::Duration;

use rand::RngExt;

use super::crashes::{self, assert_same, undisturbed};
use super::deployment::{Deployment, Instance};
use super::routed;
use crate::support::kafka;
use crate::support::wait;

/// The first keeps its name from one life to the next, so that it comes back as the same member with the same producer;
/// the others are strangers each time.
const INSTANCES: usize = 3;
/// What is left when the kills are over, with the last transactions that nobody ends but the broker.
const SETTLE: Duration = Duration::from_mins(10);

pub(super) fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Writes `events` chunk by chunk while instances are killed at random moments, waits until every record is consumed, and
/// does what is to be `done` while the instances are still there.
fn kill_while<'a, E, R>(
    deployment: &Deployment<'_>,
    (events, kills): (&'a [E], usize),
    produce: impl Fn(&'a [E], usize),
    done: impl FnOnce() -> R,
) -> R {
    let start = |number: usize| if number == 0 { deployment.start_as("first") } else { deployment.start() };
    let mut instances: Vec<_> = (0..INSTANCES).map(start).collect();
    let mut random = rand::rng();
    let chunk_length = events.len().div_ceil(kills + 1);
    for (step, chunk) in events.chunks(chunk_length).enumerate() {
        produce(chunk, step * chunk_length);
        let pause = Duration::from_millis(random.random_range(2_000..=5_000));
        let ended = wait::try_until(pause, || ended(&mut instances).ok_or_else(String::new));
        assert_eq!(ended, Err(String::new()), "instances end when they are killed and not before");
        if step < kills {
            let victim = random.random_range(0..INSTANCES);
            instances[victim].running.kill();
            instances[victim] = start(victim);
        }
    }
    let (group, topic) = (&deployment.group, &deployment.topics[0]);
    let ends = deployment.broker.end_offsets(topic);
    wait::until("the end of every partition to be committed", SETTLE, || {
        let committed = deployment.broker.committed(group, topic);
        if committed == ends { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
    });
    let outcome = done();
    for instance in instances {
        instance.stop();
    }
    outcome
}

#[test]
#[ignore = "takes a quarter of an hour; TOKENWATCH_STORM_EVENTS and TOKENWATCH_STORM_KILLS make it shorter or longer"]
fn a_hundred_kills_lose_nothing_and_repeat_nothing() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = crashes::deployment(broker);
    let kills = number("TOKENWATCH_STORM_KILLS", 100);
    let events = crashes::events(number("TOKENWATCH_STORM_EVENTS", 1_000_000));
    let expected = undisturbed(&deployment, &events);
    kill_while(&deployment, (&events, kills), |chunk, _| deployment.produce(crashes::records(chunk)), || {});
    assert_same(&deployment, &expected);
    println!("{} events, {kills} kills, {} alerts, each once", events.len(), expected.len());
}

#[test]
#[ignore = "takes half an hour; TOKENWATCH_STORM_EVENTS and TOKENWATCH_STORM_KILLS make it shorter or longer"]
fn a_hundred_kills_of_those_who_route_and_count_lose_nothing_and_repeat_nothing() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = routed::deployment(broker);
    let kills = number("TOKENWATCH_STORM_KILLS", 100);
    let events = routed::events(number("TOKENWATCH_STORM_EVENTS", 1_000_000));
    let produce = |chunk: &[_], from| deployment.produce(routed::records(chunk, from));
    let alerts =
        kill_while(&deployment, (&events, kills), produce, || routed::assert_exact(&deployment, &events, SETTLE));
    println!("{} events, {kills} kills, {alerts} alerts, each once", events.len());
}

/// An instance that has ended, and how.
pub(super) fn ended(instances: &mut [Instance]) -> Option<String> {
    instances.iter_mut().enumerate().find_map(|(number, instance)| {
        let status = instance.running.exit_status()?;
        Some(format!("{number}: {status}\n{}", instance.running.stderr()))
    })
}
