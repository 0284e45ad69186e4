//! What stands in the way: said clearly and with the setting's name, waited for where that helps, exit 3 where not.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use super::deployment::{Deployment, Instance, PATIENCE, ten_reissues};
use crate::support::kafka::{self, Broker, Operation, Options, Record};
use crate::support::process::Running;
use crate::support::{net, wait};

/// A start waits 30 s for a broker.
const START_PATIENCE: Duration = Duration::from_mins(2);

pub(super) fn set_in_sync_replicas_min(broker: &Broker, topic: &str, min: &str) {
    let admin: AdminClient<DefaultClientContext> = broker.client_config().create().expect("an admin client");
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("min.insync.replicas", min);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answers = runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).expect("an answer");
    assert!(answers.iter().all(Result::is_ok), "the topic takes the setting: {answers:?}");
}

#[track_caller]
fn fails_with(running: Running, words: &[&str]) {
    let finished = running.wait(START_PATIENCE).expect_code(3);
    let last = finished.stderr().split("error: ").last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "{word:?} is not in: {last}\n{}", finished.stderr());
    }
}

#[test]
fn a_missing_broker_is_waited_for_and_then_named() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 1);
    let nobody = format!("127.0.0.1:{}", net::free_port());
    let mut instance = Instance::start(deployment.config_for(&nobody));
    instance.running.wait_for_stderr("a word about it", wait::PATIENCE, |text| {
        text.contains(&format!("kafka.bootstrap_servers: no broker of {nobody} answers")).then_some(())
    });
    instance.wait_until_missing("start");
    assert_eq!(net::get(&instance.url("/healthz")).map(|reply| reply.status), Ok(200), "the process works");
    fails_with(instance.running, &["kafka.bootstrap_servers", &nobody, "waited 3"]);
}

#[test]
fn a_start_that_waits_can_be_stopped() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 1);
    Instance::start(deployment.config_for(&format!("127.0.0.1:{}", net::free_port()))).stop();
}

#[test]
fn a_missing_topic_is_named() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 1);
    let name = deployment.alerts.clone();
    fails_with(deployment.start().running, &["kafka.alerts_topic: there is no topic", &name, "hint: create it"]);
}

#[test]
fn a_wrong_property_is_named_and_its_value_is_not() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1).property("ssl.key.passphrase", "hunter2");
    let finished = deployment.start().running.wait(PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("kafka.properties.ssl.key.passphrase"), "{}", finished.stderr());
    assert!(!finished.stderr().contains("hunter2"), "{}", finished.stderr());
}

/// Logins and rights in one test: a private broker is dear.
#[test]
fn a_refused_login_and_a_refused_write_are_named() {
    let options = Options::default().user("watch", "right").authorizer();
    let Some(broker) = kafka::private(&options) else { return };
    let deployment = |password: &str| {
        let deployment = Deployment::new(&broker, 1, 1)
            .property("security.protocol", "SASL_PLAINTEXT")
            .property("sasl.mechanism", "SCRAM-SHA-256")
            .property("sasl.username", "watch")
            .property("sasl.password_file", "password");
        std::fs::write(deployment.at("password"), format!("{password}\n")).expect("the folder can be written");
        deployment
    };
    let refused = deployment("wrong-secret").start().running.wait(START_PATIENCE).expect_code(3);
    assert!(refused.stderr().contains("error: kafka.properties.sasl.password: the brokers refuse the login"));
    assert!(!refused.stderr().contains("wrong-secret"), "{}", refused.stderr());

    let allowed = deployment("right");
    broker.allow_only("watch", Operation::Read, &allowed.alerts);
    let instance = allowed.start_ready();
    allowed.produce(ten_reissues("ann", 0));
    fails_with(instance.running, &["kafka.alerts_topic: the brokers refuse writes", &allowed.alerts, "Write"]);
    let committed = broker.committed(&allowed.group, &allowed.topics[0]);
    assert!(
        committed.get(&0).is_none_or(|offset| *offset < 10),
        "what caused the alert is not committed: {committed:?}"
    );
}

#[test]
fn too_few_replicas_in_sync_are_waited_for() {
    let Some(broker) = kafka::private(&Options::default().follower()) else { return };
    let deployment = Deployment::without_outputs(&broker, 1, 1);
    broker.create_topic(&deployment.alerts, 1, &[("min.insync.replicas", "2")]);
    broker.create_topic(&deployment.dead_letters, 1, &[]);
    let instance = deployment.start_ready();
    broker.stop_follower();
    deployment.produce(ten_reissues("ann", 0));
    instance.wait_until_missing("kafka.alerts_topic");
    let committed = broker.committed(&deployment.group, &deployment.topics[0]);
    assert!(committed.get(&0).is_none_or(|offset| *offset < 10), "{committed:?}");
    set_in_sync_replicas_min(&broker, &deployment.alerts, "1");
    deployment.wait_for_alerts(1);
    deployment.wait_until_all_is_committed();
    instance.wait_until_ready();
    let finished = instance.stop();
    assert!(finished.stderr().contains("kafka.alerts_topic: no alert has been committed"), "{}", finished.stderr());
    assert_eq!(deployment.alerts().len(), 1, "written once");
}

#[test]
fn outputs_too_large_for_their_topics_are_made_to_fit() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 1).property("compression.type", "none");
    for topic in [&deployment.alerts, &deployment.dead_letters] {
        broker.create_topic(topic, 1, &[("max.message.bytes", "1500")]);
    }
    deployment.produce(ten_reissues("ann", 0));
    deployment.produce([Record::new(vec![b'x'; 10_000]).key("large"), Record::new("small").key("small")]);
    let instance = deployment.start();
    let alerts = deployment.wait_for_alerts(1);
    deployment.wait_until_all_is_committed();
    instance.stop();
    let evidence = alerts[0].json()["evidence"].as_array().map_or(0, Vec::len);
    assert!((1..10).contains(&evidence), "the newest evidence that fits: {evidence} of 10");
    let letters = deployment.dead_letters();
    let letter = |key: &str| letters.iter().find(|letter| letter.key_text() == key).expect("a dead letter");
    assert_eq!(letter("large").payload.as_ref().map(Vec::len), Some(625), "halved until it fits");
    assert_eq!(letter("large").header("tokenwatch.value.bytes"), Some("10000"));
    assert_eq!(letter("small").header("tokenwatch.value.bytes"), None);
}

#[test]
fn a_broker_that_goes_away_is_waited_for() {
    let Some(broker) = kafka::private(&Options::default()) else { return };
    let deployment = Deployment::new(&broker, 1, 1);
    let instance = deployment.start_ready();
    deployment.produce(ten_reissues("ann", 0));
    deployment.wait_for_alerts(1);
    broker.stop();
    instance.wait_until_missing("kafka.bootstrap_servers");
    broker.restart();
    instance.wait_until_ready();
    deployment.produce(ten_reissues("bob", 20));
    deployment.wait_for_alerts(2);
    deployment.wait_until_all_is_committed();
    instance.stop();
}

#[test]
fn a_stop_without_a_broker_ends_in_time_and_says_what_is_left() {
    let Some(broker) = kafka::private(&Options::default()) else { return };
    let deployment = Deployment::new(&broker, 1, 1);
    let mut instance = deployment.start_ready();
    deployment.produce(ten_reissues("ann", 0));
    deployment.wait_for_alerts(1);
    deployment.wait_until_all_is_committed();
    broker.stop();
    instance.wait_until_missing("kafka.bootstrap_servers");
    instance.running.terminate();
    instance.running.wait(Duration::from_secs(40)).expect_code(0);
}
