//! Both engines over generated rules and events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use tokenwatch::detect::rule::Options;

use super::engines::{Engines, Verdicts};
use super::events::{VIP, event};
use super::strategies::{detection, file, item, only};

/// Events that each rule is asked about.
const EVENTS: usize = 8;

/// Every modifier of the appendix of Sigma 2.1.
const MODIFIERS: [&str; 31] = [
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

fn options() -> Options {
    Options { lists: BTreeMap::from([("vips".to_owned(), vec![VIP.to_owned()])]), ..Options::default() }
}

fn engines(detection: &Json) -> Engines {
    Engines::new(&file(detection), &options()).unwrap_or_else(|refusal| panic!("{detection}\n{refusal}"))
}

/// Thousands of pairs; `PROPTEST_CASES` gives the number of rules for more.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(250) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn engines_agree_on_whole_rules(
        detection in detection(),
        events in proptest::collection::vec(event(), EVENTS),
    ) {
        let mut engines = engines(&detection);
        for event in events {
            let Verdicts { ours, theirs } = engines.ask(&event);
            prop_assert_eq!(ours, theirs, "ours and theirs of {} on {}", detection, event);
        }
    }

    #[test]
    fn engines_agree_on_single_items(
        item in item(),
        events in proptest::collection::vec(event(), EVENTS),
    ) {
        let detection = only(&item);
        let mut engines = engines(&detection);
        for event in events {
            let Verdicts { ours, theirs } = engines.ask(&event);
            prop_assert_eq!(ours, theirs, "ours and theirs of {} on {}", detection, event);
        }
    }
}

/// Agreement says nothing of a modifier that is never tried, that never decides, or that might as well not be there.
#[test]
fn every_modifier_is_tried_and_decides_both_ways() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<(String, Told)> = BTreeSet::new();
    for _ in 0..600 {
        let (key, values) = item().new_tree(&mut runner).expect("nothing is rejected").current();
        let mut engines = engines(&only(&(key.clone(), values.clone())));
        let modifiers: Vec<&str> = key.split('|').skip(1).collect();
        // The same without one of them, where that is still a rule.
        let mut without: Vec<_> = modifiers
            .iter()
            .map(|modifier| (key.replacen(&format!("|{modifier}"), "", 1), values.clone()))
            .map(|item| Engines::new(&file(&only(&item)), &options()).ok())
            .collect();
        for _ in 0..EVENTS {
            let event = event().new_tree(&mut runner).expect("nothing is rejected").current();
            let verdict = engines.ask(&event).ours;
            for (modifier, without) in modifiers.iter().zip(&mut without) {
                seen.insert(((*modifier).to_owned(), if verdict { Told::Match } else { Told::NoMatch }));
                if without.as_mut().is_some_and(|without| without.ask(&event).ours != verdict) {
                    seen.insert(((*modifier).to_owned(), Told::Difference));
                }
            }
        }
    }
    let told = [Told::Match, Told::NoMatch, Told::Difference];
    let expected: BTreeSet<_> =
        MODIFIERS.iter().flat_map(|modifier| told.map(|told| ((*modifier).to_owned(), told))).collect();
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "not seen: {missing:?}");
    assert_eq!(seen.len(), expected.len(), "not modifiers of the appendix: {:?}", seen.difference(&expected));
}

/// What a pair of a rule and an event tells of a modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Match,
    NoMatch,
    /// Without the modifier the verdict would have been another.
    Difference,
}
