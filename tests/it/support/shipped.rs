//! The rules in `rules/`, compiled.

use std::path::PathBuf;
use std::sync::Arc;

use tokenwatch::config::rule_files;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};

/// The rule set of a service that runs all of them.
pub fn shipped() -> Arc<RuleSet> {
    let folder = [PathBuf::from("rules")];
    let lists = rule_files::lists(&rule_files::list_folders(&folder, &[])).expect("the lists can be read");
    let files = rule_files::find(&folder).expect("the folder can be read").rules;
    let texts: Vec<_> = files
        .iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).expect("a rule file")))
        .collect();
    let sources: Vec<_> = texts.iter().map(|(path, text)| Source { path, text }).collect();
    Arc::new(compile(&sources, &Options { lists, ..Options::default() }).expect("the shipped rules are valid").rules)
}
