//! The alert, as consumers of the topic read it. It is open: a later version may say more.

use serde_json::{Value as Json, json};

use crate::detect::rule::compiled::Level;
use crate::detect::rule::words::{ANOMALIES, BOUNDS, CORRELATIONS};

use super::{properties, reference};

pub(super) fn schema() -> Json {
    let number = || json!({ "type": "number" });
    json!({
        "title": "tokenwatch alert",
        "description": "What fired, for whom, over which window, and on what evidence.",
        "type": "object",
        "properties": {
            "id": { "type": "string", "format": "uuid", "description": "The same whenever the same records are decided again." },
            "time": reference("time"),
            "rule": rule(),
            "group": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Names and values; empty for a rule without a group." },
            "window": {
                "type": "object",
                "description": "(start, end]; absent for single-event rules.",
                "properties": { "start": reference("time"), "end": reference("time") },
                "required": ["start", "end"],
            },
            "observed": { "type": "number", "description": "What the condition was compared with." },
            "condition": {
                "type": "object",
                "properties": properties(BOUNDS.map(|word| (word, number())).into_iter().chain([
                    ("field", json!({ "type": ["string", "array"], "items": { "type": "string" } })),
                    ("percentile", number()),
                ])),
            },
            "summary": { "type": "string", "description": "One line for people." },
            "suppressed": { "type": "integer", "minimum": 0, "description": "Firings kept quiet since the group's last alert." },
            "truncated": { "type": "boolean", "description": "True if a limit had dropped matches from the window." },
            "shadow": { "const": true, "description": "There if the rule runs in shadow: nobody is meant to answer." },
            "details": details(),
            "evidence": { "type": "array", "items": evidence(), "description": "The newest matches in the window, oldest first." },
        },
        "required": ["id", "time", "rule", "group", "summary", "suppressed", "truncated", "details", "evidence"],
        "$defs": { "time": { "type": "string", "format": "date-time", "description": "UTC with milliseconds." } },
    })
}

fn rule() -> Json {
    let types: Vec<_> = ["event"].into_iter().chain(CORRELATIONS).chain(ANOMALIES).collect();
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "name": { "type": "string" },
            "title": { "type": "string" },
            "type": { "enum": types },
            "level": { "enum": Level::ALL.map(Level::name) },
            "tags": { "type": "array", "items": { "type": "string" } },
            "version": { "type": "string", "pattern": "^[0-9a-f]{12}$", "description": "Of the compiled rule." },
        },
        "required": ["id", "name", "title", "type", "level", "tags", "version"],
    })
}

/// What the types know beyond the number; `from` and `to` are values of a change, or the places of a journey.
fn details() -> Json {
    let place = json!({ "type": "object", "properties": { "lat": { "type": "number" }, "lon": { "type": "number" } } });
    let end = json!({ "anyOf": [{ "type": "string" }, place] });
    json!({
        "type": "object",
        "properties": {
            "values": { "type": "array", "items": { "type": "string" } },
            "from": end,
            "to": end,
            "distance_km": { "type": "number" },
            "seconds": { "type": "number" },
            "value": { "type": "string" },
            "known": { "type": "integer" },
            "mean": { "type": "number" },
            "deviation": { "type": "number" },
        },
    })
}

fn evidence() -> Json {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "time": reference("time"),
            "topic": { "type": "string" },
            "partition": { "type": "integer" },
            "offset": { "type": "integer" },
        },
        "required": ["id", "time", "topic", "partition", "offset"],
    })
}
