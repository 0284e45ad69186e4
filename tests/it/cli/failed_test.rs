//! What `tokenwatch test` says of a test that fails.

use super::fixture::Folder;
use super::test::{ALERT, one_test};

/// What is shown of a failed test with these events and alerts.
#[track_caller]
fn shown(events: &str, alerts: &str) -> String {
    let folder = Folder::new();
    folder.write("it_test.yml", one_test(events, alerts));
    let finished = folder.run(&["test", "it_test.yml"]).expect_code(1);
    let lines: Vec<&str> = finished.stdout().lines().skip(3).map(str::trim_end).collect();
    lines.join("\n")
}

/// Failures of a subject, so many, from a second on.
fn failures(subject: &str, from: u32, count: u32) -> String {
    format!("{{at: {from}s, every: 1s, repeat: {count}, event: {{jwt.sub: {subject}}}}}")
}

#[test]
fn a_missing_alert_comes_with_the_nearest_that_its_rule_came() {
    let folder = Folder::new();
    let events = "{at: 0s, every: 1m, repeat: 2}, {at: 3m, event: {event.outcome: success}}";
    folder.write("it_test.yml", one_test(events, ALERT));
    let finished = folder.run(&["test", "it_test.yml"]).expect_code(1);
    for part in [
        "password_guessing came nearest at 1m for jwt.sub ann: 2 of 3 events",
        "password_guessing: 1 do not match: event.outcome is not failure",
    ] {
        assert!(finished.stdout().contains(part), "{part} in {}", finished.stdout());
    }
    folder.write("it_test.yml", one_test("{at: 0s, event: {event.action: logn}}", ALERT));
    let none = folder.run(&["test", "it_test.yml"]).expect_code(1);
    assert!(none.stdout().contains("none of the 1 events for jwt.sub ann counts"), "{}", none.stdout());
}

#[test]
fn the_hint_is_of_the_group_that_is_missing() {
    let events = format!("{}, {}", failures("ann", 0, 1), failures("bob", 5, 2));
    let missing = shown(&events, "{rule: password_guessing, group: {jwt.sub: ann}}");
    assert!(missing.contains("came nearest at 0s for jwt.sub ann: 1 of 3 events"), "{missing}");
    let nearest = shown(&events, "{rule: password_guessing}");
    assert!(nearest.contains("came nearest at 6s for jwt.sub bob: 2 of 3 events"), "{nearest}");
    let unseen = shown(&events, "{rule: password_guessing, group: {jwt.sub: carl}}");
    assert!(unseen.contains("password_guessing: there is no event for jwt.sub carl"), "{unseen}");
    // Ann fired, and came no nearer to a second alert than bob to a first.
    let events = format!("{}, {}", failures("ann", 0, 4), failures("bob", 5, 1));
    let twice = "{rule: password_guessing, at: 2s}, {rule: password_guessing, at: 1h, group: {jwt.sub: ann}}";
    let again = shown(&events, twice);
    assert!(again.contains("fired 2 times for jwt.sub ann, 1 of them suppressed"), "{again}");
    assert!(!again.contains("bob"), "{again}");
}

#[test]
fn alerts_stand_beside_those_that_are_most_like_them() {
    let events = format!("{}, {}", failures("ann", 0, 3), failures("bob", 600, 3));
    let expected = "{rule: password_guessing, at: 99s, group: {jwt.sub: carl}, observed: 3}, \
                    {rule: password_guessing, at: 3s, group: {jwt.sub: ann}, observed: 3}";
    let expected_lines = "        - {rule: password_guessing, at: 3s, group: {jwt.sub: ann}, observed: 3}
        + {rule: password_guessing, at: 2s, group: {jwt.sub: ann}, observed: 3}
                                        ^^
        - {rule: password_guessing, at: 99s,  group: {jwt.sub: carl}, observed: 3}
        + {rule: password_guessing, at: 602s, group: {jwt.sub: bob},  observed: 3}
                                        ^^^^         ^^^^^^^^^^^^^^^";
    assert_eq!(shown(&events, expected), expected_lines);
    // Of equals those that are nearest in time.
    let events = format!("{}, {}", failures("ann", 0, 3), failures("bob", 600, 3));
    let in_time = shown(&events, "{rule: password_guessing, at: 603s}, {rule: password_guessing, at: 3s}");
    assert!(in_time.contains("at: 603s}\n        + {rule: password_guessing, at: 602s}"), "{in_time}");
}

#[test]
fn refused_events_of_one_reason_are_one_line() {
    let folder = Folder::new();
    // The year 9999 ends after 293 of them.
    folder.write("it_test.yml", one_test("{at: 0s, every: 9999d, repeat: 1000}", ""));
    let finished = folder.run(&["test", "it_test.yml"]).expect_code(1);
    let told =
        "line 5: 706 events refused, event 294 first: @timestamp is neither an RFC 3339 time nor an epoch number";
    assert_eq!(finished.stdout().matches("@timestamp").count(), 1, "{}", finished.stdout());
    assert!(finished.stdout().contains(told), "{}", finished.stdout());
}
