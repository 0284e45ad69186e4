//! A match as a record of the internal topic, and back: JSON in the form of an event that has only the fields which its
//! rules need, with what the route has to say under `@match`.
//!
//! Rules go by name and version, so that processes with different rule files can share the topic: who does not know a
//! rule in that version leaves it alone.
//!
//! Not secrecy: the values that rules count stand in the clear, as in the state topic.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use smallvec::SmallVec;

use crate::detect::engine::route::{Readers, Routed};
use crate::detect::event::{Event, Origin};
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::rule::RuleSet;
use crate::detect::rule::route::{Route, Routes};
use crate::detect::time::Timestamp;
use crate::detect::value::{Number, Value, shortest};
use crate::ingest::decode::Projection;

use super::sources::Mark;

/// Deepest nesting of what this writes.
const DEPTH_MAX: usize = 8;
/// Bytes of a record's key: enough that no two groups share one by chance.
pub const KEY_BYTES: usize = 16;
/// Keys are hashed with it. It becomes a secret of the operator's with pseudonyms.
const GROUPING_KEY: &[u8] = b"tokenwatch";

/// A record for the internal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A keyed hash of where it is counted.
    pub key: [u8; KEY_BYTES],
    /// The match.
    pub payload: Vec<u8>,
}

/// Writes matches under one rule set.
#[derive(Debug)]
pub struct Encoder {
    rules: Arc<RuleSet>,
    routes: Arc<Routes>,
    /// By rule: name and version.
    names: Vec<String>,
    hasher: Hmac<Sha256>,
}

/// Where a match comes from.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The event.
    pub event: &'a Event<'a>,
    /// The timestamp of its record.
    pub recorded: Option<Timestamp>,
    /// To which time its source had come with it.
    pub stream_time: Timestamp,
}

impl Encoder {
    /// A writer for a rule set.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, routes: Arc<Routes>) -> Self {
        let names = names(&rules).collect();
        let hasher = Hmac::new_from_slice(GROUPING_KEY).expect("a key may have any length");
        Self { rules, routes, names, hasher }
    }

    /// The record of a match.
    #[must_use]
    pub fn encode(&self, routed: &Routed, provenance: &Provenance<'_>) -> Message {
        let Provenance { event, recorded, stream_time } = provenance;
        let rules: Vec<_> =
            routed.readers.iter().map(|(rule, labels)| format!("{}:{labels}", self.names[*rule])).collect();
        let Origin { topic, partition, offset } = event.origin;
        let head = json!({
            "rules": rules,
            "group": routed.group,
            "id": event.id,
            "time": event.time.millis(),
            "stream_time": stream_time.millis(),
            "recorded": recorded.map(Timestamp::millis),
            "topic": &**topic,
            "partition": partition,
            "offset": offset,
        });
        let mut payload = Vec::with_capacity(512);
        payload.extend_from_slice(format!("{{\"@match\":{head}").as_bytes());
        let mut needs: SmallVec<[Slot; 16]> = SmallVec::new();
        for (rule, _) in &routed.readers {
            needs.extend(self.routes.needs(*rule).iter().copied());
        }
        // What leads to a field stands before it.
        needs.sort_unstable_by_key(|slot| self.rules.fields.path(*slot));
        needs.dedup();
        for slot in needs {
            let value = event.value(slot);
            if *value != Value::Absent {
                payload.push(b',');
                text(&mut payload, self.rules.fields.path(slot));
                payload.push(b':');
                write_value(&mut payload, value);
            }
        }
        payload.push(b'}');
        Message { key: self.key(routed), payload }
    }

    fn key(&self, routed: &Routed) -> [u8; KEY_BYTES] {
        let mut hasher = self.hasher.clone();
        let mut add = |part: &str| {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        };
        match self.routes.route(routed.route) {
            Route::Group(names) | Route::Shared(names) => names.iter().for_each(|name| add(name)),
            // No field is called so, since a group has a value for each of its fields.
            Route::Together(name) => add(name),
        }
        routed.group.iter().for_each(|value| add(value));
        let digest = hasher.finalize().into_bytes();
        *digest.first_chunk().expect("a digest is longer")
    }
}

fn names(rules: &RuleSet) -> impl Iterator<Item = String> + '_ {
    rules.rules.iter().map(|rule| format!("{}@{}", rule.header.name, rule.header.version))
}

fn text(payload: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(payload, text).expect("a text always serializes");
}

fn write_value(payload: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Absent | Value::Null => payload.extend_from_slice(b"null"),
        Value::Bool(true) => payload.extend_from_slice(b"true"),
        Value::Bool(false) => payload.extend_from_slice(b"false"),
        Value::Number(Number::Text(number)) => payload.extend_from_slice(number.as_bytes()),
        Value::Number(Number::Integer(number)) => payload.extend_from_slice(number.to_string().as_bytes()),
        Value::Number(Number::Real(number)) => payload.extend_from_slice(shortest(*number).as_bytes()),
        Value::Text(content) => text(payload, content),
        Value::Object => payload.extend_from_slice(b"{}"),
        Value::List(elements) => {
            payload.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    payload.push(b',');
                }
                write_value(payload, element);
            }
            payload.push(b']');
        }
    }
}

/// Why a record is no match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAMatch(pub &'static str);

/// What a record says; its fields are in the caller's buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived<'a> {
    /// When the event happened.
    pub time: Timestamp,
    /// Its id.
    pub id: Cow<'a, str>,
    /// Where it stood.
    pub origin: Origin,
    /// The timestamp of its record.
    pub recorded: Option<Timestamp>,
    /// To which time its source had come with it.
    pub stream_time: Timestamp,
    /// The route; none if no rule of it is known here.
    pub route: Option<usize>,
    /// The values that decide where it is counted.
    pub group: Vec<String>,
    /// The rules that count it here, and their labels.
    pub readers: Readers,
    /// Rules that are not known here, or not in that version.
    pub unknown: u64,
}

/// Reads matches under one rule set.
#[derive(Debug)]
pub struct Decoder {
    projection: Projection,
    head: Head,
    routes: Arc<Routes>,
    rules: HashMap<String, usize>,
    /// The topic of the match before; matches of one topic come in runs.
    topic: Arc<str>,
}

/// Where the route's own words are.
#[derive(Debug)]
struct Head {
    rules: Slot,
    group: Slot,
    id: Slot,
    time: Slot,
    stream_time: Slot,
    recorded: Slot,
    topic: Slot,
    partition: Slot,
    offset: Slot,
}

impl Decoder {
    /// A reader for a rule set.
    #[must_use]
    pub fn new(rules: &RuleSet, routes: Arc<Routes>) -> Self {
        let mut fields: FieldTable = rules.fields.clone();
        let mut slot = |name: &str| fields.slot(&format!("@match.{name}"));
        let head = Head {
            rules: slot("rules"),
            group: slot("group"),
            id: slot("id"),
            time: slot("time"),
            stream_time: slot("stream_time"),
            recorded: slot("recorded"),
            topic: slot("topic"),
            partition: slot("partition"),
            offset: slot("offset"),
        };
        let rules = names(rules).zip(0..).collect();
        Self { projection: Projection::new(&fields), head, routes, rules, topic: "".into() }
    }

    /// The match in a record. Fills `values` with one value per slot of the rules' field table, and more behind them.
    pub fn decode<'a>(&mut self, payload: &'a [u8], values: &mut Vec<Value<'a>>) -> Result<Arrived<'a>, NotAMatch> {
        let text = simdutf8::basic::from_utf8(payload).map_err(|_| NotAMatch("it is not UTF-8"))?;
        match self.projection.decode(text, DEPTH_MAX, values) {
            Ok(true) => {}
            Ok(false) => return Err(NotAMatch("it is no JSON object")),
            Err(_) => return Err(NotAMatch("it is not JSON")),
        }
        let value = |slot: Slot| &values[slot.index()];
        let integer = |slot: Slot, why| integer(value(slot)).ok_or(NotAMatch(why));
        let topic = value(self.head.topic).as_str().ok_or(NotAMatch("it names no topic"))?;
        if *self.topic != *topic {
            self.topic = topic.into();
        }
        let partition = integer(self.head.partition, "it names no partition")?;
        let origin = Origin {
            topic: Arc::clone(&self.topic),
            partition: i32::try_from(partition).map_err(|_| NotAMatch("it names no partition"))?,
            offset: integer(self.head.offset, "it names no offset")?,
        };
        let time = |slot, why| integer(slot, why).map(Timestamp::from_millis);
        let group = value(self.head.group).elements().iter().map(|value| value.as_str().map(str::to_owned));
        let group: Vec<String> = group.collect::<Option<_>>().ok_or(NotAMatch("it names no group"))?;
        let mut arrived = Arrived {
            time: time(self.head.time, "it has no time")?,
            id: text_of(value(self.head.id)).ok_or(NotAMatch("it has no id"))?,
            origin,
            recorded: integer(self.head.recorded, "").ok().map(Timestamp::from_millis),
            stream_time: time(self.head.stream_time, "it has no stream time")?,
            route: None,
            group,
            readers: Readers::new(),
            unknown: 0,
        };
        for reader in value(self.head.rules).elements() {
            let reader = reader.as_str().and_then(|reader| reader.rsplit_once(':'));
            let (name, labels) = reader.ok_or(NotAMatch("it names no rules"))?;
            let labels = labels.parse().map_err(|_| NotAMatch("it names no labels"))?;
            self.add_reader(&mut arrived, name, labels);
        }
        Ok(arrived)
    }

    /// A rule is known here if its name, its version and what it is routed by are.
    fn add_reader(&self, arrived: &mut Arrived<'_>, name: &str, labels: u32) {
        let rule = self.rules.get(name).copied();
        let route = rule.and_then(|rule| self.routes.of_rule(rule));
        let is_same = |route: &usize| {
            let count = match self.routes.route(*route) {
                Route::Group(names) | Route::Shared(names) => names.len(),
                Route::Together(_) => 0,
            };
            count == arrived.group.len() && arrived.route.is_none_or(|known| known == *route)
        };
        match (rule, route.filter(is_same)) {
            (Some(rule), Some(route)) => {
                arrived.route = Some(route);
                arrived.readers.push((rule, labels));
            }
            _ => arrived.unknown += 1,
        }
    }
}

fn text_of<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Number(Number::Text(text)) => text.parse().ok(),
        _ => None,
    }
}

/// The record of a mark, which has no key.
#[must_use]
pub fn encode_mark(mark: &Mark) -> Vec<u8> {
    serde_json::to_vec(mark).expect("texts and numbers always serialize")
}

/// The mark in a record without a key.
pub fn decode_mark(payload: &[u8]) -> Result<Mark, NotAMatch> {
    serde_json::from_slice(payload).map_err(|_| NotAMatch("it has no key and is no mark"))
}
