//! A test file beside the rules.

use serde_json::{Value as Json, json};

use crate::detect::rule::compiled::Level;
use crate::rule_test::keys;

use super::{event, explained, properties, reference, scalar, texts};

/// A time after the start of a test.
const MOMENT: &str = "^(0|([0-9]+(ms|s|m|h|d))+)$";
/// Most repetitions of an event.
const REPEAT_MAX: u32 = keys::REPEAT_MAX;

pub(super) fn schema() -> Json {
    json!({
        "title": "tokenwatch tests",
        "description": "What happens, and every alert that follows.",
        "type": "object",
        "properties": properties(keys::FILE.map(|key| (key, of_file(key)))),
        "required": ["rule_files", "tests"],
        "additionalProperties": false,
        "$defs": {
            "test": closed(&properties(keys::TEST.map(|key| (key, of_test(key)))), &["name", "events", "alerts"]),
            "event": event_entry(),
            "alert": closed(&properties(keys::ALERT.map(|key| (key, of_alert(key)))), &["rule"]),
            "fields": fields(),
            "event_fields": event_fields(),
            "moment": json!({ "anyOf": [{ "const": 0 }, { "type": "string", "pattern": MOMENT }] }),
        },
    })
}

fn closed(properties: &Json, required: &[&str]) -> Json {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn of_file(key: &str) -> Json {
    match key {
        "rule_files" => explained(texts(1), "Rule files and folders of them, relative to this file."),
        "defaults" => explained(reference("fields"), "Fields of every event of every test."),
        _ => json!({ "type": "array", "items": reference("test") }),
    }
}

fn of_test(key: &str) -> Json {
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    match key {
        "name" => {
            explained(json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" }), "Unique in the file.")
        }
        "defaults" => explained(reference("fields"), "Fields of every event of this test."),
        "events" => explained(list("event"), "What happens; events arrive in the order of their times."),
        _ => explained(list("alert"), "The alerts that follow, no more and no fewer."),
    }
}

fn event_entry() -> Json {
    let repeat = json!({ "type": "integer", "minimum": 1, "maximum": REPEAT_MAX });
    let of_event = |key: &str| match key {
        "at" => {
            explained(reference("moment"), "When it happens, as in 70s or 1m10s after the start, which is the epoch.")
        }
        "every" => explained(reference("moment"), "The time from each repetition to the next."),
        "repeat" => explained(repeat.clone(), "How many there are; {n} in a text is the number, from 0."),
        "delay" => explained(reference("moment"), "How long after its time it arrives."),
        _ => explained(reference("event_fields"), "Its fields, over the defaults."),
    };
    let mut entry = closed(&properties(keys::EVENT.map(|key| (key, of_event(key)))), &["at"]);
    super::merge(&mut entry, json!({ "dependentRequired": { "every": ["repeat"] } }));
    entry
}

/// Fields by dotted name; the known ones are offered, others are taken.
fn fields() -> Json {
    let mut known = event::dotted();
    known["@timestamp"] = json!(false);
    json!({ "type": ["object", "null"], "properties": known })
}

/// The same of an event: over the defaults, its own action is what there is.
fn event_fields() -> Json {
    let mut fields = fields();
    let known = &mut fields["properties"];
    known["event"] = json!({ "properties": { "action": event::action() } });
    super::merge(&mut known["event.action"], event::action());
    fields
}

fn of_alert(key: &str) -> Json {
    let (schema, meaning) = match key {
        "rule" => (scalar(), "The rule's name."),
        "at" => (reference("moment"), "The firing time."),
        "group" => (json!({ "type": "object", "additionalProperties": scalar() }), "The whole group."),
        "observed" => (json!({ "type": "number" }), "What the condition was compared with."),
        "level" => (json!({ "enum": Level::ALL.map(Level::name) }), "The rule's level."),
        "suppressed" => {
            let count = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
            (count, "Firings kept quiet since the last alert of the group.")
        }
        "truncated" => (json!({ "type": "boolean" }), "Whether a limit had dropped matches."),
        "details" => (json!({ "type": "object" }), "Members of the details; others are not compared."),
        _ => (scalar(), "The line for people."),
    };
    explained(schema, meaning)
}
