//! The public collection of Sigma rules: every rule loads, and matches as the other engine says.
//!
//! The collection is not part of the repository. `TOKENWATCH_SIGMA_RULES` names a checkout of it.

mod recorded;
mod restated;
mod synthesis;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tokenwatch::config::rule_files;
use tokenwatch::detect::rule::{Code, Options, Severity, Source, compile};

use super::engines::Engines;
use crate::support::peer::{Peer, say};

/// Where the collection is.
const CHECKOUT: &str = "TOKENWATCH_SIGMA_RULES";

/// Its folders of rules that are in use. What is deprecated or says itself that Sigma does not support it is elsewhere.
const FOLDERS: [&str; 5] =
    ["rules", "rules-compliance", "rules-emerging-threats", "rules-placeholder", "rules-threat-hunting"];

/// Differing pairs that a failure shows.
const SHOWN_MAX: usize = 20;

struct Collection {
    checkout: PathBuf,
    /// Path and text.
    files: Vec<(String, String)>,
}

impl Collection {
    /// None, loudly, where there is no collection.
    fn find() -> Option<Self> {
        let Some(checkout) = std::env::var_os(CHECKOUT).map(PathBuf::from) else {
            Peer::SigmaRules.skip("TOKENWATCH_SIGMA_RULES names no checkout of https://github.com/SigmaHQ/sigma");
            return None;
        };
        let folders: Vec<_> = FOLDERS.iter().map(|folder| checkout.join(folder)).filter(|path| path.is_dir()).collect();
        assert!(!folders.is_empty(), "{CHECKOUT}: none of {FOLDERS:?} is in {}", checkout.display());
        let paths = rule_files::find(&folders).expect("the folders can be read").rules;
        let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).expect("a rule file"));
        Some(Self { checkout, files: paths.into_iter().map(read).collect() })
    }

    /// Each rule in both engines. Which values a placeholder stands for is not the collection's to say, so rules with
    /// placeholders are left out here.
    fn engines(&self) -> impl Iterator<Item = (&str, Engines)> {
        self.files.iter().filter_map(|(path, text)| {
            match Engines::restated(text, &Options::default(), restated::restate) {
                Ok(engines) => Some((path.as_str(), engines)),
                Err(refusal) if refusal.contains("[unknown-list]") => None,
                Err(refusal) => panic!("{path}: {refusal}"),
            }
        })
    }
}

/// What was asked, and on what the engines differ.
#[derive(Default)]
struct Pairs {
    asked: u64,
    matching: u64,
    differing: Vec<String>,
}

impl Pairs {
    /// True if the event matches.
    fn ask(&mut self, path: &str, engines: &mut Engines, event: &serde_json::Value) -> bool {
        let verdicts = engines.ask(event);
        self.asked += 1;
        self.matching += u64::from(verdicts.ours);
        if verdicts.ours != verdicts.theirs {
            self.differing.push(format!("{path}: {verdicts:?} on {event}"));
        }
        verdicts.ours
    }

    fn finish(&self, what: &str) {
        say(&format!("{what}: {} pairs of a rule and an event, {} of them matches", self.asked, self.matching));
        let shown: Vec<_> = self.differing.iter().take(SHOWN_MAX).cloned().collect();
        assert!(shown.is_empty(), "{} pairs differ, such as\n{}", self.differing.len(), shown.join("\n"));
    }
}

#[test]
fn the_public_collection_loads_as_one_set() {
    let Some(collection) = Collection::find() else { return };
    let sources: Vec<_> = collection.files.iter().map(|(path, text)| Source { path, text }).collect();
    let problems =
        compile(&sources, &Options::default()).map_or_else(|problems| problems, |compiled| compiled.warnings);
    let mut refused = BTreeMap::<&str, Vec<String>>::new();
    for problem in problems.iter().filter(|problem| problem.severity == Severity::Error) {
        refused.entry(&problem.file).or_default().push(format!("{problem} [{}]", problem.code));
    }
    let reasons: Vec<_> = refused.values().flatten().cloned().collect();
    say(&format!("{} files, {} of them refused\n{}", sources.len(), refused.len(), reasons.join("\n")));
    let lists = problems.iter().filter(|problem| problem.code == Code::UnknownList).map(|problem| {
        let (_, name) = problem.message.split_once('%').expect("the list's name stands between percent signs");
        (name.trim_end_matches('%').to_owned(), vec!["listed".to_owned()])
    });
    let options = Options { lists: lists.collect(), ..Options::default() };
    if let Err(problems) = compile(&sources, &options) {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).map(ToString::to_string);
        panic!("with lists for its placeholders:\n{}", errors.collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn events_made_from_the_collections_rules_match_as_elsewhere() {
    let Some(collection) = Collection::find() else { return };
    let mut pairs = Pairs::default();
    let (mut rules, mut without_match) = (0, Vec::new());
    for (path, mut engines) in collection.engines() {
        rules += 1;
        let events = synthesis::events(engines.detections());
        let matching = events.iter().filter(|event| pairs.ask(path, &mut engines, event)).count();
        if matching == 0 {
            without_match.push(path);
        }
    }
    say(&format!(
        "{rules} rules, {} of them without a matching event:\n{}",
        without_match.len(),
        without_match.join("\n")
    ));
    pairs.finish("made events");
    assert!(without_match.len() * 50 < rules, "for too many rules no matching event was made: {without_match:?}");
}

#[test]
fn recorded_attacks_match_as_the_collection_and_the_other_engine_say() {
    let Some(collection) = Collection::find() else { return };
    let recordings = recorded::recordings(&collection.checkout);
    let mut pairs = Pairs::default();
    let mut missed = Vec::new();
    for (path, mut engines) in collection.engines() {
        for recording in &recordings {
            let matching = recording.events.iter().filter(|event| pairs.ask(path, &mut engines, event)).count();
            if engines.id() == Some(&recording.rule) && matching < recording.matches_min {
                missed.push(format!("{path}: {matching} of {}", recording.matches_min));
            }
        }
    }
    let events: usize = recordings.iter().map(|recording| recording.events.len()).sum();
    say(&format!("{} recordings, {events} events", recordings.len()));
    pairs.finish("recorded events");
    assert!(missed.is_empty(), "matched too rarely: {missed:#?}");
}
