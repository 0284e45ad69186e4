//! `tokenwatch replay --compare`: what changing the rules would have changed.

use serde_json::{Value, json};

use super::fixture::{Folder, RULES, failed_login};

/// Failures of ann at six moments of a day and a half, four of bob within two minutes.
fn folder() -> Folder {
    let folder = Folder::new();
    let ann = [0, 60, 120, 43_200, 43_260, 129_600].map(|second| failed_login_on("ann", second));
    let bob = [130_000, 130_010, 130_020, 130_130].map(|second| failed_login_on("bob", second));
    folder.write("events.jsonl", ann.concat() + &bob.concat());
    folder
}

/// [`failed_login`] on any day of January.
fn failed_login_on(subject: &str, second: u32) -> String {
    let line = failed_login(subject, second % 86_400);
    line.replace("2026-01-01", &format!("2026-01-{:02}", 1 + second / 86_400))
        .replace(&format!("{subject}-{}", second % 86_400), &format!("{subject}-{second}"))
}

#[track_caller]
fn compare(folder: &Folder, old: &str, new: &str) -> Value {
    folder.write("old/rules.yml", old);
    folder.write("new/rules.yml", new);
    let arguments = ["replay", "--rules", "new", "--compare", "old", "--format", "json", "events.jsonl"];
    serde_json::from_str(folder.run(&arguments).expect_code(0).stdout()).expect("JSON")
}

#[test]
fn equal_rules_differ_in_nothing() {
    let comparison = compare(&folder(), RULES, &RULES.replace("title: Password guessing", "title: Guesses"));
    assert_eq!(comparison["differences"], json!([]));
    let row = &comparison["rules"][0];
    assert_eq!((&row["old"], &row["new"], &row["unchanged"]), (&json!(2), &json!(2), &json!(2)));
    // 130,130 seconds are 1.506 days.
    let per_day = row["new_per_day"].as_f64().expect("a number");
    assert!((per_day - 2.0 / (130_130.0 / 86_400.0)).abs() < 1e-9, "{per_day}");
}

#[test]
fn a_lower_threshold_adds_alerts_and_moves_others() {
    let comparison = compare(&folder(), RULES, &RULES.replace("gte: 3", "gte: 2"));
    let told: Vec<String> = comparison["differences"]
        .as_array()
        .expect("differences")
        .iter()
        .map(|one| {
            let at = |side: &str| one[side]["time"].as_str().map_or("-".to_owned(), |time| time[8..19].to_owned());
            format!(
                "{} {} {} {}",
                one["change"].as_str().expect("a word"),
                one["group"]["jwt.sub"],
                at("old"),
                at("new")
            )
        })
        .collect();
    let expected = [
        "changes \"ann\" 01T00:02:00 01T00:01:00",
        "appears \"ann\" - 01T12:01:00",
        "changes \"bob\" 02T12:07:00 02T12:06:50",
    ];
    assert_eq!(told, expected);
    let row = &comparison["rules"][0];
    let counts =
        ["old", "new", "unchanged", "changes", "appears", "disappears"].map(|key| row[key].as_u64().expect("a count"));
    assert_eq!(counts, [2, 3, 0, 2, 1, 0]);
    let back = compare(&folder(), &RULES.replace("gte: 3", "gte: 2"), RULES);
    assert_eq!(back["rules"][0]["disappears"], 1);
}

#[test]
fn a_rule_keeps_its_alerts_under_a_new_name_or_a_new_id() {
    for (from, to) in [("name: password_guessing", "name: guesses"), ("3f2f7a3b1c02", "3f2f7a3b1c22")] {
        let comparison = compare(&folder(), RULES, &RULES.replace(from, to));
        assert_eq!(comparison["differences"], json!([]), "{to}");
        assert_eq!(comparison["rules"].as_array().expect("rows").len(), 1, "{to}");
    }
}

#[test]
fn rules_of_one_set_are_told_and_levels_count() {
    let folder = folder();
    let more = format!(
        "{RULES}---\ntitle: Login\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c07\ndetection: {{s: {{jwt.sub: bob}}, condition: s}}\n"
    );
    let comparison = compare(&folder, RULES, &more.replace("level: high", "level: low"));
    let login = &comparison["rules"][0];
    assert_eq!((&login["rule"], &login["is_old"], &login["appears"]), (&json!("login"), &json!(false), &json!(4)));
    assert_eq!(login["old_per_day"], Value::Null);
    assert_eq!(comparison["rules"][1]["changes"], 2);
}

#[test]
fn a_rule_that_leaves_the_shadow_changes_its_alerts() {
    let folder = folder();
    folder.write("shadow.toml", "[rules]\nshadow = true\n");
    folder.write("trusted.yml", RULES.replace("level: high", "level: high\nstatus: stable"));
    folder.write("trial.yml", RULES.replace("level: high", "level: high\nstatus: test"));
    let arguments = ["replay", "--rules", "trusted.yml", "--compare", "trial.yml", "--config", "shadow.toml"];
    let finished = folder.run(&[&arguments[..], &["events.jsonl"]].concat()).expect_code(0);
    let last = "~ password_guessing  jwt.sub bob  at 2026-01-02T12:07:00.000Z, out of shadow\n";
    assert!(finished.stdout().ends_with(last), "{}", finished.stdout());
}

#[test]
fn people_read_a_row_a_rule_and_a_line_a_difference() {
    let folder = folder();
    folder.write("new.yml", RULES.replace("gte: 3", "gte: 2"));
    let arguments = ["replay", "--rules", "new.yml", "--compare", "rules.yml", "events.jsonl"];
    let finished = folder.run(&arguments).expect_code(0);
    let expected = "\
10 records from 2026-01-01T00:00:00.000Z to 2026-01-02T12:08:50.000Z, 1.51 days

rule                      old         new   unchanged     changes     appears  disappears  a day, old  a day, new
password_guessing           2           3           0           2           1           0         1.3         2.0

~ password_guessing  jwt.sub ann  at 2026-01-01T00:02:00.000Z -> 2026-01-01T00:01:00.000Z, observed 3 -> 2
+ password_guessing  jwt.sub ann  at 2026-01-01T12:01:00.000Z, observed 2
~ password_guessing  jwt.sub bob  at 2026-01-02T12:07:00.000Z -> 2026-01-02T12:06:50.000Z, observed 3 -> 2
";
    assert_eq!(finished.stdout(), expected);
}
