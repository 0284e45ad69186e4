//! The table `kafka.properties`: settings of the Kafka client, passed on unread, and secrets among them from files.
//!
//! Any property may be written with `_file` behind its name; then its value is what that file holds. So
//! `"sasl.password_file" = "/run/secrets/kafka"` is `sasl.password` with the secret kept out of the configuration.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::fs;

use config::{Value, ValueKind};

use super::reader::{Given, Reader};
use super::setting::{Fault, wrong_type};

const KEY: &str = "kafka.properties";
const FILE_SUFFIX: &str = "_file";

/// Properties that the service sets itself, and what to use instead. What it promises hangs on each of them.
const OWNED: [(&str, &str); 19] = [
    ("acks", "the service waits for every in-sync replica"),
    ("auto.offset.reset", "use kafka.start"),
    ("bootstrap.servers", "use kafka.bootstrap_servers"),
    ("enable.auto.commit", "the service commits an offset together with what it caused"),
    ("enable.auto.offset.store", "the service commits an offset together with what it caused"),
    ("enable.idempotence", "the service needs it on"),
    ("enable.partition.eof", "the service sets it as it needs it"),
    ("group.id", "use kafka.group_id"),
    ("group.instance.id", "use kafka.instance_id"),
    ("group.protocol", "use kafka.group_protocol"),
    ("isolation.level", "the service reads committed records only"),
    ("metadata.broker.list", "use kafka.bootstrap_servers"),
    ("auto.commit.interval.ms", "the service commits an offset together with what it caused"),
    ("auto.commit.enable", "the service commits an offset together with what it caused"),
    ("partition.assignment.strategy", "the service lets partitions move one by one"),
    ("request.required.acks", "the service waits for every in-sync replica"),
    ("enable.gapless.guarantee", "the service decides what a failed write means"),
    ("test.mock.num.brokers", "use the command demo for an embedded broker"),
    ("transactional.id", "use kafka.instance_id"),
];

/// Properties for the Kafka client, by name. Printing one for debugging shows names only: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

pub(super) fn read(reader: &mut Reader) -> Properties {
    let Some(given) = reader.take(KEY) else { return Properties::default() };
    let mut written = Vec::new();
    match given.value {
        ValueKind::Table(table) => {
            for (name, value) in table {
                flatten(name, value, &mut written);
            }
        }
        ValueKind::Nil => {}
        other => reader.reject(&Given { value: ValueKind::Nil, ..given }, wrong_type(&other, "a table")),
    }
    // The environment last, so that it wins.
    written.sort_by(|(a, x), (b, y)| (x.origin(), a).cmp(&(y.origin(), b)));
    let mut properties: BTreeMap<String, (Option<String>, String)> = BTreeMap::new();
    for (written, value) in written {
        let given =
            Given { key: format!("{KEY}.{written}"), variable: value.origin().map(str::to_owned), value: value.kind };
        let name = written.strip_suffix(FILE_SUFFIX).unwrap_or(&written).to_owned();
        match property(reader, &given, &name, name.len() < written.len()) {
            Err(fault) => reader.reject(&given, fault),
            Ok(value) => match properties.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert((given.variable, value))),
                Entry::Occupied(mut entry) if given.variable.is_some() && entry.get().0.is_none() => {
                    entry.insert((given.variable, value));
                }
                Entry::Occupied(entry) => {
                    let fault = Fault::new(format!("{} is given twice", entry.key()));
                    reader.reject(&given, fault.hint("write the property once, as a value or as a file"));
                }
            },
        }
    }
    Properties(properties.into_iter().map(|(name, (_, value))| (name, value)).collect())
}

/// TOML reads `sasl.password` without quotes as a table in a table: both forms are one property.
fn flatten(name: String, value: Value, written: &mut Vec<(String, Value)>) {
    if let ValueKind::Table(table) = value.kind {
        for (child, value) in table {
            flatten(format!("{name}.{child}"), value, written);
        }
    } else {
        written.push((name, value));
    }
}

fn property(reader: &Reader, given: &Given, name: &str, from_file: bool) -> Result<String, Fault> {
    if let Some((_, instead)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Err(Fault::new("cannot be set: the service owns it").hint(*instead));
    }
    let text = match &given.value {
        ValueKind::String(text) => text.clone(),
        ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::Float(_) if !from_file => {
            given.value.to_string()
        }
        other => return Err(wrong_type(other, if from_file { "a path" } else { "a text, a number, true or false" })),
    };
    if from_file { secret(&reader.resolve(given, &text)) } else { Ok(text) }
}

/// What a file holds, less the line end that editors leave behind it.
fn secret(path: &std::path::Path) -> Result<String, Fault> {
    let unreadable = |why: String| Fault { unreadable: true, ..Fault::new(format!("{} {why}", path.display())) };
    let text = fs::read_to_string(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(unreadable("is empty".to_owned())),
        text => Ok(text.to_owned()),
    }
}
