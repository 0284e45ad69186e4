//! What is warned of, where the caret stands, and what is left in peace.

use super::*;

/// The warnings with a code about rules in one file: what the caret is under, and the text.
fn warned(text: &str, code: Code) -> Vec<String> {
    let warnings = one(text).warnings.into_iter().filter(|problem| problem.code == code);
    let without_rule = |message: &str| message.split_once(": ").map(|(_, text)| text.to_owned()).expect("of a rule");
    warnings.map(|found| told(text, &found, &without_rule(&found.message))).collect()
}

/// What a problem's caret is under, and something that is said of it.
fn told(source: &str, found: &Problem, said: &str) -> String {
    let line = source.lines().nth(found.line - 1).expect("a line of the source");
    let under: String = line.chars().skip(found.column - 1).take(found.width).collect();
    format!("{under}: {said}")
}

/// A window over a detection of native events, with its body in one line.
fn window(body: &str) -> String {
    format!(
        "name: w\n{body}\n---\nname: d\nlogsource: {{product: jwt, category: audit}}\n\
         detection: {{s: {{event.action: login}}, condition: s}}\n---\nname: e\n\
         detection: {{s: {{event.action: logout}}, condition: s}}\n"
    )
}

fn detection(selection: &str) -> String {
    format!("name: d\nlogsource: {{product: jwt}}\ndetection:\n  s:\n    {selection}\n  condition: s\n")
}

fn count(condition: &str) -> String {
    window(&format!("correlation: {{type: event_count, rules: [d], timespan: 1h, condition: {condition}}}"))
}

#[test]
fn numbers_that_nothing_has_are_told_of_at_the_bound() {
    let unreachable = |text: &str| warned(text, Code::UnreachableRule);
    assert_eq!(unreachable(&count("{gte: 6, lte: 5}")), ["condition: no number satisfies the condition"]);
    assert_eq!(unreachable(&count("{gte: 5, lte: 5}")), [] as [&str; 0]);
    assert_eq!(
        unreachable(&count("{lt: 1}")),
        ["1: the condition is below 1, and the match that arrives is always counted"]
    );
    assert_eq!(unreachable(&count("{lt: 2}")), [] as [&str; 0]);
    assert_eq!(
        unreachable(&count("{neq: 7, eq: 2.5}")),
        ["2.5: the condition asks for 2.5, and a count is a whole number"]
    );
    let ratio = |condition: &str| {
        window(&format!(
            "anomaly: {{type: ratio, of: [e], rules: [d], timespan: 1h, min_count: 1, condition: {condition}}}"
        ))
    };
    assert_eq!(unreachable(&ratio("{gte: 50}")), ["50: the condition is above 50, and a share never is"]);
    assert_eq!(unreachable(&ratio("{gt: 1}")), ["1: the condition is above 1, and a share never is"]);
    assert_eq!(unreachable(&ratio("{gte: 1}")), [] as [&str; 0]);
    assert_eq!(unreachable(&ratio("{lt: 0}")), ["0: the condition is below 0, and a share never is"]);
    let speed = |condition: &str| {
        window(&format!("anomaly: {{type: geo_velocity, rules: [d], timespan: 1h, condition: {condition}}}"))
    };
    assert_eq!(unreachable(&speed("{lt: 0}")), ["0: the condition is below 0, and a speed never is"]);
    assert_eq!(unreachable(&speed("{lte: 0}")), [] as [&str; 0]);
    let temporal = |condition: &str| {
        window(&format!("correlation: {{type: temporal, rules: [d, e], timespan: 1h, condition: {condition}}}"))
    };
    assert_eq!(unreachable(&temporal("{gte: 3}")), ["3: the condition asks for 3 rules, and there are 2"]);
    assert_eq!(unreachable(&temporal("{gte: 2}")), [] as [&str; 0]);
}

#[test]
fn thresholds_above_a_limit_are_told_of_at_the_number() {
    let above = |text: &str| warned(text, Code::ThresholdAboveLimit);
    assert_eq!(
        above(&count("{lte: 9999, gte: 4097}")),
        ["4097: the condition needs 4097, but limits.window_entries stops at 4096"]
    );
    assert_eq!(above(&count("{gte: 4096}")), [] as [&str; 0]);
    assert_eq!(above(&count("{gt: 4096}")).len(), 1);
    assert_eq!(above(&count("{gt: 4095}")), [] as [&str; 0]);
    let ratio = "anomaly: {type: ratio, of: [e], rules: [d], timespan: 1h, min_count: 5000, condition: {gte: 0.5}}";
    assert_eq!(above(&window(ratio)), ["5000: the condition needs 5000, but limits.window_entries stops at 4096"]);
}

#[test]
fn what_a_group_makes_the_same_never_differs() {
    let unreachable = |body: &str| warned(&window(body), Code::UnreachableRule);
    let change = |field: &str, by: &str| {
        format!(
            "anomaly: {{type: value_change, rules: [d], group-by: [{by}], timespan: 1h, condition: {{field: {field}}}}}"
        )
    };
    assert_eq!(
        unreachable(&change("source.ip", "jwt.sub, source.ip")),
        ["source.ip: source.ip is in group-by, and a single value never changes within it"]
    );
    assert_eq!(unreachable(&change("source.ip", "jwt.sub")), [] as [&str; 0]);
    assert_eq!(unreachable(&change("jwt.aud", "jwt.aud")), [] as [&str; 0], "of a list a group has one element");
    assert_eq!(unreachable(&change("tenant", "tenant")), [] as [&str; 0], "it may be a list");
    let count = |bound: &str| {
        format!(
            "correlation: {{type: value_count, rules: [d], group-by: [jwt.sub], timespan: 1h, condition: {{field: jwt.sub, {bound}}}}}"
        )
    };
    assert_eq!(unreachable(&count("gte: 2")).len(), 1);
    assert_eq!(unreachable(&count("gt: 1")).len(), 1);
    assert_eq!(unreachable(&count("gte: 1")), [] as [&str; 0]);
}

#[test]
fn texts_are_not_added_up() {
    let unreachable = |field: &str| {
        let body = format!(
            "correlation: {{type: value_sum, rules: [d], timespan: 1h, condition: {{field: {field}, gte: 1}}}}"
        );
        warned(&window(&body), Code::UnreachableRule)
    };
    assert_eq!(
        unreachable("service.name"),
        ["service.name: service.name is a text in the audit event, and only numbers count"]
    );
    assert_eq!(unreachable("http.response.status_code"), [] as [&str; 0]);
    assert_eq!(unreachable("bytes"), [] as [&str; 0], "it is a source's own");
}

#[test]
fn a_rule_that_another_counts_is_told_that_it_is_mute() {
    let counted = "name: d\nlevel: low\ntags: [a.b]\ndetection: {s: {a: 1}, condition: s}\n";
    let muted = |other: &str, generate: &str| {
        let outer = format!(
            "name: w\n{generate}correlation: {{type: event_count, rules: [d], timespan: 1h, condition: {{gte: 2}}}}\n"
        );
        let files = if other == "b.yml" {
            vec![("a.yml", counted.to_owned()), (other, outer)]
        } else {
            vec![("a.yml", format!("{counted}---\n{outer}"))]
        };
        let sources: Vec<_> = files.iter().map(|(path, text)| Source { path, text }).collect();
        let found = compile(&sources, &Options::default()).expect("it runs").warnings;
        found.iter().filter(|problem| problem.code == Code::MutedRule).count()
    };
    assert_eq!(muted("b.yml", ""), 1);
    assert_eq!(muted("b.yml", "generate: true\n"), 0);
    assert_eq!(muted("a.yml", ""), 0, "in one file it is made for that");
}

#[test]
fn a_match_that_is_its_own_companion_is_never_missed() {
    let unreachable = |without: &str| {
        let body = format!("anomaly: {{type: absence, rules: [d], without: [{without}], timespan: 1h}}");
        warned(&window(&body), Code::UnreachableRule)
    };
    assert_eq!(unreachable("e, d"), ["d: a match of \"d\" is its own companion, and never without one"]);
    assert_eq!(unreachable("e"), [] as [&str; 0]);
}

#[test]
fn dates_without_such_a_part_are_told_of_at_the_value() {
    let unreachable = |selection: &str| warned(&detection(selection), Code::UnreachableRule);
    for (modifiers, impossible, possible) in [
        ("hour", "24", "23"),
        ("hour", "2.5", "2"),
        ("minute|gt", "59", "58"),
        ("hour|lt", "0", "1"),
        ("hour|lte", "-1", "0"),
        ("day", "0", "1"),
        ("week", "54", "53"),
        ("month", "'13'", "'12'"),
    ] {
        let found = |value: &str| unreachable(&format!("'@timestamp|{modifiers}': {value}")).len();
        assert_eq!(found(impossible), 1, "{modifiers} {impossible}");
        assert_eq!(found(possible), 0, "{modifiers} {possible}");
    }
    assert_eq!(unreachable("'@timestamp|hour|neq': 24"), [] as [&str; 0], "that one is always true");
    assert_eq!(unreachable("'@timestamp|year': 1"), [] as [&str; 0]);
    assert_eq!(unreachable("'@timestamp|hour': [22, 25]"), ["25: hour goes from 0 to 23: no date matches this"]);
}

#[test]
fn a_field_cannot_be_there_and_not_be_there() {
    let unreachable = |text: &str| warned(text, Code::UnreachableRule).len();
    assert_eq!(unreachable(&detection("{jwt.sub: ann, jwt.sub|exists: false}")), 1);
    assert_eq!(unreachable(&detection("{jwt.sub: ann, jwt.jti|exists: false}")), 0);
    assert_eq!(unreachable(&detection("{jwt.sub: null, jwt.sub|exists: false}")), 0);
    let never = "name: d\ndetection: {s: {a: 1}, t: {b: 1}, condition: s and t and not (s or u), u: {c: 1}}\n";
    assert_eq!(unreachable(never), 1);
}

#[test]
fn unknown_fields_are_found_wherever_a_field_is_named() {
    let unknown = |text: &str| warned(text, Code::UnknownField);
    assert_eq!(
        unknown(&detection("jwt.sid|fieldref: jwt.session")),
        ["jwt.session: the event has no field \"jwt.session\""]
    );
    assert_eq!(unknown(&detection("jwt.sid|fieldref: jwt.jti")), [] as [&str; 0]);
    assert_eq!(unknown(&detection("'@timestmp|hour': 3")), ["@timestmp: the event has no field \"@timestmp\""]);
    assert_eq!(unknown(&detection("'@version': 3")), [] as [&str; 0]);
    let count =
        "correlation: {type: value_count, rules: [d], timespan: 1h, condition: {field: [source.ip, jwt.user], gte: 2}}";
    assert_eq!(unknown(&window(count)), ["jwt.user: the event has no field \"jwt.user\""]);
}

#[test]
fn identities_are_compared_in_their_own_case() {
    let warned = |selection: &str| {
        let found = one(&detection(selection)).warnings;
        let hints = found.into_iter().filter(|problem| problem.code == Code::CaseInsensitiveIdentity);
        hints.map(|problem| problem.hint).collect::<Vec<_>>()
    };
    let hint = |key: &str| [format!("add the modifier cased at the end, as in \"{key}|cased\"")];
    assert_eq!(warned("jwt.sub|startswith: svc"), hint("jwt.sub|startswith"));
    assert_eq!(warned("jwt.kid|fieldref: jwt.sid"), hint("jwt.kid|fieldref"));
    assert_eq!(warned("jwt.sid|fieldref: jwt.jti"), hint("jwt.sid|fieldref"));
    for right in ["jwt.sub|cased: ann", "jwt.sub: '17'", "jwt.kid|fieldref|cased: jwt.sid", "jwt.sid|fieldref: jwt.iss"]
    {
        assert_eq!(warned(right), [] as [String; 0], "{right}");
    }
}

#[test]
fn what_looks_like_an_expression_is_told_from_a_text() {
    let warned = |selection: &str| warned(&detection(selection), Code::TakenLiterally);
    for (slip, meant) in [
        ("source.ip: 10.0.0.0/8", "source.ip|cidr: 10.0.0.0/8"),
        ("jwt.client_id: ^web-.*$", "jwt.client_id|re: ^web-.*$"),
        ("jwt.client_id|re: /^web/i", "jwt.client_id|re|i: ^web"),
        ("jwt.client_id|re: /v1/", "jwt.client_id|re: v1"),
        ("event.action: login OR logout", "event.action: [login, logout]"),
        ("event.action: 'login, logout'", "event.action: login"),
        ("event.action:login", "event.action: login"),
        ("event.action == login", "event.action: token.*"),
        ("'token: abc'", "token expired"),
        ("jwt.client_id: '%admins%'", "jwt.client_id: '%admins% and more'"),
    ] {
        assert_eq!(warned(slip).len(), 1, "{slip}");
        assert_eq!(warned(meant), [] as [&str; 0], "{meant}");
    }
    for plain in
        ["url.path: /v1/orders", "url.path|re: /v1/orders", "url.path|re: ^/a/b", "user_agent.original: 'a, b'"]
    {
        assert_eq!(warned(plain), [] as [&str; 0], "{plain}");
    }
    assert_eq!(warned("jwt.sub|expand|cased: '%admins'").len(), 1, "no list is used");
    let elsewhere = detection("source.ip: 10.0.0.0/8").replace("product: jwt", "category: webserver");
    assert_eq!(super::lints::warned(&elsewhere, Code::TakenLiterally), [] as [&str; 0], "other events, other fields");
}

#[test]
fn an_empty_list_is_named() {
    let text = "name: d\ndetection:\n  s: {f|expand: '%none%', g: 1}\n  condition: s\n";
    let options = Options { lists: BTreeMap::from([("none".to_owned(), Vec::new())]), ..Options::default() };
    let found = compile(&[Source { path: "rules.yml", text }], &options).expect("it runs").warnings;
    let found: Vec<_> = found.iter().filter(|problem| problem.code == Code::UnreachableRule).collect();
    let messages: Vec<_> = found.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["rule \"d\": the list behind \"%none%\" is empty: nothing matches"]);
}

#[test]
fn keys_in_the_wrong_place_say_where_they_belong() {
    let hints = |text: &str| {
        let problems = compile(&[Source { path: "rules.yml", text }], &Options::default())
            .map_or_else(|problems| problems, |compiled| compiled.warnings);
        let wanted = [Code::UnknownKey, Code::MisplacedKey, Code::CustomSetting];
        let found = problems.into_iter().filter(|problem| wanted.contains(&problem.code));
        found.map(|found| told(text, &found, &found.hint)).collect::<Vec<_>>()
    };
    let body = |extra: &str| {
        window(&format!(
            "correlation:\n  type: event_count\n  rules: [d]\n  timespan: 1h\n  condition: {{gte: 2}}\n{extra}"
        ))
    };
    let cases = [
        (body("  suppress: 1h"), "suppress: it belongs under \"tokenwatch\", a key of the document itself"),
        (body("  level: high"), "level: it is a key of the document itself: indent it less"),
        (body("tokenwatch: {timespan: 1h}"), "timespan: it belongs under \"correlation\" or \"anomaly\""),
        (body("tokenwatch: {min_gap: 1s}"), "min_gap: it belongs to correlations of the type temporal_ordered"),
        (
            body("tokenwatch: {group-by: [a]}"),
            "group-by: it quiets single-event rules; a correlation or an anomaly has a group-by of its own",
        ),
        (body("supress: 1h"), "supress: if you mean suppress, it belongs under \"tokenwatch\""),
        (body("suppress: 1h"), "suppress: it belongs under \"tokenwatch\", a key of the document itself"),
        (body("aliases: {}"), "aliases: it belongs under \"correlation\" or \"anomaly\""),
        (
            count("{gte: 2, min_count: 3}"),
            "min_count: it belongs under \"correlation\" or \"anomaly\"",
        ),
        (
            "name: d\ndetection: {s: {a: 1}, condition: s}\ntokenwatch: {min_gap: 1s}\n".to_owned(),
            "min_gap: it belongs to correlations of the type temporal_ordered",
        ),
        (
            "name: d\ndetection: {s: {a: 1}, condition: s}\n---\nname: f\nfilter: {rules: [d], t: {a: 2}, condition: not t}\n\
             tokenwatch: {suppress: 1s}\n"
                .to_owned(),
            "suppress: it quiets rules that alert: write it into those that the filter is for",
        ),
    ];
    for (text, hint) in cases {
        assert_eq!(hints(&text), [hint], "{text}");
    }
    let custom = body("tokenwatch: {suppress: 1h}\nhistory_of_this: rule\nmin_count: 3");
    assert_eq!(hints(&custom), [] as [&str; 0], "its type has no min_count");
}
