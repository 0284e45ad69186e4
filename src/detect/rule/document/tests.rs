//! One document at a time: what it is read as, and what is wrong with it.

use super::*;
use crate::detect::rule::condition::Condition as Bounds;
use crate::detect::rule::logic::{Logic, Place};
use crate::detect::rule::problem::Severity;
use crate::detect::time::Span as Time;

/// The documents of a text, and its problems as `line code`.
fn read_text(text: &str) -> (Vec<Document>, Vec<String>) {
    let mut problems = Vec::new();
    let (documents, _) = read(0, "a.yml", text, &mut problems);
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    (documents, errors.map(|problem| format!("{} {}", problem.line, problem.code)).collect())
}

/// The window of a section whose common keys are right.
fn window(section: &str, rest: &str) -> Result<Window, Vec<String>> {
    let text = format!("name: w\n{section}:\n  rules: [a, b]\n  timespan: 1h\n{rest}");
    let (mut documents, problems) = read_text(&text);
    match documents.remove(0).body {
        Some(Body::Window(window)) if problems.is_empty() => Ok(window),
        _ => Err(problems),
    }
}

#[test]
fn every_type_is_read_with_its_parameters_and_defaults() {
    let at_least = |bound| Bounds { gte: Some(bound), ..Bounds::default() };
    let place = Place::of_source;
    let minutes = |count: i64| Time::from_millis(count * 60_000);
    let field = || "f".to_owned();
    let table = [
        ("correlation", "type: event_count\n  condition: {gte: 3}", Logic::EventCount { condition: at_least(3.0) }),
        (
            "correlation",
            "type: value_count\n  condition: {field: [f, g], gt: 1, lte: 9}",
            Logic::ValueCount {
                fields: vec!["f".to_owned(), "g".to_owned()],
                condition: Bounds { gt: Some(1.0), lte: Some(9.0), ..Bounds::default() },
            },
        ),
        ("correlation", "type: temporal", Logic::Temporal { condition: None }),
        ("correlation", "type: temporal\n  condition: {gte: 1}", Logic::Temporal { condition: Some(at_least(1.0)) }),
        ("correlation", "type: temporal_ordered", Logic::TemporalOrdered { gap_min: Time::ZERO }),
        (
            "correlation",
            "type: temporal_ordered\ntokenwatch: {min_gap: 2m}",
            Logic::TemporalOrdered { gap_min: minutes(2) },
        ),
        (
            "correlation",
            "type: value_sum\n  condition: {field: f, gte: 0.5}",
            Logic::ValueSum { field: field(), condition: at_least(0.5) },
        ),
        (
            "correlation",
            "type: value_avg\n  condition: {field: f, gte: -1}",
            Logic::ValueAverage { field: field(), condition: at_least(-1.0) },
        ),
        (
            "correlation",
            "type: value_percentile\n  condition: {field: f, gte: 1e3}",
            Logic::ValuePercentile { field: field(), percentile: 50.0, condition: at_least(1000.0) },
        ),
        (
            "correlation",
            "type: value_percentile\n  condition: {field: f, percentile: 99.5, gte: 1}",
            Logic::ValuePercentile { field: field(), percentile: 99.5, condition: at_least(1.0) },
        ),
        ("anomaly", "type: value_change\n  condition: {field: f}", Logic::ValueChange { field: field() }),
        (
            "anomaly",
            "type: geo_velocity\n  condition: {gte: 900}",
            Logic::GeoVelocity { place: place(), distance_km_min: 100.0, condition: at_least(900.0) },
        ),
        (
            "anomaly",
            "type: geo_velocity\n  min_distance_km: 0\n  condition: {gte: 900}",
            Logic::GeoVelocity { place: place(), distance_km_min: 0.0, condition: at_least(900.0) },
        ),
        (
            "anomaly",
            "type: new_value\n  condition: {field: f}\n  learning: 5m",
            Logic::NewValue { field: field(), learning: minutes(5) },
        ),
        ("anomaly", "type: absence\n  without: c\n  wait: 1m", Logic::Absence { wait: minutes(1) }),
        ("anomaly", "type: absence\n  without: [c]", Logic::Absence { wait: Time::ZERO }),
        (
            "anomaly",
            "type: ratio\n  of: [c]\n  condition: {gte: 0.5}",
            Logic::Ratio { count_min: 20, condition: at_least(0.5) },
        ),
        ("anomaly", "type: spike", Logic::Spike { history: 24, sigma: 4.0, count_min: 20 }),
        (
            "anomaly",
            "type: spike\n  history: 7\n  sigma: 2.5\n  min_count: 1",
            Logic::Spike { history: 7, sigma: 2.5, count_min: 1 },
        ),
    ];
    for (section, rest, expected) in table {
        let window = window(section, &format!("  {rest}\n")).unwrap_or_else(|problems| panic!("{rest}: {problems:?}"));
        assert_eq!(window.logic, Some(expected), "{rest}");
    }
}

#[test]
fn what_does_not_go_with_a_type_is_an_error() {
    let table = [
        ("correlation", "type: event_count", "3 missing-key"),
        ("correlation", "type: event_count\n  condition: {field: f, gte: 1}", "6 misplaced-key"),
        ("correlation", "type: event_count\n  condition: {gte: 1, atleast: 2}", "6 unknown-key"),
        ("correlation", "type: event_count\n  condition: 5", "6 wrong-type"),
        ("correlation", "type: event_count\n  condition: {gte: '5'}", "6 bad-number"),
        ("correlation", "type: value_count\n  condition: {gte: 1}", "6 missing-key"),
        ("correlation", "type: value_sum\n  condition: {field: [f, g], gte: 1}", "6 wrong-type"),
        ("correlation", "type: value_percentile\n  condition: {field: f, percentile: 0.9, gte: 1}", "6 bad-number"),
        ("correlation", "type: value_avg\n  condition: {field: f, percentile: 50, gte: 1}", "6 misplaced-key"),
        ("correlation", "type: temporal_ordered\n  condition: {gte: 1}", "6 misplaced-key"),
        ("correlation", "type: temporal\ntokenwatch: {min_gap: 1s}", "6 misplaced-key"),
        ("correlation", "type: temporal\n  of: [c]", "6 misplaced-key"),
        ("correlation", "type: spike", "5 unknown-type"),
        ("correlation", "type: temporal\ntokenwatch: {group-by: [a]}", "6 misplaced-key"),
        ("anomaly", "type: value_change\n  condition: {field: f, gte: 1}", "6 misplaced-key"),
        ("anomaly", "type: absence", "3 missing-key"),
        ("anomaly", "type: absence\n  without: [c]\n  wait: 5", "7 timespan-without-unit"),
        ("anomaly", "type: ratio\n  condition: {gte: 0.5}", "3 missing-key"),
        ("anomaly", "type: spike\n  history: 0", "6 bad-number"),
        ("anomaly", "type: spike\n  history: 2.5", "6 bad-number"),
        ("anomaly", "type: spike\n  min_count: 0", "6 bad-number"),
        ("anomaly", "type: spike\n  sigma: -1", "6 bad-number"),
        ("anomaly", "type: geo_velocity\n  min_distance_km: far\n  condition: {gte: 1}", "6 bad-number"),
    ];
    for (section, rest, expected) in table {
        let found = window(section, &format!("  {rest}\n")).expect_err(rest);
        assert_eq!(found, [expected], "{rest}");
    }
}

#[test]
fn references_keep_their_roles_and_order() {
    use crate::detect::rule::compiled::Role;
    let roles = |window: &Window| -> Vec<(Role, String)> {
        window.references.iter().map(|reference| (reference.role, reference.name.value.clone())).collect()
    };
    let absence = window("anomaly", "  without: [c, a]\n  type: absence\n").expect("right");
    let named = |role, name: &str| (role, name.to_owned());
    let (first, second) = (named(Role::Match, "a"), named(Role::Match, "b"));
    assert_eq!(
        roles(&absence),
        [first.clone(), second.clone(), named(Role::Companion, "c"), named(Role::Companion, "a")]
    );
    let ratio = window("anomaly", "  of: a\n  type: ratio\n  condition: {gt: 0}\n").expect("right");
    assert_eq!(roles(&ratio), [first, second, named(Role::Whole, "a")]);
}

#[test]
fn only_a_sequence_may_list_a_rule_twice() {
    let twice =
        |kind: &str| read_text(&format!("name: w\ncorrelation: {{type: {kind}, rules: [a, a], timespan: 1h}}\n")).1;
    assert!(twice("temporal_ordered").is_empty());
    assert_eq!(twice("temporal"), ["2 duplicate-reference"]);
}

#[test]
fn titles_become_names() {
    let name = |header: &str| {
        read_text(&format!("{header}\ndetection: {{s: {{a: 1}}, condition: s}}\n")).0.remove(0).header.name.value
    };
    assert_eq!(name("title: Cross-service  fan-out (v2)!"), "cross_service_fan_out_v2");
    assert_eq!(name("title: Übergroßer Zugriff"), "übergroßer_zugriff");
    assert_eq!(name("title: Something\nname: Own Name"), "Own Name");
    assert_eq!(name("title: 401"), "401");
}

#[test]
fn actions_add_to_the_documents_around_them() {
    let text = "
action: global
level: low
logsource: {product: jwt}
---
title: One
detection: {s: {a: 1}, condition: s}
---
action: repeat
title: Two
detection: {s: {b: 2}}
---
action: reset
---
title: Three
detection: {s: {a: 1}, condition: s}
";
    let (documents, problems) = read_text(text);
    assert!(problems.is_empty(), "{problems:?}");
    let shown: Vec<String> = documents
        .iter()
        .map(|document| {
            let Some(Body::Detection(detection)) = &document.body else { panic!("all are detections") };
            let Some(Search::All(parts)) = &detection.selections[0].search else { panic!("all are maps") };
            let level = document.header.level.as_ref().map(|level| level.value.name());
            format!("{} {level:?} {:?} {}", document.header.name.value, detection.logsource.product, parts.len())
        })
        .collect();
    assert_eq!(shown, [r#"one Some("low") Some("jwt") 1"#, r#"two Some("low") Some("jwt") 2"#, "three None None 1"]);
}

#[test]
fn a_global_adds_no_detection_to_what_is_none() {
    let text = "
action: global
level: low
tokenwatch: {group-by: [a], suppress: 1h}
detection: {s: {a: 1}, condition: s}
---
title: One
---
title: Many
correlation: {type: event_count, rules: [one], timespan: 1h, condition: {gte: 2}}
---
title: Not these
filter: {rules: [one], t: {b: 2}, condition: not t}
---
action: global
level: high
---
action: repeat
title: These neither
";
    let (documents, problems) = read_text(text);
    assert!(problems.is_empty(), "{problems:?}");
    let levels = documents.iter().map(|document| document.header.level.as_ref().map(|level| level.value.name()));
    assert_eq!(levels.collect::<Vec<_>>(), [Some("low"); 4]);
    let later = text.replace("level: low\n", "");
    let (documents, _) = read_text(&later);
    let level = |index: usize| documents[index].header.level.as_ref().map(|level| level.value.name());
    assert_eq!((level(2), level(3)), (None, Some("high")), "a repeat is a document behind the global, too");
}

#[test]
fn a_condition_that_stands_too_deep_is_found() {
    let mut problems = Vec::new();
    let text = "title: T\ndetection:\n  s:\n    a: 1\n    condition: s\n";
    read(0, "rules.yml", text, &mut problems);
    let told: Vec<_> =
        problems.iter().map(|problem| (problem.line, problem.message.as_str(), problem.hint.as_str())).collect();
    let message = "rule \"t\": detection has no condition: it stands inside of \"s\"";
    assert_eq!(told, [(5, message, "indent it less")]);
}

#[test]
fn texts_behind_an_alias_are_pointed_at_as_a_whole() {
    let mut problems = Vec::new();
    let text = "title: T\nc: &c \"s and nott t\"\ndetection:\n  s: {a: 1}\n  condition: *c\n";
    read(0, "rules.yml", text, &mut problems);
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert!(!places.is_empty() && places.iter().all(|place| *place == (5, 14)), "{problems:?}");
}

#[test]
fn only_those_who_ask_get_names_with_an_underscore() {
    for (condition, used) in [
        ("1 of *", [true, false]),
        ("all of them", [true, false]),
        ("1 of *sel", [true, false]),
        ("1 of _*", [false, true]),
        ("_sel", [false, true]),
    ] {
        let text = format!("title: T\ndetection: {{sel: {{a: 1}}, _sel: {{b: 1}}, condition: {condition}}}\n");
        let (documents, problems) = read_text(&text);
        let Some(Body::Detection(detection)) = &documents[0].body else { panic!("{problems:?}") };
        let condition = detection.condition.as_ref().expect("it can be read");
        assert_eq!(condition.uses(2), used, "{text}");
    }
}

#[test]
fn custom_keys_are_kept_and_slips_are_errors() {
    let (documents, problems) = read_text(
        "title: T\nteam: blue\nrunbook: {url: 'https://example.org', pages: [1, 2.5]}\nreference: x\ndetection: {s: {a: 1}, condition: s}\n",
    );
    assert_eq!(problems, ["4 unknown-key"]);
    let notes = serde_json::to_string(&documents[0].header.notes).expect("serializes");
    assert_eq!(notes, r#"{"reference":"x","runbook":{"pages":[1,2.5],"url":"https://example.org"},"team":"blue"}"#);
}

#[test]
fn a_filter_takes_no_key_that_it_does_not_use() {
    let filter = |body: &str| read_text(&format!("title: F\nfilter:\n{body}\n")).1;
    assert!(filter("  rules: [a]\n  s: {x: 1}\n  condition: not s").is_empty());
    assert_eq!(filter("  rule: [a]\n  s: {x: 1}\n  condition: not s"), ["3 unknown-key"]);
    assert_eq!(filter("  rules: []\n  s: {x: 1}\n  condition: not s"), ["3 empty-selection"]);
}

#[test]
fn aliases_that_multiply_are_bounded() {
    let level = |level: usize| {
        let below = vec![format!("*x{level}"); 10].join(", ");
        format!("x{0}: &x{0} [{below}]\n", level + 1)
    };
    let levels: String = (0..11).map(level).collect();
    let text = format!("title: L\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n{levels}");
    assert_eq!(read_text(&text).1, ["7 yaml-too-large"]);
    let (documents, problems) = read_text("title: T\nx: &x {a: 1}\ndetection: {s: *x, condition: s}\n");
    assert!(problems.is_empty() && documents.len() == 1, "{problems:?}");
    assert_eq!(read_text("title: T\nx: &x [*x]\n").1, ["2 yaml-syntax"]);
}
