//! The public collection of Sigma rules: every rule loads, and matches as the other engine says.
//!
//! The collection is not part of the repository. `TOKENWATCH_SIGMA_RULES` names a checkout's folder of rules.

use std::path::PathBuf;

use rsigma_parser::{Detection, Detections, Modifier, SigmaValue};
use serde_json::{Map, Value as Json, json};
use tokenwatch::config::rule_files;
use tokenwatch::detect::rule::Options;

use super::engines::Engines;

/// Where the collection is.
const FOLDER: &str = "TOKENWATCH_SIGMA_RULES";

/// The fields of a rule's detection with their values. Keywords stand under a field of no meaning.
fn literals(detections: &Detections) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for detection in detections.named.values() {
        collect(detection, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn collect(detection: &Detection, found: &mut Vec<(String, String)>) {
    let text = |value: &SigmaValue| match value {
        SigmaValue::String(text) => text.original.clone(),
        SigmaValue::Integer(number) => number.to_string(),
        SigmaValue::Float(number) => number.to_string(),
        SigmaValue::Bool(value) => value.to_string(),
        SigmaValue::Null => String::new(),
    };
    let mut add = |field: &str, values: &[SigmaValue]| {
        found.extend(values.iter().map(|value| (field.to_owned(), text(value))));
    };
    match detection {
        Detection::AllOf(items) => {
            for item in items {
                add(item.field.name.as_deref().unwrap_or("message"), &item.values);
            }
        }
        Detection::Keywords(values) => add("message", values),
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().for_each(|part| collect(part, found)),
        Detection::ArrayMatch { body, .. } => collect(body, found),
        Detection::Conditional { named, .. } => named.values().for_each(|part| collect(part, found)),
    }
}

/// Events that hold each value in turn, whole, within others, and in capitals, beside the first values of the other fields.
fn events(literals: &[(String, String)]) -> Vec<Json> {
    let first: Map<String, Json> =
        literals.iter().rev().map(|(field, text)| (field.clone(), json!(filled(text)))).collect();
    let mut events = vec![json!({}), Json::Object(first.clone())];
    for (field, text) in literals {
        let plain = filled(text);
        let shapes =
            [plain.clone(), plain.to_uppercase(), format!("C:{plain}"), format!("{plain} x"), format!("x{plain}x")];
        events.extend(shapes.into_iter().flat_map(|value| {
            let mut event = first.clone();
            event.insert(field.clone(), json!(value));
            [Json::Object(event), json!({ field: value })]
        }));
    }
    events
}

/// The one listed difference that the collection meets.
fn has_wildcards_at_an_open_end(detections: &Detections) -> bool {
    fn within(detection: &Detection) -> bool {
        match detection {
            Detection::AllOf(items) => items.iter().any(|item| {
                let is_open =
                    [Modifier::StartsWith, Modifier::EndsWith].iter().any(|one| item.field.has_modifier(*one));
                let is_wild =
                    |value: &SigmaValue| matches!(value, SigmaValue::String(text) if text.contains_wildcards());
                is_open && item.values.iter().any(is_wild)
            }),
            Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().any(within),
            _ => false,
        }
    }
    detections.named.values().any(within)
}

/// A text that a value with wildcards matches.
fn filled(text: &str) -> String {
    text.replace("\\\\", "\\").replace(['*', '?'], "q")
}

#[test]
fn the_public_collection_loads_and_matches_as_elsewhere() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        eprintln!("SKIPPED: {FOLDER} names no folder of rules");
        return;
    };
    let files = rule_files::find(&[PathBuf::from(folder)]).expect("the folder can be read").rules;
    let (mut loaded, mut pairs, mut matches, mut known) = (0, 0, 0, 0);
    let mut refused = Vec::new();
    let mut differing = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a rule file");
        let mut engines = match Engines::new(&text, &Options::default()) {
            Ok(engines) => engines,
            Err(refusal) => {
                refused.push(format!("{}: {refusal}", path.display()));
                continue;
            }
        };
        loaded += 1;
        for event in events(&literals(engines.detections())) {
            let verdicts = engines.ask(&event);
            pairs += 1;
            matches += usize::from(verdicts.ours);
            if verdicts.ours != verdicts.theirs && has_wildcards_at_an_open_end(engines.detections()) {
                known += 1;
            } else if verdicts.ours != verdicts.theirs {
                differing.push(format!("{}: {verdicts:?} on {event}", path.display()));
            }
        }
    }
    eprintln!("{loaded} rules loaded, {} refused; {pairs} pairs, {matches} of them matches", refused.len());
    eprintln!("{known} pairs differ by wildcards at an open end");
    eprintln!("{}", refused.join("\n"));
    // Which values a placeholder stands for is not the collection's to say.
    let ours = refused.iter().filter(|refusal| refusal.contains(": ours: ") && !refusal.contains("[unknown-list]"));
    let ours: Vec<_> = ours.collect();
    assert!(ours.is_empty(), "refused here: {ours:#?}");
    assert!(loaded > 0 && matches > 0, "nothing was compared");
    assert!(differing.is_empty(), "{} pairs differ:\n{}", differing.len(), differing.join("\n"));
}
