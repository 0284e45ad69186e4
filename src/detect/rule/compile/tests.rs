//! Whole sets: what compiles to what, and what depends on what.

use super::*;
use crate::detect::matcher::LabelSet;
use crate::detect::rule::compiled::Input;
use crate::detect::rule::problem::Code;
use crate::detect::value::{Number, Value};

/// Rules in one file.
fn one(text: &str) -> Compiled {
    compile(&[Source { path: "rules.yml", text }], &Options::default()).expect("the rules are right")
}

/// The errors of rules in one file, one line each.
fn errors(text: &str) -> Vec<String> {
    let problems =
        compile(&[Source { path: "rules.yml", text }], &Options::default()).expect_err("the rules are wrong");
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| format!("{problem} [{}]", problem.code)).collect()
}

/// The detections that an event satisfies, by name.
fn matches(rules: &RuleSet, event: &[(&str, Value<'_>)]) -> Vec<String> {
    let mut values = vec![Value::Absent; rules.fields.len()];
    for (path, value) in event {
        if let Some(slot) = rules.fields.find(path) {
            values[slot.index()] = value.clone();
        }
    }
    let mut labels = LabelSet::default();
    rules.matcher.labels(&values, &mut labels);
    labels.iter().map(|label| rules.detection_names[label].clone()).collect()
}

const FAN_OUT: &str = "
title: Cross-service fan-out
id: 0d2ad4d4-2a5c-4c1e-9d31-0c6a5a9d1f60
correlation:
  type: value_count
  rules: [token_used]
  group-by: [jwt.sub]
  timespan: 5m
  condition: {field: service.name, gte: 8}
level: high
tags: [attack.t1550.001]
tokenwatch:
  suppress: 30m
---
name: token_used
id: 35d6b8c6-2ab3-4a0b-8f0d-2f6f6a5bd7a1
logsource: {product: jwt, category: audit}
detection:
  selection:
    event.action: [token.validated, request]
    event.outcome: success
  condition: selection
";

#[test]
fn a_correlation_and_its_detection_compile() {
    let rules = one(FAN_OUT).rules;
    let [rule] = rules.rules.as_slice() else { panic!("a referred detection is no rule: {:?}", rules.rules) };
    assert_eq!(rule.header.name, "cross_service_fan_out");
    assert_eq!(rule.header.kind, "value_count");
    assert_eq!((rule.depth, rule.alerts), (1, true));
    assert_eq!((rule.timespan, rule.suppress), (Span::from_millis(300_000), Span::from_millis(1_800_000)));
    assert_eq!(rule.inputs[0].input, Input::Detection(0));
    assert_eq!(rules.keyspaces, [["jwt.sub"]]);
    assert_eq!(rules.fields.path(rules.groupings[rule.inputs[0].grouping].slots[0]), "jwt.sub");
    let condition = serde_json::to_string(&rule.condition).expect("serializes");
    assert_eq!(condition, r#"{"field":"service.name","gte":8}"#);
    assert_eq!(rule.header.version.len(), 12);

    let event = |action, outcome| [("event.action", Value::text(action)), ("event.outcome", Value::text(outcome))];
    assert_eq!(matches(&rules, &event("Request", "success")), ["token_used"]);
    assert!(matches(&rules, &event("request", "failure")).is_empty());
    assert!(matches(&rules, &event("login", "success")).is_empty());
}

#[test]
fn nothing_depends_on_the_order_of_documents() {
    let other = "
title: Other
id: 6a0a3a0e-8f73-4b4c-8a53-60a8ff0b9f2b
detection:
  selection: {a.b: 1}
  condition: selection
";
    let (first, second) = FAN_OUT.split_once("---").expect("two documents");
    let files = |texts: &[&str]| {
        let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { path: "a.yml", text }).collect();
        compile(&sources, &Options::default()).expect("the rules are right").rules
    };
    let (a, b) = (files(&[first, second, other]), files(&[other, second, first]));
    assert_eq!(
        format!("{:?}", a.fields.paths().collect::<Vec<_>>()),
        format!("{:?}", b.fields.paths().collect::<Vec<_>>())
    );
    assert_eq!(format!("{:?} {:?}", a.matcher, a.groupings), format!("{:?} {:?}", b.matcher, b.groupings));
    let names = |rules: &RuleSet| rules.rules.iter().map(|rule| format!("{:?}", rule.header)).collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    let alone = one(FAN_OUT).rules;
    assert_eq!(alone.rules[0].header.version, a.rules[1].header.version, "nor on other rules");
}

#[test]
fn a_version_changes_with_what_is_detected_and_with_nothing_else() {
    let version = |text: &str| one(text).rules.rules[0].header.version.clone();
    let original = version(FAN_OUT);
    for (from, to) in [
        ("gte: 8", "gte: 9"),
        ("timespan: 5m", "timespan: 6m"),
        ("suppress: 30m", "suppress: 31m"),
        ("[jwt.sub]", "[source.ip]"),
        ("service.name", "url.path"),
        ("event.outcome: success", "event.outcome: failure"),
        ("product: jwt", "product: okta"),
    ] {
        assert_ne!(version(&FAN_OUT.replace(from, to)), original, "{to}");
    }
    for (from, to) in [
        ("level: high", "level: low # louder"),
        ("Cross-service fan-out", "Cross service fan out"),
        ("timespan: 5m", "timespan: 300s"),
        ("[token.validated, request]", "[request, token.validated]"),
        ("selection", "used"),
    ] {
        assert_eq!(version(&FAN_OUT.replace(from, to)), original, "{to}");
    }
    let filter = "
---
title: Without robots
filter:
  rules: [token_used]
  robots: {jwt.client_id|startswith: robot-}
  condition: not robots
";
    let filtered = format!("{FAN_OUT}{filter}");
    assert_ne!(version(&filtered), original);
    let event = |client| {
        [("event.action", Value::text("request")), ("event.outcome", Value::text("success")), ("jwt.client_id", client)]
    };
    let rules = one(&filtered).rules;
    assert_eq!(matches(&rules, &event(Value::text("web"))), ["token_used"]);
    assert!(matches(&rules, &event(Value::text("robot-7"))).is_empty());
}

#[test]
fn who_is_referred_to_is_quiet_unless_generated() {
    let alerting = |text: &str| {
        let rules = one(text).rules.rules;
        rules.iter().map(|rule| format!("{} {}", rule.header.name, rule.alerts)).collect::<Vec<_>>()
    };
    let outer = "
---
name: outer
correlation: {type: event_count, rules: [cross_service_fan_out], timespan: 1d, condition: {gte: 2}}
";
    let chain = format!("{FAN_OUT}{outer}");
    assert_eq!(alerting(&chain), ["cross_service_fan_out false", "outer true"]);
    assert_eq!(alerting(&format!("{chain}generate: true")), ["cross_service_fan_out true", "outer true"]);
    let generated = FAN_OUT.replace("timespan: 5m", "timespan: 5m\n  generate: true");
    assert_eq!(alerting(&generated), ["token_used true", "cross_service_fan_out true"]);
}

#[test]
fn circles_and_long_chains_are_errors() {
    let correlation = |name: &str, of: &str| {
        format!(
            "name: {name}\ncorrelation: {{type: event_count, rules: [{of}], timespan: 1h, condition: {{gte: 1}}}}\n---\n"
        )
    };
    let circle = [correlation("a", "b"), correlation("b", "a")].concat();
    assert_eq!(
        errors(&circle),
        ["rules.yml:5:42: rule \"b\": rules refer to each other in a circle: a -> b -> a [rule-cycle]"]
    );
    let detection = "name: d\ndetection: {s: {a: 1}, condition: s}\n---\n".to_owned();
    let mut chain = vec![detection, correlation("c1", "d"), correlation("c2", "c1"), correlation("c3", "c2")];
    chain.push(correlation("c4", "c3"));
    assert_eq!(one(&chain.concat()).rules.rules.iter().map(|rule| rule.depth).collect::<Vec<_>>(), [1, 2, 3, 4]);
    chain.push(correlation("c5", "c4"));
    chain.push(correlation("c6", "c5"));
    let [error] = errors(&chain.concat()).try_into().expect("said once");
    assert!(error.contains("chain-too-deep"), "{error}");
}

#[test]
fn several_problems_are_found_at_once() {
    let text = "
title: Brute force
correlation:
  type: event_count
  rules: [failed_logins]
  group-by: [source.ip]
  timespan: 5
  condition: {gte: ten}
---
name: failed_login
detection:
  selection: {event.action|containz: login}
  condition: selektion
";
    let found = errors(text);
    let expected = [
        "rules.yml:5:11: rule \"brute_force\": no rule",
        "rules.yml:7:13: rule \"brute_force\": timespan \"5\" has no unit",
        "rules.yml:8:20: rule \"brute_force\": gte must be a number",
        "rules.yml:12:28: rule \"failed_login\": unknown modifier",
        "rules.yml:13:14: rule \"failed_login\": condition: no selection",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn values_and_modifiers_match_as_sigma_says() {
    let number = |text| Value::Number(Number::Text(text));
    let list = |values: &[&'static str]| Value::List(values.iter().map(|text| Value::text(text)).collect());
    let table: &[(&str, &[Value<'_>], &[Value<'_>])] = &[
        ("f: abc", &[Value::text("ABC"), list(&["x", "abc"])], &[Value::text("abcd"), Value::Null, Value::Absent]),
        ("f|cased: abc", &[Value::text("abc")], &[Value::text("ABC")]),
        (
            "f: 10",
            &[number("10"), number("1e1"), Value::text("10"), Value::text("10.0")],
            &[number("11"), Value::text("010")],
        ),
        ("f: '10'", &[number("10"), Value::text("10")], &[Value::text("10.0")]),
        ("f: 'a*c?'", &[Value::text("abbcx"), Value::text("ACX")], &[Value::text("ac"), Value::text("xacx")]),
        ("f: 'a\\*c'", &[Value::text("a*c")], &[Value::text("abc")]),
        ("f: '*'", &[Value::text(""), number("1")], &[Value::Absent, Value::Null]),
        ("f: ''", &[Value::text("")], &[Value::Absent, Value::text("x")]),
        ("f: null", &[Value::Absent, Value::Null], &[Value::text(""), number("0")]),
        ("f: true", &[Value::Bool(true), Value::text("True")], &[Value::Bool(false), number("1")]),
        ("f: [a, b]", &[Value::text("B"), list(&["z", "a"])], &[Value::text("c")]),
        ("f|contains: b", &[Value::text("aBc"), list(&["x", "b"])], &[Value::text("ac")]),
        ("f|contains|all: [a, b]", &[Value::text("xbxa"), list(&["a", "b"])], &[Value::text("a")]),
        ("f|startswith: ab", &[Value::text("ABc")], &[Value::text("cab")]),
        ("f|endswith: [bc, 3]", &[Value::text("aBC"), number("23")], &[Value::text("bca")]),
        ("f|exists: true", &[Value::Null, Value::text(""), Value::Object], &[Value::Absent]),
        ("f|exists: false", &[Value::Absent], &[Value::Null]),
        (
            "f|neq: a",
            &[Value::text("b"), Value::Null, list(&["b"])],
            &[Value::text("A"), list(&["b", "a"]), Value::Absent],
        ),
        ("f|neq: [a, b]", &[Value::text("c")], &[Value::text("a"), Value::text("b")]),
        ("f|re: '^a.c$'", &[Value::text("abc")], &[Value::text("ABC"), Value::text("xabc")]),
        ("f|re|i: '^a.c$'", &[Value::text("ABC")], &[Value::text("abbc")]),
        ("f|gt: 5", &[number("5.1"), Value::text("6")], &[number("5"), Value::text("x"), Value::Absent]),
        ("f|gte: 5", &[number("5")], &[number("4.9")]),
        ("f|lt: 5", &[number("-1")], &[number("5")]),
        ("f|lte: 5", &[number("5")], &[number("5.1")]),
        ("f|cidr: 10.0.0.0/8", &[Value::text("10.1.2.3"), Value::text("::ffff:10.1.2.3")], &[Value::text("11.0.0.1")]),
        (
            "f|cidr: ['2001:db8::/32', 192.0.2.1]",
            &[Value::text("2001:DB8::1"), Value::text("192.0.2.1")],
            &[Value::text("192.0.2.2")],
        ),
        ("f|hour: 3", &[Value::text("2024-01-01T03:59:59Z")], &[Value::text("2024-01-01T04:00:00Z")]),
        ("f|hour|gte: 22", &[Value::text("2024-01-01T23:00:00Z")], &[Value::text("2024-01-01T21:59:59Z")]),
        (
            "f|windash|contains: ' -x'",
            &[Value::text("a -x"), Value::text("a /x"), Value::text("a \u{2013}x")],
            &[Value::text("a x")],
        ),
        ("f|base64: abc", &[Value::text("YWJj")], &[Value::text("abc")]),
        (
            "f|base64offset|contains: http://",
            &[Value::text("xxaHR0cDovLyy"), Value::text("odHRwOi8v")],
            &[Value::text("http://")],
        ),
        ("f|utf16le|base64offset|contains: cmd", &[Value::text("YwBtAGQA")], &[Value::text("Y21k")]),
        ("f|utf16|base64: a", &[Value::text("//5hAA==")], &[Value::text("YQ==")]),
        ("f|fieldref: other", &[Value::text("OTHER value")], &[Value::text("x"), Value::Absent]),
        ("f|fieldref|startswith: other", &[Value::text("other value and more")], &[Value::text("x")]),
        ("f|fieldref|neq: other", &[Value::text("x")], &[Value::text("other value"), Value::Absent]),
    ];
    for (entry, yes, no) in table {
        let rules = one(&format!("name: d\ndetection:\n  s:\n    {entry}\n  condition: s\n")).rules;
        for (values, expected) in [(yes, true), (no, false)] {
            for value in *values {
                let event = [("f", value.clone()), ("other", Value::text("other value"))];
                assert_eq!(!matches(&rules, &event).is_empty(), expected, "{entry} on {value:?}");
            }
        }
    }
}

#[test]
fn conditions_bind_as_sigma_says() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("a or b and c", &["a", "bc"], &["b", "c"]),
        ("(a or b) and c", &["ac", "bc"], &["a", "b", "c"]),
        ("not a and b", &["b"], &["ab", ""]),
        ("not (a and b)", &["a", "b", ""], &["ab"]),
        ("not not a", &["a"], &["b"]),
        ("1 of them", &["a", "b", "c"], &["", "x"]),
        ("all of them", &["abc"], &["ab", "bc"]),
        ("any of them", &["b"], &[""]),
        ("a AND NOT 1 of c*", &["a", "ab"], &["ac"]),
        ("[a and b, c]", &["ab", "c"], &["a", "b"]),
        ("1 of _*", &["x"], &["a", "b"]),
    ];
    for (condition, yes, no) in table {
        let text = format!(
            "name: d\ndetection:\n  a: {{fa: 1}}\n  b: {{fb: 1}}\n  c: [{{fc: 1}}]\n  _x: {{fx: 1}}\n  condition: {condition}\n"
        );
        let rules = one(&text).rules;
        for (events, expected) in [(yes, true), (no, false)] {
            for event in *events {
                let field = |name: &'static str| {
                    let value = if event.contains(&name[1..]) { "1" } else { "0" };
                    (name, Value::Number(Number::Text(value)))
                };
                let event: Vec<_> = ["fa", "fb", "fc", "fx"].map(field).to_vec();
                assert_eq!(!matches(&rules, &event).is_empty(), expected, "{condition} on {event:?}");
            }
        }
    }
}

#[test]
fn keywords_are_looked_for_everywhere() {
    let event = |words: &[&'static str]| {
        let words = words.iter().map(|word| Value::text(word)).collect();
        [(crate::detect::fields::FieldTable::KEYWORDS, Value::List(words))]
    };
    let matches = |keywords: &str, words: &[&'static str]| {
        let rules = one(&format!("name: d\ndetection:\n  k: {keywords}\n  condition: k\n")).rules;
        !super::tests::matches(&rules, &event(words)).is_empty()
    };
    assert!(matches("[evil, bad]", &["x", "very EVIL"]));
    assert!(!matches("[evil, bad]", &["x", "good"]));
    assert!(matches("{'|all': [evil, bad]}", &["bad", "evil"]));
    assert!(!matches("{'|all': [evil, bad]}", &["bad"]));
    assert!(matches("'e*l'", &["an evil one"]));
}

#[test]
fn placeholders_take_the_values_of_lists() {
    let mut options = Options::default();
    options.lists.insert("admins".to_owned(), vec!["root".to_owned(), "adm_*".to_owned()]);
    let text = "name: d\ndetection:\n  s: {user|expand: 'x-%admins%'}\n  condition: s\n";
    let rules = compile(&[Source { path: "a.yml", text }], &options).expect("the list is there").rules;
    let matches = |user| !matches(&rules, &[("user", Value::text(user))]).is_empty();
    assert!(matches("X-root") && matches("x-adm_7"));
    assert!(!matches("root") && !matches("x-admin"));
    let missing = text.replace("admins", "admin");
    let problems = compile(&[Source { path: "a.yml", text: &missing }], &options).expect_err("no such list");
    assert_eq!(problems.iter().filter(|problem| problem.code == Code::UnknownList).count(), 1);
}

#[test]
fn a_logsource_keeps_rules_from_events_of_others() {
    let rules = |logsource: &str| {
        one(&format!("name: d\nlogsource: {logsource}\ndetection:\n  s: {{a: 1}}\n  condition: s\n")).rules
    };
    let event = [("a", Value::text("1"))];
    for logsource in ["{product: jwt}", "{category: Audit, service: any}", "{}"] {
        assert_eq!(matches(&rules(logsource), &event), ["d"], "{logsource}");
    }
    let windows = rules("{product: windows}");
    assert!(matches(&windows, &event).is_empty());
    let mut values = vec![Value::Absent; windows.fields.len()];
    values[windows.fields.find("a").expect("read").index()] = Value::text("1");
    let scope = windows.matcher.scope(&crate::detect::matcher::LogSource::default());
    let mut labels = LabelSet::default();
    windows.matcher.labels_in(&scope, &values, &mut labels);
    assert!(labels.contains(0), "a source that declares nothing can be tried on any rule");
}

#[test]
fn the_shipped_rules_compile_without_a_warning() {
    let files = [
        ("geo_change.yml", include_str!("../../../../rules/location/geo_change.yml")),
        ("cross_service_fan_out.yml", include_str!("../../../../rules/access/cross_service_fan_out.yml")),
        ("token_reissue_rate.yml", include_str!("../../../../rules/issuance/token_reissue_rate.yml")),
    ];
    let sources = files.map(|(path, text)| Source { path, text });
    let compiled = compile(&sources, &Options::default()).expect("the shipped rules are right");
    assert_eq!(compiled.warnings, []);
    let names: Vec<&str> = compiled.rules.rules.iter().map(|rule| rule.header.name.as_str()).collect();
    assert_eq!(names, ["cross_service_fan_out", "geo_change", "token_reissue_rate"]);
}
