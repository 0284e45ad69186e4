//! The schemas accept what is shipped and what the program writes, and agree with the parsers about the rest.

mod agreement;
mod formats;
mod times;

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value as Json;

use super::{Format, schema};
use crate::config::rule_files;
use crate::detect::rule::{Code, yaml};

const BAD: &str = "tests/fixtures/rules/bad";

fn validator(format: Format) -> Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema(format)).expect("it is a schema")
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Json> {
    yaml::load(text).0.iter().map(yaml::Node::json).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Why an instance is refused; nothing if it is not.
fn refusal(validator: &Validator, instance: &Json) -> String {
    let errors: Vec<String> =
        validator.iter_errors(instance).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    errors.join("\n")
}

#[test]
fn shipped_rules_and_tests_are_accepted() {
    let (rules, tests) = (validator(Format::Rule), validator(Format::Test));
    let found = rule_files::find(&[PathBuf::from("rules")]).expect("they are readable");
    assert!(!found.rules.is_empty());
    for (paths, validator) in [(found.rules, rules), (found.tests, tests)] {
        for path in paths.iter().filter(|path| !path.starts_with("rules/sources")) {
            for document in documents(&read(path)) {
                assert_eq!(refusal(&validator, &document), "", "{}", path.display());
            }
        }
    }
}

/// The codes of problems that one document shows on its own, without grammars inside its texts.
const SEEN: [Code; 21] = [
    Code::WrongType,
    Code::NoBody,
    Code::SeveralBodies,
    Code::UnknownAction,
    Code::MissingKey,
    Code::UnknownKey,
    Code::MisplacedKey,
    Code::BadName,
    Code::BadId,
    Code::BadLevel,
    Code::BadStatus,
    Code::TimespanWithoutUnit,
    Code::BadTimespan,
    Code::BadNumber,
    Code::EmptySelection,
    Code::UnknownModifier,
    Code::ModifierConflict,
    Code::UnknownType,
    Code::EmptyCondition,
    Code::DuplicateReference,
    Code::DuplicateGroup,
];

/// Codes of which a schema sees some problems and not others.
const SEEN_IN_PART: [Code; 3] = [Code::BadValue, Code::BadNetwork, Code::TooManyInputs];

/// Codes of which a schema sees some problems, and not that of the fixture: of conditions, that there is nothing in one.
const SEEN_IN_PART_ELSEWHERE: [Code; 1] = [Code::BadCondition];

/// What a document with an action lacks another may have.
#[test]
fn repeated_documents_need_not_be_whole() {
    let validator = validator(Format::Rule);
    for (text, is_accepted) in [
        ("action: repeat\ntitle: T\ndetection: {s: {f: 2}}", true),
        ("action: repeat\ntitle: T\ncorrelation: {timespan: 5m}", true),
        ("title: T\ndetection: {s: {f: 2}}", false),
        ("title: T\ncorrelation: {timespan: 5m}", false),
    ] {
        for document in documents(text) {
            assert_eq!(validator.is_valid(&document), is_accepted, "{text}");
        }
    }
}

#[test]
fn bad_rules_are_refused_as_far_as_a_schema_can_see() {
    let validator = validator(Format::Rule);
    for code in Code::ALL {
        let path = PathBuf::from(format!("{BAD}/{code}.yml"));
        // Of some there is only a generated file, or a test file, which is held against the other schema below.
        let Ok(text) = fs::read_to_string(path) else { continue };
        let refused = documents(&text).iter().any(|document| !validator.is_valid(document));
        assert_eq!(refused, SEEN.contains(code) || SEEN_IN_PART.contains(code), "{code}");
    }
}

#[test]
fn bad_tests_are_refused_as_far_as_a_schema_can_see() {
    let validator = validator(Format::Test);
    let mut held = 0;
    for code in Code::ALL {
        let Ok(text) = fs::read_to_string(format!("{BAD}/{code}_test.yml")) else { continue };
        let refused = documents(&text).iter().any(|document| !validator.is_valid(document));
        assert_eq!(refused, SEEN.contains(code) || *code == Code::BadValue, "{code}");
        held += u32::from(refused);
    }
    assert!(held >= 4, "{held} are refused");
}
