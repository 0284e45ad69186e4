//! A document of a rule file: header, settings, and one of the four bodies.

use serde_json::{Value as Json, json};

use crate::detect::rule::compiled::{Level, Status};
use crate::detect::rule::words::{ACTIONS, BODIES, KNOWN, NAME_BYTES_MAX, SETTINGS};

use super::{detection, explained, merge, properties, reference, scalar, texts, window};

/// A UUID in one of the forms that are read: with hyphens, as a URN, in braces, or bare.
const UUID: &str = "^((urn:uuid:)?HEX{8}(-HEX{4}){3}-HEX{12}|\\{HEX{8}(-HEX{4}){3}-HEX{12}\\}|HEX{32})$";
/// Without control characters.
const NAME: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";
/// A span; zero quiets nothing.
pub(super) const SPAN: &str = "^[0-9]+[smhd]$";
/// A span longer than nothing.
pub(super) const SPAN_ABOVE_ZERO: &str = "^0*[1-9][0-9]*[smhd]$";

pub(super) fn schema() -> Json {
    let header = KNOWN.into_iter().map(|key| (key, header(key)));
    let bodies = BODIES.into_iter().map(|key| (key, reference(key)));
    let mut definitions = json!({});
    merge(&mut definitions, window::definitions());
    merge(&mut definitions, detection::definitions());
    json!({
        "title": "tokenwatch rule",
        "description": "A document of a rule file: Sigma's detection, correlation or filter, or an anomaly.",
        "type": "object",
        "properties": properties(header.chain(bodies)),
        "allOf": [complete(), named(), settings(), log_source()],
        "$defs": definitions,
    })
}

/// A key of the header. Keys without a bearing on detection take anything, as they do in the parser.
fn header(key: &str) -> Json {
    let levels = Level::ALL.map(Level::name);
    let statuses = Status::ALL.map(Status::name);
    let (schema, meaning) = match key {
        "title" => (scalar(), "What alerts call the rule."),
        "id" => {
            let pattern = UUID.replace("HEX", "[0-9a-fA-F]");
            (json!({ "type": "string", "pattern": pattern }), "A UUID, which outlives a new name.")
        }
        "name" => {
            let mut name = scalar();
            merge(&mut name, json!({ "minLength": 1, "maxLength": NAME_BYTES_MAX, "pattern": NAME }));
            (name, "How other rules, metrics and tests call the rule; absent: the title in snake_case.")
        }
        "status" => (json!({ "enum": statuses }), "How far its author trusts the rule."),
        "level" => (json!({ "enum": levels }), "How much an alert matters; absent: medium."),
        "tags" => (texts(0), "Techniques and other tags, as in attack.t1550.001."),
        "generate" => {
            (json!({ "type": "boolean" }), "True: the rules that this one refers to alert on their own, too.")
        }
        "action" => (json!({ "enum": ACTIONS }), "Adds this document's keys to those around it."),
        "logsource" => (json!({}), "Which events the rule is for: the native ones are product jwt, category audit."),
        "tokenwatch" => (reference("tokenwatch"), "Settings that Sigma has no words for."),
        "description" => (json!({}), "What the rule finds, and why that matters."),
        "references" => (json!({}), "Write-ups and standards."),
        "falsepositives" => (json!({}), "What else looks like this."),
        _ => (json!({}), "Kept for people and programs that list rules."),
    };
    explained(schema, meaning)
}

/// A logsource means something to a detection and to a filter; the others take theirs from what they refer to.
fn log_source() -> Json {
    let part = json!({ "type": ["string", "number", "boolean", "null"] });
    let parts = ["product", "service", "category"].map(|key| (key, part.clone()));
    let log_source = json!({ "type": "object", "properties": properties(parts) });
    json!({
        "if": { "anyOf": [{ "required": ["detection"] }, { "required": ["filter"] }] },
        "then": { "properties": { "logsource": log_source } },
    })
}

/// Exactly one body, with all that it needs. A document with an action may leave that to another.
fn complete() -> Json {
    let one = BODIES.map(|body| json!({ "required": [body] }));
    let whole = BODIES.map(|body| (body, json!({ "required": needed(body) })));
    json!({ "if": { "required": ["action"] }, "else": { "oneOf": one, "properties": properties(whole) } })
}

/// The keys that a body cannot be without.
fn needed(body: &str) -> &'static [&'static str] {
    match body {
        "detection" => &["condition"],
        "filter" => &["condition", "rules"],
        _ => &["type", "rules", "timespan"],
    }
}

/// A name, or a title to make one of.
fn named() -> Json {
    // Not all regular expressions of validators know classes of Unicode.
    let word = "[0-9A-Za-z\u{80}-\u{10ffff}]";
    let title = json!({ "required": ["title"], "properties": { "title": { "pattern": word } } });
    let action = json!({ "required": ["action"] });
    json!({ "anyOf": [{ "required": ["name"] }, title, action] })
}

/// `min_gap` is for sequences alone, `group-by` for detections, and a filter has no settings.
fn settings() -> Json {
    let sequence = json!({ "properties": { "type": { "const": "temporal_ordered" } } });
    let is_sequence = json!({ "required": ["correlation"], "properties": { "correlation": sequence } });
    let has_window = json!({ "anyOf": [{ "required": ["correlation"] }, { "required": ["anomaly"] }] });
    let has_steps = json!({ "anyOf": [is_sequence, { "required": ["action"] }] });
    json!({ "allOf": [
        { "if": has_steps, "else": without(&["min_gap"]) },
        { "if": has_window, "then": without(&["group-by"]) },
        { "if": { "required": ["filter"] }, "then": without(&SETTINGS) },
    ] })
}

/// Documents that do not have some settings.
fn without(settings: &[&str]) -> Json {
    let none = settings.iter().map(|setting| (*setting, json!(false)));
    json!({ "properties": { "tokenwatch": { "properties": properties(none) } } })
}
