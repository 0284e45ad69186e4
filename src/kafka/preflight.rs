//! Looks before the service starts: are the brokers there, do they let us in, do the topics exist?
//!
//! A service that cannot work says so within seconds and names the setting, instead of waiting in silence. Not a
//! guarantee: whatever holds now may change, and the worker copes with that.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use tracing::{info, warn};

use crate::config::KafkaSettings;
use crate::service::Failure;
use crate::service::transport::Event;

use super::client;
use super::context::ObserverContext;
use super::error;

/// How long a single question may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// The wait between two attempts doubles from here…
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// …up to here.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How long a start waits for what may still come.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a broker to answer.
    pub broker: Duration,
    /// For the topics to appear, once one does.
    pub topics: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { broker: Duration::from_secs(30), topics: Duration::from_secs(10) }
    }
}

/// A client that asks the brokers questions and belongs to no group.
pub struct Probe {
    consumer: BaseConsumer<ObserverContext>,
    /// The topics that must exist, and the settings that name them.
    topics: Vec<(&'static str, String)>,
    sources: Vec<String>,
    brokers: String,
    config: ClientConfig,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("brokers", &self.brokers).field("topics", &self.topics).finish_non_exhaustive()
    }
}

/// What stands in the way of a start.
enum Obstacle {
    Broker(String),
    Topic(Failure),
    Lasting(Failure),
}

impl Probe {
    /// Makes the client; wrong properties show here.
    pub fn new(settings: &KafkaSettings) -> Result<Self, Failure> {
        let config = client::observer(settings);
        let context = ObserverContext::new(client::login_setting(settings));
        let consumer = config.create_with_context(context).map_err(|error| client::not_created(&error))?;
        let mut topics: Vec<_> = settings.topics.iter().map(|topic| ("kafka.topics", topic.clone())).collect();
        topics.push(("kafka.alerts_topic", settings.alerts_topic.clone()));
        topics.push(("kafka.dead_letter_topic", settings.dead_letter_topic.clone()));
        topics.extend(settings.shadow_topic.iter().map(|topic| ("kafka.shadow_topic", topic.clone())));
        let brokers = settings.bootstrap_servers.join(",");
        Ok(Self { consumer, topics, sources: settings.topics.clone(), brokers, config })
    }

    /// Waits until the brokers answer and every topic exists. Blocks; an error means that waiting longer is no use.
    pub fn wait(&self, patience: Patience) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut answered = None;
        let mut backoff = BACKOFF_MIN;
        let mut said = false;
        loop {
            let (failure, deadline) = match self.look() {
                Ok(()) => return Ok(()),
                Err(Obstacle::Lasting(failure)) => return Err(failure),
                Err(Obstacle::Topic(failure)) => {
                    (failure, *answered.get_or_insert_with(Instant::now) + patience.topics)
                }
                Err(Obstacle::Broker(reason)) => (self.no_broker(&reason), begun + patience.broker),
            };
            if Instant::now() >= deadline {
                let waited_s = begun.elapsed().as_secs_f64();
                return Err(Failure { problem: format!("{} (waited {waited_s:.0}s)", failure.problem), ..failure });
            }
            if !said {
                warn!("{failure}");
                info!("waiting {:.0?} for it", deadline.saturating_duration_since(Instant::now()));
                said = true;
            }
            thread::sleep(backoff);
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// True if a broker answers now; if not, why. One round trip.
    pub fn reachable(&self) -> Result<(), String> {
        let topic = self.topics.first().map(|(_, topic)| topic.as_str());
        let answer = self.consumer.fetch_metadata(topic, ANSWER_MAX);
        // The client's log and reports wait to be served.
        while self.consumer.poll(Duration::ZERO).is_some() {}
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.consumer.context().last().unwrap_or_else(|| error::code(&error).to_string())),
        }
    }

    fn look(&self) -> Result<(), Obstacle> {
        for (setting, topic) in &self.topics {
            let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER_MAX);
            self.lasting()?;
            let metadata = metadata.map_err(|error| self.broker(&error))?;
            let known = metadata.topics().iter().find(|known| known.name() == topic);
            match known.map(|known| (known.error(), known.partitions().len())) {
                Some((None, 1..)) => {}
                Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), _)) => {
                    let failure =
                        Failure::surroundings(*setting, format!("the brokers refuse {topic:?} to this client"))
                            .hint(format!("allow the operations Describe and {} on it", operation(setting)));
                    return Err(Obstacle::Lasting(failure));
                }
                Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), _)) => {
                    let failure = Failure::surroundings(*setting, format!("{topic:?} has no leader"));
                    return Err(Obstacle::Topic(failure));
                }
                _ => return Err(Obstacle::Topic(error::missing_topic(setting, topic))),
            }
        }
        Ok(())
    }

    /// What the client has reported meanwhile and waiting does not mend.
    fn lasting(&self) -> Result<(), Obstacle> {
        while self.consumer.poll(Duration::ZERO).is_some() {}
        let mut events = Vec::new();
        self.consumer.context().inbox.take(&mut events);
        for event in events {
            if let Event::Failed(failure) = event {
                return Err(Obstacle::Lasting(failure));
            }
        }
        Ok(())
    }

    fn broker(&self, error: &KafkaError) -> Obstacle {
        Obstacle::Broker(self.consumer.context().last().unwrap_or_else(|| error::code(error).to_string()))
    }

    fn no_broker(&self, reason: &str) -> Failure {
        Failure::surroundings("kafka.bootstrap_servers", format!("no broker of {} answers: {reason}", self.brokers))
            .hint("is the address right, and do kafka.properties.security.protocol and .ssl.* suit that listener?")
    }

    /// Warns of source topics whose records carry their producers' clocks: then one wrong clock can expire every
    /// window, because nothing trustworthy tells that it is wrong.
    pub async fn warn_of_create_time(&self) {
        match self.timestamp_types().await {
            Ok(types) => {
                for topic in types.iter().filter(|(_, kind)| kind == "CreateTime").map(|(topic, _)| topic) {
                    warn!(
                        "kafka.topics: {topic:?} has message.timestamp.type=CreateTime, so one producer with a wrong \
                         clock can expire every window; set it to LogAppendTime to have such events refused"
                    );
                }
            }
            Err(code) => info!(%code, "kafka.topics: message.timestamp.type cannot be checked"),
        }
    }

    async fn timestamp_types(&self) -> Result<Vec<(String, String)>, Code> {
        let admin: AdminClient<DefaultClientContext> = self.config.create().map_err(|error| error::code(&error))?;
        let topics: Vec<_> = self.sources.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX));
        let answers = admin.describe_configs(&topics, &options).await.map_err(|error| error::code(&error))?;
        let mut types = Vec::new();
        for (topic, answer) in self.sources.iter().zip(answers) {
            if let Some(kind) = answer?.get("message.timestamp.type").and_then(|entry| entry.value.clone()) {
                types.push((topic.clone(), kind));
            }
        }
        Ok(types)
    }
}

fn operation(setting: &str) -> &'static str {
    if setting == "kafka.topics" { "Read" } else { "Write" }
}
