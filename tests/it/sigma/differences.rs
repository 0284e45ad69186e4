//! Where the engines differ, what each says. The rule guide gives the reasons, under the same names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tokenwatch::detect::rule::Options;

use super::engines::{Engines, Verdicts};
use super::strategies::file;

/// The guide that lists them.
const GUIDE: &str = include_str!("../../../docs/rules.md");

/// A name in the guide, a selection, an event on which the engines differ, and what ours says.
fn table() -> Vec<(&'static str, Json, Json, bool)> {
    vec![
        ("null that exists", json!({ "a|exists": true }), json!({ "a": null }), true),
        ("null among others", json!({ "a": [null, "x"] }), json!({}), true),
        ("null in a list", json!({ "a": null }), json!({ "a": [null, 1] }), true),
        ("words for booleans", json!({ "a": true }), json!({ "a": "yes" }), false),
        ("words for booleans", json!({ "a": false }), json!({ "a": "0" }), false),
        ("text that spells a number", json!({ "a": 10 }), json!({ "a": "010" }), false),
        ("text that spells a number", json!({ "a|gt": 10 }), json!({ "a": "inf" }), false),
        (
            "large whole numbers",
            json!({ "a": 9_007_199_254_740_992_u64 }),
            json!({ "a": 9_007_199_254_740_993_u64 }),
            false,
        ),
        ("wildcards at an open end", json!({ "a|startswith": "x?z" }), json!({ "a": "xyz!" }), true),
        ("wildcards at an open end", json!({ "a|endswith": "x?z" }), json!({ "a": "!xyz" }), true),
        ("wildcards across lines", json!({ "a": "x*z" }), json!({ "a": "x\nz" }), true),
        ("dashes", json!({ "a|windash": "/x" }), json!({ "a": "-x" }), true),
        ("dashes with wildcards", json!({ "a|windash": "-x*" }), json!({ "a": "/xyz" }), true),
        ("base64 in the middle", json!({ "a|base64offset|contains": "cmd!" }), json!({ "a": "Y21kIeI=" }), true),
        ("UTF-16 alone", json!({ "a|utf16le": "x" }), json!({ "a": "x\u{0}" }), true),
        ("mapped addresses", json!({ "a|cidr": "10.0.0.0/8" }), json!({ "a": "::ffff:10.0.0.1" }), true),
        ("dates without a time", json!({ "a|hour": 0 }), json!({ "a": "2024-02-29" }), true),
        ("epochs of any unit", json!({ "a|year": 2024 }), json!({ "a": 1_709_175_600_000_000_u64 }), true),
        ("references to what is no text", json!({ "a|fieldref": "b" }), json!({ "a": "x", "b": ["x"] }), true),
        ("references to what is no text", json!({ "a|fieldref": "b" }), json!({ "a": null, "b": null }), false),
        ("keywords", json!({ "|all": ["x", "z"] }), json!({ "a": "xyz" }), true),
        ("keywords", json!({ "|contains|all": ["x", "z"] }), json!({ "a": "x", "b": "z" }), true),
        ("keywords", json!(["17"]), json!({ "a": 1175 }), true),
        ("dots inside a nested object", json!({ "a.b.c": 1 }), json!({ "a": { "b.c": 1 } }), true),
        ("characters of expressions", json!({ "a|re": "2\\>&1" }), json!({ "a": "2>&1" }), true),
        ("nearly equal numbers", json!({ "a": 0 }), json!({ "a": 1e-17 }), false),
        (
            "names with an underscore",
            json!({ "s": { "a": 1 }, "_h": { "b": 1 }, "condition": "1 of *" }),
            json!({ "b": 1 }),
            false,
        ),
        ("placeholders", json!({ "a|expand": "%list%" }), json!({ "a": "one" }), true),
    ]
}

fn options() -> Options {
    Options { lists: BTreeMap::from([("list".to_owned(), vec!["one".to_owned()])]), ..Options::default() }
}

/// A rule of one selection, or of a whole detection.
fn rule(selection: &Json) -> String {
    let whole = selection.get("condition").map(|_| selection.clone());
    file(&whole.unwrap_or_else(|| json!({ "s": selection, "condition": "s" })))
}

/// One that is mended on either side shows here, and need not be stepped around any longer.
#[test]
fn each_difference_is_as_the_guide_says() {
    for (name, selection, event, expected) in table() {
        let mut engines =
            Engines::new(&rule(&selection), &options()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(
            engines.ask(&event),
            Verdicts { ours: expected, theirs: !expected },
            "{name}: {selection} on {event}"
        );
    }
}

/// What only one of the engines takes for a rule.
#[test]
fn each_refusal_is_as_the_guide_says() {
    let table = [
        ("theirs", "lone addresses", json!({ "a|cidr": "192.0.2.1" })),
        ("theirs", "one of all", json!({ "a|contains|all": ["x"] })),
        ("theirs", "compared dates", json!({ "a|hour|gte": 22 })),
        ("theirs", "order of fieldref", json!({ "a|startswith|fieldref": "b" })),
        ("ours", "fields over many lists", json!({ "a[any]": { "b": 1 } })),
        ("ours", "encoded wildcards", json!({ "a|base64": "x*z" })),
    ];
    for (refusing, name, selection) in table {
        let refusal = Engines::new(&rule(&selection), &options()).err().unwrap_or_default();
        assert!(refusal.starts_with(refusing), "{name}: {selection} is refused by {refusal:?}");
    }
    let upper = file(&json!({ "s": { "a": 1 }, "condition": "NOT s" }));
    assert!(Engines::new(&upper, &options()).err().unwrap_or_default().starts_with("theirs"), "case of conditions");
}

#[test]
fn the_guide_names_each_difference() {
    let names: BTreeSet<_> = table().into_iter().map(|(name, ..)| name).collect();
    let missing: Vec<_> = names.iter().filter(|name| !GUIDE.to_lowercase().contains(&name.to_lowercase())).collect();
    assert!(missing.is_empty(), "docs/rules.md does not name {missing:?}");
}
