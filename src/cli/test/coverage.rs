//! Which rules have a test in which they alert, and one in which they could have and stayed quiet.
//!
//! A quiet test is one that puts the rule to the proof: its events could have made the rule alert, and did not. So a test
//! whose events miss the rule by a slip of the pen is none.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde_json::{Value as Json, json};

use crate::cli::Failure;
use crate::cli::rules::RuleTexts;
use crate::config::rule_files::RuleFiles;
use crate::detect::rule::{Options, Rule};

use super::results::{FileResult, WrongRules};

/// For each rule that alerts, how many tests of either kind it has.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// By file, line and name.
    rules: BTreeMap<(PathBuf, usize, String), Row>,
    /// Files that were named on the command line: which of their rules alert is known from all of them together.
    named: HashSet<PathBuf>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    file: String,
    firing: usize,
    quiet: usize,
}

impl Coverage {
    /// The rules of the files that were found, without a test as yet; or why they are not known.
    pub(super) fn of(found: RuleFiles, options: &Options) -> Result<Result<Self, WrongRules>, Failure> {
        let mut coverage = Self { named: found.rules.iter().map(|path| real(path)).collect(), ..Self::default() };
        let texts = RuleTexts::of(RuleFiles { tests: Vec::new(), ..found })?;
        Ok(match texts.compile(options) {
            Ok(compiled) => {
                for rule in compiled.rules.rules.iter().filter(|rule| rule.alerts) {
                    coverage.rules.insert(place(rule), Row { file: rule.notes.file.clone(), ..Row::default() });
                }
                Ok(coverage)
            }
            Err(problems) => Err(WrongRules::new(texts, problems)),
        })
    }

    /// Counts what the tests of a file say of its rules.
    pub(super) fn add(&mut self, result: &mut FileResult) {
        let Some(ready) = &mut result.suite.ready else { return };
        let passed = || result.ran.iter().filter(|ran| ran.verdict.is_pass());
        let concerned: Vec<_> = passed().map(|ran| ready.runner.concerned(&ready.file.cases[ran.index])).collect();
        for (index, rule) in ready.rules.rules.iter().enumerate().filter(|(_, rule)| rule.alerts) {
            let place = place(rule);
            if self.named.contains(&place.0) && !self.rules.contains_key(&place) {
                continue;
            }
            let row = self.rules.entry(place).or_default();
            row.file.clone_from(&rule.notes.file);
            for (ran, concerned) in passed().zip(&concerned) {
                let is_firing = ran.verdict.rules[index].alerts > 0;
                row.firing += usize::from(is_firing);
                row.quiet += usize::from(concerned[index] && !is_firing);
            }
        }
    }

    /// The rules that lack a test of either kind.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &str> {
        let gaps = self.rules.iter().filter(|(_, row)| row.firing == 0 || row.quiet == 0);
        gaps.map(|((.., rule), _)| rule.as_str())
    }

    pub(super) fn to_json(&self) -> Json {
        let row = |((_, line, rule), row): (&(PathBuf, usize, String), &Row)| json!({"rule": rule, "file": row.file, "line": line, "firing": row.firing, "quiet": row.quiet});
        self.rules.iter().map(row).collect()
    }
}

fn place(rule: &Rule) -> (PathBuf, usize, String) {
    (real(rule.notes.file.as_ref()), rule.notes.line, rule.header.name.clone())
}

/// One path for one file, however it was named.
fn real(path: &std::path::Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GAP: Style = AnsiColor::Yellow.on_default();
        let width = self.rules.keys().map(|(.., rule)| rule.chars().count()).max().unwrap_or_default().max(4);
        writeln!(f, "{:<width$}  firing  quiet", "rule")?;
        for ((_, line, rule), Row { file, firing, quiet }) in &self.rules {
            write!(f, "{rule:<width$}  {firing:>6}  {quiet:>5}")?;
            let missing = match (firing, quiet) {
                (0, 0) => "no test",
                (0, _) => "no firing test",
                (_, 0) => "no quiet test",
                _ => {
                    writeln!(f)?;
                    continue;
                }
            };
            writeln!(f, "  {GAP}{missing}{GAP:#} ({file}:{line})")?;
        }
        let whole = self.rules.len() - self.gaps().count();
        let have = if whole == 1 || self.rules.len() == 1 { "has" } else { "have" };
        writeln!(f, "{whole} of {} {have} both a firing and a quiet test", super::counted(self.rules.len(), "rule"))
    }
}
