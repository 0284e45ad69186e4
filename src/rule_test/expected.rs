//! An alert that a test expects, as far as the test says what it looks like.

use serde_json::{Map, Value as Json};

use crate::detect::alert::Alert;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::reader::{self, Reporter, Section, Spanned, clip};
use crate::detect::rule::yaml::{Data, Entry, Node};
use crate::detect::time::{Span, Timestamp};

use super::moment::{self, START};

/// The keys of an expected alert, in the order in which they are shown.
pub const KEYS: [&str; 9] =
    ["rule", "at", "group", "observed", "level", "suppressed", "truncated", "summary", "details"];

/// An alert as a test describes it. Only what is given must be so.
#[derive(Debug)]
pub struct Expected {
    pub(super) rule: Spanned<String>,
    pub(super) time: Option<Timestamp>,
    /// The names under `group`, and where that stands.
    pub(super) group: Option<Spanned<Vec<Spanned<String>>>>,
    /// In the order of [`KEYS`].
    pub facts: Vec<Fact>,
}

/// One thing that is said of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// One of [`KEYS`].
    pub key: &'static str,
    /// As the test file would say it.
    pub value: Json,
}

/// Reads an entry of `alerts`.
pub(super) fn read(node: &Node, reporter: &mut Reporter<'_>) -> Option<Expected> {
    let name_alone = node.as_text().map(|rule| format!("write \"{{rule: {}}}\"", clip(rule)));
    let section = Section::of(node, "an expected alert").map_err(|fault| fault.hint_if_any(name_alone));
    let section = reporter.check(section)?;
    section.refuse_unknown(reporter, &KEYS);
    let rule = section.require(reporter, "rule", reader::text);
    let mut time = None;
    let mut facts = Vec::new();
    for key in KEYS {
        let value = section.read(reporter, key, |node, key| match key {
            "at" => {
                let at = moment::read(node, key)?.value;
                time = Some(START + at);
                Ok(moment(START + at))
            }
            _ => fact_of(node, key),
        });
        facts.extend(value.map(|value| Fact { key, value }));
    }
    let is_read = facts.iter().any(|fact: &Fact| fact.key == "group");
    let group = section.get("group").filter(|_| is_read).and_then(|entry| {
        let names = Section::of(&entry.value, "group").ok()?.keys().collect();
        Some(Spanned { value: names, at: entry.key_at })
    });
    Some(Expected { rule: rule?, time, group, facts })
}

fn fact_of(node: &Node, key: &'static str) -> Result<Json, Fault> {
    match key {
        "group" => group(node, key),
        "observed" => observed(node, key),
        "level" => Ok(Json::from(reader::level(node, key)?.value.name())),
        "suppressed" => suppressed(node, key).map(Json::from),
        "truncated" => reader::boolean(node, key).map(Json::from),
        "details" => Section::of(node, key).map(|_| node.json()),
        _ => Ok(Json::from(reader::text(node, key)?.value)),
    }
}

fn observed(node: &Node, key: &str) -> Result<Json, Fault> {
    let quoted = node.as_text().filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    let hint = quoted.map_or_else(
        || "write the number that the alert says, as in \"observed: 8\"".to_owned(),
        |number| format!("write \"observed: {number}\", without quotes around the number"),
    );
    // Of a share with a percent sign the reader knows more.
    let with_hint = |fault: Fault| if fault.hint.is_some() { fault } else { fault.hint(hint) };
    reader::number(node, key).map(|_| node.json()).map_err(with_hint)
}

fn suppressed(node: &Node, key: &str) -> Result<u32, Fault> {
    const HINT: &str =
        "write how many firings were kept quiet before the alert, from 0 and without quotes, as in \"suppressed: 2\"";
    reader::count(node, key, 0, u32::MAX).map_err(|fault| fault.hint(HINT))
}

/// Group values are texts, as they compare: `1` is `"1"`.
fn group(node: &Node, key: &'static str) -> Result<Json, Fault> {
    let mut group = Map::new();
    for entry in Section::of(node, key)?.entries {
        let value = match &entry.value.data {
            Data::Bool(value) => value.to_string(),
            Data::Number(number) => number.canonical.clone(),
            Data::Text(text) => text.text.clone(),
            Data::Null | Data::List(_) | Data::Map(_) => {
                let message =
                    format!("the group value of {} must be a scalar, not {}", entry.key.text, entry.value.kind());
                return Err(Fault::new(Code::BadValue, entry.value.at, message).hint(group_hint(entry)));
            }
        };
        group.insert(entry.key.text.clone(), Json::String(value));
    }
    Ok(Json::Object(group))
}

/// What to write for a group value that is none.
fn group_hint(entry: &Entry) -> String {
    let (mut path, mut value) = (entry.key.text.clone(), &entry.value);
    while let Data::Map(inner) = &value.data
        && let Some(first) = inner.first()
    {
        path = format!("{path}.{}", first.key.text);
        value = &first.value;
    }
    match value.scalar_text() {
        Some(text) => format!("write the field's name in one, as in \"{path}: {text}\""),
        None => "write the one value that the alert has, or leave the group out".to_owned(),
    }
}

fn moment(time: Timestamp) -> Json {
    Json::String(time.since(START).to_string())
}

/// What an alert says under a key, as a test file would say it; `null` if it says nothing.
#[must_use]
pub fn fact(alert: &Alert, key: &str) -> Json {
    let json = |value: serde_json::Result<Json>| value.expect("an alert always serializes");
    match key {
        "rule" => Json::from(alert.rule.name.as_str()),
        "at" => moment(alert.time),
        "group" => json(serde_json::to_value(&alert.group)),
        "observed" => json(serde_json::to_value(alert.observed)),
        "level" => Json::from(alert.rule.level.name()),
        "suppressed" => Json::from(alert.suppressed),
        "truncated" => Json::from(alert.truncated),
        "summary" => Json::from(alert.summary.as_str()),
        "details" => json(serde_json::to_value(&alert.details)),
        _ => Json::Null,
    }
}

impl Expected {
    /// The name of the rule.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule.value
    }

    /// Whether an alert is as described.
    #[must_use]
    pub fn is_met_by(&self, alert: &Alert) -> bool {
        alert.rule.name == self.rule.value && self.facts.iter().all(|wanted| wanted.value == wanted.actual(alert))
    }

    /// How much of the description is true of an alert.
    pub(super) fn likeness(&self, alert: &Alert) -> usize {
        self.facts.iter().filter(|wanted| wanted.value == wanted.actual(alert)).count()
    }
}

impl Fact {
    /// What an alert says instead. Of `details` only the members that the test names count.
    #[must_use]
    pub fn actual(&self, alert: &Alert) -> Json {
        let actual = fact(alert, self.key);
        match (self.key, &self.value, actual) {
            ("details", Json::Object(wanted), Json::Object(mut members)) => {
                members.retain(|name, _| wanted.contains_key(name));
                Json::Object(members)
            }
            (_, _, actual) => actual,
        }
    }
}

/// Where an alert stands among others: by time, then rule, then group.
pub(super) fn position(time: Timestamp, rule: &str, group: Option<&Json>) -> (Span, String, String) {
    (time.since(START), rule.to_owned(), group.map(Json::to_string).unwrap_or_default())
}
