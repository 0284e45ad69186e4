//! `tokenwatch check`: every problem of every rule file at once.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Purpose};
use crate::detect::rule::{Problem, Severity};

use super::rules::{self, RuleTexts};
use super::{Failure, Format, counted, say};

/// Finds what is wrong with rule files; exit code 1 if any of it is an error.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule files, and folders that are searched for .yml and .yaml
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Configuration (.toml, .yaml) with the lists and limits that the rules are checked against
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How problems look
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    let texts = RuleTexts::read(&arguments.paths)?;
    let (problems, rules) = match texts.compile(&rules::options(&arguments.paths, &config)?) {
        Ok(compiled) => (compiled.warnings, Some(compiled.rules.rules.len())),
        Err(problems) => (problems, None),
    };
    let written = texts.print(&problems, arguments.format, &mut anstream::stdout());
    written.map_err(|error| Failure::output(&error))?;
    conclude(&problems, &texts, rules)
}

/// Says how it went, in one line.
fn conclude(problems: &[Problem], texts: &RuleTexts, rules: Option<usize>) -> Result<(), Failure> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let files = counted(texts.len(), "file");
    let rules = rules.map_or_else(String::new, |rules| format!(", {}", counted(rules, "rule")));
    say(format_args!("{files}{rules}: {}, {}", counted(errors, "error"), counted(warnings, "warning")));
    if !texts.tests.is_empty() {
        let left_out = counted(texts.tests.len(), "test file");
        say(format_args!("{left_out} (NAME_test.yml) left out: this version does not read them yet"));
    }
    if errors > 0 { Err(Failure::Findings) } else { Ok(()) }
}
