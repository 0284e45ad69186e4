//! Makes and removes topics.

use std::future::Future;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};

use super::Broker;
use super::options::{FIRST_ID, FOLLOWER_ID};
use crate::support::wait;

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

impl Broker {
    /// Makes a topic with these settings (`retention.ms`, `max.message.bytes`, …); back when it can be written to.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let expected = usize::try_from(partitions).expect("a topic has a number of partitions");
        // The first broker leads: what it has acknowledged can be read when the follower is gone.
        let both: Vec<&[i32]> = vec![&[FIRST_ID, FOLLOWER_ID]; expected];
        let replication =
            if self.has_follower() { TopicReplication::Variable(&both) } else { TopicReplication::Fixed(-1) };
        let mut topic = NewTopic::new(name, partitions, replication);
        topic.config.extend_from_slice(settings);
        expect_done("create", finish(self.admin().create_topics([&topic], &options())));
        wait::until(&format!("all leaders of topic {name}"), wait::PATIENCE, || {
            let leaders = self.leaders(name)?;
            let all = leaders.len() == expected && leaders.iter().all(|leader| *leader >= 0);
            if all { Ok(()) } else { Err(format!("{leaders:?}")) }
        });
    }

    /// Removes a topic; back when the broker no longer knows it.
    #[track_caller]
    pub fn delete_topic(&self, name: &str) {
        expect_done("delete", finish(self.admin().delete_topics(&[name], &options())));
        wait::until(&format!("the end of topic {name}"), wait::PATIENCE, || match self.leaders(name) {
            Ok(leaders) if leaders.is_empty() => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
    }

    /// How many partitions a topic has; 0 where there is no such topic.
    #[track_caller]
    pub fn partition_count(&self, topic: &str) -> i32 {
        let leaders = self.leaders(topic).unwrap_or_else(|error| panic!("{error}"));
        i32::try_from(leaders.len()).expect("Kafka counts partitions in this type")
    }

    /// The leader of each partition, -1 for none; empty for a topic that is not there.
    fn leaders(&self, topic: &str) -> Result<Vec<i32>, String> {
        let metadata = self.consumer().client().fetch_metadata(Some(topic), METADATA_TIMEOUT);
        let metadata = metadata.map_err(|error| format!("metadata of {topic}: {error}"))?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        Ok(partitions.map(MetadataPartition::leader).collect())
    }

    pub(super) fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client_config().create().expect("the harness's own client configuration is right")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(wait::PATIENCE)).operation_timeout(Some(wait::PATIENCE))
}

fn finish<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers can be made").block_on(work)
}

#[track_caller]
fn expect_done(what: &str, results: KafkaResult<Vec<TopicResult>>) {
    for result in results.unwrap_or_else(|error| panic!("{what} topic: {error}")) {
        if let Err((topic, code)) = result {
            panic!("{what} topic {topic}: {code}");
        }
    }
}
