//! `tokenwatch test`: the tests beside the rules.

use serde_json::{Value, json};

use super::fixture::Folder;

/// A test file for the fixture's rules with one test of these events and alerts.
pub fn one_test(events: &str, alerts: &str) -> String {
    format!(
        "rule_files: [rules.yml]\ntests:\n  - name: it\n    \
         defaults: {{event.action: login, event.outcome: failure, jwt: {{sub: ann}}}}\n    \
         events: [{events}]\n    alerts: [{alerts}]\n"
    )
}

/// The report of a run with `--format json`.
#[track_caller]
pub fn report(folder: &Folder, arguments: &[&str], code: i32) -> Value {
    let finished = folder.run(&[&["test", "--format", "json"], arguments].concat()).expect_code(code);
    serde_json::from_str(finished.stdout()).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout()))
}

/// Whether a single test passes.
#[track_caller]
fn check(events: &str, alerts: &str, passes: bool) {
    let folder = Folder::new();
    folder.write("it_test.yml", one_test(events, alerts));
    let report = report(&folder, &["it_test.yml"], i32::from(!passes));
    assert_eq!(report["files"][0]["tests"][0]["passed"], passes, "{report:#}");
}

pub const THREE: &str = "{at: 0s, every: 1m, repeat: 3}";
pub const ALERT: &str = "{rule: password_guessing, at: 2m, group: {jwt.sub: ann}, observed: 3}";

#[test]
fn the_list_of_alerts_is_exact() {
    check(THREE, ALERT, true);
    check("{at: 0s, every: 1m, repeat: 2}", "", true);
    check(THREE, "", false);
    check("{at: 0s, every: 1m, repeat: 2}", ALERT, false);
    check(THREE, &format!("{ALERT}, {ALERT}"), false);
}

#[test]
fn every_key_that_is_given_must_be_so() {
    for (right, wrong) in [
        ("at: 120s", "at: 119s"),
        ("group: {jwt.sub: ann}", "group: {jwt.sub: bob}"),
        ("group: {jwt.sub: ann}", "group: {}"),
        ("observed: 3.0", "observed: 4"),
        ("level: high", "level: low"),
        ("suppressed: 0", "suppressed: 1"),
        ("truncated: false", "truncated: true"),
        ("summary: 'jwt.sub ann: 3 events in 5m (threshold 3)'", "summary: three"),
        ("details: {}", "details: {values: [a]}"),
    ] {
        check(THREE, &format!("{{rule: password_guessing, {right}}}"), true);
        check(THREE, &format!("{{rule: password_guessing, {wrong}}}"), false);
    }
}

#[test]
fn windows_are_drawn_to_the_millisecond() {
    check("{at: 0s, repeat: 2}, {at: 299999ms}", "{rule: password_guessing, at: 4m59s999ms}", true);
    check("{at: 0s, repeat: 2}, {at: 5m}", "", true);
}

#[test]
fn events_arrive_in_the_order_of_their_times_unless_they_are_delayed() {
    // In file order, the third failure would be ann's at 10 s.
    let interleaved = "{at: 0s, every: 10s, repeat: 2}, {at: 5s}";
    check(interleaved, "{rule: password_guessing, at: 10s}", true);
    // The default lateness is ten minutes: at 601 s, an event of 0 s is late, and at 600 s it is not.
    let delayed = |other: &str| {
        format!("{{at: 0s, delay: 11m}}, {{at: 1s, repeat: 2}}, {{at: {other}, event: {{jwt.sub: bob}}}}")
    };
    check(&delayed("10m"), "{rule: password_guessing, at: 1s}", true);
    check(&delayed("10m1s"), "", true);
}

#[test]
fn the_number_of_the_repetition_stands_in_texts_of_any_depth() {
    let numbered = "{at: 0s, every: 1s, repeat: 4, event: {jwt: {sub: 'u-{n}'}}}";
    check(numbered, "", true);
    let lists = "{at: 0s, every: 1s, repeat: 3, event: {jwt.sub: [all, '{n}']}}";
    check(lists, "{rule: password_guessing, at: 2s, group: {jwt.sub: all}}", true);
}

#[test]
fn an_events_own_fields_replace_the_defaults() {
    for own in ["jwt.sub: bob", "jwt: {sub: bob}", "jwt: null, jwt.sub: bob"] {
        let events = format!("{{at: 0s, every: 1s, repeat: 3, event: {{{own}}}}}");
        check(&events, "{rule: password_guessing, group: {jwt.sub: bob}}", true);
    }
    check("{at: 0s, every: 1s, repeat: 3, event: {jwt: null}}", "", true);
    check(
        "{at: 0s, every: 1s, repeat: 3, event: {jwt.subs: x}}",
        "{rule: password_guessing, group: {jwt.sub: ann}}",
        true,
    );
}

#[test]
fn a_file_may_have_defaults_for_all_its_tests() {
    let folder = Folder::new();
    let tests = one_test("{at: 0s, every: 1s, repeat: 3}", "{rule: password_guessing}");
    let hoisted = "defaults: {event.action: logout, event.outcome: failure, jwt.sub: bob}\ntests:";
    folder.write(
        "it_test.yml",
        tests.replace("tests:", hoisted).replace("event.outcome: failure, jwt: {sub: ann}}", "jwt: {sub: ann}}"),
    );
    folder.run(&["test", "it_test.yml"]).expect_code(0);
}

#[test]
fn the_end_of_a_test_decides_what_waits() {
    let folder = Folder::new();
    folder.write(
        "absent.yml",
        "name: token_used\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c03\ndetection: {s: {event.action: token.validated}, condition: s}\n---\n\
         name: logged_in\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c04\ndetection: {s: {event.action: login}, condition: s}\n---\n\
         name: unlogged\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c05\n\
         anomaly: {type: absence, rules: [token_used], without: [logged_in], group-by: [jwt.sub], timespan: 1h, wait: 1h}\n",
    );
    folder.write(
        "absent_test.yml",
        "rule_files: [absent.yml]\ntests:\n  - name: it\n    events: [{at: 5s, event: {event.action: token.validated, jwt.sub: ann}}]\n    \
         alerts: [{rule: unlogged, at: 5s}]\n",
    );
    folder.run(&["test", "."]).expect_code(0);
}

#[test]
fn a_failed_test_shows_where_the_alerts_differ() {
    let folder = Folder::new();
    let expected =
        "{rule: password_guessing, at: 2m, group: {jwt.sub: ann}, observed: 13}, {rule: password_guessing, at: 3h}";
    folder.write("it_test.yml", one_test(THREE, expected));
    let finished = folder.run(&["test", "it_test.yml"]).expect_code(1);
    let shown = "\
it_test.yml
  FAIL  it (it_test.yml:3)
        expected 2 alerts (-), got 1 (+):
        - {rule: password_guessing, at: 2m, group: {jwt.sub: ann}, observed: 13}
        + {rule: password_guessing, at: 2m, group: {jwt.sub: ann}, observed: 3}
                                                                             ^^
        - {rule: password_guessing, at: 3h}
          password_guessing fired 1 time
";
    assert_eq!(finished.stdout(), shown);
    assert!(finished.stderr().contains("1 test file, 1 test: 0 passed, 1 failed"), "{}", finished.stderr());
}

#[test]
fn a_loosely_described_alert_leaves_room_for_a_closely_described_one() {
    let both = "{at: 0s, every: 1s, repeat: 3}, {at: 10s, every: 1s, repeat: 3, event: {jwt.sub: bob}}";
    check(both, "{rule: password_guessing}, {rule: password_guessing, at: 2s}", true);
    check(both, "{rule: password_guessing, at: 2s}, {rule: password_guessing, at: 2s}", false);
}

#[test]
fn results_for_programs_name_every_difference() {
    let folder = Folder::new();
    folder.write("it_test.yml", one_test(THREE, "{rule: password_guessing, at: 1m}"));
    let report = report(&folder, &["."], 1);
    assert_eq!((&report["tests"], &report["failed"]), (&json!(1), &json!(1)));
    let difference = &report["files"][0]["tests"][0]["differences"][0];
    assert_eq!(difference["expected"], json!({"rule": "password_guessing", "at": "1m"}));
    assert_eq!(difference["got"]["at"], "2m");
    assert_eq!(difference["got"]["group"], json!({"jwt.sub": "ann"}));
}

#[test]
fn a_wrong_file_does_not_run_and_the_others_do() {
    let folder = Folder::new();
    folder.write("a_test.yml", one_test(THREE, ALERT).replace("every", "evry"));
    folder.write("b_test.yml", one_test(THREE, ALERT));
    let finished = folder.run(&["test", "."]).expect_code(2);
    assert!(
        finished.stderr().contains("./a_test.yml:5:23: test \"it\": unknown key \"evry\""),
        "{}",
        finished.stderr()
    );
    assert!(
        finished.stderr().contains("2 test files, 1 test: 1 passed, 0 failed, 1 file with errors did not run"),
        "{}",
        finished.stderr()
    );
    assert!(finished.stdout().contains("b_test.yml"), "{}", finished.stdout());
    let programs = report(&folder, &["."], 2);
    assert_eq!(programs["files"][0]["ran"], false);
    let problem = &programs["files"][0]["problems"][0];
    assert_eq!(problem["code"], "unknown-key");
    assert!(problem["source"].as_str().expect("a line").contains("evry: "), "{problem}");
}

#[test]
fn paths_without_tests_are_wrong_and_missing_ones_cannot_be_read() {
    let folder = Folder::new();
    let none = folder.run(&["test", "rules.yml"]).expect_code(2);
    assert!(none.stderr().contains("no test files (NAME_test.yml) in rules.yml"), "{}", none.stderr());
    folder.run(&["test", "nowhere"]).expect_code(3);
}

#[test]
fn tests_can_be_chosen_by_name() {
    let folder = Folder::new();
    let text = one_test(THREE, ALERT) + "  - {name: other, events: [], alerts: [{rule: password_guessing}]}\n";
    folder.write("it_test.yml", text);
    folder.run(&["test", "it_test.yml"]).expect_code(1);
    folder.run(&["test", "--run", "it", "it_test.yml"]).expect_code(0);
    let none = folder.run(&["test", "--run", "nobody", "it_test.yml"]).expect_code(2);
    assert!(none.stderr().contains("no test has \"nobody\" in its name"), "{}", none.stderr());
}

#[test]
fn ci_systems_read_junit() {
    let folder = Folder::new();
    folder.write("a_test.yml", one_test(THREE, "").replace("name: it", "name: 'a < b & \"c\"'"));
    folder.write("b_test.yml", one_test(THREE, ALERT));
    folder.write("c_test.yml", "tests: 5\n");
    folder.run(&["test", "--junit", "out.xml", "."]).expect_code(2);
    let xml = std::fs::read_to_string(folder.at("out.xml")).expect("it was written");
    for part in [
        "<testsuites name=\"tokenwatch\" tests=\"3\" failures=\"1\" errors=\"1\"",
        "name=\"a &lt; b &amp; &quot;c&quot;\"",
        "<failure message=\"expected 0 alerts (-), got 1 (+):\">",
        "+ {rule: password_guessing, at: 2m, group: {jwt.sub: ann}, observed: 3}",
        "<error message=\"./c_test.yml:1:",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    folder.run(&["test", "--junit", "nowhere/out.xml", "."]).expect_code(3);
}

#[test]
fn the_example_of_the_readme_passes() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("it is there");
    let readme = read("README.md");
    let from = readme.find("rule_files:").expect("there is an example");
    let example = &readme[from..from + readme[from..].find("```").expect("the example ends")];
    let folder = Folder::new();
    folder.write("cross_service_fan_out.yml", read("rules/access/cross_service_fan_out.yml"));
    folder.write("cross_service_fan_out_test.yml", example);
    folder.write("lists/service_accounts.txt", read("rules/lists/service_accounts.txt"));
    let finished = folder.run(&["test", "--require-coverage", "cross_service_fan_out_test.yml"]).expect_code(0);
    assert!(finished.stderr().contains("2 tests: 2 passed"), "{}", finished.stderr());
}

#[test]
fn every_wrong_field_of_an_event_is_reported_at_once() {
    let folder = Folder::new();
    let events = "{at: 0s, event: {'@timestamp': 1, x: 1, y: 1, y: 2, z: {x: 1}, z.x: 2}}";
    folder.write("a_test.yml", one_test(events, ""));
    let stdout = folder.run(&["check", "a_test.yml"]).expect_code(1).stdout().to_owned();
    for wrong in ["@timestamp is set by at", "the key \"y\" stands already", "the field z.x stands twice"] {
        assert!(stdout.contains(wrong), "{wrong}:\n{stdout}");
    }
}
