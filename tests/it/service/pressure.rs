//! More than can be decided, or written: consumption slows down or stops, memory does not grow, and nobody starves.

use std::time::{Duration, Instant};

use super::crashes::{assert_same, events, records, undisturbed};
use super::deployment::{Deployment, Instance, PATIENCE, ten_reissues};
use super::obstacles::set_in_sync_replicas_min;
use crate::support::kafka::{self, Options, Record};
use crate::support::wait;

fn consumed(instance: &Instance) -> f64 {
    instance.metrics().sum("tokenwatch_records_total", &[])
}

/// Alerts cannot be written for a while, and the broker that takes part in everything else is gone with its
/// coordinators. Of the records only some cause alerts, so few outputs wait.
#[test]
fn an_alert_topic_that_takes_no_writes_stops_consumption_and_not_memory() {
    const GROWTH_MAX: u64 = 100 << 20;
    let Some(broker) = kafka::private(&Options::default().follower()) else { return };
    let deployment = Deployment::without_outputs(&broker, 1, 6).section("[state]\nsnapshot_interval = \"1s\"\n");
    broker.create_topic(&deployment.alerts, 1, &[("min.insync.replicas", "2")]);
    broker.create_topic(&deployment.dead_letters, 1, &[]);
    let events = events(60_000);
    let expected = undisturbed(&deployment, &events);
    let (first, rest) = events.split_at(10_000);
    let (second, third) = rest.split_at(10_000);
    let mut instance = deployment.start_ready();
    deployment.produce(records(first));
    deployment.wait_for_alerts(1);
    broker.stop_follower();
    deployment.produce(records(second));
    instance.running.wait_for_stderr("reading to be paused", PATIENCE, |text| {
        text.contains("outputs are not committed; reading is paused").then_some(())
    });
    let (stands_at, resident) = (consumed(&instance), instance.running.resident_bytes());
    deployment.produce(records(third));
    let moved = wait::try_until(Duration::from_secs(5), || {
        let now = consumed(&instance);
        if now > stands_at { Ok(now) } else { Err("as before".to_owned()) }
    });
    assert_eq!(moved, Err("as before".to_owned()), "consumption stands at {stands_at} records");
    let grown = instance.running.resident_bytes().zip(resident).map(|(now, then)| now.saturating_sub(then));
    assert!(grown.is_none_or(|grown| grown < GROWTH_MAX), "{grown:?} bytes more while nothing is consumed");
    set_in_sync_replicas_min(&broker, &deployment.alerts, "1");
    let ends = broker.end_offsets(&deployment.topics[0]);
    let settled = wait::try_until(PATIENCE, || {
        let committed = broker.committed(&deployment.group, &deployment.topics[0]);
        if committed == ends { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
    });
    assert_eq!(settled, Ok(()), "it does not go on\n{}", instance.running.stderr());
    let finished = instance.stop();
    assert!(finished.stderr().contains("reading goes on"), "{}", finished.stderr());
    assert_same(&deployment, &expected);
}

/// The client has one queue for the records of all partitions. What of a flooded one stands before a record of another
/// is what fits in there, and not all that the broker has.
#[test]
fn a_flooded_partition_does_not_starve_the_others() {
    const RECORD_BYTES: usize = 8 * 1024;
    const FLOOD: usize = 20_000;
    /// The queue (16 MiB), an answer of the broker (16 MiB), one that is being read, and as much to spare.
    const AHEAD_MAX: i64 = (64 << 20) / (8 * 1024);
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 2).property("fetch.queue.backoff.ms", "1");
    let padding = "x".repeat(RECORD_BYTES);
    let hot = |number: usize| {
        let (second, millis) = (number / 1_000, number % 1_000);
        let text = format!(
            r#"{{"@timestamp":"2026-01-01T00:00:{second:02}.{millis:03}Z","event":{{"action":"token.validated"}},"jwt":{{"sub":"hot"}},"note":"{padding}"}}"#
        );
        Record::new(text).key("hot").partition(0)
    };
    deployment.produce((0..FLOOD).map(hot));
    let instance = deployment.start();
    let committed =
        |partition| broker.committed(&deployment.group, &deployment.topics[0]).get(&partition).copied().unwrap_or(0);
    wait::until("the flood to be worked at", PATIENCE, || if committed(0) > 0 { Ok(()) } else { Err(String::new()) });
    let (begun, before) = (Instant::now(), committed(0));
    deployment.produce(ten_reissues("ann", 0).into_iter().map(|record| record.partition(1)));
    wait::until("the quiet partition", PATIENCE, || match committed(1) {
        10 => Ok(()),
        committed => Err(committed.to_string()),
    });
    let (took, ahead) = (begun.elapsed(), committed(0) - before);
    println!("{ahead} of {FLOOD} records of the flood and {took:?} before ten of the quiet partition");
    assert!(before + ahead < i64::try_from(FLOOD).expect("few"), "the flood was over before");
    assert!(ahead < AHEAD_MAX, "{ahead} records of the flood came first, in {took:?}");
    instance.stop();
}
