//! `tokenwatch check`: every problem of every rule file and test file at once.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::config::{Config, Purpose};
use crate::detect::rule::{Problem, Severity, Source};

use super::rules::{self, RuleTexts};
use super::test::suite::Suite;
use super::{Failure, Format, counted, diagnostics, say, split_groups};

/// Finds what is wrong with rule files and test files; exit code 1 if any of it is an error.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule files, test files (`NAME_test.yml`), and folders that are searched for both
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Configuration (.toml, .yaml) with the lists and limits that the rules are checked against, and with the topics:
    /// rules whose groups partitions may split are named
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How problems look
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    let (paths, missing) = readable(&arguments.paths);
    if let Some(first) = missing.first().filter(|_| paths.is_empty()) {
        return Err(Failure::unavailable(first));
    }
    let texts = RuleTexts::read(&paths)?;
    let (mut problems, rules) = match texts.compile(&rules::options(&paths, &config)?) {
        Ok(compiled) => (compiled.warnings, Some(compiled.rules)),
        Err(problems) => (problems, None),
    };
    // Whether events are events has nothing to do with places.
    let nowhere = Arc::default();
    let load = |path| Suite::load(path, &config, &nowhere);
    let suites = texts.tests.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    add_new(&mut problems, &suites);
    let sources: Vec<Source<'_>> = texts.shown().into_iter().chain(suites.iter().flat_map(Suite::sources)).collect();
    let shown = diagnostics::render(&problems, &sources, arguments.format);
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))?;
    for sentence in rules.iter().flat_map(|rules| split_groups::sentences(&config, rules)) {
        say(format_args!("{sentence}"));
    }
    let concluded = conclude(&problems, &texts, &suites, rules.map(|rules| rules.rules.len()));
    if missing.is_empty() { concluded } else { Err(Failure::unavailable(missing.join("\n"))) }
}

/// The paths that are there, and what is said of the others: they are no reason to keep quiet about these.
fn readable(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        match std::fs::metadata(path) {
            Ok(_) => found.push(path.clone()),
            Err(error) => missing.push(format!("{} cannot be read: {error}", path.display())),
        }
    }
    (found, missing)
}

/// Adds the problems of test files. Those of a rule file that several name are said once.
fn add_new(problems: &mut Vec<Problem>, suites: &[Suite]) {
    let place = |problem: &Problem| (problem.file.clone(), problem.line, problem.column, problem.code);
    let mut said: HashSet<_> = problems.iter().map(place).collect();
    let of_suites = suites.iter().flat_map(|suite| &suite.problems);
    problems.extend(of_suites.filter(|problem| said.insert(place(problem))).cloned().collect::<Vec<_>>());
}

/// Says how it went, in one line.
fn conclude(problems: &[Problem], texts: &RuleTexts, suites: &[Suite], rules: Option<usize>) -> Result<(), Failure> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let mut summary = counted(texts.len() + suites.len(), "file");
    if let Some(rules) = rules.filter(|_| texts.len() > 0) {
        summary = format!("{summary}, {}", counted(rules, "rule"));
    }
    if !suites.is_empty() {
        let ready = suites.iter().filter_map(|suite| suite.ready.as_ref());
        summary = format!("{summary}, {}", counted(ready.map(|ready| ready.file.cases.len()).sum(), "test"));
    }
    say(format_args!("{summary}: {}, {}", counted(errors, "error"), counted(warnings, "warning")));
    if errors > 0 { Err(Failure::Findings) } else { Ok(()) }
}
