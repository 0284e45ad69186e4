//! Why an expected alert was not raised: the nearest that its rule came, and what excluded events.

use std::collections::BTreeSet;

use crate::explain::Explanation;
use crate::rule_test::{Case, Verdict, since_start};

use super::suite::Ready;

/// Reasons that are told of each rule: the first hurdles come first.
const REASONS_MAX: usize = 3;

/// A few lines for each rule of which an expected alert is missing altogether.
pub(super) fn hints(case: &Case, verdict: &Verdict, ready: &Ready) -> Vec<String> {
    let missing = verdict.pairs.iter().filter(|pair| pair.raised.is_none());
    let rules: BTreeSet<&str> = missing.filter_map(|pair| pair.expected.map(|at| case.expected[at].rule())).collect();
    let named = |name: &&str| ready.rules.rules.iter().position(|rule| rule.header.name == *name);
    rules.iter().filter_map(named).flat_map(|rule| told(&ready.runner.explain(case, rule))).collect()
}

fn told(explanation: &Explanation) -> Vec<String> {
    let name = &explanation.rule.name;
    let nearest = explanation.groups.iter().find(|group| group.firings == 0);
    let mut lines = Vec::new();
    if let Some((group, nearest)) = nearest.and_then(|group| Some((&group.group, group.nearest.as_ref()?))) {
        let group: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let group = if group.is_empty() { String::new() } else { format!(" for {}", group.join(", ")) };
        lines.push(format!("  {name} came nearest at {}{group}: {}", since_start(nearest.time), nearest.told));
    } else if explanation.groups.is_empty() {
        lines.push(format!("  {name}: none of the {} events counts", explanation.events.total));
    }
    let suppressed: u64 = explanation.groups.iter().map(|group| group.suppressed).sum();
    if suppressed > 0 {
        lines.push(format!("  {name}: {suppressed} firings were suppressed"));
    }
    for excluded in explanation.excluded.iter().take(REASONS_MAX) {
        let detail = if excluded.detail.is_empty() { String::new() } else { format!(": {}", excluded.detail) };
        lines.push(format!("  {name}: {} {}{detail}", excluded.count, excluded.meaning()));
    }
    lines
}
