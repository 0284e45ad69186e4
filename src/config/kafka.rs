//! The section `kafka`: which cluster, which topics, and in which group.
//!
//! Not the client's own settings: those pass through unread in [`super::properties`].

use config::ValueKind;
use serde_json::{Value as Json, json};

use crate::detect::Timestamp;

use super::properties::{self, Properties};
use super::reader::{Given, Reader};
use super::setting::{Fault, Setting, one_of, within, wrong_type};

/// The checked section `kafka`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port` of some brokers; not empty when the service runs.
    pub bootstrap_servers: Vec<String>,
    /// The consumer group, and the first part of every transactional id.
    pub group_id: String,
    /// What tells this process from others of its group, and stays the same when it is started again: the second part of
    /// every transactional id, and the name under which it stays a member while it is away. None: a name for each start.
    pub instance_id: Option<String>,
    /// The topics with audit events; not empty when the service runs, and none of the two below.
    pub topics: Vec<String>,
    /// What the records of these topics are keyed by.
    pub keyed_by: KeyedBy,
    /// Where alerts go.
    pub alerts_topic: String,
    /// Where records that are no events go.
    pub dead_letter_topic: String,
    /// Where alerts of rules in shadow go; none unless `rules.shadow` says that there are some.
    pub shadow_topic: Option<String>,
    /// Where what is known of each partition is saved.
    pub state_topic: String,
    /// Where matches go whose groups lie across partitions.
    pub matches_topic: String,
    /// Where a group without offsets begins.
    pub start: Start,
    /// How the group agrees on who reads what.
    pub group_protocol: GroupProtocol,
    /// Threads that read and decide, each with its own consumer and producer; at least 1.
    pub workers: usize,
    /// Handed to the Kafka client as they are; none of those that the service sets itself.
    pub properties: Properties,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            group_id: "tokenwatch".to_owned(),
            instance_id: None,
            topics: Vec::new(),
            keyed_by: KeyedBy::default(),
            alerts_topic: "tokenwatch-alerts".to_owned(),
            dead_letter_topic: "tokenwatch-dead-letters".to_owned(),
            shadow_topic: None,
            state_topic: "tokenwatch-state".to_owned(),
            matches_topic: "tokenwatch-matches".to_owned(),
            start: Start::Earliest,
            group_protocol: GroupProtocol::Classic,
            workers: 1,
            properties: Properties::default(),
        }
    }
}

/// Where a group without offsets begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that the topic still has.
    Earliest,
    /// With what comes next.
    Latest,
    /// With the first record of this time or later.
    At(Timestamp),
}

/// The path of the field whose text is the records' key; none if they are keyed otherwise or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyedBy(pub Option<String>);

/// How a consumer group places its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The protocol of every broker version.
    Classic,
    /// KIP-848, for brokers from 4.0.
    Consumer,
}

impl GroupProtocol {
    /// The client's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl Setting for GroupProtocol {
    fn read(given: &Given) -> Result<Self, Fault> {
        one_of(given, &[("classic", Self::Classic), ("consumer", Self::Consumer)])
    }

    fn schema() -> Json {
        json!({ "enum": ["classic", "consumer"] })
    }
}

/// `kafka.keyed_by`: a path as rules write it. Empty means none.
impl Setting for KeyedBy {
    fn read(given: &Given) -> Result<Self, Fault> {
        let is_odd = |c: char| c.is_whitespace() || c == ',';
        match &given.value {
            ValueKind::String(path) if path.is_empty() => Ok(Self(None)),
            ValueKind::String(path) if path.contains(is_odd) || path.split('.').any(str::is_empty) => {
                Err(Fault::new(format!("{path:?} is not the path of one field")).hint("a path looks like jwt.sub"))
            }
            ValueKind::String(path) => Ok(Self(Some(path.clone()))),
            other => Err(wrong_type(other, "a text")),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

impl Setting for Start {
    fn read(given: &Given) -> Result<Self, Fault> {
        let text = String::read(given)?;
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => match time.parse::<jiff::Timestamp>() {
                Ok(time) => Ok(Self::At(Timestamp::from_millis(time.as_millisecond()))),
                Err(_) => Err(Fault::new(format!("{text:?} is neither earliest, latest nor an RFC 3339 time"))
                    .hint("a time looks like 2026-11-23T17:56:58Z")),
            },
        }
    }
}

/// `kafka.instance_id`, which becomes part of names that Kafka shows, with a worker's number behind it. Empty means none.
impl Setting for Option<String> {
    fn read(given: &Given) -> Result<Self, Fault> {
        const BYTES_MAX: usize = 100;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match &given.value {
            ValueKind::String(id) if id.is_empty() => Ok(None),
            ValueKind::String(id) if id.len() <= BYTES_MAX && id.chars().all(legal) => Ok(Some(id.clone())),
            ValueKind::String(id) => {
                let fault =
                    Fault::new(format!("{id:?} is no name of up to {BYTES_MAX} letters, digits, '.', '_' and '-'"));
                Err(fault.hint("the host's or the pod's name will do, where each runs one process"))
            }
            other => Err(wrong_type(other, "a text")),
        }
    }
}

/// `kafka.shadow_topic` where nothing else is given.
const SHADOW_TOPIC: &str = "tokenwatch-shadow-alerts";
/// Threads beyond this would be a slip: more processes scale further than more threads.
const WORKERS_MAX: usize = 256;

impl KafkaSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut kafka = Self::default();
        reader.set_if("kafka.bootstrap_servers", &mut kafka.bootstrap_servers, |servers| all(servers, server));
        reader.set_if("kafka.group_id", &mut kafka.group_id, group_id);
        reader.set("kafka.instance_id", &mut kafka.instance_id);
        reader.set_if("kafka.topics", &mut kafka.topics, |topics| all(topics, topic));
        reader.set("kafka.keyed_by", &mut kafka.keyed_by);
        reader.set_if("kafka.alerts_topic", &mut kafka.alerts_topic, |name| topic(name));
        reader.set_if("kafka.dead_letter_topic", &mut kafka.dead_letter_topic, |name| topic(name));
        let mut shadow_topic = SHADOW_TOPIC.to_owned();
        reader.set_if("kafka.shadow_topic", &mut shadow_topic, |name| topic(name));
        kafka.shadow_topic = Some(shadow_topic);
        reader.set_if("kafka.state_topic", &mut kafka.state_topic, |name| topic(name));
        reader.set_if("kafka.matches_topic", &mut kafka.matches_topic, |name| topic(name));
        kafka.check_for_loops(reader);
        reader.set("kafka.start", &mut kafka.start);
        reader.set("kafka.group_protocol", &mut kafka.group_protocol);
        reader.set_if("kafka.workers", &mut kafka.workers, within(1, WORKERS_MAX));
        kafka.properties = properties::read(reader);
        kafka
    }

    /// What a service cannot do without.
    pub(super) fn require(&self, reader: &mut Reader) {
        if self.bootstrap_servers.is_empty() {
            reader.require("kafka.bootstrap_servers", "bootstrap_servers = [\"broker:9092\"]");
        }
        if self.topics.is_empty() {
            reader.require("kafka.topics", "topics = [\"audit\"]");
        }
    }

    /// The settings that name the topics which the service writes to, and the topics.
    fn outputs(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let always = [
            ("kafka.alerts_topic", &self.alerts_topic),
            ("kafka.dead_letter_topic", &self.dead_letter_topic),
            ("kafka.state_topic", &self.state_topic),
            ("kafka.matches_topic", &self.matches_topic),
        ];
        always.into_iter().chain(self.shadow_topic.iter().map(|topic| ("kafka.shadow_topic", topic)))
    }

    /// A service that read its own output would never come to rest, and nobody could tell its outputs apart in one topic.
    fn check_for_loops(&self, reader: &mut Reader) {
        for (at, (key, output)) in self.outputs().enumerate() {
            if self.topics.contains(output) {
                reader.reject_key(key, Fault::new(format!("{output:?} is also one of kafka.topics")));
            }
            if let Some((other, _)) = self.outputs().take(at).find(|(_, earlier)| *earlier == output) {
                reader.reject_key(key, Fault::new(format!("{output:?} is also {other}")));
            }
        }
    }
}

fn all(values: &[String], check: impl Fn(&str) -> Result<(), Fault>) -> Result<(), Fault> {
    if values.is_empty() {
        return Err(Fault::new("is an empty list"));
    }
    for (index, value) in values.iter().enumerate() {
        check(value)?;
        if values[..index].contains(value) {
            return Err(Fault::new(format!("names {value:?} twice")));
        }
    }
    Ok(())
}

fn server(server: &str) -> Result<(), Fault> {
    let fault = |why: &str| Err(Fault::new(format!("{server:?} {why}")).hint("write host:port, such as broker:9092"));
    if server.chars().any(char::is_whitespace) {
        return fault("has white space in it");
    }
    let Some((host, port)) = server.rsplit_once(':') else { return fault("has no port") };
    if host.is_empty() {
        return fault("has no host");
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => fault(&format!("has {port:?} for a port, not a number from 1 to 65535")),
    }
}

fn group_id(id: &String) -> Result<(), Fault> {
    if id.chars().any(char::is_control) {
        Err(Fault::new(format!("{id:?} has a control character in it")))
    } else {
        Ok(())
    }
}

/// Kafka's own rule for topic names.
fn topic(name: &str) -> Result<(), Fault> {
    const BYTES_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > BYTES_MAX {
        return Err(Fault::new(format!("{name:?} is longer than {BYTES_MAX} bytes")));
    }
    if matches!(name, "." | "..") || !name.chars().all(legal) {
        return Err(Fault::new(format!("{name:?} is not a topic name"))
            .hint("topic names consist of letters, digits, '.', '_' and '-'; patterns are not supported"));
    }
    Ok(())
}
