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
    let comparison = compare(&folder(), RULES, &RULES.replace("level: high", "level: high\nstatus: test"));
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

/// Three alerts of one group and moment, of which the new rules lack the middle one.
#[test]
fn alerts_of_one_moment_are_told_apart_by_their_ids() {
    let folder = Folder::new();
    let event = |id: &str| {
        json!({"@timestamp": "2026-01-01T00:00:00Z", "event.action": "login", "event.id": id}).to_string() + "\n"
    };
    folder.write("events.jsonl", ["a", "b", "c"].map(event).concat());
    let rule = |more: &str| {
        format!("name: l\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c33\ndetection:\n  s: {{event.action: login}}\n{more}\n")
    };
    let old = rule("  condition: s");
    let new = rule("  not_b: {event.id: b}\n  condition: s and not not_b");
    let comparison = compare(&folder, &old, &new);
    let row = &comparison["rules"][0];
    let counts = ["unchanged", "changes", "appears", "disappears"].map(|key| row[key].as_u64().expect("a count"));
    assert_eq!(counts, [2, 0, 0, 1]);
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
    assert_eq!((&login["rule"], &login["in_old"], &login["appears"]), (&json!("login"), &json!("absent"), &json!(4)));
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

~ password_guessing  jwt.sub ann  at 2026-01-01T00:02:00.000Z -> 2026-01-01T00:01:00.000Z, observed 3 -> 2, threshold 3 -> 2
+ password_guessing  jwt.sub ann  at 2026-01-01T12:01:00.000Z, observed 2
~ password_guessing  jwt.sub bob  at 2026-01-02T12:07:00.000Z -> 2026-01-02T12:06:50.000Z, observed 3 -> 2, threshold 3 -> 2
";
    assert_eq!(finished.stdout(), expected);
}

/// The rows, each as its name, what it was called, what it is to either set, and its alerts there.
#[track_caller]
fn rows(folder: &Folder, old: &str, new: &str) -> Vec<String> {
    let comparison = compare(folder, old, new);
    let rows = comparison["rules"].as_array().expect("rows").iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.map(|row| {
        let words = ["rule", "was", "in_old", "in_new"].map(|key| text(&row[key]));
        format!("{} {} {}", words.join(" "), row["old"], row["new"])
    })
    .collect()
}

#[test]
fn every_rule_has_one_counterpart_at_most() {
    let rule = |name: &str, id: &str, subject: &str| {
        format!(
            "name: {name}\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c{id}\ndetection: {{s: {{jwt.sub: {subject}}}, condition: s}}\n---\n"
        )
    };
    let (one, two) = (rule("one", "11", "ann"), rule("two", "12", "bob"));
    // The first takes over the name of the second, whose id nobody has any more.
    let merged = rows(&folder(), &format!("{one}{two}"), &rule("two", "11", "ann"));
    assert_eq!(merged, ["two one alerts alerts 6 6", "two - alerts absent 4 0"]);
    // They swap their names.
    let swapped = format!("{}{}", rule("two", "11", "ann"), rule("one", "12", "bob"));
    assert_eq!(
        rows(&folder(), &format!("{one}{two}"), &swapped),
        ["one two alerts alerts 4 4", "two one alerts alerts 6 6"]
    );
    // A name counts once ids are used up.
    let new_id = rule("two", "13", "bob");
    assert_eq!(
        rows(&folder(), &format!("{one}{two}"), &format!("{one}{new_id}")),
        ["one - alerts alerts 6 6", "two - alerts alerts 4 4"]
    );
}

#[test]
fn a_rule_that_others_begin_to_count_is_in_both_sets() {
    let detection = RULES.split("---\n").next().expect("the first rule");
    assert_eq!(
        rows(&folder(), detection, RULES),
        ["failed_login - alerts counted 10 0", "password_guessing - absent alerts 0 2"]
    );
    let folder = folder();
    folder.write("detection.yml", detection);
    let arguments = ["replay", "--rules", "rules.yml", "--compare", "detection.yml", "events.jsonl"];
    let finished = folder.run(&arguments).expect_code(0);
    assert!(finished.stdout().contains("  (the new rules only count it)\n"), "{}", finished.stdout());
}

/// What people read of the last difference.
#[track_caller]
fn last_difference(old: &str, new: &str) -> String {
    let folder = folder();
    folder.write("old.yml", old);
    folder.write("new.yml", new);
    let arguments = ["replay", "--rules", "new.yml", "--compare", "old.yml", "events.jsonl"];
    let finished = folder.run(&arguments).expect_code(0);
    finished.stdout().lines().last().expect("there are lines").to_owned()
}

#[test]
fn whatever_people_read_counts() {
    let start = "~ password_guessing  jwt.sub bob  at 2026-01-02T12:07:00.000Z, ";
    for (from, to, told) in [
        ("title: Password guessing", "title: Guesses", "title \"Password guessing\" -> \"Guesses\""),
        ("tags: [attack.t1110.001]\n", "tags: [attack.t1110]\n", "tags attack.t1110.001 -> attack.t1110"),
        ("level: high", "level: low", "level high -> low"),
        ("timespan: 5m", "timespan: 6m", "window 5m -> 6m"),
        ("{gte: 3}", "{gt: 2}", "threshold 3 -> > 2"),
    ] {
        assert_eq!(last_difference(RULES, &RULES.replace(from, to)), format!("{start}{told}"));
    }
    assert_eq!(
        last_difference(RULES, &RULES.replace("level: high", "description: why\nlevel: high")),
        "no alert differs"
    );
}

#[test]
fn other_values_and_other_evidence_count_too() {
    let rule = |field: &str, least: u32| {
        format!(
            "name: used\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01\ndetection: {{s: {{event.outcome: failure}}, condition: s}}\n---\n\
             name: r\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02\n\
             correlation: {{type: value_count, rules: [used], timespan: 2d, condition: {{field: {field}, gte: {least}}}}}\n"
        )
    };
    let last = last_difference(&rule("jwt.sub", 2), &rule("event.id", 2));
    let details = r#", details {"values":["ann","bob"]} -> {"values":["ann-0","ann-60"]}"#;
    assert!(last.ends_with(&format!("field jwt.sub -> event.id{details}")), "{last}");
    // Of long ones it is enough to know that they differ.
    let last = last_difference(&rule("event.id", 9), &rule("event.id", 8));
    assert!(last.ends_with(", threshold 9 -> 8, other details"), "{last}");
    let rule = |detection: &str| {
        format!(
            "name: used\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01\ndetection: {{s: {{event.id: {detection}}}, condition: s}}\n---\n\
             name: r\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02\n\
             correlation: {{type: event_count, rules: [used], timespan: 5m, condition: {{gte: 2}}}}\n"
        )
    };
    let last = last_difference(&rule("[ann-0, ann-120]"), &rule("[ann-60, ann-120]"));
    assert_eq!(last, "~ r  at 2026-01-01T00:02:00.000Z, other evidence");
}

#[test]
fn the_order_of_the_group_makes_no_other_group() {
    let by = |names: &str| RULES.replace("group-by: [jwt.sub]", &format!("group-by: [{names}]"));
    let comparison = compare(&folder(), &by("jwt.sub, event.outcome"), &by("event.outcome, jwt.sub"));
    let row = &comparison["rules"][0];
    assert_eq!((&row["appears"], &row["disappears"]), (&json!(0), &json!(0)));
}

#[test]
fn alerts_in_shadow_are_marked() {
    let folder = folder();
    folder.write("shadow.toml", "[rules]\nshadow = true\n");
    folder.write("old.yml", RULES.replace("level: high", "level: high\nstatus: test"));
    folder.write("new.yml", RULES.replace("level: high", "level: low\nstatus: test").replace("gte: 3", "gte: 2"));
    let arguments = ["replay", "--rules", "new.yml", "--compare", "old.yml", "--config", "shadow.toml", "events.jsonl"];
    let finished = folder.run(&arguments).expect_code(0);
    let shown = finished.stdout();
    assert!(
        shown.contains("+ password_guessing  jwt.sub ann  at 2026-01-01T12:01:00.000Z, observed 2, in shadow\n"),
        "{shown}"
    );
    assert!(shown.contains("level high -> low, in shadow\n"), "{shown}");
}

#[test]
fn days_are_those_between_the_least_and_the_greatest_time() {
    let folder = Folder::new();
    let line = |second: u32| failed_login_on("ann", second);
    let first_line = |events: String| {
        folder.write("events.jsonl", events);
        let arguments = ["replay", "--rules", "rules.yml", "--compare", "rules.yml", "events.jsonl"];
        let finished = folder.run(&arguments).expect_code(0);
        finished.stdout().to_owned()
    };
    // The first to arrive is not the oldest, and the oldest is late.
    let shuffled = first_line(line(100_000) + &line(172_800) + &line(0));
    assert!(
        shuffled
            .starts_with("3 records (1 late) from 2026-01-01T00:00:00.000Z to 2026-01-03T00:00:00.000Z, 2.00 days\n"),
        "{shuffled}"
    );
    let moment = first_line(line(5));
    assert!(moment.starts_with("1 record, all at 2026-01-01T00:00:05.000Z\n"), "{moment}");
    let hour = first_line(line(0) + &line(3_600));
    assert!(hour.contains("0.04 days; alerts a day are projected"), "{hour}");
    // One alert in forty days is more than none.
    let rare = line(0) + &line(1) + &line(2) + &line(30 * 86_400);
    let rare = first_line(rare);
    assert!(rare.contains("<0.1        <0.1\n"), "{rare}");
}
