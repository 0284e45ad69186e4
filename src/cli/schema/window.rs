//! `correlation`, `anomaly` and the settings under `tokenwatch`.

use serde_json::{Map, Value as Json, json};

use crate::detect::rule::words::{ANOMALIES, BOUNDS, COMMON, CORRELATIONS, EXTRA_KEYS, HISTORY_MAX, SETTINGS};

use super::rule::{SPAN, SPAN_ABOVE_ZERO};
use super::{explained, merge, properties, reference, scalar, texts};

/// Most rules under one.
const INPUTS_MAX: usize = 32;

pub(super) fn definitions() -> Json {
    json!({
        "correlation": body(&CORRELATIONS),
        "anomaly": body(&ANOMALIES),
        "tokenwatch": {
            "type": "object",
            "properties": properties(SETTINGS.map(|key| (key, setting(key)))),
            "additionalProperties": false,
        },
        "rules": explained(names(), "Rules by name or id."),
        "fields": unique(texts(1)),
    })
}

fn setting(key: &str) -> Json {
    match key {
        "suppress" => explained(span(), "How long an alert quiets its group; absent: the timespan."),
        "min_gap" => explained(span(), "The least time between the steps of temporal_ordered."),
        _ => explained(reference("fields"), "Quiets a single-event rule for each group of these fields."),
    }
}

fn body(types: &[&str]) -> Json {
    let extra = EXTRA_KEYS.into_iter().filter(|(_, of)| of.iter().any(|kind| types.contains(kind)));
    let keys = COMMON.into_iter().chain(extra.map(|(key, _)| key));
    json!({
        "type": "object",
        "properties": properties(keys.map(|key| (key, if key == "type" { json!({ "enum": types }) } else { common(key) }))),
        "additionalProperties": false,
        "allOf": types.iter().map(|kind| of_type(kind)).collect::<Json>(),
    })
}

/// A key as every type that has it takes it.
fn common(key: &str) -> Json {
    let whole = |most: u32| json!({ "type": "integer", "minimum": 1, "maximum": most });
    let positive = json!({ "type": "number", "minimum": 0 });
    let (schema, meaning) = match key {
        "rules" => (reference("rules"), "Whose matches count, by name or id."),
        "of" => (reference("rules"), "The whole of which the share is taken."),
        "without" => (reference("rules"), "Whose matches must be absent."),
        "group-by" => (reference("fields"), "Matches are counted for each value of these fields."),
        "timespan" => (json!({ "type": "string", "pattern": SPAN_ABOVE_ZERO }), "The length of the window, as in 5m."),
        "aliases" => {
            let of_rule = json!({ "type": "object", "additionalProperties": scalar() });
            let aliases = json!({ "type": "object", "additionalProperties": of_rule });
            (aliases, "One name for different fields: alias, then rule and field.")
        }
        "generate" => (json!({ "type": "boolean" }), "True: the rules that this one refers to alert, too."),
        "condition" => (json!({ "type": "object" }), "Bounds on what is observed."),
        "wait" => (span(), "How long after a match its companion may come."),
        "learning" => (span(), "How long after a group's first match nothing is new yet."),
        "min_distance_km" => (positive, "Shortest distance that counts; absent: 100."),
        "min_count" => (whole(u32::MAX), "Fewest matches that mean something; absent: 20."),
        "history" => (whole(HISTORY_MAX), "How many buckets before are looked at; absent: 24."),
        "sigma" => (positive, "How many deviations above the mean are too many; absent: 4."),
        _ => (json!({}), "A key of this type."),
    };
    explained(schema, meaning)
}

/// What one type needs, and what of the others it does not have.
fn of_type(kind: &str) -> Json {
    let foreign = EXTRA_KEYS.into_iter().filter(|(_, types)| !types.contains(&kind));
    let mut refined: Map<String, Json> = foreign.map(|(key, _)| (key.to_owned(), json!(false))).collect();
    let mut required = Vec::new();
    match kind {
        "ratio" => required.push("of"),
        "absence" => required.push("without"),
        _ => {}
    }
    if kind != "temporal_ordered" {
        // Only in a sequence does it make a difference how often a rule is listed.
        let referring = ["rules", "of", "without"].into_iter().filter(|key| !refined.contains_key(*key));
        let once: Vec<_> = referring.map(|key| (key.to_owned(), json!({ "uniqueItems": true }))).collect();
        refined.extend(once);
    }
    if let Some(condition) = condition(kind) {
        refined.insert("condition".to_owned(), condition);
        if kind != "temporal" {
            required.push("condition");
        }
    }
    json!({
        "if": { "properties": { "type": { "const": kind } }, "required": ["type"] },
        "then": { "properties": refined, "required": required },
    })
}

/// The condition of a type: what is compared, and with what.
fn condition(kind: &str) -> Option<Json> {
    let one = || json!({ "$ref": "#/$defs/fields", "maxItems": 1 });
    let percentile = || json!({ "type": "number", "minimum": 1, "maximum": 100 });
    let (fields, has_bounds) = match kind {
        "event_count" | "temporal" | "geo_velocity" | "ratio" => (Vec::new(), true),
        "value_count" => (vec![("field", texts(1))], true),
        "value_sum" | "value_avg" => (vec![("field", one())], true),
        "value_percentile" => (vec![("field", one()), ("percentile", percentile())], true),
        "value_change" | "new_value" => (vec![("field", one())], false),
        _ => return None,
    };
    let required: Vec<_> = fields.iter().map(|(key, _)| *key).filter(|key| *key == "field").collect();
    let bounds = BOUNDS.into_iter().filter(|_| has_bounds);
    let known = fields.into_iter().chain(bounds.map(|word| (word, json!({ "type": "number" }))));
    let mut condition = json!({
        "type": "object",
        "properties": properties(known.collect::<Vec<_>>()),
        "required": required,
        "additionalProperties": false,
    });
    if has_bounds {
        let some: Vec<_> = BOUNDS.iter().map(|word| json!({ "required": [word] })).collect();
        merge(&mut condition, json!({ "anyOf": some }));
    }
    Some(condition)
}

fn span() -> Json {
    json!({ "type": "string", "pattern": SPAN })
}

fn names() -> Json {
    let mut names = texts(1);
    merge(&mut names, json!({ "maxItems": INPUTS_MAX }));
    names
}

fn unique(mut list: Json) -> Json {
    merge(&mut list, json!({ "uniqueItems": true }));
    list
}
