//! `detection` and `filter`: selections of searches, and what each modifier takes.

use serde_json::{Map, Value as Json, json};

use crate::detect::rule::words::MODIFIERS;

use super::{explained, merge, reference, scalar, texts};

/// Modifiers by what they do, as alternatives of a pattern.
const TEXT: &str = "contains|startswith|endswith";
const COMPARISON: &str = "lt|lte|gt|gte";
const DATE: &str = "minute|hour|day|week|month|year";
const UTF16: &str = "utf16le|wide|utf16be|utf16";
const ENCODING: &str = "windash|base64|base64offset|utf16le|wide|utf16be|utf16";

/// Kinds of modifiers that exclude each other.
const CONFLICTS: [(&str, &[&str]); 6] = [
    ("re", &["cidr", "exists", "fieldref", "expand", TEXT, COMPARISON, DATE, ENCODING]),
    ("cidr", &["exists", "fieldref", TEXT, COMPARISON, DATE, ENCODING]),
    ("exists", &["fieldref", "expand", "all|neq", TEXT, COMPARISON, DATE, ENCODING]),
    ("fieldref", &["expand", COMPARISON, DATE, ENCODING]),
    (COMPARISON, &["expand", TEXT, ENCODING]),
    (DATE, &["expand", TEXT, ENCODING]),
];

/// More than blanks.
const SOMETHING: &str = "\\S";
/// A JSON number in a text.
const NUMBER: &str = "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$";
/// An address with or without the length of a prefix. Of version 6 only the characters are looked at.
const NETWORK: &str =
    "^\\s*((OCTET\\.){3}OCTET(/([0-9]|[12][0-9]|3[0-2]))?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?)\\s*$";

pub(super) fn definitions() -> Json {
    json!({
        "detection": {
            "type": "object",
            "properties": { "condition": condition(), "timeframe": {} },
            "additionalProperties": reference("search"),
        },
        "filter": {
            "type": "object",
            "properties": { "condition": condition(), "rules": explained(reference("rules"), "Detections by name or id; any stands for all that declare this logsource.") },
            "additionalProperties": reference("search"),
        },
        "search": search(),
        "values": {
            "type": ["string", "number", "boolean", "null", "array"], "minItems": 1, "items": { "type": ["string", "number", "boolean", "null"] },
        },
        "values_but_null": values(&scalar()),
        "numbers": values(&json!({ "type": ["string", "number"], "pattern": NUMBER })),
        "booleans": values(&boolean()),
        "networks": values(&json!({ "type": "string", "pattern": NETWORK.replace("OCTET", "[0-9]{1,3}") })),
        "paths": values(&json!({ "type": "string" })),
    })
}

fn condition() -> Json {
    let (mut texts, mut item) = (texts(1), scalar());
    merge(&mut item, json!({ "pattern": SOMETHING }));
    merge(&mut texts, json!({ "pattern": SOMETHING, "items": item }));
    explained(texts, "Selections joined by and, or, not, and 1 of / all of; of a list, any.")
}

/// One value, or a list of them that is not empty.
fn values(one: &Json) -> Json {
    json!({ "if": { "type": "array" }, "then": { "minItems": 1, "items": one }, "else": one })
}

/// What `exists` takes.
fn boolean() -> Json {
    let text = "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|yes|no)$";
    json!({ "type": ["boolean", "string"], "pattern": text })
}

/// A keyword, a list of which any will do, or fields that must all match.
fn search() -> Json {
    let known = format!("^[^|]*(\\|({}))*$", MODIFIERS.join("|"));
    json!({
        "type": ["string", "number", "boolean", "array", "object"],
        "minItems": 1,
        "items": reference("search"),
        "minProperties": 1,
        "propertyNames": { "pattern": known, "not": { "anyOf": conflicts() } },
        "patternProperties": by_modifier(),
        "additionalProperties": reference("values"),
    })
}

/// Keys that have one of some modifiers.
fn with(words: &str) -> String {
    format!("(?=.*\\|({words})(\\||$))")
}

fn conflicts() -> Vec<Json> {
    let pattern = |pattern: String| json!({ "pattern": pattern });
    let twice = [TEXT, COMPARISON, DATE].map(|kind| pattern(format!("\\|({kind})(\\|.*)?\\|({kind})(\\||$)")));
    let pairs = CONFLICTS
        .iter()
        .flat_map(|(one, others)| others.iter().map(move |other| pattern(format!("^{}{}", with(one), with(other)))));
    let flags = pattern(format!("^{}(?!.*\\|re(\\||$))", with("i|m|s")));
    let after_offset = pattern(format!("\\|base64offset(\\|.*)?\\|({ENCODING})(\\||$)"));
    // What is bytes cannot become text again but by Base64.
    let bytes = [(UTF16, "windash"), ("utf16", UTF16)]
        .map(|(first, second)| pattern(format!("\\|({first})(\\|(?!base64)[^|]*)*\\|({second})(\\||$)")));
    twice.into_iter().chain(pairs).chain([flags, after_offset]).chain(bytes).collect()
}

/// What the values of a key with some modifier must be. No key has two of these kinds.
fn by_modifier() -> Map<String, Json> {
    let numbers = format!("{COMPARISON}|{DATE}");
    let but_null = format!("re|expand|{TEXT}|{ENCODING}");
    let kinds = [
        (format!("^{}", with("exists")), "booleans"),
        (format!("^{}", with(&numbers)), "numbers"),
        (format!("^{}(?!.*\\|expand(\\||$))", with("cidr")), "networks"),
        (format!("^{}", with("fieldref")), "paths"),
        // A key that names no field looks for keywords.
        (format!("^(\\||$)(?!.*\\|({numbers}|exists|cidr|fieldref)(\\||$))"), "values_but_null"),
        (format!("^(?!.*\\|(fieldref)(\\||$)){}", with(&but_null)), "values_but_null"),
    ];
    kinds.into_iter().map(|(pattern, kind)| (pattern, reference(kind))).collect()
}
