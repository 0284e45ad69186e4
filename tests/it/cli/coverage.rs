//! `tokenwatch test --coverage`: which rules the tests put to the proof.

use serde_json::{Value, json};

use super::fixture::Folder;
use super::test::{ALERT, THREE, one_test, report};

#[test]
fn coverage_asks_for_a_test_of_either_kind() {
    let folder = Folder::new();
    let tests = |quiet: &str| {
        let second = format!("  - {{name: quiet, events: [{{at: 0s, event: {{{quiet}}}}}], alerts: []}}\n");
        folder.write("it_test.yml", one_test(THREE, ALERT) + &second);
    };
    // A slip of the pen makes a test that nothing could fail.
    tests("event.action: logn, event.outcome: failure, jwt.sub: ann");
    let finished = folder.run(&["test", "--require-coverage", "."]).expect_code(1);
    assert!(
        finished.stdout().contains("password_guessing       1      0  no quiet test (./rules.yml:9)"),
        "{}",
        finished.stdout()
    );
    folder.run(&["test", "--coverage", "."]).expect_code(0);
    tests("event.action: login, event.outcome: failure, jwt.sub: ann");
    folder.run(&["test", "--require-coverage", "."]).expect_code(0);
    // A test that fails says nothing of either kind.
    folder.write("it_test.yml", one_test(THREE, ""));
    let failed = report(&folder, &["--coverage", "it_test.yml"], 1);
    assert_eq!((&failed["coverage"][0]["firing"], &failed["coverage"][0]["quiet"]), (&json!(0), &json!(0)));
    tests("event.action: login, event.outcome: failure, jwt.sub: ann");
    // A rule without any test is a gap as well, once its file is named.
    folder.write(
        "more.yml",
        "title: Other\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c09\ndetection: {s: {event.action: x}, condition: s}\n",
    );
    folder.run(&["test", "--require-coverage", "it_test.yml"]).expect_code(0);
    let report = report(&folder, &["--require-coverage", "."], 1);
    let other = report["coverage"].as_array().expect("rows").iter().find(|row| row["rule"] == "other").expect("a row");
    assert_eq!((&other["firing"], &other["quiet"]), (&json!(0), &json!(0)));
}

#[test]
fn a_broken_rule_file_leaves_the_tests_their_results_and_coverage_unknown() {
    let folder = Folder::new();
    folder.write("a_test.yml", one_test(THREE, ALERT));
    folder.write("broken.yml", "title: Broken\ndetection: {s: {a: 1}}\n");
    for coverage in ["--coverage", "--require-coverage"] {
        let finished = folder.run(&["test", coverage, "--junit", "out.xml", "."]).expect_code(2);
        assert!(finished.stdout().contains("ok    it"), "{}", finished.stdout());
        for part in [
            "./broken.yml:2:",
            "1 test: 1 passed, 0 failed",
            "what the tests cover is not known: the rule files have 1 error",
        ] {
            assert!(finished.stderr().contains(part), "{part} in {}", finished.stderr());
        }
        let xml = std::fs::read_to_string(folder.at("out.xml")).expect("it was written");
        for part in [
            "tests=\"2\" failures=\"0\" errors=\"1\"",
            "<testcase classname=\"./a_test.yml\" name=\"it\"",
            "<error message=\"./broken.yml:2:",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }
    let report = report(&folder, &["--coverage", "."], 2);
    assert_eq!((&report["tests"], &report["coverage"]), (&json!(1), &Value::Null));
    assert_eq!(report["problems"][0]["file"], "./broken.yml");
    // Whose tests do not run tells of the rules itself, once.
    folder.write("b_test.yml", one_test(THREE, ALERT).replace("rules.yml", "broken.yml"));
    let finished = folder.run(&["test", "--coverage", "."]).expect_code(2);
    assert_eq!(finished.stderr().matches("broken.yml:2:").count(), 1, "{}", finished.stderr());
}

#[test]
fn coverage_of_some_tests_is_refused() {
    let folder = Folder::new();
    folder.write("it_test.yml", one_test(THREE, ALERT));
    for coverage in ["--coverage", "--require-coverage"] {
        let refused = folder.run(&["test", "--run", "it", coverage, "."]).expect_code(2);
        assert_eq!(refused.stdout(), "");
        assert!(
            refused.stderr().contains("coverage is of all tests, and --run leaves some out"),
            "{}",
            refused.stderr()
        );
    }
}

/// The quiet tests that a rule has of events beside one test in which it alerts.
#[track_caller]
fn quiet_tests(folder: &Folder, rule: &str, events: &str) -> u64 {
    let tests = format!("rule_files: [it.yml]\ntests:\n  - {{name: quiet, events: [{events}], alerts: []}}\n");
    folder.write("it_test.yml", tests);
    let report = report(folder, &["--coverage", "it_test.yml"], 0);
    let row = report["coverage"].as_array().expect("rows").iter().find(|row| row["rule"] == rule).expect("a row");
    row["quiet"].as_u64().expect("a number")
}

#[test]
fn what_excuses_alone_is_no_quiet_test_of_an_absence() {
    let folder = Folder::new();
    folder.write(
        "it.yml",
        "name: used\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c03\ndetection: {s: {event.action: token.validated}, condition: s}\n---\n\
         name: logged_in\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c04\ndetection: {s: {event.action: login}, condition: s}\n---\n\
         name: unlogged\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c05\n\
         anomaly: {type: absence, rules: [used], without: [logged_in], group-by: [jwt.sub], timespan: 1h}\n",
    );
    let login = "{at: 0s, event: {event.action: login, jwt.sub: ann}}";
    let use_by = |subject: &str| format!("{{at: 1s, event: {{event.action: token.validated, {subject}}}}}");
    assert_eq!(quiet_tests(&folder, "unlogged", login), 0);
    assert_eq!(quiet_tests(&folder, "unlogged", &use_by("jwt.subject: ann")), 0, "it has no group");
    assert_eq!(quiet_tests(&folder, "unlogged", &format!("{login}, {}", use_by("jwt.sub: ann"))), 1);
}

#[test]
fn a_quiet_test_of_a_rule_is_one_of_those_above_it() {
    let folder = Folder::new();
    let outer = "---\ntitle: Guessed again\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c11\ncorrelation:\n  type: event_count\n  \
                 rules: [password_guessing]\n  group-by: [jwt.sub]\n  timespan: 1h\n  condition: {gte: 1}\n";
    folder.write("it.yml", format!("{}{outer}", super::fixture::RULES));
    let once = "{at: 0s, event: {event.action: login, event.outcome: failure, jwt.sub: ann}}";
    assert_eq!(quiet_tests(&folder, "guessed_again", once), 1);
    let other = "{at: 0s, event: {event.action: logout, jwt.sub: ann}}";
    assert_eq!(quiet_tests(&folder, "guessed_again", other), 0);
}

#[test]
fn an_event_comes_near_a_single_event_rule_before_it_is_a_quiet_test() {
    let folder = Folder::new();
    let rule = |logsource: &str, detection: &str| {
        let rule = format!(
            "name: one\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c03\nlogsource: {logsource}\ndetection: {detection}\n"
        );
        folder.write("it.yml", rule);
    };
    let quiet = |event: &str| quiet_tests(&folder, "one", &format!("{{at: 0s, event: {{{event}}}}}"));
    let native = "{product: jwt, category: audit}";
    // Of several things one is as asked; that a subject is there says nothing.
    rule(native, "{s: {event.action: login, jwt.alg: none, jwt.sub|exists: true}, condition: s}");
    assert_eq!(quiet("event.action: login, jwt.alg: RS256"), 1);
    assert_eq!(quiet("event.action: logn, jwt.alg: none, jwt.sub: ann"), 1);
    assert_eq!(quiet("event.action: logn, jwt.sub: ann"), 0);
    // What is excluded does not do for what is asked.
    rule(native, "{s: {event.action: login}, known: {jwt.sub: ann}, condition: s and not known}");
    assert_eq!(quiet("event.action: login, jwt.sub: ann"), 1);
    assert_eq!(quiet("event.action: logn, jwt.sub: bob"), 0);
    // Either of two alternatives.
    rule(native, "{a: {event.action: x, k: 1}, b: {event.action: y, k: 2}, condition: a or b}");
    assert_eq!(quiet("event.action: y, k: 1"), 1);
    assert_eq!(quiet("event.action: z, k: 3"), 0);
    // Of one thing alone the field is there.
    rule(native, "{s: {jwt.alg: none}, condition: s}");
    assert_eq!(quiet("event.action: login, jwt.alg: RS256"), 1);
    assert_eq!(quiet("event.action: login, jwt.algo: none"), 0);
    // A filter changes nothing of that.
    let filter = "---\nname: f\nfilter: {rules: [one], s: {k: 1}, condition: not s}";
    rule(native, &format!("{{s: {{jwt.alg: none}}, condition: s}}\n{filter}"));
    assert_eq!(quiet("event.action: login, jwt.alg: RS256"), 1);
    assert_eq!(quiet("event.action: login, jwt.algo: none"), 0);
    rule("{product: windows}", "{s: {jwt.alg: none, event.action: login}, condition: s}");
    assert_eq!(quiet("event.action: login, jwt.alg: RS256"), 0, "the rule is for other events");
}
