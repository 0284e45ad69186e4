//! `tokenwatch replay` on real files and pipes.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::fixture::{Folder, RULES, failed_login, json_lines};
use crate::support::process;

fn three_failures() -> String {
    [0, 60, 120].map(|second| failed_login("ann", second)).concat()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// The summary of a replay with `--format json`.
#[track_caller]
fn summary(stderr: &str) -> Value {
    serde_json::from_str(stderr.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

#[test]
fn alerts_are_json_lines_that_point_to_their_lines() {
    let folder = Folder::new();
    folder.write("events.jsonl", three_failures());
    let finished = folder.run(&["replay", "--rules", "rules.yml", "events.jsonl"]).expect_code(0);
    let alerts = json_lines(finished.stdout());
    assert_eq!(alerts.len(), 1, "{}", finished.stdout());
    let alert = &alerts[0];
    assert_eq!(alert["rule"]["name"], "password_guessing");
    assert_eq!(alert["group"], json!({"jwt.sub": "ann"}));
    assert_eq!((&alert["time"], &alert["observed"]), (&json!("2026-01-01T00:02:00.000Z"), &json!(3)));
    let expected = json!({
        "id": "ann-0", "time": "2026-01-01T00:00:00.000Z", "topic": "events.jsonl", "partition": 0, "offset": 0,
    });
    assert_eq!(alert["evidence"][0], expected);
    assert_eq!(alert["evidence"][2]["offset"], 2);
    assert!(finished.stderr().contains("3 records"), "{}", finished.stderr());
}

#[test]
fn compression_and_standard_input_change_nothing() {
    let folder = Folder::new();
    let events = three_failures();
    folder.write("plain.jsonl", &events);
    folder.write("packed.jsonl.gz", gzip(&events));
    folder.write("packed.jsonl.zst", zstd::encode_all(events.as_bytes(), 1).expect("compresses"));
    let ids = |finished: process::Finished| {
        let alerts = json_lines(finished.expect_code(0).stdout());
        alerts.iter().map(|alert| alert["id"].clone()).collect::<Vec<_>>()
    };
    let file = |name: &str| ids(folder.run(&["replay", "--rules", "rules.yml", name]));
    let piped = |arguments: &[&str], input: Vec<u8>| ids(folder.run_with_input(arguments, input));
    let plain = file("plain.jsonl");
    assert_eq!(plain.len(), 1);
    assert_eq!(file("packed.jsonl.gz"), plain);
    assert_eq!(file("packed.jsonl.zst"), plain);
    assert_eq!(piped(&["replay", "--rules", "rules.yml"], events.clone().into_bytes()), plain);
    assert_eq!(piped(&["replay", "--rules", "rules.yml", "-"], gzip(&events)), plain);
}

#[test]
fn several_inputs_are_one_partition_in_the_order_named() {
    let folder = Folder::new();
    folder.write("a.jsonl", failed_login("ann", 0) + &failed_login("ann", 60));
    // Without a line feed at its end.
    folder.write("b.jsonl", failed_login("ann", 120).trim_end());
    let finished = folder.run(&["replay", "--rules", "rules.yml", "a.jsonl", "b.jsonl"]).expect_code(0);
    let alerts = json_lines(finished.stdout());
    assert_eq!(alerts.len(), 1);
    let last = &alerts[0]["evidence"][2];
    assert_eq!((&last["topic"], &last["offset"]), (&json!("b.jsonl"), &json!(0)));
}

#[test]
fn what_is_no_event_is_explained_and_counted() {
    let folder = Folder::new();
    let bad = "not json\n".repeat(5);
    let events = format!("\n  \r\n{{\"a\": 1}}\n{bad}\t\n[]\n{}", three_failures());
    folder.write("events.jsonl", events);
    let finished = folder.run(&["replay", "--rules", "rules.yml", "--format", "json", "events.jsonl"]).expect_code(0);
    let stderr = finished.stderr();
    for line in [3, 4, 5, 6, 10] {
        assert!(stderr.contains(&format!("events.jsonl:{line}: ")), "line {line} in {stderr}");
    }
    assert!(!stderr.contains("events.jsonl:7: "), "three of a reason are enough: {stderr}");
    let summary = summary(stderr);
    assert_eq!(summary["records"], 10);
    assert_eq!(summary["outcomes"]["malformed"], 7);
    assert_eq!(summary["outcomes"]["accepted"], 3);
    assert_eq!(summary["rejections"], json!({"no_timestamp": 1, "not_an_object": 1, "not_json": 5}));
    assert_eq!(summary["alerts"], 1);
}

#[test]
fn a_line_beyond_the_limit_is_measured_and_the_next_one_read() {
    let folder = Folder::new();
    folder.write("c.toml", "[limits]\nevent_bytes = 1000\n");
    let huge = format!("{{\"a\":\"{}\"}}\n", "x".repeat(2_000_000));
    folder.write("events.jsonl", huge + &three_failures());
    let arguments = ["replay", "--rules", "rules.yml", "--config", "c.toml", "events.jsonl"];
    let finished = folder.run(&arguments).expect_code(0);
    let expected = "events.jsonl:1: 2000008 bytes are more than limits.event_bytes = 1000";
    assert!(finished.stderr().contains(expected), "{}", finished.stderr());
    assert_eq!(json_lines(finished.stdout()).len(), 1);
}

#[test]
fn inputs_that_cannot_be_read_could_not_run() {
    let folder = Folder::new();
    folder.write("events.jsonl", three_failures());
    let missing = folder.run(&["replay", "--rules", "rules.yml", "events.jsonl", "nowhere.jsonl"]).expect_code(3);
    assert!(missing.stderr().contains("nowhere.jsonl cannot be read"), "{}", missing.stderr());
    assert_eq!(missing.stdout(), "", "a slip in the last name comes out before the first event is read");
    folder.run(&["replay", "--rules", "rules.yml", "."]).expect_code(3);
    let mut cut = gzip(&three_failures());
    cut.truncate(cut.len() - 6);
    folder.write("cut.gz", cut);
    let cut = folder.run(&["replay", "--rules", "rules.yml", "cut.gz"]).expect_code(3);
    assert!(cut.stderr().contains("cut.gz cannot be read beyond line"), "{}", cut.stderr());
}

#[test]
fn rules_that_are_wrong_or_missing_stop_it() {
    let folder = Folder::new();
    folder.write("wrong.yml", super::fixture::RULES.replace("timespan: 5m", "timespan: 5"));
    let wrong = folder.run(&["replay", "--rules", "wrong.yml"]).expect_code(2);
    assert!(wrong.stderr().contains("wrong.yml:16:13"), "{}", wrong.stderr());
    assert_eq!(wrong.stdout(), "");
    folder.run(&["replay", "--rules", "nowhere.yml"]).expect_code(3);
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let folder = Folder::new();
    // Far more alerts than a pipe holds, each of another subject.
    let failures = |subject: u32| [0, 1, 2].map(|second| failed_login(&format!("s{subject}"), second)).concat();
    folder.write("events.jsonl", (0..2_000).map(failures).collect::<String>());
    let mut command = folder.command(&["replay", "--rules", "rules.yml", "events.jsonl"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn nobody_reading_the_words_changes_nothing() {
    let folder = Folder::new();
    folder.write("events.jsonl", "not json\n".to_owned() + &three_failures());
    let mut command = folder.command(&["replay", "--rules", "rules.yml", "events.jsonl"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    drop(child.stderr.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json_lines(&String::from_utf8_lossy(&output.stdout)).len(), 1);
}

#[test]
fn alerts_come_while_the_input_is_still_open() {
    let folder = Folder::new();
    let command = folder.command(&["replay", "--rules", "rules.yml"]);
    let (mut running, mut stdin) = process::Running::start_with_stdin(command);
    stdin.write_all(three_failures().as_bytes()).expect("the program reads");
    stdin.flush().expect("the program reads");
    running
        .wait_for_stdout("an alert", Duration::from_secs(30), |text| text.contains("password_guessing").then_some(()));
    drop(stdin);
    running.wait(Duration::from_secs(30)).expect_code(0);
}

#[test]
fn rules_in_shadow_alert_as_ever_with_a_mark() {
    let folder = Folder::new();
    folder.write("events.jsonl", three_failures());
    folder.write("rules.yml", RULES.replace("level: high", "level: high\nstatus: experimental"));
    let replay = |shadow: &str| {
        folder.write("tokenwatch.toml", format!("[rules]\npaths = [\"rules.yml\"]\nshadow = {shadow}\n"));
        folder.run(&["replay", "--config", "tokenwatch.toml", "--format", "json", "events.jsonl"]).expect_code(0)
    };
    let (plain, shadowed) = (replay("false"), replay("true"));
    assert!(!plain.stdout().contains("shadow") && !plain.stderr().contains("shadow"), "nobody asked for it");
    let marked = plain.stdout().replace(r#""truncated":false,"#, r#""truncated":false,"shadow":true,"#);
    assert_eq!(shadowed.stdout(), marked, "the same alert, its id included");
    let summary = summary(shadowed.stderr());
    assert_eq!((&summary["alerts"], &summary["shadow_alerts"]), (&json!(0), &json!(1)));
    assert_eq!((&summary["rules"][0]["shadow"], &summary["rules"][0]["alerts"]), (&json!(true), &json!(1)));
}

/// A rule as it stands in Sigma's public collection, and a record of the product that it is for.
const FOREIGN_RULE: &str = "\
title: Whoami
name: whoami
id: 502b42de-4306-40b4-9596-6f590c81f073
logsource: {category: process_creation, product: windows}
detection:
  selection: {Image|endswith: '\\whoami.exe'}
  condition: selection
level: low
tags: [attack.discovery]
";

#[test]
fn any_rule_can_be_tried_on_any_record_with_a_time() {
    let folder = Folder::new();
    folder.write("whoami.yml", FOREIGN_RULE);
    folder.write("windows.jsonl", r#"{"@timestamp":"2026-01-01T00:00:00Z","Image":"C:\\Windows\\whoami.exe"}"#);
    let replay = |arguments: &[&str]| {
        folder.run(&[&["replay", "--rules", "whoami.yml", "--format", "json"], arguments].concat()).expect_code(0)
    };
    let raw = replay(&["--source", "raw", "windows.jsonl"]);
    assert_eq!(json_lines(raw.stdout())[0]["rule"]["name"], "whoami");
    let native = replay(&["windows.jsonl"]);
    assert_eq!((native.stdout(), &summary(native.stderr())["rejections"]["no_action"]), ("", &json!(1)));

    folder.write("times.toml", "[sources]\nraw_timestamp = \"System.TimeCreated\"\n");
    folder
        .write("nested.jsonl", r#"{"System":{"TimeCreated":1767225600},"Image":"whoami.exe","image":"\\WHOAMI.exe"}"#);
    let elsewhere = replay(&["--source", "raw", "--config", "times.toml", "nested.jsonl"]);
    assert_eq!(summary(elsewhere.stderr())["outcomes"]["accepted"], 1);
    let timeless = replay(&["--source", "raw", "nested.jsonl"]);
    assert_eq!(summary(timeless.stderr())["rejections"]["no_timestamp"], 1);

    let explain = ["explain", "--rules", "whoami.yml", "--rule", "whoami", "--source", "raw", "windows.jsonl"];
    assert!(folder.run(&explain).expect_code(0).stdout().contains("1 match"));
    let unknown = folder.run(&["replay", "--rules", "whoami.yml", "--source", "rwa", "windows.jsonl"]).expect_code(2);
    assert!(unknown.stderr().contains("did you mean \"raw\"?"), "{}", unknown.stderr());
}

#[test]
fn of_many_rules_those_without_a_match_are_only_counted() {
    let folder = Folder::new();
    let one = |rule| format!("---\nname: idle{rule}\ndetection: {{s: {{a: {rule}}}, condition: s}}\n");
    let idle = |count: usize| (0..count).map(one).collect::<Vec<_>>().concat();
    folder.write("events.jsonl", three_failures());
    for (idle_rules, shows_them) in [(99, true), (100, false)] {
        folder.write("rules.yml", format!("{RULES}{}", idle(idle_rules)));
        for compare in [&[][..], &["--compare", "rules.yml"]] {
            let arguments = [&["replay", "--rules", "rules.yml", "events.jsonl"], compare].concat();
            let finished = folder.run(&arguments).expect_code(0);
            let table = if compare.is_empty() { finished.stderr() } else { finished.stdout() };
            assert!(table.contains("password_guessing"), "{table}");
            assert_eq!(table.contains("idle7 "), shows_them, "{table}");
            assert_eq!(table.contains("100 rules without"), !shows_them, "{table}");
        }
    }
}
