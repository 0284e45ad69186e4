//! Rules: from the text of files to a compiled set, or to every problem at once.
//!
//! `source` (YAML with positions) → `document` (typed) → `compile` (names resolved, fields in slots) → [`RuleSet`].
//! Only the compiler can make a [`RuleSet`], so an invalid one never exists as a value.

pub mod compiled;
pub mod problem;

pub use compiled::{Level, Logic, Rule, RuleHeader, RuleSet};
pub use problem::Problem;
