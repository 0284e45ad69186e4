//! `tokenwatch generate`.

use std::fs;

use super::fixture::{Folder, json_lines};

#[test]
fn the_same_seed_gives_the_same_bytes_and_labels() {
    let folder = Folder::new();
    let run = |seed: &str, labels: &str| {
        let finished =
            folder.run(&["generate", "--events", "20000", "--seed", seed, "--labels", labels]).expect_code(0);
        (finished.stdout().to_owned(), fs::read_to_string(folder.at(labels)).expect("labels were written"))
    };
    let first = run("7", "a.jsonl");
    assert_eq!(first, run("7", "b.jsonl"));
    assert_ne!(first.0, run("8", "c.jsonl").0);
    assert_eq!(json_lines(&first.0).len(), 20_000);
    assert!(!json_lines(&first.1).is_empty());
}

#[test]
fn labels_that_cannot_be_written_come_out_first() {
    let folder = Folder::new();
    let finished = folder.run(&["generate", "--labels", "nowhere/labels.jsonl"]).expect_code(3);
    assert_eq!(finished.stdout(), "");
    assert!(finished.stderr().contains("nowhere/labels.jsonl cannot be written"), "{}", finished.stderr());
}
