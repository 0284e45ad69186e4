//! Arguments, help and exit codes.

use super::fixture::Folder;

#[test]
fn help_and_version_are_data_and_succeed() {
    let folder = Folder::new();
    let help = folder.run(&["--help"]).expect_code(0);
    for command in ["check", "test", "replay", "generate"] {
        assert!(help.stdout().contains(command), "{}", help.stdout());
    }
    assert_eq!(help.stderr(), "");
    let version = folder.run(&["--version"]).expect_code(0);
    assert_eq!(version.stdout(), concat!("tokenwatch ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_ends_with_2_and_words_on_standard_error() {
    let folder = Folder::new();
    for arguments in [
        &[][..],
        &["chekc"],
        &["check"],
        &["test"],
        &["check", "--fromat", "json", "rules.yml"],
        &["check", "--format", "xml", "rules.yml"],
        &["replay"],
        &["replay", "--rules", "rules.yml", "-", "-"],
        &["generate", "--events", "many"],
    ] {
        let finished = folder.run(arguments).expect_code(2);
        assert_eq!(finished.stdout(), "", "{arguments:?}");
        assert_ne!(finished.stderr(), "", "{arguments:?}");
    }
}

#[test]
fn output_that_is_not_a_terminal_is_plain() {
    let folder = Folder::new();
    folder.write("bad.yml", "title: x\n");
    for arguments in [&["check", "bad.yml"][..], &["replay", "--rules", "missing"], &["--help"], &["chekc"]] {
        let finished = folder.run(arguments);
        assert!(!finished.stdout().contains('\u{1b}') && !finished.stderr().contains('\u{1b}'), "{arguments:?}");
    }
}
