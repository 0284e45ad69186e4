//! What happens in a test: series of events, and the record of each.

use serde_json::{Map, Value as Json};

use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::reader::{self, Reporter, Section, Spanned, clip};
use crate::detect::rule::yaml::{Data, Entry, Node, Spot};
use crate::detect::time::{Span, Timestamp};
use crate::ingest::Rejection;

use super::moment::{self, START};

/// The keys of an entry of `events`.
pub const KEYS: [&str; 5] = ["at", "every", "repeat", "delay", "event"];

/// Most events of one test.
pub const EVENTS_MAX: u32 = 1_000_000;

/// What stands in a text for the number of the repetition.
const NUMBER: &str = "{n}";

/// One event or several that differ by number and time.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) spot: Spot,
    at: Span,
    every: Span,
    pub(super) repeat: u32,
    /// How long after its time each arrives.
    delay: Span,
    fields: Fields,
}

/// An event of a test that the pipeline refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The line of its entry.
    pub line: usize,
    /// Its number in the entry.
    pub n: u32,
    /// Why it is no event.
    pub reason: Rejection,
}

/// Fields by dotted path, in file order, each path once.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(Spanned<String>, Json)>);

impl Fields {
    /// The paths, and where they stand.
    pub(super) fn paths(&self) -> impl Iterator<Item = Spanned<String>> + '_ {
        self.0.iter().map(|(path, _)| path.clone())
    }

    /// These laid over others: a field replaces one of the same path, and those above and below it.
    pub(super) fn over(&self, lower: &Self) -> Self {
        let replaced = |path: &str| self.0.iter().any(|(own, _)| overlap(&own.value, path));
        let kept = lower.0.iter().filter(|(path, _)| !replaced(&path.value));
        Self(kept.chain(&self.0).cloned().collect())
    }
}

/// True if one path is the other, or lies inside it.
fn overlap(a: &str, b: &str) -> bool {
    let (shorter, longer) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    longer.strip_prefix(shorter).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The fields under a key, nested or dotted, less those that no event can have.
pub(super) fn fields(section: &Section<'_>, key: &'static str, reporter: &mut Reporter<'_>) -> Fields {
    let mut fields = Fields::default();
    if let Some(entry) = section.get(key).filter(|entry| !matches!(entry.value.data, Data::Null))
        && let Some(section) = reporter.check(Section::of(&entry.value, key))
    {
        flatten(section.entries, "", &mut fields, reporter);
    }
    fields
}

fn flatten(entries: &[Entry], prefix: &str, fields: &mut Fields, reporter: &mut Reporter<'_>) {
    for entry in entries {
        let path = format!("{prefix}{}", entry.key.text);
        match &entry.value.data {
            _ if path == "@timestamp" => {
                let fault = Fault::new(Code::MisplacedKey, entry.key_at, "@timestamp is set by at");
                reporter.report(fault.hint("remove it, and say when with \"at: 70s\""));
            }
            Data::Map(inner) if !inner.is_empty() => flatten(inner, &format!("{path}."), fields, reporter),
            _ if fields.0.iter().any(|(earlier, _)| earlier.value == path) => {
                let message = format!("the field {} stands twice", clip(&path));
                reporter.report(Fault::new(Code::DuplicateKey, entry.key_at, message));
            }
            _ => fields.0.push((Spanned { value: path, at: entry.key_at }, entry.value.json())),
        }
    }
}

/// An entry of `events` over the defaults, and its own fields.
pub(super) fn read(node: &Node, defaults: &Fields, reporter: &mut Reporter<'_>) -> Option<(Series, Fields)> {
    let section = reporter.check(Section::of(node, "an entry of events"))?;
    section.refuse_unknown(reporter, &KEYS);
    // What stands under a key that was meant to be another may be what it seems to lack.
    let is_whole = section.entries.iter().all(|entry| KEYS.contains(&entry.key.text.as_str()));
    let at = section.require(reporter, "at", moment::read);
    let every = section.read(reporter, "every", moment::read);
    let repeat = section.read(reporter, "repeat", repeat);
    let delay = section.read(reporter, "delay", moment::read);
    let own = fields(&section, "event", reporter);
    if let Some(entry) = section.get("every")
        && section.get("repeat").is_none()
    {
        let fault = Fault::new(Code::MissingKey, entry.key_at, "every means nothing without repeat");
        reporter.report(fault.hint("add \"repeat: N\", how many there are in all"));
    }
    let series = Series {
        spot: Spot { width: 1, ..node.at },
        at: at?.value,
        every: every.map_or(Span::ZERO, |every| every.value),
        repeat: repeat.unwrap_or(1),
        delay: delay.map_or(Span::ZERO, |delay| delay.value),
        fields: own.over(defaults),
    };
    is_whole.then_some((series, own))
}

fn repeat(node: &Node, key: &str) -> Result<u32, Fault> {
    const HINT: &str = "write how many there are in all, from 1 and without quotes, as in \"repeat: 8\"; if there is none, leave the entry out";
    reader::count(node, key, 1, EVENTS_MAX).map_err(|fault| fault.hint(HINT))
}

impl Series {
    fn time(&self, n: u32) -> Timestamp {
        START + self.at + self.every.times(i64::from(n))
    }

    /// The JSON of one of its events.
    pub(super) fn record(&self, n: u32) -> Vec<u8> {
        let fields = self.fields.0.iter().map(|(path, value)| (path.value.clone(), numbered(value, n)));
        let time = ("@timestamp".to_owned(), Json::String(self.time(n).to_string()));
        let record: Map<String, Json> = std::iter::once(time).chain(fields).collect();
        serde_json::to_vec(&record).expect("JSON values always serialize")
    }
}

/// Which event arrives when: by arrival, those of one moment in file order.
pub(super) fn schedule(series: &[Series]) -> Vec<(usize, u32)> {
    let numbered = series.iter().enumerate();
    let events =
        numbered.flat_map(|(index, series)| (0..series.repeat).map(move |n| (series.time(n) + series.delay, index, n)));
    let mut events: Vec<_> = events.collect();
    events.sort_by_key(|(arrival, ..)| *arrival);
    events.into_iter().map(|(_, index, n)| (index, n)).collect()
}

fn numbered(value: &Json, n: u32) -> Json {
    match value {
        Json::String(text) if text.contains(NUMBER) => Json::String(text.replace(NUMBER, &n.to_string())),
        Json::Array(items) => items.iter().map(|item| numbered(item, n)).collect(),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, member)| (name.clone(), numbered(member, n))).collect())
        }
        other => other.clone(),
    }
}
