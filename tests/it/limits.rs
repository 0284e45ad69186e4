//! What happens at the limits, and what an alert looks like: the parts of detection that the oracle does not compare.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokenwatch::detect::rule::{Options, Source, compile};
use tokenwatch::detect::{Limits, Origin, Span};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};

const HIT: &str = "
---
title: Hit
name: hit
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: request}, condition: selection}
";

/// The alerts of a stream of (seconds, fields) under one rule, and how often each limit was hit.
fn run(rule: &str, limits: Limits, events: &[(i64, Value)]) -> (Vec<Value>, BTreeMap<&'static str, u64>) {
    let text = format!("{rule}{HIT}");
    let source = Source { path: "rule.yml", text: &text };
    let rules = Arc::new(compile(&[source], &Options::default()).expect("a valid rule").rules);
    let settings = Settings { limits, lateness: Span::from_millis(60_000), ..Settings::default() };
    let mut pipeline = Pipeline::new(Arc::clone(&rules), &settings);
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(&rules);
    for (offset, (at_s, fields)) in (0..).zip(events) {
        let mut event = json!({"@timestamp": at_s, "event.action": "request", "event.id": format!("e{offset}")});
        let members = fields.as_object().expect("fields");
        event.as_object_mut().expect("an object").extend(members.clone());
        let origin = Origin { topic: "audit".into(), partition: 0, offset };
        let payload = event.to_string();
        let record = Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) };
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
    }
    assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    let alerts = outcome.detected.alerts.iter().map(|alert| serde_json::to_value(alert).expect("an alert is JSON"));
    let hits = outcome.detected.limit_hits().filter(|(_, hits)| *hits > 0);
    (alerts.collect(), hits.map(|(limit, hits)| (limit.name(), hits)).collect())
}

fn count_rule(condition: &str) -> String {
    format!(
        "
title: Count
correlation: {{type: event_count, rules: [hit], group-by: [jwt.sub], timespan: 10s, condition: {condition}}}
tokenwatch: {{suppress: 0s}}
"
    )
}

fn ann(at_s: i64) -> (i64, Value) {
    (at_s, json!({"jwt.sub": "ann"}))
}

#[test]
fn a_clipped_window_alerts_on_what_it_still_holds_and_says_so() {
    let limits = |window_entries| Limits { window_entries, ..Limits::default() };
    let events: Vec<_> = (100..104).map(ann).collect();
    let (alerts, hits) = run(&count_rule("{gte: 3}"), limits(3), &events);
    let seen: Vec<_> = alerts.iter().map(|alert| (&alert["observed"], &alert["truncated"])).collect();
    assert_eq!(seen, [(&json!(3), &json!(false)), (&json!(3), &json!(true))]);
    assert_eq!(hits, BTreeMap::from([("window_entries", 1)]));
    let (_, hits) = run(&count_rule("{gte: 3}"), limits(4), &events);
    assert_eq!(hits, BTreeMap::new());
}

#[test]
fn a_condition_that_more_matches_can_make_false_is_silent_until_the_clip_has_left() {
    let limits = Limits { window_entries: 3, ..Limits::default() };
    // The fourth match clips the first, at 100 s; the window that ends at 110 s no longer needs it.
    let events = [ann(100), ann(101), ann(102), ann(103), ann(110), ann(114)];
    let (alerts, _) = run(&count_rule("{lte: 3}"), limits, &events);
    let times: Vec<_> = alerts.iter().map(|alert| alert["time"].as_str().unwrap_or_default()).collect();
    let at = |second: i64| format!("1970-01-01T00:01:{:02}.000Z", second - 60);
    // At 110 s the match of 101 s is clipped as well.
    assert_eq!(times, [at(100), at(101), at(102), at(114)]);
}

#[test]
fn the_stalest_group_makes_room_and_its_suppression_stays() {
    let rule = "
title: Two
correlation: {type: event_count, rules: [hit], group-by: [jwt.sub], timespan: 10s, condition: {gte: 2}}
tokenwatch: {suppress: 1h}
";
    let sub = |at_s: i64, name: &str| (at_s, json!({"jwt.sub": name}));
    let events = [sub(100, "ann"), sub(101, "ann"), sub(102, "bob"), sub(103, "eve"), sub(104, "ann"), sub(105, "ann")];
    let limits = |groups| Limits { groups, ..Limits::default() };
    let (alerts, hits) = run(rule, limits(2), &events);
    assert_eq!(alerts.len(), 1, "ann was evicted after her alert, which is not repeated: {alerts:#?}");
    assert_eq!(hits, BTreeMap::from([("groups", 2)]));
    let (alerts, hits) = run(rule, limits(3), &events);
    assert_eq!((alerts.len(), hits.len()), (1, 0));
}

#[test]
fn the_stalest_groups_make_room_where_all_take_too_much_and_their_suppressions_stay() {
    let rule = "
title: Two
correlation: {type: event_count, rules: [hit], group-by: [jwt.sub], timespan: 10s, condition: {gte: 2}}
tokenwatch: {suppress: 1h}
";
    let sub = |at_s: i64, name: &str| (at_s, json!({"jwt.sub": name}));
    let events = [sub(100, "ann"), sub(101, "ann"), sub(102, "bob"), sub(103, "eve"), sub(104, "ann"), sub(105, "ann")];
    let evictions = |state_bytes| {
        let (alerts, hits) = run(rule, Limits { state_bytes, ..Limits::default() }, &events);
        assert_eq!(alerts.len(), 1, "with {state_bytes} bytes: {alerts:#?}");
        hits.get("state_bytes").copied().unwrap_or(0)
    };
    let by_limit: Vec<_> = (500..4_000).step_by(50).map(evictions).collect();
    assert!(by_limit.is_sorted_by(|more, fewer| more >= fewer), "{by_limit:?}");
    assert!(by_limit[0] >= 2 && by_limit.last() == Some(&0), "{by_limit:?}");
}

#[test]
fn eviction_goes_by_staleness_then_by_key() {
    let sub = |at_s: i64, name: &str| (at_s, json!({"jwt.sub": name}));
    // Of a and b, equally stale, a goes: a's second match finds nothing to add to, b's does.
    let events = [sub(100, "b"), sub(100, "a"), sub(101, "c"), sub(102, "b"), sub(103, "a")];
    let (alerts, _) = run(&count_rule("{gte: 2}"), Limits { groups: 2, ..Limits::default() }, &events);
    let groups: Vec<_> = alerts.iter().map(|alert| &alert["group"]["jwt.sub"]).collect();
    assert_eq!(groups, ["b"]);
}

#[test]
fn long_values_are_cut_but_never_become_one() {
    let limits = Limits { label_bytes: 8, ..Limits::default() };
    let long = |end: &str| (100, json!({"jwt.sub": format!("same-beginning-{end}")}));
    let (alerts, hits) = run(&count_rule("{gte: 2}"), limits.clone(), &[long("a"), long("b")]);
    assert!(alerts.is_empty(), "{alerts:#?}");
    assert_eq!(hits, BTreeMap::from([("label_bytes", 2)]));
    let (alerts, _) = run(&count_rule("{gte: 2}"), limits, &[long("a"), long("a")]);
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0]["group"]["jwt.sub"].as_str().is_some_and(|sub| sub.starts_with("same-beg…sha256:")));
}

#[test]
fn a_list_puts_an_event_in_its_first_sixteen_groups() {
    let subjects = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("s{number:02}")).collect();
        [(100, json!({"jwt.sub": names}))]
    };
    let (alerts, hits) = run(&count_rule("{gte: 1}"), Limits::default(), &subjects(16));
    assert_eq!((alerts.len(), hits.len()), (16, 0));
    let (alerts, hits) = run(&count_rule("{gte: 1}"), Limits::default(), &subjects(17));
    assert_eq!((alerts.len(), hits), (16, BTreeMap::from([("groups_per_match", 1)])));
}

#[test]
fn an_alert_says_who_what_when_and_on_what_evidence() {
    let rule = "
title: Many services
id: 6df0bcdd-1c3c-426a-b1f9-d5476dabf3cd
name: many_services
correlation: {type: value_count, rules: [hit], group-by: [jwt.sub], timespan: 5m, condition: {field: service.name, gte: 2}}
level: high
tags: [attack.t1550.001]
";
    let visit = |at_s: i64, service: &str| (at_s, json!({"jwt.sub": "ann", "service.name": service}));
    let (alerts, _) = run(rule, Limits::default(), &[visit(100, "a"), visit(101, "b")]);
    let text = serde_json::to_string(&alerts[0]).expect("JSON");
    let version = alerts[0]["rule"]["version"].as_str().expect("a version");
    let id = alerts[0]["id"].as_str().expect("an id");
    assert!(version.len() == 12 && version.bytes().all(|byte| byte.is_ascii_hexdigit()), "{version}");
    let expected = json!({
        "id": id,
        "time": "1970-01-01T00:01:41.000Z",
        "rule": {
            "id": "6df0bcdd-1c3c-426a-b1f9-d5476dabf3cd",
            "name": "many_services",
            "title": "Many services",
            "type": "value_count",
            "level": "high",
            "tags": ["attack.t1550.001"],
            "version": version
        },
        "group": {"jwt.sub": "ann"},
        "window": {"start": "1969-12-31T23:56:41.000Z", "end": "1970-01-01T00:01:41.000Z"},
        "observed": 2,
        "condition": {"field": "service.name", "gte": 2},
        "summary": "jwt.sub ann: 2 distinct service.name in 5m (threshold 2)",
        "suppressed": 0,
        "truncated": false,
        "details": {"values": ["a", "b"]},
        "evidence": [
            {"id": "e0", "time": "1970-01-01T00:01:40.000Z", "topic": "audit", "partition": 0, "offset": 0},
            {"id": "e1", "time": "1970-01-01T00:01:41.000Z", "topic": "audit", "partition": 0, "offset": 1}
        ]
    });
    assert_eq!(alerts[0], expected, "{text}");
}

#[test]
fn keys_of_an_alert_stand_in_the_promised_order() {
    let source = format!("{}{HIT}", count_rule("{gte: 1}"));
    let source = Source { path: "rule.yml", text: &source };
    let rules = Arc::new(compile(&[source], &Options::default()).expect("a valid rule").rules);
    let mut pipeline = Pipeline::new(Arc::clone(&rules), &Settings::default());
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(&rules);
    let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let payload = br#"{"@timestamp":1,"event.action":"request","jwt.sub":"ann"}"#;
    let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
    pipeline.decide(&mut partition, 0, &record, &mut outcome);
    let text = serde_json::to_string(&outcome.detected.alerts[0]).expect("JSON");
    let keys = ["id", "time", "rule", "group", "window", "observed", "condition", "summary"];
    let keys = keys.into_iter().chain(["suppressed", "truncated", "details", "evidence"]);
    let places: Vec<_> = keys.map(|key| text.find(&format!("\"{key}\":")).expect(key)).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains(r#""id":"audit/0/0""#), "an event without an id is named by its place: {text}");
}
