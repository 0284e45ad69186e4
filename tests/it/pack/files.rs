//! What every file of the pack has.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use tokenwatch::config::rule_files;

use super::{folder, rules};
use crate::support::process::{run, tokenwatch};

const PATIENCE: Duration = Duration::from_mins(5);

#[test]
fn check_finds_nothing_and_every_rule_has_a_firing_and_a_quiet_test() {
    let checked = run(tokenwatch(["check".as_ref(), folder().as_os_str()]), PATIENCE).expect_code(0);
    assert!(checked.stderr().ends_with(": 0 errors, 0 warnings\n"), "{}", checked.stderr());
    let command = tokenwatch(["test".as_ref(), "--require-coverage".as_ref(), folder().as_os_str()]);
    run(command, PATIENCE).expect_code(0);
}

#[test]
fn every_rule_says_what_an_analyst_needs() {
    let rules = rules();
    let mut ids = BTreeSet::new();
    for rule in rules.rules.iter().filter(|rule| rule.alerts) {
        let (header, notes) = (&rule.header, &rule.notes);
        let name = &header.name;
        assert!(ids.insert(header.id), "{name} shares its id");
        assert_eq!(header.id.get_version_num(), 4, "{name}: {}", header.id);
        assert!(notes.status.is_some(), "{name} has no status");
        for key in ["description", "author", "date"] {
            assert!(
                notes.fields.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
                "{name}: {key}"
            );
        }
        let list = |key: &str| notes.fields.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(!list("falsepositives").is_empty(), "{name} has no false positives");
        let references = list("references");
        assert!(!references.is_empty(), "{name} has no references");
        assert!(references.iter().all(|one| one.as_str().is_some_and(|url| url.starts_with("https://"))), "{name}");
        let is_technique = |tag: &&String| {
            let digits = tag.strip_prefix("attack.t").map(|rest| rest.replacen('.', "", 1));
            digits.is_some_and(|digits| digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        };
        assert!(header.tags.iter().all(|tag| tag.starts_with("attack.")), "{name}: {:?}", header.tags);
        assert!(header.tags.iter().any(|tag| is_technique(&tag)), "{name} names no technique");
        assert!(!header.tags.iter().all(|tag| is_technique(&tag)), "{name} names no tactic");
    }
}

/// The comment at the top is the only place that says why a number is what it is.
#[test]
fn every_file_begins_with_how_to_choose_its_numbers() {
    for path in rule_files::find(&[folder()]).expect("the rules are there").rules {
        let text = fs::read_to_string(&path).expect("rules are text");
        let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        let says = ["Choosing the threshold", "Choosing the times", "Nothing is counted"];
        assert!(says.iter().any(|words| comment.contains(words)), "{}: {comment}", path.display());
        assert!(path.parent().is_some_and(|parent| parent != folder()), "{} is in no folder", path.display());
    }
}

/// A list that no rule reads would be edited in vain.
#[test]
fn every_list_is_used() {
    let texts: String = rule_files::find(&[folder()])
        .expect("the rules are there")
        .rules
        .iter()
        .map(|path| fs::read_to_string(path).expect("rules are text"))
        .collect();
    let lists = rule_files::lists(&[folder().join("lists")]).expect("the lists are there");
    assert!(!lists.is_empty());
    for (name, entries) in lists {
        assert!(texts.contains(&format!("%{name}%")), "no rule reads {name}.txt");
        assert!(!entries.is_empty(), "{name}.txt is empty");
    }
}

/// The table of the folder's page, against what is there.
#[test]
fn the_page_names_every_rule() {
    let page = fs::read_to_string(folder().join("README.md")).expect("the page is there");
    for rule in rules().rules.iter().filter(|rule| rule.alerts) {
        let row = format!("| `{}` | {} |", rule.header.name, rule.header.level.name());
        assert!(page.contains(&row), "rules/README.md lacks the row {row}");
    }
}
