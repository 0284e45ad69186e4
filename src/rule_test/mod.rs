//! Tests beside the rules: from the text of a `NAME_test.yml` to cases, and from a case to a verdict.
//!
//! A case runs in the pipeline that the service runs: its events become JSON records and are decoded like any other.
//! Not the finding of files, nor how a verdict looks: those are the command line's.

mod advice;
mod compare;
mod concern;
mod document;
mod event;
mod expected;
mod moment;
mod run;

pub use compare::Pair;
pub use document::{Case, TestFile, read};
pub use event::Rejected;
pub use expected::{Expected, Fact, fact};
pub use moment::since_start;
pub use run::{Runner, Verdict};

/// The keys that have a meaning, for whoever must list them.
pub mod keys {
    pub use super::document::{CASE as TEST, FILE};
    pub use super::event::{EVENTS_MAX as REPEAT_MAX, KEYS as EVENT};
    pub use super::expected::KEYS as ALERT;
}
