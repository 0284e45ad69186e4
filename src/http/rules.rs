//! The rules in force, as `/api/v1/rules` shows them.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::Serialize;

use crate::detect::alert::is_false;
use crate::detect::rule::compiled::ConditionText;
use crate::detect::rule::{Problem, Rule, RuleHeader, RuleSet};

/// The answer of `/api/v1/rules`: its parts are made when the rules change and not when somebody asks.
#[derive(Debug)]
pub struct RuleView {
    /// The rules as a JSON array.
    rules: ArcSwap<String>,
    /// The [`Refusal`] of the last reload as JSON; none if it succeeded.
    refused: ArcSwapOption<String>,
}

/// Why the last reload left the rules as they were.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// In a line.
    pub message: String,
    /// What is wrong in the files; nothing if they cannot be read.
    pub problems: Vec<Problem>,
}

/// One rule for readers.
#[derive(Debug, Serialize)]
struct RuleRow<'a> {
    #[serde(flatten)]
    header: &'a RuleHeader,
    /// False if it only feeds other rules.
    alerts: bool,
    #[serde(skip_serializing_if = "is_false")]
    shadow: bool,
    #[serde(rename = "group-by")]
    group_by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    timespan: Option<String>,
    suppress: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'a ConditionText>,
}

impl Default for RuleView {
    fn default() -> Self {
        Self { rules: ArcSwap::from_pointee(render(&[])), refused: ArcSwapOption::empty() }
    }
}

impl RuleView {
    /// These rules are in force now.
    pub fn set(&self, rules: &RuleSet) {
        let rows: Vec<_> = rules.rules.iter().map(|rule| row(rules, rule)).collect();
        self.rules.store(Arc::new(render(&rows)));
        self.refused.store(None);
    }

    /// Other rules were refused; those in force stay.
    pub fn refused(&self, refusal: &Refusal) {
        self.refused.store(Some(Arc::new(serde_json::to_string(refusal).expect("a refusal always serializes"))));
    }

    /// The answer.
    #[must_use]
    pub fn json(&self) -> String {
        let refused = self.refused.load();
        let refused = refused.as_ref().map(|refused| format!(",\"refused\":{refused}")).unwrap_or_default();
        format!("{{\"rules\":{}{refused}}}", self.rules.load())
    }
}

fn row<'a>(rules: &'a RuleSet, rule: &'a Rule) -> RuleRow<'a> {
    RuleRow {
        header: &rule.header,
        alerts: rule.alerts,
        shadow: rule.shadow,
        group_by: rules.keyspaces.get(rule.keyspace).map_or(&[], Vec::as_slice),
        timespan: (rule.timespan.millis() > 0).then(|| rule.timespan.to_string()),
        suppress: rule.suppress.to_string(),
        condition: rule.condition.as_deref(),
    }
}

fn render(rows: &[RuleRow<'_>]) -> String {
    serde_json::to_string(rows).expect("rules always serialize")
}
