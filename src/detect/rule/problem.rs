//! What is wrong with a rule file, where, and what to do about it.
//!
//! Not the rendering: carets and colours are the command line's business.

use serde::Serialize;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs with it.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Stable, for suppressing and searching: `unknown-key`, `timespan-without-unit`.
    pub code: &'static str,
    /// The file as it was named to the compiler.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// Column in characters from 1.
    pub column: usize,
    /// How many characters on that line the problem covers, at least 1.
    pub width: usize,
    /// What is wrong, with the rule's name and the offending text.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
