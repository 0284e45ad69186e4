//! `tokenwatch check`.

use serde_json::Value;

use super::fixture::Folder;

#[test]
fn rules_without_problems_pass_in_silence() {
    let folder = Folder::new();
    let finished = folder.run(&["check", "rules.yml"]).expect_code(0);
    assert_eq!(finished.stdout(), "");
    assert!(finished.stderr().contains("1 file, 1 rule: 0 errors, 0 warnings"), "{}", finished.stderr());
}

#[test]
fn every_problem_of_every_file_is_reported_with_its_place() {
    let folder = Folder::new();
    folder.write("pack/a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    folder.write(
        "pack/deep/b.yaml",
        super::fixture::RULES.replace("type: event_count", "type: event_cuont").replace("login", "logon"),
    );
    let finished = folder.run(&["check", "pack"]).expect_code(1);
    for place in ["pack/a.yml:16:13", "pack/deep/b.yaml:13:9"] {
        assert!(finished.stdout().contains(place), "{place} in {}", finished.stdout());
    }
    assert!(finished.stdout().contains("timespan-without-unit"), "{}", finished.stdout());
}

#[test]
fn problems_are_json_for_programs() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    let finished = folder.run(&["check", "--format", "json", "a.yml"]).expect_code(1);
    let problems: Vec<Value> = serde_json::from_str(finished.stdout()).expect("a JSON list");
    let problem = &problems[0];
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["code"], "timespan-without-unit");
    assert_eq!((&problem["file"], &problem["line"], &problem["column"]), (&"a.yml".into(), &16.into(), &13.into()));
    let valid = folder.run(&["check", "--format", "json", "rules.yml"]).expect_code(0);
    assert_eq!(serde_json::from_str::<Vec<Value>>(valid.stdout()).expect("a JSON list"), Vec::<Value>::new());
}

#[test]
fn warnings_are_shown_and_pass() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("id: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02\n", ""));
    let finished = folder.run(&["check", "a.yml"]).expect_code(0);
    assert!(finished.stdout().contains("missing-id"), "{}", finished.stdout());
}

#[test]
fn a_file_that_is_not_utf_8_is_a_problem_among_others() {
    let folder = Folder::new();
    folder.write("pack/a.yml", b"name: a\ntitle: \xe4h\n");
    folder.write("pack/b.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    let finished = folder.run(&["check", "pack"]).expect_code(1);
    let place = "pack/a.yml:2:8: not YAML: the byte 0xe4 is not UTF-8";
    assert!(finished.stdout().contains(place), "{}", finished.stdout());
    assert!(finished.stdout().contains("2 | title: \u{fffd}h"), "{}", finished.stdout());
    assert!(finished.stdout().contains("timespan-without-unit"), "{}", finished.stdout());
}

#[test]
fn test_files_are_checked_with_the_rules_that_they_name() {
    let folder = Folder::new();
    folder.write("pack/a.yml", super::fixture::RULES);
    let check = |tests: &str, code: i32| {
        folder.write("pack/a_test.yml", format!("rule_files: [a.yml]\ntests:\n{tests}"));
        folder.run(&["check", "pack"]).expect_code(code)
    };
    let right = "  - {name: a, events: [{at: 0s, event: {event.action: login}}], alerts: []}\n";
    let finished = check(right, 0);
    assert!(finished.stderr().contains("2 files, 1 rule, 1 test: 0 errors, 0 warnings"), "{}", finished.stderr());
    let slips = check(&right.replace("alerts: []", "alerts: [{rule: pasword_guessing}]"), 1);
    assert!(slips.stdout().contains("pack/a_test.yml:3:"), "{}", slips.stdout());
    assert!(slips.stdout().contains("did you mean \"password_guessing\"?"), "{}", slips.stdout());
    let group =
        |group: &str| check(&right.replace("[]}", &format!("[{{rule: password_guessing, group: {group}}}]}}")), 0);
    for (other, said) in [
        ("{source.ip: a, jwt.subject: b}", "no alert of \"password_guessing\" has jwt.subject: it groups by"),
        ("{}", "every alert of \"password_guessing\" has"),
    ] {
        assert!(group(other).stdout().contains(said), "{}", group(other).stdout());
    }
    let uncounted = check(&right.replace("alerts: []", "alerts: [{rule: failed_login}]"), 1);
    assert!(uncounted.stdout().contains("\"failed_login\" raises no alerts"), "{}", uncounted.stdout());
    let field = check(&right.replace("login}", "login, jwt.subject: ann}"), 0);
    assert!(field.stdout().contains("warning: the event has no field \"jwt.subject\""), "{}", field.stdout());
}

#[test]
fn a_problem_of_a_rule_file_is_said_once_however_many_tests_name_it() {
    let folder = Folder::new();
    folder.write("pack/a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    for name in ["a_test.yml", "deep/b_test.yml"] {
        let rules = if name.starts_with('a') { "a.yml" } else { "../a.yml" };
        folder.write(&format!("pack/{name}"), format!("rule_files: [{rules}]\ntests: []\n"));
    }
    let finished = folder.run(&["check", "pack"]).expect_code(1);
    assert_eq!(finished.stdout().matches("timespan-without-unit").count(), 1, "{}", finished.stdout());
    // The problem is theirs too where the rule file itself is not asked about.
    let alone = folder.run(&["check", "pack/deep/b_test.yml"]).expect_code(1);
    assert!(alone.stdout().contains("pack/a.yml:16:13"), "{}", alone.stdout());
}

/// The codes of problems, in their order.
fn codes(finished: &crate::support::process::Finished) -> Vec<String> {
    let problems: Vec<Value> = serde_json::from_str(finished.stdout()).expect("a JSON list");
    problems.iter().map(|problem| problem["code"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_error_hides_no_warning_about_what_is_sound() {
    let folder = Folder::new();
    let sound = super::fixture::RULES.replace(", jwt.sub|exists: true", "").replace("tags: [attack.t1110.001]\n", "");
    folder.write("pack/a.yml", &sound);
    let broken = "name: b\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c09\ndetection: {s: {a|startwith: x}, condition: s}\n";
    folder.write("pack/b.yml", broken);
    let found = codes(&folder.run(&["check", "--format", "json", "pack"]).expect_code(1));
    assert_eq!(found, ["optional-group", "level-without-tags", "unknown-modifier"]);
    // What stands on the error is left alone until it is out of the way.
    folder.write("pack/a.yml", sound.replace("event.action: login", "event.action|equal: login"));
    let found = codes(&folder.run(&["check", "--format", "json", "pack"]).expect_code(1));
    assert_eq!(found, ["unknown-modifier", "level-without-tags", "unknown-modifier"]);
    // A detection that a misspelt reference means need not alert.
    let levelled = sound.replacen("condition: selection\n", "condition: selection\nlevel: low\n", 1);
    folder.write("pack/a.yml", levelled.replace("[failed_login]", "[failed_logn]"));
    let found = codes(&folder.run(&["check", "--format", "json", "pack/a.yml"]).expect_code(1));
    assert_eq!(found, ["unknown-rule"]);
}

#[test]
fn broken_rules_hide_no_bad_event_of_a_test() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    let tests = "tests:\n  - {name: a, events: [{at: 0s}], alerts: [{rule: nobody}]}\n";
    for (rules, expected) in [("a.yml", "timespan-without-unit"), ("b.yml", "unknown-file")] {
        folder.write("a_test.yml", format!("rule_files: [{rules}]\n{tests}"));
        let found = codes(&folder.run(&["check", "--format", "json", "a_test.yml"]).expect_code(1));
        assert!(found.iter().any(|code| code == expected), "{found:?}");
        assert!(found.iter().any(|code| code == "bad-event"), "{found:?}");
        assert_eq!(found.len(), 2, "what follows from the rules waits for them: {found:?}");
    }
}

/// A rule whose only selection but one is what the condition says of it.
fn detection(condition: &str) -> String {
    format!(
        "name: d\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c09\ndetection:\n  sel: {{a: 1}}\n  condition: {condition}\n"
    )
}

#[test]
fn every_unknown_selection_is_found_where_it_stands() {
    let folder = Folder::new();
    for (condition, places) in [
        (">\n    sel and\n    selec\n", vec![(7, 5)]),
        ("|\n    sel and\n    selec or 1 of them\n", vec![(7, 5)]),
        ("sel and\n    selec", vec![(6, 5)]),
        ("\"sel and\n    (not selec)\"", vec![(6, 10)]),
        ("\"sel \\u0061nd selec\"", vec![(5, 28)]),
        ("sel and selec and (sele or not 1 of se_*)", vec![(5, 22), (5, 33), (5, 50)]),
    ] {
        folder.write("a.yml", detection(condition));
        let finished = folder.run(&["check", "--format", "json", "a.yml"]).expect_code(1);
        let problems: Vec<Value> = serde_json::from_str(finished.stdout()).expect("a JSON list");
        let place = |problem: &Value| (problem["line"].as_u64().unwrap_or(0), problem["column"].as_u64().unwrap_or(0));
        assert_eq!(problems.iter().map(place).collect::<Vec<_>>(), places, "{condition}");
        assert!(problems.iter().all(|problem| problem["code"] == "unknown-selection"), "{}", finished.stdout());
    }
}

#[test]
fn slips_in_aliases_are_found() {
    let folder = Folder::new();
    let check = |group: &str, aliases: &str, code: i32| {
        let aliased = format!("group-by: [{group}]\n  aliases: {aliases}\n");
        folder.write("a.yml", super::fixture::RULES.replace("group-by: [jwt.sub]\n", &aliased));
        folder.run(&["check", "a.yml"]).expect_code(code).stdout().to_owned()
    };
    assert_eq!(check("person", "{person: {failed_login: jwt.sub}}", 0), "");
    let unknown = check("person", "{person: {failed_login: jwt.subjct}}", 0);
    assert!(unknown.contains("a.yml:16:36: warning: "), "{unknown}");
    assert!(unknown.contains("no field \"jwt.subjct\"") && unknown.contains("did you mean \"jwt.sub\"?"), "{unknown}");
    let optional = check("person", "{person: {failed_login: source.ip}}", 0);
    assert!(optional.contains("can be without source.ip"), "{optional}");
    let unused = check("person", "{persn: {failed_login: jwt.sub}}", 0);
    assert!(unused.contains("the alias \"persn\" is not in group-by"), "{unused}");
    assert!(unused.contains("did you mean \"person\"?"), "{unused}");
}

#[test]
fn conditions_that_no_count_can_satisfy_are_warned_of() {
    let folder = Folder::new();
    for (condition, is_reachable) in [
        ("lt: 1", false),
        ("lt: 2", true),
        ("lte: 0", false),
        ("lte: 1", true),
        ("eq: 2.5", false),
        ("eq: 2", true),
        ("eq: 0", false),
    ] {
        let rules = super::fixture::RULES.replace("{gte: 3}", &format!("{{{condition}}}"));
        folder.write("a.yml", rules);
        let found = codes(&folder.run(&["check", "--format", "json", "a.yml"]).expect_code(0));
        assert_eq!(found.is_empty(), is_reachable, "{condition}: {found:?}");
        assert!(found.iter().all(|code| code == "unreachable-rule"), "{condition}: {found:?}");
    }
}

#[test]
fn lists_come_from_the_configuration() {
    let folder = Folder::new();
    let rules = super::fixture::RULES.replace("event.outcome: failure", "'event.outcome|expand': '%bad_outcomes%'");
    folder.write("listed.yml", rules);
    folder.run(&["check", "listed.yml"]).expect_code(1);
    folder.write("lists/bad_outcomes.txt", "failure\n");
    folder.write("c.toml", "[rules]\nlists = [\"lists\"]\n");
    folder.run(&["check", "--config", "c.toml", "listed.yml"]).expect_code(0);
}

#[test]
fn lists_that_lie_by_the_rules_need_no_configuration() {
    let folder = Folder::new();
    let rules = super::fixture::RULES.replace("event.outcome: failure", "'event.outcome|expand': '%bad_outcomes%'");
    folder.write("pack/login/listed.yml", rules);
    folder.write("pack/lists/bad_outcomes.txt", "failure\n");
    folder.run(&["check", "pack"]).expect_code(0);
    folder.run(&["check", "pack/login/listed.yml"]).expect_code(0);
    // What is configured stands alone.
    folder.write("other/some.txt", "failure\n");
    folder.write("c.toml", "[rules]\nlists = [\"other\"]\n");
    folder.run(&["check", "--config", "c.toml", "pack"]).expect_code(1);
}

#[test]
fn what_is_not_there_is_no_finding() {
    let folder = Folder::new();
    let missing = folder.run(&["check", "rules.yml", "nowhere.yml"]).expect_code(3);
    assert!(missing.stderr().contains("nowhere.yml cannot be read"), "{}", missing.stderr());
    // The others are checked all the same.
    folder.write("a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    let beside = folder.run(&["check", "nowhere.yml", "a.yml"]).expect_code(3);
    assert!(beside.stdout().contains("timespan-without-unit"), "{}", beside.stdout());
    folder.run(&["check", "nowhere.yml"]).expect_code(3);
    folder.write("empty/notes.md", "");
    let empty = folder.run(&["check", "empty"]).expect_code(2);
    assert!(empty.stderr().contains("no rule files"), "{}", empty.stderr());
}

/// What `check` says of the rule grouped by `jwt.sub` with this section `kafka`.
fn said_with(kafka: &str) -> String {
    let folder = Folder::new();
    folder.write("tokenwatch.toml", format!("[kafka]\n{kafka}"));
    let finished = folder.run(&["check", "--config", "tokenwatch.toml", "rules.yml"]).expect_code(0);
    finished.stderr().to_owned()
}

#[test]
fn rules_whose_groups_partitions_split_are_named() {
    let routed = "matches of rules grouped by jwt.sub go through the topic \"tokenwatch-matches\", because";
    for (kafka, why) in [
        ("topics = [\"audit\"]\n", "nothing says by what the records are keyed: password_guessing"),
        ("topics = [\"audit\"]\nkeyed_by = \"jwt.sid\"\n", "the records are keyed by jwt.sid: password_guessing"),
        ("topics = [\"a\", \"b\"]\nkeyed_by = \"jwt.sub\"\n", "several topics are read: password_guessing"),
    ] {
        let said = said_with(kafka);
        assert!(said.contains(&format!("{routed} {why}")), "{kafka}: {said}");
    }
    for kafka in ["topics = [\"audit\"]\nkeyed_by = \"jwt.sub\"\n", ""] {
        let said = said_with(kafka);
        assert!(!said.contains("rules grouped by"), "{kafka}: {said}");
    }
}

#[test]
fn all_slips_of_one_condition_come_at_once() {
    let folder = Folder::new();
    let slips = "{percentile: 101, lessthan: 4}\n";
    let rule = super::fixture::RULES.replace("event_count", "value_percentile").replace("{gte: 3}\n", slips);
    folder.write("a.yml", rule);
    let finished = folder.run(&["check", "--format", "json", "a.yml"]).expect_code(1);
    let problems: Vec<Value> = serde_json::from_str(finished.stdout()).expect("a JSON list");
    let codes: Vec<_> = problems.iter().map(|problem| problem["code"].as_str().unwrap_or_default()).collect();
    assert_eq!(codes, ["missing-key", "empty-condition", "bad-number", "unknown-key"], "{}", finished.stdout());
}

#[test]
fn a_misspelt_bound_is_not_also_a_missing_one() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("{gte: 3}", "{gtee: 3}"));
    let finished = folder.run(&["check", "a.yml"]).expect_code(1);
    assert!(finished.stdout().contains("did you mean \"gte\"?"), "{}", finished.stdout());
    assert!(finished.stderr().contains("1 error, 0 warnings"), "{}", finished.stdout());
}

#[test]
fn a_slip_in_a_field_is_one_warning_that_names_the_field() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("group-by: [jwt.sub]", "group-by: [jwt.username]"));
    let finished = folder.run(&["check", "a.yml"]).expect_code(0);
    assert!(finished.stdout().contains("did you mean \"jwt.sub\"?"), "{}", finished.stdout());
    assert!(finished.stderr().contains("0 errors, 1 warning"), "{}", finished.stdout());
}

#[test]
fn a_window_longer_than_state_is_to_be_kept_is_warned_of() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 91d"));
    let finished = folder.run(&["check", "a.yml"]).expect_code(0);
    let said = "a.yml:16:13: warning: rule \"password_guessing\": the window of 91d is longer than the 90d that state is to be kept";
    assert!(finished.stdout().contains(said), "{}", finished.stdout());
    folder.write("longer.toml", "[state]\nkept_max = \"91d\"\n");
    let finished = folder.run(&["check", "--config", "longer.toml", "a.yml"]).expect_code(0);
    assert_eq!(finished.stdout(), "");
    // A spike needs the buckets of its history too.
    let spike = "type: spike\n  history: 30\n  sigma: 4\n";
    let rule = super::fixture::RULES.replace("correlation:", "anomaly:").replace("type: event_count\n", spike);
    folder.write("a.yml", rule.replace("  condition: {gte: 3}\n", "").replace("timespan: 5m", "timespan: 3d"));
    let finished = folder.run(&["check", "a.yml"]).expect_code(0);
    assert!(finished.stdout().contains("the window of 93d, 3d and 30 before it, is longer"), "{}", finished.stdout());
}

#[test]
fn rules_for_events_that_the_service_never_reads_are_warned_of() {
    let folder = Folder::new();
    folder.write("a.yml", super::fixture::RULES.replace("product: jwt, category: audit", "product: windows"));
    folder.write("service.toml", "[kafka]\ntopics = [\"audit\"]\n");
    assert_eq!(folder.run(&["check", "a.yml"]).expect_code(0).stdout(), "", "they may be for another source");
    let finished = folder.run(&["check", "--config", "service.toml", "a.yml"]).expect_code(0);
    assert!(finished.stdout().contains("no source declares events of this logsource"), "{}", finished.stdout());
    assert!(finished.stdout().contains("[unreachable-rule]"), "{}", finished.stdout());
}

#[test]
fn a_span_that_is_too_long_is_told_how_long_one_may_be() {
    let folder = Folder::new();
    folder.write("rules.yml", super::fixture::RULES.replace("suppress: 1h", "suppress: 10001d"));
    let finished = folder.run(&["check", "rules.yml"]).expect_code(1);
    assert!(
        finished.stdout().contains("hint: write a whole number above 0 and one unit, at most 10000 days"),
        "{}",
        finished.stdout()
    );
}
