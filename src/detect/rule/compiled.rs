//! The compiled form of a rule set: names resolved to indices, field paths to slots.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::SerializeMap;
use uuid::Uuid;

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::matcher::Matcher;
use crate::detect::time::Span;

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

/// An input and how its matches are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelledInput {
    /// Where matches come from.
    pub input: Input,
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

/// The bounds of a condition; all that are given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// Greater than.
    pub gt: Option<f64>,
    /// Greater than or equal.
    pub gte: Option<f64>,
    /// Less than.
    pub lt: Option<f64>,
    /// Less than or equal.
    pub lte: Option<f64>,
    /// Equal.
    pub eq: Option<f64>,
    /// Not equal.
    pub neq: Option<f64>,
}

impl Condition {
    /// True if `value` is within every given bound.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "eq and neq compare doubles exactly by definition")]
    pub fn holds(&self, value: f64) -> bool {
        self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lt.is_none_or(|bound| value < bound)
            && self.lte.is_none_or(|bound| value <= bound)
            && self.eq.is_none_or(|bound| value == bound)
            && self.neq.is_none_or(|bound| value != bound)
    }

    /// True if a greater value can only make it truer: nothing but `gt` and `gte`.
    #[must_use]
    pub const fn is_monotone(&self) -> bool {
        self.lt.is_none() && self.lte.is_none() && self.eq.is_none() && self.neq.is_none()
    }

    /// The given bounds with Sigma's words, in a fixed order.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [("gt", self.gt), ("gte", self.gte), ("lt", self.lt), ("lte", self.lte), ("eq", self.eq), ("neq", self.neq)]
            .into_iter()
            .filter_map(|(word, bound)| bound.map(|bound| (word, bound)))
    }
}

/// What a rule decides, with every parameter. Adding a kind here makes the compiler show every place that must know.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic {
    /// Alerts on each match of its only input, a detection.
    Event,
    /// The number of matches.
    EventCount {
        /// Over that number.
        condition: Condition,
    },
    /// The number of distinct values of the fields (several make a tuple).
    ValueCount {
        /// The counted fields, at least one.
        fields: Vec<Slot>,
        /// Over that number.
        condition: Condition,
    },
}

impl Logic {
    /// The bounds that an observed number must satisfy; none for logic without such a number.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self {
            Self::Event => Condition::default(),
            Self::EventCount { condition } | Self::ValueCount { condition, .. } => *condition,
        }
    }
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
    /// Its labels, in the order of the rule file; at most 32.
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
}

/// A condition as alerts print it: `{"field": "service.name", "gte": 8}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionText {
    /// The paths of the condition's fields; empty for a plain count, several for a tuple.
    pub fields: Vec<String>,
    /// The percentile, for `value_percentile`.
    pub percentile: Option<f64>,
    /// The bounds.
    pub bounds: Condition,
}

impl Serialize for ConditionText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.fields.as_slice() {
            [] => {}
            [field] => map.serialize_entry("field", field)?,
            fields => map.serialize_entry("field", fields)?,
        }
        if let Some(percentile) = self.percentile {
            map.serialize_entry("percentile", &PlainNumber(percentile))?;
        }
        for (word, bound) in self.bounds.bounds() {
            map.serialize_entry(word, &PlainNumber(bound))?;
        }
        map.end()
    }
}

impl fmt::Display for ConditionText {
    /// The bounds alone, as a summary shows them: `8`, `> 8`, `>= 2 and <= 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |word| match word {
            "gt" => ">",
            "gte" => ">=",
            "lt" => "<",
            "lte" => "<=",
            "eq" => "=",
            _ => "!=",
        };
        let bounds: Vec<_> = self.bounds.bounds().collect();
        if let [("gte", bound)] = bounds.as_slice() {
            return write!(f, "{bound}");
        }
        for (index, (word, bound)) in bounds.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            write!(f, "{and}{} {bound}", sign(word))?;
        }
        Ok(())
    }
}

/// A number that prints as the shortest text that reads back equal, whole numbers without a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainNumber(pub f64);

impl Serialize for PlainNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Below this every whole double is an exact integer.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// Everything an engine needs to know, complete and consistent.
#[derive(Debug)]
pub struct RuleSet {
    /// Every field that a rule, a key or an output reads.
    pub fields: FieldTable,
    /// Which detections an event satisfies, filters applied.
    pub matcher: Matcher,
    /// The name of each detection, by label.
    pub detection_names: Vec<String>,
    /// The group-by names of each keyspace; rules that share one share the group's entry. An alias counts as a name.
    pub keyspaces: Vec<Vec<String>>,
    /// Every way to take a group from a match.
    pub groupings: Vec<Grouping>,
    /// The rules, ordered by depth, then name: the order in which alerts of one arrival come.
    pub rules: Vec<Rule>,
}
