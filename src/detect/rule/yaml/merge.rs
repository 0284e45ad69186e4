//! The merge key of YAML 1.1: `<<: *anchor` takes in the entries of another mapping, or of several.
//!
//! Not in YAML 1.2, but other Sigma tools read rules with parsers that know it.

use std::collections::HashSet;

use super::{Data, Entry, Node};
use crate::detect::rule::problem::{Code, Fault};

/// A mapping's entries with what its merge key takes in. Own entries stand, and of several mappings the first.
pub(super) fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, Fault> {
    let (merge_keys, mut joined): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_merge);
    if merge_keys.is_empty() {
        return Ok(joined);
    }
    let mut known: HashSet<String> = joined.iter().map(|own| own.key.text.clone()).collect();
    for merge in merge_keys {
        let sources = match &merge.value.data {
            Data::List(items) => items.as_ref(),
            _ => std::slice::from_ref(&merge.value),
        };
        for source in sources {
            let Node { data: Data::Map(taken), .. } = source else {
                let message = format!("<< takes in a mapping or a list of them, not {}", source.kind());
                let hint = "write \"<<: *name\", where \"&name\" stands before a mapping; a key named << needs quotes";
                return Err(Fault::new(Code::WrongType, source.at, message).hint(hint));
            };
            for entry in taken.iter() {
                if known.insert(entry.key.text.clone()) {
                    joined.push(entry.clone());
                }
            }
        }
    }
    Ok(joined)
}

/// Quoted it is a key as any other.
fn is_merge(entry: &Entry) -> bool {
    entry.key.text == "<<" && entry.key.offset == Some(0)
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn document(text: &str) -> Result<String, Vec<Code>> {
        let (documents, faults) = load(text);
        if faults.is_empty() {
            Ok(documents[0].json().to_string())
        } else {
            Err(faults.into_iter().map(|fault| fault.code).collect())
        }
    }

    /// Walking the keys once for each would take minutes.
    #[test]
    fn many_keys_are_taken_in_at_once() {
        let keys = (0..100_000).map(|number| format!("  k{number}: 1")).collect::<Vec<_>>().join("\n");
        let (documents, faults) = load(&format!("base: &base\n{keys}\nx:\n  <<: *base\n  own: 2\n"));
        assert!(faults.is_empty(), "{faults:?}");
        let Data::Map(entries) = &documents[0].data else { panic!("a mapping") };
        let Data::Map(taken) = &entries[1].value.data else { panic!("a mapping") };
        assert_eq!(taken.len(), 100_001);
    }

    #[test]
    fn own_entries_stand_before_those_taken_in() {
        let text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n";
        let merged = |rest: &str| {
            let whole: serde_json::Value = serde_json::from_str(&document(&format!("{text}{rest}"))?).expect("JSON");
            Ok(whole["x"].to_string())
        };
        assert_eq!(merged("x: {<<: *base, b: 5}"), Ok(r#"{"a":1,"b":5}"#.to_owned()));
        assert_eq!(merged("x: {b: 5, <<: *base}"), Ok(r#"{"a":1,"b":5}"#.to_owned()));
        assert_eq!(merged("x: {<<: [*base, *more]}"), Ok(r#"{"a":1,"b":2,"c":4}"#.to_owned()));
        assert_eq!(merged("x: {\"<<\": {a: 1}}"), Ok(r#"{"<<":{"a":1}}"#.to_owned()), "quoted it is a key");
        assert_eq!(merged("x: {<<: 1}"), Err(vec![Code::WrongType]));
        assert_eq!(merged("x: {<<: [*base, 1]}"), Err(vec![Code::WrongType]));
    }
}
