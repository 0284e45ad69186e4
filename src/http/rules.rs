//! The rules in force, as `/api/v1/rules` shows them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::detect::rule::compiled::ConditionText;
use crate::detect::rule::{Rule, RuleHeader, RuleSet};

/// The answer of `/api/v1/rules`, made when the rules change and not when somebody asks.
#[derive(Debug)]
pub struct RuleView {
    json: ArcSwap<String>,
}

#[derive(Debug, Serialize)]
struct Rules<'a> {
    rules: &'a [RuleRow<'a>],
}

/// One rule for readers.
#[derive(Debug, Serialize)]
struct RuleRow<'a> {
    #[serde(flatten)]
    header: &'a RuleHeader,
    /// False if it only feeds other rules.
    alerts: bool,
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
        Self { json: ArcSwap::from_pointee(render(&[])) }
    }
}

impl RuleView {
    /// These rules are in force now.
    pub fn set(&self, rules: &RuleSet) {
        let rows: Vec<_> = rules.rules.iter().map(|rule| row(rules, rule)).collect();
        self.json.store(Arc::new(render(&rows)));
    }

    /// The answer.
    #[must_use]
    pub fn json(&self) -> Arc<String> {
        self.json.load_full()
    }
}

fn row<'a>(rules: &'a RuleSet, rule: &'a Rule) -> RuleRow<'a> {
    RuleRow {
        header: &rule.header,
        alerts: rule.alerts,
        group_by: rules.keyspaces.get(rule.keyspace).map_or(&[], Vec::as_slice),
        timespan: (rule.timespan.millis() > 0).then(|| rule.timespan.to_string()),
        suppress: rule.suppress.to_string(),
        condition: rule.condition.as_deref(),
    }
}

fn render(rows: &[RuleRow<'_>]) -> String {
    serde_json::to_string(&Rules { rules: rows }).expect("rules always serialize")
}
