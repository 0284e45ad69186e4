//! A state topic that this version must not go on with is refused, with what to do, and left as it is.

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::deployment::{Deployment, PATIENCE, ten_reissues};
use crate::support::kafka::{self, Broker, Isolation, Record};

fn set_partitions(broker: &Broker, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> = broker.client_config().create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let asked = NewPartitions::new(topic, count);
    let answers = runtime.block_on(admin.create_partitions([&asked], &AdminOptions::new())).expect("an answer");
    assert!(answers.iter().all(Result::is_ok), "the topic grows: {answers:?}");
}

/// What a topic is set to.
fn settings(broker: &Broker, topic: &str) -> ConfigResource {
    let admin: AdminClient<DefaultClientContext> = broker.client_config().create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers = runtime.block_on(admin.describe_configs(&asked, &AdminOptions::new())).expect("an answer");
    answers.into_iter().next().expect("one answer").expect("the topic is there")
}

#[test]
fn it_is_made_compacted_with_as_many_partitions_as_the_source_has() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 3);
    deployment.start_ready().stop();
    assert_eq!(broker.partition_count(&deployment.state), 3);
    let settings = settings(broker, &deployment.state);
    let value = |name: &str| settings.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
    assert_eq!(value("cleanup.policy"), "compact");
    let segment: u64 = value("segment.bytes").parse().expect("a number");
    assert!(segment < 100_000_000, "open segments are not compacted, and this one stays open up to {segment} bytes");
}

#[test]
fn what_a_newer_version_saved_is_refused_and_left_as_it_is() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1);
    let first = deployment.start_ready();
    deployment.produce(ten_reissues("ann", 0).into_iter().take(4));
    deployment.wait_until_all_is_committed();
    first.stop();
    broker.produce(&deployment.state, [Record::new("what it meant is not known here").key(vec![2, 0, 0, 0])]);
    let before = broker.read(&deployment.state, Isolation::Committed);
    let committed = broker.committed(&deployment.group, &deployment.topics[0]);

    deployment.produce(ten_reissues("bob", 20));
    let finished = deployment.start().running.wait(PATIENCE).expect_code(3);
    let last = finished.stderr().split("error: ").last().unwrap_or_default();
    for word in ["kafka.state_topic", "newer version", "its format is 2", "hint: use that version"] {
        assert!(last.contains(word), "{word:?} is not in: {last}\n{}", finished.stderr());
    }
    assert_eq!(broker.read(&deployment.state, Isolation::Committed), before);
    assert_eq!(broker.committed(&deployment.group, &deployment.topics[0]), committed, "nothing was decided");
}

#[test]
fn a_source_topic_that_gets_more_partitions_is_refused_at_start_and_while_it_runs() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 2).property("topic.metadata.refresh.interval.ms", "1000");
    let instance = deployment.start_ready();
    set_partitions(broker, &deployment.topics[0], 3);
    let running = instance.running.wait(PATIENCE).expect_code(3);
    let starting = deployment.start().running.wait(PATIENCE).expect_code(3);
    for (finished, problem) in [(running, "has fewer partitions than"), (starting, "has 2 partitions, and")] {
        let last = finished.stderr().split("error: ").last().unwrap_or_default();
        for word in ["kafka.state_topic", problem, "delete the state topic"] {
            assert!(last.contains(word), "{word:?} is not in: {last}\n{}", finished.stderr());
        }
    }
}

/// Those who count matches would wait for a source that nobody told them of.
#[test]
fn a_source_topic_that_gets_more_partitions_is_refused_where_its_matches_are_routed() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 2, 2).property("topic.metadata.refresh.interval.ms", "1000");
    let instance = deployment.start_ready();
    set_partitions(broker, &deployment.topics[1], 3);
    let finished = instance.running.wait(PATIENCE).expect_code(3);
    let last = finished.stderr().split("error: ").last().unwrap_or_default();
    let problem = format!("kafka.topics: {:?} got more partitions than the 2 that it had", deployment.topics[1]);
    assert!(last.contains(&problem), "{problem} is not in: {last}\n{}", finished.stderr());
}

#[test]
fn what_is_saved_behind_a_transaction_that_nobody_has_ended_is_waited_for() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1);
    let mut ten = ten_reissues("ann", 0).into_iter();
    let first = deployment.start_ready();
    deployment.produce(ten.by_ref().take(4));
    deployment.wait_until_all_is_committed();
    first.stop();

    let orphan: BaseProducer =
        broker.client_config().set("transactional.id", kafka::unique("orphan")).create().expect("a producer");
    orphan.init_transactions(PATIENCE).expect("a name of its own");
    orphan.begin_transaction().expect("ready");
    orphan.send(BaseRecord::to(&deployment.state).partition(0).key("?").payload("?")).expect("room for one");
    orphan.flush(PATIENCE).expect("written");
    let mut second = deployment.start();
    second.running.wait_for_stderr("a word about the transaction", PATIENCE, |text| {
        text.contains("wait for a transaction that nobody has ended").then_some(())
    });
    second.wait_until_missing("worker");
    orphan.abort_transaction(PATIENCE).expect("aborted");
    second.wait_until_ready();
    deployment.produce(ten);
    assert_eq!(deployment.wait_for_alerts(1).len(), 1, "the tenth event of a window that another began");
    second.stop();
}
