//! What a wrong configuration says, and that a right one counts.

use super::fixture::{Folder, failed_login, json_lines};

const REPLAY: [&str; 5] = ["replay", "--rules", "rules.yml", "--config", "c.toml"];

#[test]
fn an_unknown_key_names_the_file_the_key_and_the_nearest_one() {
    let folder = Folder::new();
    folder.write("c.toml", "[time]\nallowed_latenes = \"1m\"\n[limits]\ngroups = 0\n");
    let finished = folder.run_with_input(&REPLAY, "").expect_code(2);
    for part in [
        "c.toml: time.allowed_latenes",
        "did you mean time.allowed_lateness?",
        "limits.groups: 0 is less than 1",
        "2 problems",
    ] {
        assert!(finished.stderr().contains(part), "{part} in {}", finished.stderr());
    }
    assert_eq!(finished.stdout(), "");
}

#[test]
fn a_wrong_variable_is_named() {
    let folder = Folder::new();
    let mut command = folder.command(&["replay", "--rules", "rules.yml"]);
    command.env("TOKENWATCH_TIME__ALLOWED_LATENESS", "soon");
    let finished = crate::support::process::run(command, std::time::Duration::from_mins(1)).expect_code(2);
    assert!(finished.stderr().contains("TOKENWATCH_TIME__ALLOWED_LATENESS"), "{}", finished.stderr());
}

#[test]
fn a_missing_configuration_could_not_run() {
    let folder = Folder::new();
    let finished = folder.run_with_input(&REPLAY, "").expect_code(3);
    assert!(finished.stderr().contains("c.toml: cannot be read"), "{}", finished.stderr());
}

#[test]
fn rules_can_come_from_the_configuration() {
    let folder = Folder::new();
    folder.write("deep/c.toml", "[rules]\npaths = [\"../rules.yml\"]\n");
    let events: String = (0..3).map(|second| failed_login("ann", second)).collect();
    let finished = folder.run_with_input(&["replay", "--config", "deep/c.toml"], events).expect_code(0);
    assert_eq!(json_lines(finished.stdout()).len(), 1);
}

#[test]
fn lateness_is_that_of_the_configuration() {
    let folder = Folder::new();
    // The third failure of ann is 60 s behind the newest event.
    let events =
        [("ann", 0), ("ann", 1), ("bob", 62), ("ann", 2)].map(|(subject, second)| failed_login(subject, second));
    let alerts = |lateness: &str| {
        folder.write("c.toml", format!("[time]\nallowed_lateness = \"{lateness}\"\n"));
        json_lines(folder.run_with_input(&REPLAY, events.concat()).expect_code(0).stdout()).len()
    };
    assert_eq!((alerts("60s"), alerts("59s")), (1, 0));
}
