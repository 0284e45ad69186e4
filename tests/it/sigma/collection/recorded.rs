//! What the collection recorded of attacks, and how often which of its rules must match that.
//!
//! `regression_data` has a folder a rule: Windows events as JSON under the rule's id, and `info.yml` with the number of
//! events that the rule matches.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Map, Value as Json};

/// The recording for one rule.
pub(super) struct Recording {
    /// The id of the rule.
    pub(super) rule: String,
    pub(super) events: Vec<Json>,
    /// How many of them the rule matches, or more: the collection's own runner counts some alike ones once.
    pub(super) matches_min: usize,
}

/// Every recording in a checkout; none if it is too old to have any.
pub(super) fn recordings(checkout: &Path) -> Vec<Recording> {
    let mut files = Vec::new();
    find(&checkout.join("regression_data"), &mut files);
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Recording {
    let text = fs::read_to_string(file).expect("a recording");
    let events = Deserializer::from_str(text.trim_start_matches('\u{feff}')).into_iter::<Json>();
    let info = fs::read_to_string(file.with_file_name("info.yml")).expect("what the recording is");
    let count = info.lines().find_map(|line| line.trim().strip_prefix("match_count:"));
    Recording {
        rule: file.file_stem().and_then(|stem| stem.to_str()).expect("an id").to_owned(),
        events: events.map(|event| fields(&event.expect("JSON"))).collect(),
        matches_min: count.map_or(1, |count| count.trim().parse().expect("a number")),
    }
}

/// A Windows event with the field names of Sigma's rules: all at the top, none with a blank.
fn fields(event: &Json) -> Json {
    let event = &event["Event"];
    let mut fields = Map::new();
    for part in [&event["EventData"], &event["UserData"], &event["System"]] {
        flatten(part, &mut fields);
    }
    fields.insert("Provider_Name".to_owned(), event["System"]["Provider"]["#attributes"]["Name"].clone());
    Json::Object(fields)
}

fn flatten(part: &Json, fields: &mut Map<String, Json>) {
    for (name, value) in part.as_object().into_iter().flatten() {
        match value {
            Json::Object(_) if name == "#attributes" => {}
            Json::Object(_) => flatten(value, fields),
            _ => {
                fields.insert(name.replace(' ', ""), value.clone());
            }
        }
    }
}
