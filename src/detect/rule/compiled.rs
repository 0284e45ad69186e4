//! The compiled form of a rule set: names resolved to indices, field paths to slots.
//!
//! Not how it is made (`compile`), nor what each type decides (`logic`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::matcher::{Expr, Matcher};
use crate::detect::time::Span;

pub use super::condition::{Condition, ConditionText, PlainNumber};
pub use super::logic::Logic;

/// How much an alert matters, in Sigma's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the record.
    Informational,
    /// Rarely worth a look on its own.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Look today.
    High,
    /// Look now.
    Critical,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Sigma's spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How far its author trusts a rule, in Sigma's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Fit for production.
    Stable,
    /// Mostly stable.
    Test,
    /// May be noisy.
    Experimental,
    /// Replaced by another rule.
    Deprecated,
    /// Cannot be used as it stands.
    Unsupported,
}

impl Status {
    /// Every status, most trusted first.
    pub const ALL: [Self; 5] = [Self::Stable, Self::Test, Self::Experimental, Self::Deprecated, Self::Unsupported];

    /// Sigma's spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Test => "test",
            Self::Experimental => "experimental",
            Self::Deprecated => "deprecated",
            Self::Unsupported => "unsupported",
        }
    }

    /// True if its author still tries the rule out: such rules run in shadow where that is asked for.
    #[must_use]
    pub const fn is_on_trial(self) -> bool {
        matches!(self, Self::Test | Self::Experimental)
    }
}

/// What an alert says about its rule; field order is output order.
#[derive(Clone, Debug, Serialize)]
pub struct RuleHeader {
    /// The rule's UUID; version 5 over the name if the file gives none.
    pub id: Uuid,
    /// The rule's `name`, or its title in snake case.
    pub name: String,
    /// The title.
    pub title: String,
    /// `event` for a single-event rule, else the correlation's or anomaly's type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The level.
    pub level: Level,
    /// The tags in file order.
    pub tags: Vec<String>,
    /// SHA-256 of the compiled rule, first 12 hex digits.
    pub version: String,
}

/// Where a correlation's matches come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A detection, by its label: the index in [`RuleSet::detection_names`] and in the matcher's answer.
    Detection(usize),
    /// Another correlation or anomaly, by its index in [`RuleSet::rules`]; always of smaller depth.
    Firing(usize),
}

/// Under which key a rule names an input: what its matches are to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `rules`: what is counted, compared or waited with. Every type has some.
    Match,
    /// `of`: the whole of which a `ratio` takes the share that also matches `rules`.
    Whole,
    /// `without`: whose matches keep an `absence` from firing.
    Companion,
}

impl Role {
    /// The key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Match => "rules",
            Self::Whole => "of",
            Self::Companion => "without",
        }
    }
}

/// An input and how its matches are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelledInput {
    /// Where matches come from.
    pub input: Input,
    /// What its matches are to the rule.
    pub role: Role,
    /// Index in [`RuleSet::groupings`]: the fields of these matches that make the group.
    pub grouping: usize,
}

/// The fields that make up a group key, for one label. Labels of one rule differ only where `aliases` say so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grouping {
    /// Index in [`RuleSet::keyspaces`].
    pub keyspace: usize,
    /// One slot per name of the keyspace.
    pub slots: Vec<Slot>,
}

/// One rule that windows or alerts.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What its alerts say about it.
    pub header: Arc<RuleHeader>,
    /// 0 for a single-event rule, 1 for a correlation over detections, one more for each correlation underneath.
    pub depth: u8,
    /// False if others refer to it and none of them says `generate: true`: it fires, but raises no alert.
    pub alerts: bool,
    /// True if its alerts are marked, to be kept apart from those that people answer. It fires as any other, for those
    /// that refer to it too.
    pub shadow: bool,
    /// Its labels, in the order of the rule file, those of `rules` before those of `of` and `without`; at most 32. Only
    /// a `temporal_ordered` rule can have one input twice.
    pub inputs: Vec<LabelledInput>,
    /// Index in [`RuleSet::keyspaces`].
    pub keyspace: usize,
    /// The window's length; zero for a single-event rule.
    pub timespan: Span,
    /// How long an alert quiets its group; zero quiets nothing.
    pub suppress: Span,
    /// What it decides.
    pub logic: Logic,
    /// The condition as an alert prints it.
    pub condition: Option<Arc<ConditionText>>,
    /// What has no bearing on detection.
    pub notes: Arc<RuleNotes>,
}

/// What people and programs that list rules want to know besides the header.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RuleNotes {
    /// The file as it was named to the compiler.
    pub file: String,
    /// The line at which its document begins.
    pub line: usize,
    /// `status`, if given.
    pub status: Option<Status>,
    /// The other top-level keys: Sigma's (`description`, `falsepositives`, …) and custom ones.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A detection and its filters apart, for telling which of them excludes an event. The matcher joins them.
#[derive(Clone, Debug)]
pub struct Filtered {
    /// What the detection itself asks.
    pub own: Expr,
    /// What each filter asks, by its name.
    pub filters: Vec<(String, Expr)>,
}

/// Everything an engine needs to know, complete and consistent.
#[derive(Debug)]
pub struct RuleSet {
    /// Every field that a rule, a key or an output reads.
    pub fields: FieldTable,
    /// Which detections an event satisfies, filters applied.
    pub matcher: Matcher,
    /// Of each detection that filters narrow, by label: what it asks itself, and what they do.
    pub filtered: BTreeMap<usize, Filtered>,
    /// The name of each detection, by label.
    pub detection_names: Vec<String>,
    /// The group-by names of each keyspace; rules that share one share the group's entry. An alias counts as a name.
    pub keyspaces: Vec<Vec<String>>,
    /// Every way to take a group from a match.
    pub groupings: Vec<Grouping>,
    /// The rules, ordered by depth, then name: the order in which alerts of one arrival come.
    pub rules: Vec<Rule>,
}
