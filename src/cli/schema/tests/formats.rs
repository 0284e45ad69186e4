//! What the program writes and documents is valid: events, alerts, the example of a configuration.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use config::FileFormat;
use serde_json::{Value as Json, json};

use super::{read, refusal, validator};
use crate::cli::schema::{Format, schema};
use crate::config::{Config, Purpose};
use crate::detect::Origin;
use crate::detect::rule::words::{ANOMALIES, CORRELATIONS};
use crate::detect::rule::{Options, Source, compile};
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Pipeline, Settings};
use crate::traffic::{Traffic, TrafficConfig, generate};

#[test]
fn generated_events_are_valid_in_either_form() {
    let validator = validator(Format::Event);
    let traffic = Traffic::new(TrafficConfig::default()).expect("the defaults are right");
    let mut text = Vec::new();
    generate(traffic, 500, &mut text, None).expect("a vector takes all");
    let lines = String::from_utf8(text).expect("JSON is text");
    let events: Vec<Json> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let accepted = events.iter().filter(|event| validator.is_valid(event)).count();
    assert!(accepted * 10 > events.len() * 9, "{}", refusal(&validator, &events[0]));
    let dotted = json!({"@timestamp": 0, "event.action": "login", "jwt.scope": "a b", "token": "x", "jwt": {"exp": 5}, "other": []});
    assert_eq!(refusal(&validator, &dotted), "");
    for bad in [
        json!([]),
        json!({"event.action": "login"}),
        json!({"@timestamp": 0}),
        json!({"@timestamp": 0, "event": {"outcome": "success"}}),
        json!({"@timestamp": 0, "event": {"action": "login"}, "jwt": {"exp": "soon"}}),
        json!({"@timestamp": 0, "event": {"action": "login"}, "jwt.sub": 5}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

/// A rule of every type that fires on the second of two logins a minute apart, in two places.
fn rules_of_every_type() -> String {
    let mut text = String::from(
        "name: e\nstatus: experimental\ngenerate: true\ndetection: {s: {event.action: login}, condition: s}\n---\n\
         name: never\ndetection: {s: {event.action: never}, condition: s}\n",
    );
    for kind in CORRELATIONS.into_iter().chain(ANOMALIES) {
        let body = if ANOMALIES.contains(&kind) { "anomaly" } else { "correlation" };
        let rest = match kind {
            "event_count" => "condition: {gte: 2}",
            "value_count" => "condition: {field: source.ip, gte: 2}",
            "value_sum" | "value_avg" | "value_percentile" => "condition: {field: n, gte: 1.5}",
            "value_change" | "new_value" => "condition: {field: source.ip}",
            "geo_velocity" => "condition: {gte: 900}",
            "absence" => "without: [never]",
            "ratio" => "of: [e], min_count: 2, condition: {gte: 0.5}",
            "spike" => "min_count: 1, sigma: 0, history: 1",
            _ => "generate: true",
        };
        text = format!("{text}---\nname: r_{kind}\n{body}: {{type: {kind}, rules: [e], timespan: 1h, {rest}}}\n");
    }
    text
}

#[test]
fn alerts_of_every_type_are_valid_and_say_nothing_that_the_schema_does_not_know() {
    let text = rules_of_every_type();
    let options = Options { shadow: true, ..Options::default() };
    let compiled = compile(&[Source { path: "a.yml", text: &text }], &options).expect("the rules are right");
    let rules = Arc::new(compiled.rules);
    let mut pipeline = Pipeline::new(Arc::clone(&rules), &Settings::default());
    let mut partition = pipeline.partition([0; 4]);
    let mut outcome = BatchOutcome::new(&rules);
    // Two buckets of the spike apart, and two a minute apart.
    for (offset, (seconds, latitude)) in
        [(0, 0), (3_600, 0), (3_660, 50), (3_661, 50), (3_662, 50)].into_iter().enumerate()
    {
        let event = json!({
            "@timestamp": seconds, "event.action": "login", "source.ip": format!("10.0.0.{offset}"), "n": 2.25,
            "source.geo.location": {"lat": latitude, "lon": 0},
        });
        let payload = event.to_string().into_bytes();
        let origin = Origin { topic: "t".into(), partition: 0, offset: i64::try_from(offset).expect("few") };
        let record = Record { origin: &origin, timestamp: None, payload: Some(&payload) };
        pipeline.decide(&mut partition, offset, &record, &mut outcome);
    }
    pipeline.finish(&mut partition, &mut outcome);
    let validator = validator(Format::Alert);
    let known = schema(Format::Alert);
    let parts = [
        ("", ""),
        ("/rule", "/properties/rule"),
        ("/window", "/properties/window"),
        ("/condition", "/properties/condition"),
        ("/details", "/properties/details"),
        ("/evidence/0", "/properties/evidence/items"),
    ];
    let mut types = BTreeSet::new();
    for alert in &outcome.detected.alerts {
        let alert = serde_json::to_value(alert).expect("alerts always serialize");
        assert_eq!(refusal(&validator, &alert), "", "{alert}");
        for (part, place) in parts {
            let properties = known.pointer(&format!("{place}/properties")).expect("it is in the schema");
            for name in alert.pointer(part).and_then(Json::as_object).into_iter().flat_map(serde_json::Map::keys) {
                assert!(properties.get(name).is_some(), "{part}/{name} is not in the schema");
            }
        }
        types.insert(alert["rule"]["type"].as_str().expect("a text").to_owned());
    }
    let every: BTreeSet<_> = ["event"].into_iter().chain(CORRELATIONS).chain(ANOMALIES).map(str::to_owned).collect();
    assert_eq!(types, every);
}

fn toml(text: &str) -> Json {
    let source = config::File::from_str(text, FileFormat::Toml);
    let config = config::Config::builder().add_source(source).build().expect("it is TOML");
    config.try_deserialize().expect("TOML is JSON")
}

#[test]
fn the_documented_configuration_is_valid_with_every_default_written_out() {
    let validator = validator(Format::Config);
    let example = read(Path::new("deploy/tokenwatch.toml"));
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let written: Vec<&str> = example
        .lines()
        .map(|line| if is_setting(line) { line.trim_start_matches('#').trim_start() } else { line })
        .collect();
    for text in [example.clone(), written.join("\n")] {
        assert_eq!(refusal(&validator, &toml(&text)), "");
    }
    for bad in ["[kafka]\ntopic = \"a\"\n", "[kafak]\n", "[time]\nallowed_lateness = 5\n", "[limits]\ngroups = -1\n"] {
        assert!(!validator.is_valid(&toml(bad)), "{bad}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, bad).expect("the folder can be written");
        Config::read(Some(&path), [], Purpose::Offline).expect_err(bad);
    }
}

#[test]
fn every_setting_is_explained() {
    let schema = schema(Format::Config);
    for (section, content) in schema["properties"].as_object().expect("sections") {
        for (key, setting) in content["properties"].as_object().expect("settings") {
            let meaning = setting["description"].as_str().unwrap_or_default();
            assert!(!meaning.is_empty(), "{section}.{key}");
        }
    }
}
