//! What compiles to what, through the front door.

mod lints;
mod matching;
mod sets;

use super::*;
use crate::detect::matcher::LabelSet;
use crate::detect::rule::problem::Code;
use crate::detect::value::Value;

/// Rules in one file.
fn one(text: &str) -> Compiled {
    compile(&[Source { path: "rules.yml", text }], &Options::default()).expect("the rules are right")
}

/// The errors of rules in one file, one line each.
fn errors(text: &str) -> Vec<String> {
    let problems =
        compile(&[Source { path: "rules.yml", text }], &Options::default()).expect_err("the rules are wrong");
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| format!("{problem} [{}]", problem.code)).collect()
}

/// The detections that an event satisfies, by name.
fn matches(rules: &RuleSet, event: &[(&str, Value<'_>)]) -> Vec<String> {
    let mut values = vec![Value::Absent; rules.fields.len()];
    for (path, value) in event {
        if let Some(slot) = rules.fields.find(path) {
            values[slot.index()] = value.clone();
        }
    }
    let mut labels = LabelSet::default();
    rules.matcher.labels(&values, &mut labels);
    labels.iter().map(|label| rules.detection_names[label].clone()).collect()
}
