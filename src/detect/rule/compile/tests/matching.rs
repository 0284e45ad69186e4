//! Which events a detection matches: values, modifiers, conditions, keywords, lists, logsources.

use super::*;
use crate::detect::value::Number;

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
        ("f|base64offset|contains: f", &[Value::text("Zg==")], &[Value::text(""), Value::text("hello"), number("1")]),
        ("f|startswith: 192.10", &[Value::text("192.10.0.1")], &[Value::text("192.168.0.1")]),
        ("f|contains: 00429", &[Value::text("x00429")], &[Value::text("429"), Value::text("0429"), number("429")]),
        ("f: '1E999'", &[number("1E999"), number("1e999"), Value::text("1e999")], &[number("1E998")]),
        ("f: 9007199254740993", &[number("9007199254740993.0")], &[number("9007199254740992.0")]),
        ("f: ΓΙΩΡΓΟΣ", &[Value::text("γιωργος"), Value::text("γιωργοσ")], &[Value::text("γιωργο")]),
        ("f: a?c", &[Value::text("aİc")], &[Value::text("aİİc")]),
        ("f|cidr: '::ffff:10.0.0.0/104'", &[Value::text("10.1.2.3")], &[Value::text("11.0.0.1")]),
        ("f|re: '2\\>&1'", &[Value::text("x 2>&1")], &[Value::text("2 &1")]),
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
fn flags_tell_regular_expressions_apart() {
    let text = "name: d\ndetection:\n  a: {f|re: ^a}\n  b: {f|re|i: ^a}\n  condition: b and not a\n";
    let rules = one(text).rules;
    assert_eq!(matches(&rules, &[("f", Value::text("A"))]), ["d"]);
    assert!(matches(&rules, &[("f", Value::text("a"))]).is_empty());
    let version = |text: &str| one(text).rules.rules[0].header.version.clone();
    assert_ne!(version(text), version(&text.replace("re|i", "re|i|m")), "a reload would keep the old windows");
}

#[test]
fn keywords_are_looked_for_everywhere() {
    let event = |words: &[&'static str]| {
        let words = words.iter().map(|word| Value::text(word)).collect();
        [(crate::detect::fields::FieldTable::KEYWORDS, Value::List(words))]
    };
    let matches = |keywords: &str, words: &[&'static str]| {
        let rules = one(&format!("name: d\ndetection:\n  k: {keywords}\n  condition: k\n")).rules;
        !super::matches(&rules, &event(words)).is_empty()
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
    options.lists.insert("folders".to_owned(), vec!["C:\\x\\".to_owned()]);
    let starts = |value: &str, user: &'static str| {
        let text = format!("name: d\ndetection:\n  s: {{user|expand: '{value}'}}\n  condition: s\n");
        let rules = compile(&[Source { path: "a.yml", text: &text }], &options).expect("the list is there").rules;
        !super::matches(&rules, &[("user", Value::text(user))]).is_empty()
    };
    assert!(starts("%folders%*", r"C:\x\y"), "the end of a list's value escapes nothing");
    assert!(!starts("%folders%*", r"C:\x*"));
    assert!(starts(r"up\\%admins%", r"up\root"), "an escaped backslash escapes nothing either");
    assert!(starts(r"up\%admins%", "up%admins%"));
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
