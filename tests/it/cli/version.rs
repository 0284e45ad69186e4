//! The version of a rule in its alerts: what a change of the rules leaves as it was, and what begins anew.

use super::fixture::{Folder, RULES, failed_login, json_lines};

const LISTED: &str = "jwt.sub|expand: '%people%'";
const FILTER: &str = "\
---
title: Robots
name: robots
filter: {rules: [failed_login], selection: {source.ip: 10.0.0.1}, condition: not selection}
";

/// The id and the version of the rule whose windows these rules have, in its alert.
#[track_caller]
fn identity(rules: &str, list: &str) -> (String, String) {
    let folder = Folder::new();
    folder.write("rules.yml", rules);
    folder.write("lists/people.txt", list);
    folder.write("events.jsonl", [0, 1, 2].map(|second| failed_login("ann", second)).concat());
    let finished = folder.run(&["replay", "--rules", "rules.yml", "events.jsonl"]).expect_code(0);
    let alerts = json_lines(finished.stdout());
    let text = |key: &str| alerts[0]["rule"][key].as_str().expect("a text").to_owned();
    (text("id"), text("version"))
}

#[test]
fn what_decides_when_a_rule_alerts_makes_its_version_and_nothing_else() {
    let rules = RULES.replace("jwt.sub|exists: true", LISTED) + FILTER;
    let before = identity(&rules, "ann\n");
    for (from, to) in [
        ("title: Password guessing", "title: Guesses"),
        ("level: high", "level: low\nstatus: test\ndescription: why"),
        ("attack.t1110.001", "attack.t1110"),
        ("failed_login", "failed"),
        ("selection", "failure"),
    ] {
        assert_eq!(identity(&rules.replace(from, to), "# people\nann\n"), before, "{to}");
    }
    for (from, to) in [
        ("suppress: 1h", "suppress: 2h"),
        ("timespan: 5m", "timespan: 6m"),
        ("10.0.0.1", "10.0.0.2"),
        ("gte: 3", "gt: 2"),
    ] {
        let after = identity(&rules.replace(from, to), "ann\n");
        assert_eq!(after.0, before.0, "{to}");
        assert_ne!(after.1, before.1, "{to}");
    }
    assert_ne!(identity(&rules, "ann\nbob\n").1, before.1, "a line of a list");
}

#[test]
fn a_new_title_is_a_new_rule_where_it_makes_the_id() {
    let without_id = RULES.replace("id: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02\n", "");
    let retitled = |rules: &str| identity(&rules.replace("title: Password guessing", "title: Guesses"), "").0;
    assert_eq!(retitled(&without_id), identity(&without_id, "").0, "the name makes it");
    let without_either = without_id.replace("name: password_guessing\n", "");
    assert_ne!(retitled(&without_either), identity(&without_either, "").0);
}
