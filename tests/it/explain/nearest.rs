//! What is said of each type, and of what keeps events from counting.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::json;
use tokenwatch::detect::Origin;
use tokenwatch::detect::alert::Group;
use tokenwatch::detect::rule::{Options, Source, compile};
use tokenwatch::explain::{Explainer, Explanation, Question};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::Settings;

/// Detections `a`, `b`, `c` by action, and the rule `r`.
fn rules(body: &str, more: &str) -> String {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        let _ = write!(text, "name: {name}\ndetection: {{s: {{event.action: {name}}}, condition: s}}\n---\n");
    }
    format!("{text}name: r\n{body}\n{more}")
}

/// Explains `r` over events: seconds, action, value of `v`, all of ann's.
fn explain(rules: &str, events: &[(i64, &str, serde_json::Value)]) -> Explanation {
    let compiled = compile(&[Source { path: "r.yml", text: rules }], &Options::default());
    let rules = Arc::new(compiled.unwrap_or_else(|problems| panic!("{problems:#?}")).rules);
    let rule = rules.rules.iter().position(|rule| rule.header.name == "r").expect("it is there");
    let question = Question { rule, only: Group::default(), alert: None };
    let mut explainer = Explainer::new(rules, &Settings::default(), question);
    for (offset, (seconds, action, value)) in (0..).zip(events) {
        let mut event = json!({"@timestamp": seconds, "event.action": action, "jwt.sub": "ann"});
        if let Some(fields) = value.as_object() {
            event.as_object_mut().expect("an object").extend(fields.clone());
        } else {
            event["v"] = value.clone();
        }
        let origin = Origin { topic: "t".into(), partition: 0, offset };
        let payload = event.to_string();
        explainer.take(&Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) });
    }
    explainer.finish()
}

#[track_caller]
fn check(body: &str, events: &[(i64, &str, serde_json::Value)], expected: &str) {
    let text = rules(body, "");
    let explanation = explain(&text, events);
    let nearest = explanation.groups.first().and_then(|group| group.nearest.as_ref()).expect("a group with matches");
    let told =
        format!("{} @{}{}", nearest.told, nearest.time.millis() / 1_000, if nearest.fired { " fired" } else { "" });
    assert_eq!(told, expected, "{body}");
}

#[test]
fn counts_and_sums() {
    let ten: Vec<_> = [(0, 1), (10, 2), (20, 2), (400, 3)].map(|(at, v)| (at, "a", json!(v))).to_vec();
    let over = "rules: [a], group-by: [jwt.sub], timespan: 5m";
    check(&format!("correlation: {{type: event_count, {over}, condition: {{gte: 5}}}}"), &ten, "3 of 5 events @20");
    check(
        &format!("correlation: {{type: event_count, {over}, condition: {{gt: 5, neq: 9}}}}"),
        &ten,
        "3 events (needs > 5 and != 9) @20",
    );
    check(
        &format!("correlation: {{type: event_count, {over}, condition: {{gte: 3}}}}"),
        &ten,
        "3 of 3 events @20 fired",
    );
    check(
        &format!("correlation: {{type: value_count, {over}, condition: {{field: v, gte: 8}}}}"),
        &ten,
        "2 of 8 v @10",
    );
    check(
        &format!("correlation: {{type: value_sum, {over}, condition: {{field: v, gt: 5}}}}"),
        &ten,
        "sum of v is 5 (needs > 5) @20",
    );
    check(
        &format!("correlation: {{type: value_avg, {over}, condition: {{field: v, gte: 4}}}}"),
        &ten,
        "mean of v is 3 (needs >= 4) @400",
    );
    let percentile =
        format!("correlation: {{type: value_percentile, {over}, condition: {{field: v, percentile: 50, gte: 4}}}}");
    check(&percentile, &ten, "percentile 50 of v is 3 (needs >= 4) @400");
}

#[test]
fn upper_bounds_that_are_missed_by_far() {
    let falling: Vec<_> = [(0, 90), (400, 40), (800, 60)].map(|(at, v)| (at, "a", json!(v))).to_vec();
    check(
        "correlation: {type: value_avg, rules: [a], group-by: [jwt.sub], timespan: 5m, condition: {field: v, lt: 3}}",
        &falling,
        "mean of v is 40 (needs < 3) @400",
    );
}

#[test]
fn a_rule_without_bounds_asks_for_none() {
    let text =
        rules("anomaly: {type: new_value, rules: [a], group-by: [jwt.sub], timespan: 5m, condition: {field: v}}", "");
    assert_eq!(explain(&text, &[]).asks, "new_value of v over 5m by jwt.sub");
}

#[test]
fn a_question_about_part_of_a_group_tells_what_has_none() {
    let text = rules(
        "correlation: {type: event_count, rules: [a], group-by: [jwt.sub, w], timespan: 5m, condition: {gte: 2}}",
        "",
    );
    let compiled = compile(&[Source { path: "r.yml", text: &text }], &Options::default()).expect("valid rules");
    let rules = Arc::new(compiled.rules);
    let only = Group(vec![("jwt.sub".to_owned(), "ann".to_owned())]);
    let rule = rules.rules.iter().position(|rule| rule.header.name == "r").expect("it is there");
    let mut explainer = Explainer::new(rules, &Settings::default(), Question { rule, only, alert: None });
    for (offset, subject) in (0..).zip(["ann", "bob"]) {
        let payload = json!({"@timestamp": 5, "event.action": "a", "jwt.sub": subject}).to_string();
        let origin = Origin { topic: "t".into(), partition: 0, offset };
        explainer.take(&Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) });
    }
    let excluded = explainer.finish().excluded;
    let told: Vec<_> = excluded.iter().map(|one| (one.meaning(), one.detail.as_str(), one.count)).collect();
    assert_eq!(told, [("have no group", "w", 1)]);
}

#[test]
fn sequences_and_shares() {
    let events = [(0, "a", json!(1)), (10, "b", json!(1)), (20, "b", json!(1)), (900, "c", json!(1))];
    let over = "group-by: [jwt.sub], timespan: 5m";
    let temporal = format!("correlation: {{type: temporal, rules: [a, b, c], {over}}}");
    check(&temporal, &events, "2 of 3 rules, without c @10");
    let ordered = format!("correlation: {{type: temporal_ordered, rules: [a, b, c], {over}}}");
    check(&ordered, &events, "2 of 3 steps; c would be next @10");
    let late = [(0, "a", json!(1)), (300, "b", json!(1))];
    let of_two = format!("correlation: {{type: temporal, rules: [a, b], {over}}}");
    check(&of_two, &late, "1 of 2 rules, without a: it came 5m before, and all must lie within 5m @300");
    let in_order = format!("correlation: {{type: temporal_ordered, rules: [a, b], {over}}}");
    check(&in_order, &late, "1 of 2 steps; b came 5m after, and all must lie within 5m @300");
    let apart = format!("{ordered}\ntokenwatch: {{min_gap: 30s}}");
    check(&apart, &events, "1 of 3 steps; b came 20s after, and 30s are needed @20");
    let ratio =
        format!("anomaly: {{type: ratio, rules: [a], of: [a, b], {over}, min_count: 4, condition: {{gte: 0.5}}}}");
    check(&ratio, &events, "a share of 0.333 of 3 matches (needs >= 0.5, and 4 matches) @20");
}

#[test]
fn the_header_says_what_only_the_type_asks() {
    let asks = |body: &str| explain(&rules(body, ""), &[]).asks;
    let over = "group-by: [jwt.sub], timespan: 5m";
    for (body, said) in [
        (
            format!("correlation: {{type: temporal_ordered, rules: [a, b], {over}}}\ntokenwatch: {{min_gap: 30s}}"),
            "temporal_ordered over 5m by jwt.sub, a then b, 30s or more apart",
        ),
        (
            format!("anomaly: {{type: absence, rules: [a], without: [b, c], wait: 1m, {over}}}"),
            "absence over 5m by jwt.sub, a without b or c in the 5m before or the 1m after",
        ),
        (
            format!("anomaly: {{type: ratio, rules: [a], of: [a, b], {over}, min_count: 4, condition: {{gte: 0.5}}}}"),
            "ratio over 5m by jwt.sub, a among 4 or more of a or b, needs >= 0.5",
        ),
        (
            format!("anomaly: {{type: new_value, rules: [a], learning: 1h, {over}, condition: {{field: v}}}}"),
            "new_value of v over 5m by jwt.sub, after 1h of learning",
        ),
        (
            format!("anomaly: {{type: geo_velocity, rules: [a], {over}, condition: {{gte: 900}}}}"),
            "geo_velocity of source.geo.location.lat, source.geo.location.lon over 5m by jwt.sub, 100 km or more apart, \
             needs >= 900",
        ),
    ] {
        assert_eq!(asks(&body), said);
    }
}

#[test]
fn what_fails_an_event_is_told_of_the_nearest_alternative() {
    let detail = |detection: &str, event: serde_json::Value| {
        let text = format!("name: r\ndetection:\n{detection}\n");
        explain(&text, &[(0, "login", event)]).excluded[0].detail.clone()
    };
    let either = "  s1: {v: 1, w: 1}\n  s2: {x: 1, y: 1}\n  condition: 1 of s*";
    assert_eq!(detail(either, json!({"x": 1, "y": 2})), "y is not 1 (nearest of 2 alternatives)");
    assert_eq!(detail(either, json!({"v": 1, "y": 2})), "w is missing (nearest of 2 alternatives)");
    assert_eq!(detail("  k: [evil, bad]\n  condition: k", json!({"x": 1})), "any field is none of *evil*, *bad*");
    let filtered = rules(
        "correlation: {type: temporal, rules: [a, b], timespan: 5m}",
        "---\ntitle: f\nfilter: {rules: [a], s: {v: 9}, condition: not s}\n",
    );
    let excluded = explain(&filtered, &[(0, "a", json!(9))]).excluded;
    assert_eq!((excluded[0].meaning(), excluded[0].detail.as_str()), ("are filtered out", "a: by f"));
    let both = rules("correlation: {type: temporal, rules: [a, b], timespan: 5m}", "");
    let told = explain(&both, &[(0, "login", json!(1))]).excluded[0].detail.clone();
    assert_eq!(told, "a: event.action is not a; b: event.action is not b");
}

#[test]
fn what_a_match_lacks_is_named() {
    let velocity = rules(
        "anomaly: {type: geo_velocity, rules: [a], group-by: [jwt.sub], timespan: 5m, condition: {gte: 900}}",
        "",
    );
    let lacks = |event: serde_json::Value| explain(&velocity, &[(0, "a", event)]).excluded[0].detail.clone();
    assert_eq!(lacks(json!({"v": 1})), "source.geo.location.lat, source.geo.location.lon");
    assert_eq!(lacks(json!({"source.geo.location.lat": 1})), "source.geo.location.lon");
    let nowhere = json!({"source.geo.location.lat": "north", "source.geo.location.lon": 1});
    assert_eq!(lacks(nowhere), "source.geo.location.lat as a number");
    let beyond = json!({"source.geo.location.lat": 95, "source.geo.location.lon": 1});
    assert_eq!(lacks(beyond), "a place on Earth");
}

#[test]
fn neighbours() {
    let over = "rules: [a], group-by: [jwt.sub], timespan: 5m";
    let change = format!("anomaly: {{type: value_change, {over}, condition: {{field: v}}}}");
    check(&change, &[(0, "a", json!("x")), (600, "a", json!("y"))], "v changed from x to y in 10m (within 5m) @600");
    check(&change, &[(0, "a", json!("x")), (60, "a", json!("x"))], "v stayed x @60");
    check(&change, &[(0, "a", json!("x")), (60, "a", json!("y"))], "v changed from x to y in 1m (within 5m) @60 fired");
    let fresh = format!("anomaly: {{type: new_value, {over}, learning: 1h, condition: {{field: v}}}}");
    check(
        &fresh,
        &[(0, "a", json!("x")), (60, "a", json!("y"))],
        "v y is new, but the group is known for 1m of 1h @60",
    );
    check(
        &format!("anomaly: {{type: new_value, {over}, condition: {{field: v}}}}"),
        &[(0, "a", json!("x")), (901, "a", json!("y"))],
        "v y is new, but the group was quiet for 901s and begins anew @901",
    );
    let velocity = format!("anomaly: {{type: geo_velocity, {over}, condition: {{gte: 900}}}}");
    let place = |lat: f64| json!({"source.geo.location.lat": lat, "source.geo.location.lon": 0});
    let events = [(0, "a", place(0.0)), (200, "a", place(0.1))];
    check(&velocity, &events, "11 km in 200s, 200.2 km/h (needs >= 900, at least 100 km, within 5m) @200");
}

#[test]
fn absences_and_spikes() {
    let over = "rules: [a], group-by: [jwt.sub], timespan: 5m";
    let absence = format!("anomaly: {{type: absence, {over}, without: [b], wait: 1m}}");
    check(&absence, &[(0, "b", json!(1)), (200, "a", json!(1))], "b came 200s before (none within 5m is needed) @200");
    check(&absence, &[(0, "a", json!(1)), (50, "b", json!(1))], "b came 50s after (none within 1m is needed) @0");
    check(&absence, &[(0, "a", json!(1))], "no b in the 5m before or 1m after @0 fired");
    let spike = format!("anomaly: {{type: spike, {over}, history: 2, sigma: 2, min_count: 5}}");
    let events = [(0, "a", json!(1)), (300, "a", json!(1)), (310, "a", json!(1))];
    check(&spike, &events, "2 events in 5m (needs > 3.0 and >= 5; usually 1.0 give or take 0.0) @310");
    check(&spike, &events[..1], "1 events in 5m, but only 0 of 2 buckets before it are known @0");
}

#[test]
fn everything_that_does_not_count_has_its_reason() {
    let rules = rules(
        "correlation: {type: value_count, rules: [a], group-by: [jwt.sub], timespan: 5m, condition: {field: v, gte: 3}}",
        "---\ntitle: robots\nfilter: {rules: [a], s: {user_agent.original|startswith: bot}, condition: not s}\n",
    );
    let events = [
        (1_000, "a", json!({"v": 1, "event.id": "e"})),
        (1_000, "a", json!({"v": 1, "event.id": "e"})),
        (1_000, "b", json!(1)),
        (1_000, "a", json!({"v": 2, "user_agent.original": "bot/1"})),
        (399, "a", json!(2)),
        (1_000, "a", json!({"v": 2, "jwt.sub": "-"})),
        (1_000, "a", json!({"w": 2})),
        (1_000, "", json!(2)),
    ];
    let explanation = explain(&rules, &events);
    assert_eq!((explanation.events.total, explanation.events.matched), (8, 5));
    let told: Vec<String> = explanation
        .excluded
        .iter()
        .map(|one| format!("{} {}: {} at {}", one.count, one.meaning(), one.detail, one.examples[0].offset))
        .collect();
    let expected = [
        "1 are no events: no_action at 7",
        "1 do not match: event.action is not a at 2",
        "1 are filtered out: by robots at 3",
        "1 are late: by more than 10m at 4",
        "1 have no group: jwt.sub (\"-\" stands for nobody) at 5",
        "1 lack what is counted: v at 6",
        "1 are duplicates:  at 1",
    ];
    assert_eq!(told, expected);
    assert_eq!(explanation.asks, "value_count of v over 5m by jwt.sub, needs >= 3");
}

#[test]
fn a_question_about_one_group_leaves_the_others_out() {
    let text = rules(
        "correlation: {type: event_count, rules: [a], group-by: [jwt.sub], timespan: 5m, condition: {gte: 2}}",
        "",
    );
    let compiled = compile(&[Source { path: "r.yml", text: &text }], &Options::default()).expect("valid rules");
    let rules = Arc::new(compiled.rules);
    let only = Group(vec![("jwt.sub".to_owned(), "bob".to_owned())]);
    let rule = rules.rules.iter().position(|rule| rule.header.name == "r").expect("it is there");
    let mut explainer = Explainer::new(rules, &Settings::default(), Question { rule, only, alert: None });
    for (offset, (subject, action)) in (0..).zip([("ann", "a"), ("bob", "a"), ("bob", "b"), ("ann", "a")]) {
        let payload = json!({"@timestamp": 5, "event.action": action, "jwt.sub": subject}).to_string();
        let origin = Origin { topic: "t".into(), partition: 0, offset };
        explainer.take(&Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) });
    }
    let explanation = explainer.finish();
    assert_eq!((explanation.events.total, explanation.events.matched), (2, 1));
    assert_eq!(explanation.groups.len(), 1);
    assert_eq!(explanation.groups[0].nearest.as_ref().expect("a match").told, "1 of 2 events");
}
