//! The shipped rules: clean, tested, described, and right about generated traffic.

mod files;
mod traffic;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenwatch::config::rule_files;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

/// The rules as a command would load them.
fn rules() -> Arc<RuleSet> {
    let found = rule_files::find(&[folder()]).expect("the rules are there");
    let text = |path: &PathBuf| (path.display().to_string(), std::fs::read_to_string(path).expect("rules are text"));
    let texts: Vec<_> = found.rules.iter().map(text).collect();
    let sources: Vec<_> = texts.iter().map(|(path, text)| Source { path, text }).collect();
    let lists = rule_files::lists(&[folder().join("lists")]).expect("the lists are there");
    Arc::new(compile(&sources, &Options { lists, ..Options::default() }).expect("the rules are right").rules)
}
