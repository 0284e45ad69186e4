//! Rules: from the text of files to a compiled set, or to every problem at once.
//!
//! `yaml` (nodes with positions) → `reader` (typed values) → `document` (typed, one at a time) → `compile` (names resolved, fields in slots) →
//! [`RuleSet`]. Only the compiler can make a [`RuleSet`], so an invalid one never exists as a value. Not the reading of
//! files: texts and lists are arguments.

mod advice;
mod compile;
pub mod compiled;
pub mod condition;
mod document;
pub mod logic;
pub mod problem;
pub(crate) mod reader;
pub mod route;
pub(crate) mod schema;
pub mod split;
pub(crate) mod yaml;

pub use compile::{Compiled, Options, Source, compile};
pub use compiled::{Level, Rule, RuleHeader, RuleSet};
pub(crate) use document::words;
pub use logic::Logic;
pub use problem::{Code, Problem, Severity};
