//! `tokenwatch test`: runs the tests beside the rules.
//!
//! What a test means is `rule_test`'s business; here are its files, what people, programs and CI systems read about it,
//! and which rules nobody tested.

mod coverage;
mod difference;
mod hint;
mod json;
mod junit;
mod show;
pub(super) mod suite;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::config::{Config, Purpose, rule_files};
use crate::detect::rule::{Problem, Source};
use crate::geo::Databases;
use crate::rule_test::{Case, Verdict};

use super::{Failure, Format, counted, diagnostics, rules, say};
use coverage::Coverage;
use suite::Suite;

/// Runs the tests beside the rules (`NAME_test.yml`); exit code 1 if one fails, 2 if a file is wrong.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Test files, and folders that are searched for them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Configuration (.toml, .yaml) with the lists, limits and databases that the rules run with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only tests with this in their names
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
    /// Where to write the results for CI systems, as XML in the manner of `JUnit`
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Say which rules have no test in which they alert, or none in which they stay quiet
    #[arg(long)]
    coverage: bool,
    /// Fail where a rule lacks one of the two
    #[arg(long)]
    require_coverage: bool,
    /// How the results look
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of the tests of one file.
struct FileResult {
    suite: Suite,
    ran: Vec<Ran>,
}

/// What came of one test.
struct Ran {
    /// Its position in the file.
    index: usize,
    verdict: Verdict,
    /// What may help with a failure, a line each.
    hints: Vec<String>,
    took: Duration,
}

impl FileResult {
    /// The tests that ran, and what came of them.
    fn cases(&self) -> impl Iterator<Item = (&Case, &Ran)> {
        let cases = self.suite.ready.as_ref().map(|ready| ready.file.cases.as_slice()).unwrap_or_default();
        self.ran.iter().map(move |ran| (&cases[ran.index], ran))
    }

    /// True if it could not run.
    const fn is_wrong(&self) -> bool {
        self.suite.ready.is_none()
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    let found = rule_files::find(&arguments.paths)?;
    if found.tests.is_empty() {
        let paths: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::wrong(format!("no test files (NAME_test.yml) in {}", paths.join(", "))));
    }
    if let Some(path) = &arguments.junit {
        // Before the tests, so that a wrong path does not come out after all of them.
        write_file(path, "")?;
    }
    let databases = Databases::open(&config.geo)?;
    let wants_coverage = arguments.coverage || arguments.require_coverage;
    let mut coverage = if wants_coverage {
        Some(Coverage::of(found.clone(), &rules::options(&arguments.paths, &config)?)?)
    } else {
        None
    };
    let mut results = Vec::new();
    for path in &found.tests {
        let result = run_file(Suite::load(path, &config, databases.places())?, arguments.run.as_deref());
        if let Some(coverage) = &mut coverage {
            coverage.add(&result);
        }
        results.push(result);
    }
    if let Some(path) = &arguments.junit {
        write_file(path, &junit::report(&results))?;
    }
    let shown = match arguments.format {
        Format::Text => show::results(&results) + &coverage.as_ref().map(Coverage::to_string).unwrap_or_default(),
        Format::Json => json::report(&results, coverage.as_ref()),
    };
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))?;
    if let Some(wanted) = &arguments.run
        && results.iter().all(|result| result.ran.is_empty() && !result.is_wrong())
    {
        return Err(Failure::wrong(format!("no test has \"{wanted}\" in its name")));
    }
    conclude(&results, coverage.as_ref().filter(|_| arguments.require_coverage), arguments.format)
}

fn run_file(mut suite: Suite, wanted: Option<&str>) -> FileResult {
    let mut ran = Vec::new();
    if let Some(ready) = suite.ready.as_mut() {
        let is_wanted = |case: &Case| wanted.is_none_or(|wanted| case.name.contains(wanted));
        for (index, case) in ready.file.cases.iter().enumerate().filter(|(_, case)| is_wanted(case)) {
            let started = Instant::now();
            let verdict = ready.runner.run(case);
            let took = started.elapsed();
            let hints = hint::hints(case, &verdict, ready);
            ran.push(Ran { index, verdict, hints, took });
        }
    }
    FileResult { suite, ran }
}

fn write_file(path: &PathBuf, content: &str) -> Result<(), Failure> {
    let unwritable = |error| Failure::unavailable(format!("{} cannot be written: {error}", path.display()));
    fs::write(path, content).map_err(unwritable)
}

/// Says how it went, in one line after any problems, and whether that is well.
fn conclude(results: &[FileResult], required: Option<&Coverage>, format: Format) -> Result<(), Failure> {
    if format == Format::Text {
        let problems = results.iter().filter(|result| result.is_wrong()).map(|result| problems(&result.suite));
        problems.for_each(|problems| say(problems.trim_end()));
    }
    let wrong = results.iter().filter(|result| result.is_wrong()).count();
    let tests: usize = results.iter().map(|result| result.ran.len()).sum();
    let failed = results.iter().flat_map(|result| &result.ran).filter(|ran| !ran.verdict.is_pass()).count();
    let warnings: usize =
        results.iter().filter_map(|result| Some(result.suite.problems.len()).filter(|_| !result.is_wrong())).sum();
    let mut summary = format!(
        "{}, {}: {} passed, {failed} failed",
        counted(results.len(), "test file"),
        counted(tests, "test"),
        tests - failed
    );
    if wrong > 0 {
        summary = format!("{summary}, {} with errors did not run", counted(wrong, "file"));
    }
    if warnings > 0 {
        summary = format!("{summary}; {}, which tokenwatch check shows", counted(warnings, "warning"));
    }
    say(summary);
    let gaps = required.map_or(0, |coverage| coverage.gaps().count());
    if gaps > 0 {
        say(format_args!("{} without a firing or a quiet test", counted(gaps, "rule")));
    }
    match (wrong, failed + gaps) {
        (1.., _) => Err(Failure::WrongAsReported),
        (0, 1..) => Err(Failure::Findings),
        (0, 0) => Ok(()),
    }
}

/// The errors of a test file that could not run, for people.
fn problems(suite: &Suite) -> String {
    let errors: Vec<Problem> = suite.errors().cloned().collect();
    let sources: Vec<Source<'_>> = suite.sources();
    diagnostics::render(&errors, &sources, Format::Text)
}
