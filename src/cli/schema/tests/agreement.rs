//! Every word of the rule language in every place: parser and schema refuse the same.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{SEEN, SEEN_IN_PART, SEEN_IN_PART_ELSEWHERE, validator};
use crate::cli::schema::Format;
use crate::detect::rule::words::{ANOMALIES, BOUNDS, COMMON, CORRELATIONS, EXTRA_KEYS, KNOWN, MODIFIERS, SETTINGS};
use crate::detect::rule::{Code, Options, Problem, Source, compile};
use crate::pipeline::Settings;
use crate::rule_test::{self, Runner, keys};

/// Values of which each key takes some and refuses others.
fn values() -> Vec<Json> {
    let values = json!([
        null, true, "true", 0, 1, 2.5, -1, 101, "", "x", "5", "5m", "0s", "5min", "d", "10.0.0.0/8", "10.0.0.0/40",
        "high", "stable", "!!!", "0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01", [], ["d"], ["d", "d"], ["d", "e"], [[]], [null],
        {}, {"gte": 1}, {"gte": "1"}, {"field": "a"}, {"field": ["a", "b"], "gte": 1}, {"field": "a", "gte": 1},
        {"field": "a", "gte": 1, "percentile": 0}, {"field": "a", "gte": 1, "percentile": 95}, {"a": {"d": "f"}},
        {"a": {"d": []}}, {"filed": "a", "gte": 1}
    ]);
    values.as_array().expect("a list").clone()
}

/// The codes of the errors in a document, beside two detections that it may refer to.
fn errors(document: &Json) -> BTreeSet<Code> {
    let detection = |name: &str| json!({ "name": name, "detection": { "s": { "f": 1 }, "condition": "s" } });
    let documents = [document.clone(), detection("d"), detection("e")];
    let text = documents.map(|document| document.to_string()).join("\n---\n");
    let found = compile(&[Source { path: "a.yml", text: &text }], &Options::default());
    found
        .err()
        .unwrap_or_default()
        .into_iter()
        .filter(|problem| problem.severity == crate::detect::rule::Severity::Error)
        .map(|problem| problem.code)
        .collect()
}

/// Holds documents against both, and says where they differ.
fn differences(documents: impl IntoIterator<Item = Json>) -> String {
    let validator = validator(Format::Rule);
    let mut differences = String::new();
    let mut refused = 0;
    for document in documents {
        let errors = errors(&document);
        let is_valid = validator.is_valid(&document);
        refused += u32::from(!is_valid);
        let must_refuse = errors.iter().any(|code| SEEN.contains(code));
        let in_part = |code: &Code| SEEN_IN_PART.contains(code) || SEEN_IN_PART_ELSEWHERE.contains(code);
        let may_refuse = must_refuse || errors.iter().any(in_part);
        if is_valid && must_refuse || !is_valid && !may_refuse {
            let _ = writeln!(
                differences,
                "schema {}, parser {errors:?}: {document}",
                if is_valid { "accepts" } else { "refuses" }
            );
        }
    }
    assert!(refused > 0, "nothing is refused");
    differences
}

/// A document that is right for a type.
fn window(kind: &str) -> Json {
    let has = |key: &str| EXTRA_KEYS.iter().any(|(extra, types)| *extra == key && types.contains(&kind));
    let mut body = json!({ "type": kind, "rules": ["d"], "group-by": ["g"], "timespan": "5m" });
    if has("condition") {
        let needs_field = kind.starts_with("value") || kind == "new_value";
        let has_bounds = !matches!(kind, "value_change" | "new_value");
        let field = needs_field.then(|| ("field".to_owned(), json!("a")));
        let bound = has_bounds.then(|| ("gte".to_owned(), json!(1)));
        body["condition"] = field.into_iter().chain(bound).collect::<Map<_, _>>().into();
    }
    if has("of") {
        body["of"] = json!(["e"]);
    }
    if has("without") {
        body["without"] = json!(["e"]);
    }
    let name = if CORRELATIONS.contains(&kind) { "correlation" } else { "anomaly" };
    json!({ "name": "w", name: body })
}

fn windows() -> impl Iterator<Item = Json> {
    CORRELATIONS.into_iter().chain(ANOMALIES).map(window)
}

/// The document with each value under a key, and without the key.
fn changed<'a>(document: &'a Json, pointer: &'a str, key: &'a str) -> impl Iterator<Item = Json> + 'a {
    let change = move |value: Option<Json>| {
        let mut document = document.clone();
        let at = document.pointer_mut(pointer).and_then(Json::as_object_mut).expect("it is there");
        match value {
            Some(value) => drop(at.insert(key.to_owned(), value)),
            None => drop(at.remove(key)),
        }
        document
    };
    values().into_iter().map(Some).chain([None]).map(change)
}

#[test]
fn bodies_of_every_type() {
    let mut documents: Vec<Json> = windows().collect();
    for window in windows() {
        let pointer = if window.get("anomaly").is_some() { "/anomaly" } else { "/correlation" };
        let keys = COMMON.into_iter().chain(EXTRA_KEYS.map(|(key, _)| key)).chain(["tpye"]);
        for key in keys {
            documents.extend(changed(&window, pointer, key));
        }
        let condition = format!("{pointer}/condition");
        if window.pointer(&condition).is_some() {
            for key in BOUNDS.into_iter().chain(["field", "percentile", "gtee"]) {
                documents.extend(changed(&window, &condition, key));
            }
        }
    }
    assert_eq!(differences(documents), "");
}

#[test]
fn headers_and_settings() {
    let detection = json!({ "name": "n", "tokenwatch": {}, "detection": { "s": { "f": 1 }, "condition": "s" } });
    let filter =
        json!({ "title": "t", "tokenwatch": {}, "filter": { "rules": ["d"], "s": { "f": 1 }, "condition": "not s" } });
    let mut documents = Vec::new();
    for mut document in windows().chain([detection, filter]) {
        document["tokenwatch"] = json!({});
        for key in SETTINGS.into_iter().chain(["supress"]) {
            documents.extend(changed(&document, "/tokenwatch", key));
        }
        for key in KNOWN.into_iter().filter(|key| *key != "action").chain(["detection", "filter", "correlation"]) {
            documents.extend(changed(&document, "", key));
        }
    }
    // A name that a reference means is another matter, as is a word that is nearly a known one.
    assert_eq!(differences(documents), "");
}

#[test]
fn selections_and_every_pair_of_modifiers() {
    let mut documents = Vec::new();
    let words = || MODIFIERS.into_iter().chain(["contians"]);
    let pairs = words().flat_map(|first| words().map(move |second| format!("|{first}|{second}")));
    let modifiers = words().map(|word| format!("|{word}")).chain([String::new()]).chain(pairs);
    let many = json!(["x", "5", 5, true, null, "10.0.0.0/8", "::1/64", "10.0.0.0/40", ["x", 1], [], [null], [["x"]], {"a": 1}]);
    // What two modifiers say to each other hardly depends on the value.
    let few = json!(["x", 5]);
    for modifiers in modifiers {
        let is_pair = modifiers.matches('|').count() == 2;
        for field in if is_pair { ["f"].as_slice() } else { &["f", ""] } {
            for value in if is_pair { &few } else { &many }.as_array().expect("a list") {
                let selection = json!({ format!("{field}{modifiers}"): value });
                documents.push(json!({ "name": "n", "detection": { "s": selection, "condition": "s" } }));
            }
        }
    }
    for value in self::values() {
        documents.push(json!({ "name": "n", "detection": { "s": value, "condition": "s" } }));
        documents.push(json!({ "name": "n", "detection": { "s": [value], "condition": "s" } }));
        documents.push(json!({ "name": "n", "detection": value }));
    }
    assert_eq!(differences(documents), "");
}

#[test]
fn conditions_without_anything_in_them() {
    let validator = validator(Format::Rule);
    for condition in [json!(""), json!("  "), json!([""]), json!(["s", " "]), json!([])] {
        let document = json!({ "name": "n", "detection": { "s": { "f": 1 }, "condition": condition } });
        assert!(!validator.is_valid(&document), "{document}");
        assert!(!errors(&document).is_empty(), "{document}");
    }
}

#[test]
fn test_files() {
    let validator = validator(Format::Test);
    let right = json!({
        "rule_files": ["a.yml"],
        "defaults": { "event.action": "login" },
        "tests": [{
            "name": "a",
            "events": [{ "at": "0s", "every": "1s", "repeat": 3, "event": { "jwt": { "sub": "ann" } } }],
            "alerts": [{ "rule": "d" }],
        }],
    });
    let moments = json!(["0", "1m10s", "250ms", "1m 10s", "10000000d"]);
    let mut documents = vec![right.clone()];
    for (pointer, keys) in [
        ("", keys::FILE.as_slice()),
        ("/tests/0", &keys::TEST),
        ("/tests/0/events/0", &keys::EVENT),
        ("/tests/0/alerts/0", &keys::ALERT),
    ] {
        for key in keys.iter().chain(&["nmae"]) {
            documents.extend(changed(&right, pointer, key));
        }
    }
    for moment in moments.as_array().expect("a list") {
        let mut document = right.clone();
        document["tests"][0]["events"][0]["at"] = moment.clone();
        documents.push(document);
    }
    let mut differences = String::new();
    for document in documents {
        let (_, problems) = rule_test::read("a_test.yml", &document.to_string());
        // How long is too long is no matter of form.
        let is_refused = problems.iter().any(|problem| !problem.message.contains("is longer than"));
        if is_refused == validator.is_valid(&document) {
            let _ = writeln!(differences, "{problems:?}: {document}");
        }
    }
    assert_eq!(differences, "");
}

/// What keeps a test with one event and these fields from running: of the file, or of the event.
fn problems_of_event(document: &Json) -> Vec<Problem> {
    let (file, mut problems) = rule_test::read("a_test.yml", &document.to_string());
    let compiled = compile(&[], &Options::default()).expect("there is nothing to be wrong");
    let mut runner = Runner::new(Arc::new(compiled.rules), &Settings::default(), &Arc::default(), "a_test.yml");
    problems.extend(file.expect("it is a test file").check_events(&mut runner));
    problems
}

#[test]
fn events_of_tests() {
    let validator = validator(Format::Test);
    let mut differences = String::new();
    let values = json!(["login", "{n}", "", 5, true, null, ["login"], [], {}, {"a": 1}]);
    let values = values.as_array().expect("a list");
    let dotted = values.iter().map(|value| json!({ "event.action": value, "jwt.sub": 5 }));
    let nested = values.iter().map(|value| json!({ "event": { "action": value, "id": null } }));
    let other = ["event.outcome", "jwt.exp", "@timestamp", "@timestamp.a", "own"];
    let other = other.iter().flat_map(|key| values.iter().map(move |value| json!({ *key: value })));
    for fields in dotted.chain(nested).chain(other) {
        let document = json!({
            "rule_files": ["a.yml"],
            "defaults": { "event.action": "login" },
            "tests": [{ "name": "a", "events": [{ "at": "0s", "event": fields }], "alerts": [] }],
        });
        let problems = problems_of_event(&document);
        if problems.is_empty() != validator.is_valid(&document) {
            let _ = writeln!(differences, "{problems:?}: {document}");
        }
    }
    assert_eq!(differences, "");
}
