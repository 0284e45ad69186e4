//! `tokenwatch demo` as a person's pipe sees it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Finished, run, tokenwatch};
use crate::support::{net, scratch};

const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn the_demo_finds_every_attack_and_nothing_else_and_pipes_plain_lines() {
    let listen = format!("127.0.0.1:{}", net::free_port());
    let demo = tokenwatch(["demo", "--duration", "14s", "--rate", "1000", "--listen", &listen]);
    let finished = run(demo, PATIENCE).expect_code(0);
    let text = finished.stdout();
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text}");
    let rows: Vec<Vec<usize>> = ["cross_service_fan_out", "geo_change", "impossible_travel", "token_reissue_rate"]
        .iter()
        .map(|rule| {
            let row = text.lines().find(|line| line.starts_with(rule)).unwrap_or_else(|| panic!("{rule}: {text}"));
            row.split_whitespace().skip(1).map(|count| count.parse().expect("a count")).collect()
        })
        .collect();
    let score = text.lines().skip_while(|line| !line.starts_with("rule ")).skip(1);
    for line in score.take_while(|line| !line.contains("more")) {
        assert!(line.split_whitespace().rev().take(2).all(|count| count == "0"), "{line} in {text}");
    }
    for row in rows {
        let [alerts, injected, detected, missed, unexplained] = row[..] else { panic!("{text}") };
        assert!(
            alerts >= injected && injected > 0 && detected == injected && missed == 0 && unexplained == 0,
            "{text}"
        );
    }
}

#[test]
fn the_demo_says_what_is_wrong_with_its_arguments() {
    let finished = run(tokenwatch(["demo", "--duration", "5"]), PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("has no unit"), "{}", finished.stderr());
    let finished = run(tokenwatch(["demo", "--rate", "0"]), PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("--rate"), "{}", finished.stderr());
}

/// Three slips, and a value that no event has.
const FIRST_DRAFT: &str = "\
title: Busy subject
name: busy_subject
id: 7d0c4b0e-55c5-4a57-9b38-4a3f0f6f2c01
correlation:
  type: event_count
  rules: [token_usd]
  group-by: [jwt.sub]
  timespan: 5
  condition: {gte: 2}
level: low
tags: [attack.t1550.001]
---
title: Token used
name: token_used
id: 7d0c4b0e-55c5-4a57-9b38-4a3f0f6f2c02
logsource: {product: jwt, category: audit}
detection:
  selection:
    event.action: token.validate
    event.outcome: success
    jwt.sub|exits: true
  condition: selection
";

const ITS_TEST: &str = "\
rule_files: [busy.yml]
defaults: {event.action: token.validated, event.outcome: success, jwt.sub: ann}
tests:
  - name: twice in five minutes
    events: [{at: 0s}, {at: 4m}]
    alerts: [{rule: busy_subject, at: 4m, group: {jwt.sub: ann}, observed: 2}]
  - name: not twice in ten
    events: [{at: 0s}, {at: 5m}]
    alerts: []
";

/// What a person does who follows the messages and knows nothing else: the first thing in quotes in the hint goes where
/// the caret points.
fn as_told(text: &str, problems: &[Value]) -> String {
    let mut lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    for problem in problems {
        let number = |key: &str| usize::try_from(problem[key].as_u64().expect("a number")).expect("a small one");
        let (line, column) = (number("line") - 1, number("column") - 1);
        let told = problem["hint"].as_str().and_then(|hint| hint.split('"').nth(1));
        let told = told.unwrap_or_else(|| panic!("no hint to follow: {problem}"));
        lines[line].splice(column..column + number("width"), told.chars());
    }
    lines.into_iter().map(|line| line.into_iter().chain(['\n']).collect::<String>()).collect()
}

#[test]
fn a_first_rule_is_mended_from_its_messages_tested_and_seen_to_fire() {
    let folder = scratch::dir("demo");
    let in_folder = |arguments: &[&str]| -> Finished {
        let mut command = tokenwatch(arguments);
        command.current_dir(folder.path());
        run(command, PATIENCE)
    };
    let write = |name: &str, text: &str| fs::write(Path::new(folder.path()).join(name), text).expect("a file");
    write("busy.yml", FIRST_DRAFT);
    write("busy_test.yml", ITS_TEST);
    let check = ["check", "--format", "json", "busy.yml"];
    let problems: Vec<Value> = serde_json::from_str(in_folder(&check).expect_code(1).stdout()).expect("JSON");
    let codes: Vec<&str> = problems.iter().filter_map(|problem| problem["code"].as_str()).collect();
    assert_eq!(codes, ["unknown-rule", "timespan-without-unit", "unknown-value", "unknown-modifier"], "all at once");
    write("busy.yml", &as_told(FIRST_DRAFT, &problems));
    let checked = in_folder(&["check", "."]).expect_code(0);
    assert!(checked.stderr().contains("0 errors, 0 warnings"), "{}", checked.stdout());
    in_folder(&["test", "--require-coverage", "."]).expect_code(0);
    let listen = format!("127.0.0.1:{}", net::free_port());
    let demo = ["demo", "--rules", "busy.yml", "--duration", "3s", "--rate", "500", "--listen", &listen];
    let shown = in_folder(&demo).expect_code(0);
    assert!(shown.stdout().contains("2 events in 5m (threshold 2)"), "{}", shown.stdout());
    assert!(!shown.stdout().contains("routing "), "a group by subject is whole: {}", shown.stdout());
    let by_address =
        fs::read_to_string(folder.path().join("busy.yml")).expect("a file").replace("[jwt.sub]", "[source.ip]");
    write("busy.yml", &by_address);
    let shown = in_folder(&demo).expect_code(0);
    let shown = shown.stdout();
    assert!(shown.contains("matches are routed, for rules grouped by source.ip"), "{shown}");
    let fires = |line: &str| line.contains("source.ip ") && line.contains("events in 5m (threshold 2)");
    assert!(shown.lines().any(fires), "{shown}");
}
