//! What `tokenwatch check` says of test files, and what to do about it.

use super::fixture::Folder;
use super::test::{ALERT, THREE, one_test};

/// What `check` says of a test file beside the fixture's rules.
#[track_caller]
fn said(text: &str) -> String {
    let folder = Folder::new();
    folder.write("it_test.yml", text);
    folder.run(&["check", "it_test.yml"]).expect_code(1).stdout().to_owned()
}

#[track_caller]
fn check(text: &str, parts: &[&str]) {
    let said = said(text);
    for part in parts {
        assert!(said.contains(part), "{part} in\n{said}");
    }
}

#[test]
fn hints_of_events_are_for_test_files() {
    for (event, hint) in [
        ("at: 36500d", "write at most \"10000d\""),
        ("at: 0s, repeat: 0", "if there is none, leave the entry out"),
        ("at: 0s, repeat: '3'", "from 1 and without quotes, as in \"repeat: 8\""),
        ("at: [1s]", "tokenwatch schema test"),
        ("at: 0s, event: {'@timestamp': {a: 1}}", "remove it, and say when with \"at: 70s\""),
    ] {
        check(&one_test(&format!("{{{event}}}"), ""), &[hint]);
    }
    check(&one_test(THREE, ALERT).replace(&format!("[{THREE}]"), THREE), &["write \"- \" before the first key"]);
    check(&one_test(THREE, "").replace("alerts: []", "alerts:"), &["write \"alerts: []\" if there is none"]);
    check(&one_test("{at: 0s, repeat: 1000000}, {at: 0s}", ""), &["repeat less, or split the test"]);
}

#[test]
fn hints_of_alerts_are_for_test_files() {
    for (alert, hint) in [
        ("observed: '3'", "write \"observed: 3\", without quotes around the number"),
        ("observed: three", "write the number that the alert says, as in \"observed: 8\""),
        ("observed: 50%", "a share is written as \"0.5\""),
        ("suppressed: -1", "from 0 and without quotes, as in \"suppressed: 2\""),
        ("truncated: maybe", "tokenwatch schema test"),
        ("group: {jwt: {sub: ann}}", "write the field's name in one, as in \"jwt.sub: ann\""),
        ("group: {jwt.sub: [ann]}", "write the one value that the alert has, or leave the group out"),
    ] {
        check(&one_test(THREE, &format!("{{rule: password_guessing, {alert}}}")), &[hint]);
    }
    check(&one_test(THREE, "password_guessing"), &["write \"{rule: password_guessing}\""]);
    // A group that is none says nothing of the names of the rule.
    let nested = said(&one_test(THREE, "{rule: password_guessing, group: {jwt: {sub: ann}}}"));
    assert!(!nested.contains("groups by"), "{nested}");
}

#[test]
fn a_test_without_a_name_is_checked_all_the_same() {
    let wrong = one_test("{at: 0s, evry: 1s}, {at: 0s, event: {event.action: null}}", "{rule: passwort_guessing}");
    for name in ["", "name: ''"] {
        let unnamed = wrong.replace("- name: it\n    ", &format!("- {name}\n    "));
        let unnamed = unnamed.replace("- \n    ", "- ");
        check(
            &unnamed,
            &["unknown key \"evry\"", "not an event", "did you mean \"password_guessing\"?", "as in \"name: eight"],
        );
    }
    // Two of them do not share a name.
    let two = format!("{}  - {{events: [], alerts: []}}\n", one_test(THREE, ALERT).replace("name: it\n    ", ""));
    let said = said(&two);
    assert!(said.contains("[missing-key]") && !said.contains("duplicate-name"), "{said}");
}

#[test]
fn test_files_without_rule_files_are_told_of_once() {
    let hint = "name the rules to be tested, as in \"rule_files: [fan_out.yml]\"";
    for rule_files in ["[]", "[null]", "[rules.yml, null]"] {
        let said = said(&one_test(THREE, ALERT).replace("[rules.yml]", rule_files));
        assert!(said.contains(hint), "{said}");
        assert_eq!(said.matches("= hint: ").count(), 1, "{said}");
    }
    let pattern = said(&one_test(THREE, ALERT).replace("[rules.yml]", "['*.yml']"));
    for part in ["\"*.yml\" is a pattern", "name the files, or a folder: it is searched with all below it"] {
        assert!(pattern.contains(part), "{part} in\n{pattern}");
    }
}
