//! Instances come and go while records flow.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::deployment::{Deployment, PATIENCE, STOP_MAX, count};
use crate::support::kafka::{self, Isolation, Options, Record};
use crate::support::wait;

/// Records that are no events: each must come out exactly once, under its own key.
fn broken(range: std::ops::Range<usize>) -> Vec<Record> {
    range.map(|number| Record::new("no event").key(number.to_string())).collect()
}

#[test]
fn partitions_move_to_a_new_instance_and_back_without_a_loss_or_a_repetition() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 6);
    let first = deployment.start_ready();
    deployment.produce(broken(0..1_000));
    let second = deployment.start_ready();
    deployment.produce(broken(1_000..2_000));
    wait::until("both instances to own partitions", PATIENCE, || {
        let owned = [&first, &second].map(|instance| instance.metrics().of("tokenwatch_consumer_lag").count());
        if owned == [3, 3] { Ok(()) } else { Err(format!("{owned:?}")) }
    });
    deployment.produce(broken(2_000..3_000));
    wait::until("all records to be consumed", PATIENCE, || {
        let consumed = [&first, &second].map(|instance| instance.metrics().sum("tokenwatch_records_total", &[]));
        let all = (consumed[0] + consumed[1] - count(3_000)).abs() < 0.5 && consumed[1] > 0.0;
        if all { Ok(()) } else { Err(format!("{consumed:?}")) }
    });
    first.stop();
    deployment.produce(broken(3_000..4_000));
    deployment.wait_until_all_is_committed();
    second.stop();
    let letters =
        broker.read_until(&deployment.dead_letters, Isolation::Committed, PATIENCE, |letters| letters.len() >= 4_000);
    let keys: BTreeSet<_> = letters.iter().map(|letter| letter.key_text().to_owned()).collect();
    assert_eq!((letters.len(), keys.len()), (4_000, 4_000), "each once");
}

#[test]
fn a_stop_under_load_is_quick_and_the_next_instance_goes_on_exactly_there() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 3);
    deployment.produce(broken(0..20_000));
    let first = deployment.start();
    wait::until("some records to be consumed", PATIENCE, || {
        let consumed = first.metrics().sum("tokenwatch_records_total", &[]);
        if consumed > 0.0 { Ok(()) } else { Err(consumed.to_string()) }
    });
    let begun = Instant::now();
    first.stop();
    assert!(begun.elapsed() < STOP_MAX, "took {:?}", begun.elapsed());
    let decided = deployment.dead_letters().len();
    let committed: i64 = broker.committed(&deployment.group, &deployment.topics[0]).values().sum();
    assert_eq!(usize::try_from(committed), Ok(decided), "everything decided is written and committed, and no more");

    let second = deployment.start();
    deployment.wait_until_all_is_committed();
    second.stop();
    let letters = deployment.dead_letters();
    let keys: BTreeSet<_> = letters.iter().map(|letter| letter.key_text().to_owned()).collect();
    assert_eq!((letters.len(), keys.len()), (20_000, 20_000), "each once");
}

#[test]
fn a_second_signal_ends_at_once() {
    let Some(broker) = kafka::private(&Options::default().follower()) else { return };
    let deployment = Deployment::without_outputs(&broker, 1, 1);
    broker.create_topic(&deployment.alerts, 1, &[]);
    broker.create_topic(&deployment.dead_letters, 1, &[("min.insync.replicas", "2")]);
    let mut instance = deployment.start_ready();
    broker.stop_follower();
    deployment.produce(broken(0..1));
    // Now the first signal has something to wait for.
    instance.wait_until_missing("kafka.dead_letter_topic");
    instance.running.terminate();
    instance.running.wait_for_stderr("the first signal to be heard", PATIENCE, |text| {
        text.contains("a second signal ends at once").then_some(())
    });
    instance.running.interrupt();
    let finished = instance.running.wait(STOP_MAX).expect_code(3);
    assert!(finished.stderr().contains("error: ended at once"), "{}", finished.stderr());
}

/// A member whose second join is never answered is fenced by itself, as if another process had its name.
#[test]
fn a_member_whose_name_somebody_takes_comes_back() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 3).property("session.timeout.ms", "6000");
    let mut instance = deployment.start_as("one");
    instance.wait_until_ready();
    deployment.produce(broken(0..500));
    deployment.wait_until_all_is_committed();
    let usurper: BaseConsumer = broker
        .client_config()
        .set("group.id", &deployment.group)
        .set("group.instance.id", "one-0")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .create()
        .expect("a consumer");
    usurper.subscribe(&[deployment.topics[0].as_str()]).expect("subscribed");
    instance.running.wait_for_stderr("the loss of the name to be noticed", PATIENCE, |text| {
        // A member hears from the group while it is polled.
        let _ = usurper.poll(Duration::from_millis(10));
        text.contains("the group has another member of our name; joining again").then_some(())
    });
    drop(usurper);
    deployment.produce(broken(500..1_000));
    deployment.wait_until_all_is_committed();
    instance.stop();
    let letters = deployment.dead_letters();
    let keys: BTreeSet<_> = letters.iter().map(|letter| letter.key_text().to_owned()).collect();
    assert_eq!((letters.len(), keys.len()), (1_000, 1_000), "each once");
}

/// Under the protocol of Kafka 4 the brokers refuse the name of a killed member until its session is over.
#[test]
fn a_named_member_that_was_killed_waits_for_its_name_under_the_group_protocol_of_kafka_4() {
    let short = ["group.consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms"];
    let options = short.iter().fold(Options::default(), |options, name| options.property(name, "6000"));
    let heartbeat = options.property("group.consumer.heartbeat.interval.ms", "1000");
    let Some(broker) = kafka::private(&heartbeat.property("group.consumer.min.heartbeat.interval.ms", "1000")) else {
        return;
    };
    let deployment = Deployment::new(&broker, 1, 3).kafka("group_protocol", "\"consumer\"");
    let mut first = deployment.start_as("one");
    first.wait_until_ready();
    first.running.kill();
    deployment.produce(broken(0..500));
    let second = deployment.start_as("one");
    deployment.wait_until_all_is_committed();
    let finished = second.stop();
    let waited = finished.stderr().contains("the group has another member of our name; joining again");
    assert!(waited, "{}", finished.stderr());
}
