//! Whole sets: what becomes a rule, what depends on what, and what is wrong.

use super::*;
use crate::detect::rule::compiled::Input;

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
fn aliases_name_the_field_of_each_input() {
    let rules = one("
name: moved
correlation:
  type: event_count
  rules: [from, to]
  group-by: [place, jwt.sub]
  aliases: {place: {from: source.ip, to: destination.ip}}
  timespan: 5m
  condition: {gte: 2}
---
name: again
correlation: {type: event_count, rules: [moved, from], group-by: [place], timespan: 1h, condition: {gte: 2}}
---
name: from
detection: {s: {a: 1}, condition: s}
---
name: to
detection: {s: {a: 2}, condition: s}
")
    .rules;
    let groups = |rule: usize| -> Vec<Vec<&str>> {
        let inputs = rules.rules[rule].inputs.iter();
        let slots = inputs.map(|input| &rules.groupings[input.grouping].slots);
        slots.map(|slots| slots.iter().map(|slot| rules.fields.path(*slot)).collect()).collect()
    };
    assert_eq!(groups(0), [["source.ip", "jwt.sub"], ["destination.ip", "jwt.sub"]]);
    assert_eq!(rules.keyspaces, [vec!["place", "jwt.sub"], vec!["place"]]);
    // A firing carries its group under the alias; a plain detection falls back to a field of that name.
    assert_eq!(groups(1), [["place"], ["place"]]);
    assert_eq!(
        rules.rules[1].inputs.iter().map(|input| input.input).collect::<Vec<_>>(),
        [Input::Firing(0), Input::Detection(0)]
    );
}

#[test]
fn a_rule_for_no_known_source_is_warned_of() {
    let text = "name: d\nlogsource: {product: windows}\ndetection: {s: {a: 1}, condition: s}\n";
    let warned = |sources: Vec<LogSource>| {
        let options = Options { sources, ..Options::default() };
        let compiled = compile(&[Source { path: "a.yml", text }], &options).expect("it runs");
        compiled.warnings.iter().any(|problem| problem.code == Code::UnreachableRule)
    };
    assert!(warned(vec![LogSource::native()]));
    assert!(!warned(vec![LogSource::native(), LogSource::default()]));
    assert!(!warned(Vec::new()));
}

#[test]
fn rules_on_trial_run_in_shadow_where_that_is_asked_for() {
    let in_shadow = |status: &str, shadow: bool| {
        let text = format!("name: e\n{status}\ndetection: {{s: {{a: 1}}, condition: s}}\n");
        let options = Options { shadow, ..Options::default() };
        let compiled = compile(&[Source { path: "rules.yml", text: &text }], &options).expect("the rules are right");
        compiled.rules.rules[0].shadow
    };
    for (status, expected) in [
        ("status: experimental", true),
        ("status: test", true),
        ("status: stable", false),
        ("status: deprecated", false),
        ("status: unsupported", false),
        ("", false),
    ] {
        assert_eq!((in_shadow(status, true), in_shadow(status, false)), (expected, false), "{status}");
    }
}

#[test]
fn a_filter_of_any_rule_is_for_those_that_declare_its_logsource() {
    let detection = |name: &str, logsource: &str| {
        format!(
            "title: {name}\nname: {name}\nlogsource: {{{logsource}}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n"
        )
    };
    let rules = detection("audit", "product: jwt, category: audit")
        + &detection("jwt", "product: jwt")
        + &detection("other", "category: audit, service: gateway")
        + &detection("undeclared", "");
    let matching = |logsource: &str, targets: &str| {
        let filter = format!(
            "title: f\nlogsource: {{{logsource}}}\nfilter: {{rules: {targets}, mine: {{b: 2}}, condition: not mine}}\n"
        );
        let compiled = one(&format!("{rules}{filter}"));
        let warned = compiled.warnings.iter().filter(|warning| warning.code == Code::FilterLogsource).count();
        (matches(&compiled.rules, &[("a", Value::text("1")), ("b", Value::text("2"))]), warned)
    };
    let without = |filtered: &[&str]| {
        let all = ["audit", "jwt", "other", "undeclared"];
        all.into_iter().filter(|name| !filtered.contains(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(matching("product: jwt, category: audit", "any"), (without(&["audit"]), 0));
    assert_eq!(matching("product: jwt", "Any"), (without(&["audit", "jwt"]), 0));
    assert_eq!(matching("", "any"), (without(&["audit", "jwt", "other", "undeclared"]), 0));
    assert_eq!(matching("product: nobody", "any"), (without(&[]), 1));
    // By name a filter need not say what the rule does, nor the rule what it says.
    assert_eq!(matching("product: jwt, category: audit", "[jwt, undeclared]"), (without(&["jwt", "undeclared"]), 0));
    let named = "title: f\nfilter: {rules: [any], mine: {b: 2}, condition: not mine}\n";
    assert_eq!(errors(named).len(), 1, "in a list it is a name");
}

#[test]
fn a_mistake_in_a_selection_hides_no_other() {
    let text = "name: n\ndetection:\n  s:\n    a|contians: 1\n    jwt.sbu: x\n    b: {c: 1}\n    d|exits: true\n  \
                condition: s\n";
    let found = compile(&[Source { path: "rules.yml", text }], &Options::default()).expect_err("wrong");
    let codes: Vec<_> = found.iter().map(|problem| (problem.line, problem.code)).collect();
    let expected = [
        (1, Code::MissingId),
        (4, Code::UnknownModifier),
        (5, Code::UnknownField),
        (6, Code::WrongType),
        (7, Code::UnknownModifier),
    ];
    assert_eq!(codes, expected);
}

#[test]
fn rules_of_one_title_are_numbered_whatever_the_order_of_the_files() {
    let rule = |head: &str, value: u32| format!("{head}\ndetection: {{s: {{a: {value}}}, condition: s}}\n");
    let first = format!("{}---\n{}", rule("title: Failed login", 1), rule("title: Failed login!", 2));
    let second = format!("{}---\n{}", rule("title: failed LOGIN", 3), rule("name: failed_login_2", 4));
    let files = [Source { path: "a.yml", text: &first }, Source { path: "b.yml", text: &second }];
    let expected = [(1, "failed_login"), (2, "failed_login_3"), (3, "failed_login_4"), (4, "failed_login_2")];
    for files in [files, [files[1], files[0]]] {
        let compiled = compile(&files, &Options::default()).expect("it compiles");
        for (value, name) in expected {
            assert_eq!(matches(&compiled.rules, &[("a", Value::text(&value.to_string()))]), [name]);
        }
        let numbered = compiled.warnings.iter().filter(|warning| warning.code == Code::DuplicateTitle);
        assert_eq!(numbered.map(|warning| warning.file.as_str()).collect::<Vec<_>>(), [files[0].path, files[1].path]);
    }
}

#[test]
fn no_missing_name_nor_misspelt_word_hides_what_else_is_wrong() {
    let nameless = "detection:\n  s: {a|contians: 1}\n  condition: t\n";
    assert_eq!(errors(nameless).len(), 3, "{:?}", errors(nameless));
    let body = "name: n\ndetecton:\n  s: {a|contians: 1}\n  condition: t\n";
    assert_eq!(errors(body).len(), 3, "{:?}", errors(body));
    let typo = "name: n\ncorrelation:\n  type: event_cuont\n  timespan: 5\n  condition: {gte: ten}\n";
    let found = errors(typo);
    for code in ["[unknown-type]", "[missing-key]", "[timespan-without-unit]", "[bad-number]"] {
        assert!(found.iter().any(|error| error.ends_with(code)), "{code}: {found:?}");
    }
}
