//! What the service writes: alerts, dead letters, state and routed matches as records.
//!
//! Every byte of a source record that leaves the process passes [`redact`] here and nowhere else.

use std::borrow::Cow;

use crate::detect::alert::Details;
use crate::detect::{Alert, Timestamp};
use crate::ingest::{Disposition, Rejection};
use crate::route::wire::Message;

use super::transport::{Incoming, Outgoing};

/// The topics that the service writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// `kafka.alerts_topic`.
    Alerts,
    /// `kafka.dead_letter_topic`.
    DeadLetters,
    /// `kafka.shadow_topic`.
    ShadowAlerts,
    /// `kafka.state_topic`.
    State,
    /// `kafka.matches_topic`.
    Matches,
}

impl Destination {
    /// Every destination.
    pub const ALL: [Self; 5] = [Self::Alerts, Self::DeadLetters, Self::ShadowAlerts, Self::State, Self::Matches];

    /// The setting that names the topic.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Alerts => "kafka.alerts_topic",
            Self::DeadLetters => "kafka.dead_letter_topic",
            Self::ShadowAlerts => "kafka.shadow_topic",
            Self::State => "kafka.state_topic",
            Self::Matches => "kafka.matches_topic",
        }
    }

    /// One of it and several of it, as messages call them.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Alerts => "alert",
            Self::DeadLetters => "dead letter",
            Self::ShadowAlerts => "shadow alert",
            Self::State => "state",
            Self::Matches => "match",
        }
    }
}

/// Who writes a dead letter, as its headers say.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// The consumer group, where Kafka Connect names its connector.
    pub group_id: String,
    /// The worker's number, where Kafka Connect numbers its tasks.
    pub worker: usize,
}

/// Set on a dead letter whose value was cut to fit its topic: how many bytes the record's value had.
pub const HEADER_CUT: &str = "tokenwatch.value.bytes";

/// A record on its way out, kept until it is acknowledged.
#[derive(Clone, Debug)]
pub struct Output {
    content: Content,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Vec<(&'static str, Vec<u8>)>,
    /// The timestamp of the record that caused it.
    caused_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Content {
    Alert(Box<Alert>),
    DeadLetter {
        value_bytes: usize,
    },
    /// For the partition of this number.
    State {
        partition: i32,
    },
    /// For the partition of this number; without a key, a mark.
    Match {
        partition: i32,
    },
}

impl Output {
    /// An alert: keyed by its group's canonical text, JSON as its value. `caused_at` is the timestamp of the record at
    /// whose arrival it was raised.
    #[must_use]
    pub fn alert(alert: Alert, caused_at: Option<Timestamp>) -> Self {
        Self {
            key: Some(alert.group.canonical().into_bytes()),
            payload: Some(json(&alert)),
            content: Content::Alert(Box::new(alert)),
            headers: Vec::new(),
            caused_at,
        }
    }

    /// A dead letter: the record's key and value as they came, and headers as Kafka Connect writes them, so that its
    /// tools read them. Headers of the record itself are left behind: they may hold credentials.
    #[must_use]
    pub fn dead_letter(record: &Incoming<'_>, rejection: &Rejection, author: &Author) -> Self {
        let stage = match rejection.disposition() {
            Disposition::Malformed => "VALUE_CONVERTER",
            _ => "TRANSFORMATION",
        };
        let headers = [
            ("__connect.errors.topic", record.topic.to_owned()),
            ("__connect.errors.partition", record.partition.to_string()),
            ("__connect.errors.offset", record.offset.to_string()),
            ("__connect.errors.connector.name", author.group_id.clone()),
            ("__connect.errors.task.id", author.worker.to_string()),
            ("__connect.errors.stage", stage.to_owned()),
            ("__connect.errors.class.name", "tokenwatch".to_owned()),
            ("__connect.errors.exception.class.name", rejection.reason().to_owned()),
            ("__connect.errors.exception.message", rejection.to_string()),
        ];
        Self {
            content: Content::DeadLetter { value_bytes: record.payload.map_or(0, <[u8]>::len) },
            key: record.key.map(|key| redact(key).into_owned()),
            payload: record.payload.map(|payload| redact(payload).into_owned()),
            headers: headers.map(|(name, value)| (name, value.into_bytes())).to_vec(),
            caused_at: record.timestamp,
        }
    }

    /// A part of a partition's state, or that a part is gone.
    #[must_use]
    pub const fn state(partition: i32, key: Vec<u8>, value: Option<Vec<u8>>) -> Self {
        let content = Content::State { partition };
        Self { content, key: Some(key), payload: value, headers: Vec::new(), caused_at: None }
    }

    /// A match, on its way to the partition in which its groups are counted.
    #[must_use]
    pub fn routed(partition: i32, message: Message, caused_at: Option<Timestamp>) -> Self {
        let content = Content::Match { partition };
        let Message { key, payload } = message;
        Self { content, key: Some(key.to_vec()), payload: Some(payload), headers: Vec::new(), caused_at }
    }

    /// How far a source has come, for a partition in which groups are counted.
    #[must_use]
    pub const fn mark(partition: i32, payload: Vec<u8>) -> Self {
        let content = Content::Match { partition };
        Self { content, key: None, payload: Some(payload), headers: Vec::new(), caused_at: None }
    }

    /// Where it goes.
    #[must_use]
    pub fn destination(&self) -> Destination {
        match &self.content {
            Content::Alert(alert) if alert.shadow => Destination::ShadowAlerts,
            Content::Alert(_) => Destination::Alerts,
            Content::DeadLetter { .. } => Destination::DeadLetters,
            Content::State { .. } => Destination::State,
            Content::Match { .. } => Destination::Matches,
        }
    }

    /// The alert, if it is one.
    #[must_use]
    pub const fn as_alert(&self) -> Option<&Alert> {
        match &self.content {
            Content::Alert(alert) => Some(alert),
            Content::DeadLetter { .. } | Content::State { .. } | Content::Match { .. } => None,
        }
    }

    /// The timestamp of the record that caused it.
    #[must_use]
    pub const fn caused_at(&self) -> Option<Timestamp> {
        self.caused_at
    }

    /// As the transport takes it.
    #[must_use]
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            destination: self.destination(),
            partition: match self.content {
                Content::State { partition } | Content::Match { partition } => Some(partition),
                Content::Alert(_) | Content::DeadLetter { .. } => None,
            },
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            headers: &self.headers,
        }
    }

    /// Bytes of key, value and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.payload.as_ref().map_or(0, Vec::len) + headers
    }

    /// Makes it smaller, for a topic that refuses its size; false if nothing can be left out any more. An alert loses
    /// the older half of its evidence, in the end its details; a dead letter loses the second half of its value and
    /// says so in [`HEADER_CUT`]. State and matches are whole or worthless.
    pub fn shrink(&mut self) -> bool {
        match &mut self.content {
            Content::Alert(alert) => {
                let evidence = alert.evidence.len();
                if evidence > 0 {
                    alert.evidence.drain(..evidence.div_ceil(2));
                } else if alert.details == Details::None {
                    return false;
                } else {
                    alert.details = Details::None;
                }
                self.payload = Some(json(alert));
            }
            Content::State { .. } | Content::Match { .. } => return false,
            Content::DeadLetter { value_bytes } => {
                let Some(payload) = self.payload.as_mut().filter(|payload| !payload.is_empty()) else { return false };
                payload.truncate(payload.len() / 2);
                if self.headers.iter().all(|(name, _)| *name != HEADER_CUT) {
                    self.headers.push((HEADER_CUT, value_bytes.to_string().into_bytes()));
                }
            }
        }
        true
    }
}

fn json(alert: &Alert) -> Vec<u8> {
    serde_json::to_vec(alert).expect("texts, numbers and times always serialize")
}

/// The seam where raw tokens and secrets will be replaced by their fingerprints. It replaces nothing yet: for now a
/// dead letter shows what its record held, so its topic deserves the protection that the source topics have.
fn redact(bytes: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::detect::Origin;
    use crate::detect::alert::{Evidence, Group};
    use crate::detect::rule::{Level, RuleHeader};

    fn header(output: &Output, name: &str) -> Option<String> {
        let (_, value) = output.headers.iter().find(|(given, _)| *given == name)?;
        Some(String::from_utf8(value.clone()).expect("headers are text"))
    }

    fn dead_letter(payload: Option<&[u8]>) -> Output {
        let record = Incoming {
            topic: "audit",
            partition: 3,
            offset: 4711,
            timestamp: Some(Timestamp::from_millis(5)),
            key: Some(b"ann"),
            payload,
        };
        let author = Author { group_id: "watch".to_owned(), worker: 2 };
        Output::dead_letter(&record, &Rejection::NotAnObject, &author)
    }

    fn alert(evidence: usize) -> Output {
        let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
        let event = |number: usize| Evidence {
            id: number.to_string().into(),
            time: Timestamp::default(),
            origin: origin.clone(),
        };
        let rule = RuleHeader {
            id: Uuid::nil(),
            name: "fan_out".to_owned(),
            title: "Fan-out".to_owned(),
            kind: "value_count",
            level: Level::High,
            tags: Vec::new(),
            version: "0".repeat(12),
        };
        let alert = Alert {
            id: Uuid::nil(),
            time: Timestamp::default(),
            rule: Arc::new(rule),
            group: Group(vec![("jwt.sub".to_owned(), "ann".to_owned())]),
            window: None,
            observed: None,
            condition: None,
            summary: String::new(),
            suppressed: 0,
            truncated: false,
            shadow: false,
            details: Details::Values { values: vec!["a".to_owned()] },
            evidence: (0..evidence).map(event).collect(),
        };
        Output::alert(alert, Some(Timestamp::from_millis(7)))
    }

    #[test]
    fn a_dead_letter_is_the_record_with_the_headers_of_kafka_connect() {
        let output = dead_letter(Some(b"[\xff]"));
        let outgoing = output.outgoing();
        assert_eq!(outgoing.destination, Destination::DeadLetters);
        assert_eq!(outgoing.key, Some(b"ann".as_slice()));
        assert_eq!(outgoing.payload, Some(b"[\xff]".as_slice()));
        let expected = [
            ("topic", "audit"),
            ("partition", "3"),
            ("offset", "4711"),
            ("connector.name", "watch"),
            ("task.id", "2"),
            ("stage", "VALUE_CONVERTER"),
            ("exception.class.name", "not_an_object"),
            ("exception.message", "not a JSON object"),
        ];
        for (name, value) in expected {
            assert_eq!(header(&output, &format!("__connect.errors.{name}")).as_deref(), Some(value), "{name}");
        }
        assert_eq!(header(&output, HEADER_CUT), None);
        assert_eq!(dead_letter(None).outgoing().payload, None, "a tombstone stays one");
    }

    #[test]
    fn a_dead_letter_is_cut_in_halves_and_says_so() {
        let mut output = dead_letter(Some(&[b'x'; 1000]));
        assert!(output.shrink() && output.shrink());
        assert_eq!(output.outgoing().payload.map(<[u8]>::len), Some(250));
        assert_eq!(header(&output, HEADER_CUT).as_deref(), Some("1000"));
        assert_eq!(output.headers.iter().filter(|(name, _)| *name == HEADER_CUT).count(), 1);
        while output.shrink() {}
        assert_eq!(output.outgoing().payload, Some([].as_slice()));
    }

    #[test]
    fn an_alert_is_keyed_by_its_group() {
        let output = alert(0);
        assert_eq!(output.outgoing().key, Some(br#"{"jwt.sub":"ann"}"#.as_slice()));
        assert_eq!(output.caused_at(), Some(Timestamp::from_millis(7)));
    }

    #[test]
    fn an_alert_loses_its_oldest_evidence_first_and_its_details_last() {
        let mut output = alert(5);
        let mut kept = Vec::new();
        while output.shrink() {
            let alert = output.as_alert().expect("an alert");
            let ids: Vec<_> = alert.evidence.iter().map(|evidence| evidence.id.to_string()).collect();
            kept.push((ids.join(","), alert.details != Details::None));
        }
        let expected = [("3,4", true), ("4", true), ("", true), ("", false)];
        assert_eq!(kept, expected.map(|(ids, details)| (ids.to_owned(), details)));
    }
}
