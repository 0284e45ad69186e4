//! The JSON Schema of the configuration, made by reading an empty one and noting what was asked for.
//!
//! What a key means comes from the comment above it in the documented example, `deploy/tokenwatch.toml`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::reader::Reader;
use super::{Config, Purpose};

const EXAMPLE: &str = include_str!("../../deploy/tokenwatch.toml");

/// The schema of a configuration file. A file may leave out what the environment gives, so nothing is required.
#[must_use]
pub fn schema() -> Json {
    let mut reader = Reader::new(None, config::Map::new());
    Config::take(&mut reader, Purpose::Offline);
    let meanings = meanings();
    let mut sections: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    for (key, mut schema) in reader.schemas() {
        let Some((section, name)) = key.split_once('.') else { continue };
        if let Some(meaning) = meanings.get(&key) {
            schema["description"] = json!(meaning);
        }
        sections.entry(section.to_owned()).or_default().insert(name.to_owned(), schema);
    }
    let sections = sections.into_iter().map(|(section, keys)| {
        let schema = json!({ "type": ["object", "null"], "properties": keys, "additionalProperties": false });
        (section, schema)
    });
    json!({
        "title": "tokenwatch configuration",
        "type": "object",
        "properties": sections.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

/// The comment above each key of the example, in one line; keys are commented out where they have a default.
fn meanings() -> BTreeMap<String, String> {
    let (mut section, mut comment) = (String::new(), Vec::new());
    let mut meanings = BTreeMap::new();
    for line in EXAMPLE.lines() {
        let key = line.trim_start_matches('#').split_once(" = ").map(|(key, _)| key);
        if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            if name.contains('.') {
                meanings.insert(name.to_owned(), comment.join(" "));
            }
            name.clone_into(&mut section);
            comment.clear();
        } else if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
        } else if let Some(key) = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')) {
            meanings.insert(format!("{section}.{key}"), comment.join(" "));
            comment.clear();
        } else if line.is_empty() {
            comment.clear();
        }
    }
    meanings
}
