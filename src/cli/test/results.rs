//! What came of the tests of some files, with the coverage of the rules if it was asked for.

use std::time::Duration;

use crate::cli::Format;
use crate::cli::diagnostics;
use crate::cli::rules::RuleTexts;
use crate::detect::rule::{Problem, Severity, Source};
use crate::rule_test::{Case, Verdict};

use super::coverage::Coverage;
use super::suite::Suite;

/// Everything that is told at the end.
pub(super) struct Results {
    pub(super) files: Vec<FileResult>,
    /// What the tests cover, or why that is not known; none unless it was asked for.
    pub(super) coverage: Option<Result<Coverage, WrongRules>>,
}

/// What came of the tests of one file.
pub(super) struct FileResult {
    pub(super) suite: Suite,
    pub(super) ran: Vec<Ran>,
}

/// What came of one test.
pub(super) struct Ran {
    /// Its position in the file.
    pub(super) index: usize,
    pub(super) verdict: Verdict,
    /// What may help with a failure, a line each.
    pub(super) hints: Vec<String>,
    pub(super) took: Duration,
}

/// Rule files that do not compile together: which of their rules alert is not known.
pub(super) struct WrongRules {
    texts: RuleTexts,
    /// The errors.
    pub(super) problems: Vec<Problem>,
}

impl Results {
    /// Every test that ran.
    pub(super) fn ran(&self) -> impl Iterator<Item = &Ran> {
        self.files.iter().flat_map(|file| &file.ran)
    }

    /// How many of them failed.
    pub(super) fn failed(&self) -> usize {
        self.ran().filter(|ran| !ran.verdict.is_pass()).count()
    }

    /// Why the coverage is not known, if it was asked for.
    pub(super) fn wrong_rules(&self) -> Option<&WrongRules> {
        self.coverage.as_ref()?.as_ref().err()
    }

    /// The coverage, if it was asked for and is known.
    pub(super) fn known_coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()?.as_ref().ok()
    }
}

impl FileResult {
    /// The tests that ran, and what came of them.
    pub(super) fn cases(&self) -> impl Iterator<Item = (&Case, &Ran)> {
        let cases = self.suite.ready.as_ref().map(|ready| ready.file.cases.as_slice()).unwrap_or_default();
        self.ran.iter().map(move |ran| (&cases[ran.index], ran))
    }

    /// True if it could not run.
    pub(super) const fn is_wrong(&self) -> bool {
        self.suite.ready.is_none()
    }

    /// The errors that kept it from running, for people.
    pub(super) fn problems(&self) -> String {
        let errors: Vec<Problem> = self.suite.errors().cloned().collect();
        diagnostics::render(&errors, &self.suite.sources(), Format::Text)
    }
}

impl WrongRules {
    pub(super) fn new(texts: RuleTexts, mut problems: Vec<Problem>) -> Self {
        problems.retain(|problem| problem.severity == Severity::Error);
        Self { texts, problems }
    }

    /// The texts that the problems point into.
    pub(super) fn sources(&self) -> Vec<Source<'_>> {
        self.texts.shown()
    }

    /// The errors for people, less those that test files have told of already.
    pub(super) fn unsaid(&self, files: &[FileResult]) -> String {
        let said = |problem: &&Problem| files.iter().any(|file| file.suite.problems.contains(problem));
        let unsaid: Vec<Problem> = self.problems.iter().filter(|problem| !said(problem)).cloned().collect();
        diagnostics::render(&unsaid, &self.sources(), Format::Text)
    }
}
