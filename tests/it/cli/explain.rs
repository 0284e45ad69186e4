//! `tokenwatch explain` on real files.

use serde_json::{Value, json};

use super::fixture::{Folder, failed_login, json_lines};

const EXPLAIN: [&str; 5] = ["explain", "--rules", "rules.yml", "--rule", "password_guessing"];

/// Two failures of ann, three of bob and then one more.
fn folder() -> Folder {
    let folder = Folder::new();
    let ann = [0, 60].map(|second| failed_login("ann", second)).concat();
    let bob = [61, 62, 63, 64].map(|second| failed_login("bob", second)).concat();
    folder.write("events.jsonl", format!("{ann}{bob}not json\n"));
    folder
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    EXPLAIN.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn people_read_what_matched_how_near_it_came_and_what_did_not_count() {
    let finished = folder().run(&with(&["events.jsonl"])).expect_code(0);
    let expected = "\
password_guessing  event_count over 5m by jwt.sub, needs >= 3

        7 events
        6 match
        1 are no events: not_json  events.jsonl:7

jwt.sub bob  fired: 3 of 3 events at 2026-01-01T00:01:03.000Z; 1 alert, 1 suppressed until 2026-01-01T01:01:03.000Z
    2026-01-01T00:01:01.000Z  failed_login  events.jsonl:3
    2026-01-01T00:01:02.000Z  failed_login  events.jsonl:4
    2026-01-01T00:01:03.000Z  failed_login  events.jsonl:5

jwt.sub ann  2 of 3 events at 2026-01-01T00:01:00.000Z
    2026-01-01T00:00:00.000Z  failed_login  events.jsonl:1
    2026-01-01T00:01:00.000Z  failed_login  events.jsonl:2

";
    assert_eq!(finished.stdout(), expected);
    assert_eq!(finished.stderr(), "");
}

#[test]
fn programs_read_the_same() {
    let finished = folder().run(&with(&["--format", "json", "--group", "jwt.sub=ann", "events.jsonl"])).expect_code(0);
    let explanation: Value = serde_json::from_str(finished.stdout()).expect("JSON");
    assert_eq!(explanation["rule"]["name"], "password_guessing");
    assert_eq!(explanation["events"], json!({"total": 2, "matched": 2}));
    let [group] = explanation["groups"].as_array().expect("groups").as_slice() else { panic!("{explanation:#}") };
    assert_eq!((&group["group"], &group["alerts"]), (&json!({"jwt.sub": "ann"}), &json!(0)));
    assert_eq!(group["nearest"]["told"], "2 of 3 events");
    assert_eq!(group["nearest"]["matches"][1]["id"], "ann-60");
}

#[test]
fn an_alert_leads_back_to_its_events() {
    let folder = folder();
    let replayed = folder.run(&["replay", "--rules", "rules.yml", "events.jsonl"]).expect_code(0);
    let alert = json_lines(replayed.stdout()).remove(0);
    let id = alert["id"].as_str().expect("a text");
    let arguments = ["explain", "--rules", "rules.yml", "--alert", id, "--format"];
    let run = |format: &str| folder.run(&[arguments.as_slice(), &[format, "events.jsonl"]].concat()).expect_code(0);
    let made: Value = serde_json::from_str(run("json").stdout()).expect("JSON");
    assert_eq!(made["alert"], alert);
    let subjects: Vec<_> =
        made["events"].as_array().expect("events").iter().map(|event| &event["event"]["event"]["id"]).collect();
    assert_eq!(subjects, ["bob-61", "bob-62", "bob-63"]);
    let people = run("text");
    let order: Vec<_> =
        ["bob-61", "bob-62", "bob-63"].map(|id| people.stdout().find(id).expect("every event is shown")).to_vec();
    assert!(order.is_sorted(), "{}", people.stdout());
}

#[test]
fn what_cannot_be_explained_says_why() {
    let folder = folder();
    for (arguments, part) in [
        (with(&["--group", "source.ip=1", "events.jsonl"]), "password_guessing groups by jwt.sub, not by source.ip"),
        (
            vec!["explain", "--rules", "rules.yml", "--rule", "pasword_guessing", "events.jsonl"],
            "did you mean \"password_guessing\"?",
        ),
        (
            vec!["explain", "--rules", "rules.yml", "--rule", "failed_login", "events.jsonl"],
            "ask about password_guessing, which counts it",
        ),
        (vec!["explain", "--rules", "rules.yml", "events.jsonl"], "--rule"),
        (
            vec!["explain", "--rules", "rules.yml", "--alert", "0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01", "events.jsonl"],
            "none of the 1 alerts has the id",
        ),
        (
            vec!["explain", "--rules", "rules.yml", "--alert", "0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01"],
            "standard input cannot be read again",
        ),
        (vec!["explain", "--rule", "password_guessing", "events.jsonl"], "no rules were given"),
    ] {
        let finished = folder.run(&arguments).expect_code(2);
        assert!(finished.stderr().contains(part), "{part} in {}", finished.stderr());
        assert_eq!(finished.stdout(), "");
    }
}
