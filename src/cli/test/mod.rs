//! `tokenwatch test`: runs the tests beside the rules.
//!
//! What a test means is `rule_test`'s business; here are its files, what people, programs and CI systems read about it,
//! and which rules nobody tested.

mod coverage;
mod difference;
mod hint;
mod json;
mod junit;
mod results;
mod show;
pub(super) mod suite;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::config::{Config, Purpose, rule_files};
use crate::geo::Databases;
use crate::rule_test::Case;

use super::{Failure, Format, counted, rules, say};
use coverage::Coverage;
use results::{FileResult, Ran, Results};
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
    /// Say which rules have no test in which they alert, or none in which they could have and stay quiet; not with --run
    #[arg(long)]
    coverage: bool,
    /// Fail where a rule lacks one of the two
    #[arg(long)]
    require_coverage: bool,
    /// How the results look
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wants_coverage = arguments.coverage || arguments.require_coverage;
    if wants_coverage && arguments.run.is_some() {
        return Err(Failure::wrong("coverage is of all tests, and --run leaves some out: ask for one of the two"));
    }
    let config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    let databases = Databases::open(&config.geo)?;
    let found = rule_files::find(&arguments.paths)?;
    if found.tests.is_empty() {
        let paths: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::wrong(format!("no test files (NAME_test.yml) in {}", paths.join(", "))));
    }
    let mut results = Results { files: Vec::new(), coverage: None };
    if let Some(path) = &arguments.junit {
        // Before the tests, so that a wrong path does not come out after all of them.
        write_file(path, &junit::report(&results))?;
    }
    if wants_coverage {
        results.coverage = Some(Coverage::of(found.clone(), &rules::options(&arguments.paths, &config)?)?);
    }
    for path in &found.tests {
        let mut result = run_file(Suite::load(path, &config, databases.places())?, arguments.run.as_deref());
        if let Some(Ok(coverage)) = &mut results.coverage {
            coverage.add(&mut result);
        }
        results.files.push(result);
    }
    if let Some(path) = &arguments.junit {
        write_file(path, &junit::report(&results))?;
    }
    let shown = match arguments.format {
        Format::Text => show::results(&results),
        Format::Json => json::report(&results),
    };
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))?;
    if let Some(wanted) = &arguments.run
        && results.files.iter().all(|result| result.ran.is_empty() && !result.is_wrong())
    {
        return Err(Failure::wrong(format!("no test has \"{wanted}\" in its name")));
    }
    conclude(&results, arguments)
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
fn conclude(results: &Results, arguments: &Arguments) -> Result<(), Failure> {
    let wrong: Vec<&FileResult> = results.files.iter().filter(|result| result.is_wrong()).collect();
    let wrong_rules = results.wrong_rules();
    if arguments.format == Format::Text {
        let of_rules = wrong_rules.map(|rules| rules.unsaid(&results.files));
        let problems = wrong.iter().map(|result| result.problems()).chain(of_rules);
        problems.filter(|problems| !problems.is_empty()).for_each(|problems| say(problems.trim_end()));
    }
    let (tests, failed) = (results.ran().count(), results.failed());
    let ready = results.files.iter().filter(|result| !result.is_wrong());
    let warnings: usize = ready.map(|result| result.suite.problems.len()).sum();
    let mut summary = format!(
        "{}, {}: {} passed, {failed} failed",
        counted(results.files.len(), "test file"),
        counted(tests, "test"),
        tests - failed
    );
    if !wrong.is_empty() {
        summary = format!("{summary}, {} with errors did not run", counted(wrong.len(), "file"));
    }
    if warnings > 0 {
        summary = format!("{summary}; {}, which tokenwatch check shows", counted(warnings, "warning"));
    }
    say(summary);
    if let Some(rules) = wrong_rules {
        let errors = counted(rules.problems.len(), "error");
        say(format_args!("what the tests cover is not known: the rule files have {errors}"));
    }
    let required = results.known_coverage().filter(|_| arguments.require_coverage);
    let gaps = required.map_or(0, |coverage| coverage.gaps().count());
    if gaps > 0 {
        say(format_args!("{} without a firing or a quiet test", counted(gaps, "rule")));
    }
    match (wrong.is_empty() && wrong_rules.is_none(), failed + gaps) {
        (false, _) => Err(Failure::WrongAsReported),
        (true, 1..) => Err(Failure::Findings),
        (true, 0) => Ok(()),
    }
}
