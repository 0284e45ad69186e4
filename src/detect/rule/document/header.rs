//! What stands at the top of every document: Sigma's header fields, ours under `tokenwatch`, and custom ones.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::home;
use super::reader::{self, Reporter, Section, Spanned, near};
use crate::detect::rule::compiled::{Level, Status};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Node, Spot};
use crate::detect::time::Span;

/// The keys that say what kind of document it is.
pub(crate) const BODIES: [&str; 4] = ["detection", "correlation", "anomaly", "filter"];

/// Every other key with a meaning, ours and Sigma's.
pub(crate) const KNOWN: [&str; 21] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "generate",
    "tokenwatch",
    "action",
];

/// Longest name in bytes: names are labels of metrics.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// Letters that a misspelt top-level key has wrong at most; with more it is a custom field.
pub(super) const SLIPS_MAX: usize = 2;

/// The keys under `tokenwatch`.
pub(crate) const SETTINGS: [&str; 3] = ["suppress", "group-by", "min_gap"];

/// The header of a document.
#[derive(Debug)]
pub(crate) struct Header {
    /// `name`, or the title in snake case.
    pub(crate) name: Spanned<String>,
    /// False if the name is made of the title.
    pub(crate) has_name: bool,
    pub(crate) title: String,
    pub(crate) id: Option<Spanned<Uuid>>,
    /// False if there is an id, though perhaps a wrong one.
    pub(crate) lacks_id: bool,
    pub(crate) status: Option<Status>,
    pub(crate) level: Option<Spanned<Level>>,
    pub(crate) tags: Vec<String>,
    pub(crate) generate: bool,
    pub(crate) suppress: Option<Spanned<Span>>,
    pub(crate) group_by: Vec<Spanned<String>>,
    pub(crate) gap_min: Option<Spanned<Span>>,
    /// The keys that stand under `tokenwatch`.
    settings: Vec<Spanned<String>>,
    /// Every other top-level scalar, list or mapping, Sigma's and custom ones.
    pub(crate) notes: Map<String, Json>,
}

/// The header, and whether it has a name at all; without one it is good for nothing but further problems.
pub(super) fn read(section: &Section<'_>, reporter: &mut Reporter<'_>) -> (Header, bool) {
    let name = name(section, reporter);
    let is_named = name.is_some();
    let name = name.unwrap_or_else(|| Spanned { value: String::new(), at: Spot { width: 1, ..section.at } });
    reporter.enter(Some(&name.value).filter(|_| is_named).map(String::as_str));
    let title = section.read(reporter, "title", reader::text).map_or_else(|| name.value.clone(), |title| title.value);
    let settings = section.get("tokenwatch").and_then(|entry| reporter.check(Section::of(&entry.value, "tokenwatch")));
    if let Some(settings) = settings {
        for entry in settings.entries.iter().filter(|entry| !SETTINGS.contains(&entry.key.text.as_str())) {
            reporter.report(home::unknown(&settings, entry, &SETTINGS));
        }
    }
    let setting = |reporter: &mut Reporter<'_>, key| settings.and_then(|found| found.read(reporter, key, reader::span));
    let header = Header {
        has_name: section.get("name").is_some(),
        id: section.read(reporter, "id", id),
        lacks_id: section.get("id").is_none(),
        status: section
            .read(reporter, "status", |node, key| {
                reader::one_of(node, key, Code::BadStatus, (&Status::ALL, Status::name))
            })
            .map(|status| status.value),
        level: section.read(reporter, "level", reader::level),
        tags: section
            .read(reporter, "tags", reader::texts)
            .unwrap_or_default()
            .into_iter()
            .map(|tag| tag.value)
            .collect(),
        generate: section.read(reporter, "generate", reader::boolean).unwrap_or(false),
        suppress: setting(reporter, "suppress"),
        gap_min: setting(reporter, "min_gap"),
        group_by: settings.and_then(|found| found.read(reporter, "group-by", group_by)).unwrap_or_default(),
        settings: settings.map(|found| found.keys().collect()).unwrap_or_default(),
        notes: notes(section),
        name,
        title,
    };
    (header, is_named)
}

impl Header {
    /// Reports the settings that mean nothing for what the document is.
    pub(super) fn refuse_settings(&self, meaningless: &[&str], what: &str, reporter: &mut Reporter<'_>) {
        for key in self.settings.iter().filter(|key| meaningless.contains(&key.value.as_str())) {
            let message = format!("{} under tokenwatch means nothing for {what}", key.value);
            let fault = Fault::new(Code::MisplacedKey, key.at, message);
            reporter.report(fault.hint_if_any(owner(&key.value).map(str::to_owned)));
        }
    }
}

/// Where a setting does mean something.
fn owner(setting: &str) -> Option<&'static str> {
    Some(match setting {
        "suppress" => "it quiets rules that alert: write it into those that the filter is for",
        "group-by" => "it quiets single-event rules; a correlation or an anomaly has a group-by of its own",
        "min_gap" => "it belongs to correlations of the type temporal_ordered",
        _ => return None,
    })
}

/// The fields of a group; each once.
pub(super) fn group_by(node: &Node, key: &str) -> Result<Vec<Spanned<String>>, Fault> {
    let fields = reader::some_texts(node, key)?;
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|earlier| earlier.value == field.value) {
            return Err(Fault::new(Code::DuplicateGroup, field.at, format!("{key} names {} twice", field.value)));
        }
    }
    Ok(fields)
}

/// Reports top-level keys that are nearly known ones; the rest are custom fields.
pub(super) fn check_keys(section: &Section<'_>, reporter: &mut Reporter<'_>) {
    for entry in section.entries {
        let key = entry.key.text.as_str();
        let known = || KNOWN.into_iter().chain(BODIES);
        if known().any(|word| word == key) {
            continue;
        }
        if let Some(fault) = home::outside(section, entry) {
            reporter.report(fault);
            continue;
        }
        // One slip in a short word, two in a long one: a custom field of four letters is not far from `date`.
        let distance_max = (key.chars().count() / 3).clamp(1, SLIPS_MAX);
        if let Some(nearest) = near(key, known(), distance_max) {
            let hint = format!("did you mean \"{nearest}\"? A custom field needs a name less like it");
            let message = format!("unknown key \"{key}\"");
            reporter.report(Fault::new(Code::UnknownKey, entry.key_at, message).hint(hint));
        }
    }
}

fn name(section: &Section<'_>, reporter: &mut Reporter<'_>) -> Option<Spanned<String>> {
    let given = section.get("name").or_else(|| section.get("title"));
    let Some(entry) = given else {
        let message = "the document has neither name nor title";
        reporter.report(Fault::new(Code::MissingKey, Spot { width: 1, ..section.at }, message));
        return None;
    };
    let key = entry.key.text.as_str();
    let text = reporter.check(reader::text(&entry.value, key))?;
    let value = if key == "title" { snake_case(&text.value) } else { text.value };
    let wrong = if value.is_empty() {
        "has no letter or digit to make a name of"
    } else if value.len() > NAME_BYTES_MAX {
        "is longer than 256 bytes"
    } else if value.chars().any(char::is_control) {
        "has a control character"
    } else {
        return Some(Spanned { value, at: text.at });
    };
    reporter.report(Fault::new(Code::BadName, text.at, format!("the {key} {wrong}")));
    None
}

/// A title as a name: letters and digits in lower case, everything between them one underscore.
fn snake_case(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

fn id(node: &Node, key: &str) -> Result<Spanned<Uuid>, Fault> {
    let text = reader::text(node, key)?;
    let value = Uuid::try_parse(&text.value).map_err(|_| {
        let message = format!("id \"{}\" is not a UUID", reader::clip(&text.value));
        Fault::new(Code::BadId, text.at, message).hint("leave it out, or make one with `uuidgen`")
    })?;
    Ok(Spanned { value, at: text.at })
}

/// What has no bearing on detection, kept for people and programs that list rules.
fn notes(section: &Section<'_>) -> Map<String, Json> {
    const USED: [&str; 9] = ["title", "id", "name", "status", "logsource", "level", "tags", "generate", "tokenwatch"];
    let is_note = |key: &str| !USED.contains(&key) && !BODIES.contains(&key);
    let kept = section.entries.iter().filter(|entry| is_note(&entry.key.text));
    kept.map(|entry| (entry.key.text.clone(), entry.value.json())).collect()
}
