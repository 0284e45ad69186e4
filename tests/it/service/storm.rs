//! The crash storm by the clock: whoever reads, and whatever it is in the middle of, is killed every few seconds.

use std::time::Duration;

use rand::RngExt;

use super::crashes::{assert_same, deployment, events, records, undisturbed};
use super::deployment::Instance;
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

#[test]
#[ignore = "takes a quarter of an hour; TOKENWATCH_STORM_EVENTS and TOKENWATCH_STORM_KILLS make it shorter or longer"]
fn a_hundred_kills_lose_nothing_and_repeat_nothing() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let start = |number: usize| if number == 0 { deployment.start_as("first") } else { deployment.start() };
    let kills = number("TOKENWATCH_STORM_KILLS", 100);
    let events = events(number("TOKENWATCH_STORM_EVENTS", 1_000_000));
    let expected = undisturbed(&deployment, &events);
    let mut instances: Vec<_> = (0..INSTANCES).map(start).collect();
    let mut random = rand::rng();
    for (step, chunk) in events.chunks(events.len().div_ceil(kills + 1)).enumerate() {
        deployment.produce(records(chunk));
        let pause = Duration::from_millis(random.random_range(2_000..=5_000));
        let ended = wait::try_until(pause, || ended(&mut instances).ok_or_else(String::new));
        assert_eq!(ended, Err(String::new()), "instances end when they are killed and not before");
        if step < kills {
            let victim = random.random_range(0..INSTANCES);
            instances[victim].running.kill();
            instances[victim] = start(victim);
        }
    }
    let topic = &deployment.topics[0];
    let ends = broker.end_offsets(topic);
    wait::until("the end of every partition to be committed", SETTLE, || {
        let committed = broker.committed(&deployment.group, topic);
        if committed == ends { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
    });
    for instance in instances {
        instance.stop();
    }
    assert_same(&deployment, &expected);
    println!("{} events, {kills} kills, {} alerts, each once", events.len(), expected.len());
}

/// An instance that has ended, and how.
fn ended(instances: &mut [Instance]) -> Option<String> {
    instances.iter_mut().enumerate().find_map(|(number, instance)| {
        let status = instance.running.exit_status()?;
        Some(format!("{number}: {status}"))
    })
}
