//! The state topic: made if it is not there, refused if it is not as it must be.
//!
//! It is compacted, so that of each group the latest entry stays, and has a partition for each number that a source
//! partition can have. That also makes it the memory of how many there were: a key of a source topic that gets more
//! partitions moves to another one, and its windows do not.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::config::KafkaSettings;
use crate::service::Failure;

use super::client;
use super::error;

const SETTING: &str = "kafka.state_topic";
/// How long a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a new topic may take to be seen.
const APPEAR_MAX: Duration = Duration::from_secs(15);
const APPEAR_POLL: Duration = Duration::from_millis(100);
/// An entry holds all windows of a group, which the usual limit of 1 MB may not.
pub(super) const ENTRY_BYTES_MAX: &str = "33554432";
/// Brokers compact closed segments alone, and only where enough in them is out of date. Their own settings, a gigabyte
/// and half, would leave a restore to read every group many times over.
const SEGMENT_BYTES: &str = "52428800";
const OUT_OF_DATE_MIN: &str = "0.2";

const PARTITIONS_ADDED: &str = "if partitions were added, keys have moved and windows have not: let everything be \
    consumed, stop all instances, delete the state topic, and start again; windows begin empty then";

pub(super) type Admin = AdminClient<DefaultClientContext>;
pub(super) type Onlooker = BaseConsumer<DefaultConsumerContext>;

/// Makes sure that the topic exists and is fit. The source topics must exist; says how many partitions each has.
pub async fn provide(settings: &KafkaSettings) -> Result<BTreeMap<String, i32>, Failure> {
    let config = client::observer(settings);
    let admin: Admin = config.create().map_err(|error| client::not_created(&error))?;
    // A question of the admin client could make the topic, in the brokers' way.
    let onlooker: Onlooker = config.create().map_err(|error| client::not_created(&error))?;
    let topics = settings.topics.clone();
    let topic = settings.state_topic.clone();
    let (onlooker, counts) = counts(SETTING, onlooker, topics.iter().chain([&topic]).cloned().collect()).await?;
    let (sources, state) = counts.split_at(topics.len());
    let (wanted, source) = sources.iter().copied().zip(&topics).max().unwrap_or((0, &topic));
    match state.first().copied().unwrap_or(0) {
        0 => {
            let properties = [
                ("cleanup.policy", "compact"),
                ("segment.bytes", SEGMENT_BYTES),
                ("min.cleanable.dirty.ratio", OUT_OF_DATE_MIN),
                ("max.message.bytes", ENTRY_BYTES_MAX),
            ];
            create(SETTING, &admin, onlooker, (&topic, wanted), &properties).await.map_err(|failure| {
                failure.hint(
                    "make it with cleanup.policy=compact and as many partitions as the source topic with the most, or \
                     allow the operation Create on it to this client",
                )
            })?;
        }
        found if found == wanted => check_properties(&admin, &topic).await?,
        found => return Err(wrong_count(&topic, found, source, wanted)),
    }
    let count = |count: &usize| i32::try_from(*count).unwrap_or(i32::MAX);
    Ok(topics.iter().cloned().zip(sources.iter().map(count)).collect())
}

fn wrong_count(topic: &str, found: usize, source: &str, wanted: usize) -> Failure {
    let problem = format!("{topic:?} has {found} partitions, and {source:?} has {wanted}");
    Failure::surroundings(SETTING, problem).hint(PARTITIONS_ADDED)
}

/// A source topic got more partitions while the service runs.
pub(super) fn lacks_partition(topic: &str) -> Failure {
    Failure::surroundings(SETTING, format!("{topic:?} has fewer partitions than a source topic")).hint(PARTITIONS_ADDED)
}

/// How many partitions each topic has; 0 for one that does not exist.
pub(super) async fn counts(
    setting: &'static str,
    onlooker: Onlooker,
    topics: Vec<String>,
) -> Result<(Onlooker, Vec<usize>), Failure> {
    let ask = move || {
        let count = |topic: &String| {
            let metadata = onlooker.fetch_metadata(Some(topic), ANSWER_MAX)?;
            Ok(metadata.topics().iter().find(|known| known.name() == topic).map_or(0, |known| known.partitions().len()))
        };
        let counts: Result<Vec<usize>, KafkaError> = topics.iter().map(count).collect();
        counts.map(|counts| (onlooker, counts))
    };
    let answer = spawn_blocking(ask).await.map_err(|_| Failure::other("the look at the topics panicked"))?;
    answer.map_err(|error| Failure::surroundings(setting, format!("topics cannot be looked at: {error}")))
}

/// Makes a topic, and waits until it is seen.
pub(super) async fn create(
    setting: &'static str,
    admin: &Admin,
    mut onlooker: Onlooker,
    (topic, partitions): (&str, usize),
    properties: &[(&str, &str)],
) -> Result<(), Failure> {
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let new = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
    let new = properties.iter().fold(new, |new, (name, value)| new.set(name, value));
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let not_made =
        |code| Failure::surroundings(setting, format!("{topic:?} does not exist and cannot be made: {code}"));
    let answers = admin.create_topics([&new], &options).await.map_err(|error| not_made(error::code(&error)))?;
    match answers.into_iter().next() {
        Some(Ok(_)) => info!("{setting}: {topic:?} is made, with {partitions} partitions"),
        // Another instance was faster.
        Some(Err((_, Code::TopicAlreadyExists))) | None => {}
        Some(Err((_, code))) => return Err(not_made(code)),
    }
    let deadline = Instant::now() + APPEAR_MAX;
    loop {
        let found;
        (onlooker, found) = counts(setting, onlooker, vec![topic.to_owned()]).await?;
        if found.first().is_some_and(|found| *found > 0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::surroundings(setting, format!("{topic:?} was made and does not appear")));
        }
        sleep(APPEAR_POLL).await;
    }
}

/// A topic that deletes what is old forgets groups that are quiet, and one that takes no large records stops the service
/// when a group has much to remember.
async fn check_properties(admin: &Admin, topic: &str) -> Result<(), Failure> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX));
    let answer = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options).await;
    let resource = match answer.map(|answers| answers.into_iter().next()) {
        Ok(Some(Ok(resource))) => resource,
        Ok(Some(Err(code))) => {
            info!(%code, "{SETTING}: its properties cannot be checked");
            return Ok(());
        }
        Ok(None) => return Ok(()),
        Err(error) => {
            info!(%error, "{SETTING}: its properties cannot be checked");
            return Ok(());
        }
    };
    let value = |name| resource.get(name).and_then(|entry| entry.value.clone());
    let alter = |property: String| {
        format!("kafka-configs.sh --alter --topic {topic} --add-config {property} --bootstrap-server HOST:PORT")
    };
    if let Some(policy) = value("cleanup.policy").filter(|policy| policy != "compact") {
        let problem = format!("{topic:?} has cleanup.policy={policy}, and must have compact");
        return Err(Failure::surroundings(SETTING, problem).hint(alter("cleanup.policy=compact".to_owned())));
    }
    let bytes = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    if let Some(found) = value("max.message.bytes").filter(|found| bytes(found) < bytes(ENTRY_BYTES_MAX)) {
        warn!(
            "{SETTING}: {topic:?} has max.message.bytes={found}: should a group have more to remember, the service stops; {}",
            alter(format!("max.message.bytes={ENTRY_BYTES_MAX}"))
        );
    }
    Ok(())
}
