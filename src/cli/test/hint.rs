//! Why an expected alert was not raised: the nearest that its rule came, and what excluded events.
//!
//! In the group of the expected alert, if the test names it; else in whichever came nearest.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::cli::counted;
use crate::detect::alert::Group;
use crate::explain::Explanation;
use crate::rule_test::{Case, Expected, Verdict, since_start};

use super::suite::Ready;

/// Reasons that are told of each rule: the first hurdles come first.
const REASONS_MAX: usize = 3;
/// Rules and groups that are explained of one test. Each takes a run.
const EXPLAINED_MAX: usize = 8;

/// A few lines for each rule and group of which an expected alert is missing altogether.
pub(super) fn hints(case: &Case, verdict: &Verdict, ready: &Ready) -> Vec<String> {
    let missing = verdict.pairs.iter().filter(|pair| pair.raised.is_none());
    let expected = missing.filter_map(|pair| Some(&case.expected[pair.expected?]));
    let wanted: BTreeSet<_> = expected.map(|expected| (expected.rule(), group(expected))).collect();
    let named = |name: &str| ready.rules.rules.iter().position(|rule| rule.header.name == name);
    let explained = wanted.into_iter().filter_map(|(name, group)| Some((named(name)?, group))).take(EXPLAINED_MAX);
    explained.flat_map(|(rule, group)| told(&ready.runner.explain(case, rule, Group(group)))).collect()
}

/// The group that a test names; empty if it names none.
fn group(expected: &Expected) -> Vec<(String, String)> {
    let group = expected.facts.iter().find(|fact| fact.key == "group").and_then(|fact| fact.value.as_object());
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    group.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn told(explanation: &Explanation) -> Vec<String> {
    let name = &explanation.rule.name;
    let firings: u64 = explanation.groups.iter().map(|group| group.firings).sum();
    let suppressed: u64 = explanation.groups.iter().map(|group| group.suppressed).sum();
    let mut lines = Vec::new();
    if firings > 0 {
        let quiet = if suppressed > 0 { format!(", {suppressed} of them suppressed") } else { String::new() };
        let times = counted(usize::try_from(firings).unwrap_or(usize::MAX), "time");
        lines.push(format!("  {name} fired {times}{}{quiet}", of(&explanation.only)));
    }
    let nearest = explanation.groups.iter().find(|group| group.firings == 0);
    if let Some((group, nearest)) = nearest.and_then(|group| Some((&group.group, group.nearest.as_ref()?))) {
        let elsewhere = if firings > 0 { " elsewhere" } else { "" };
        let (time, told) = (since_start(nearest.time), &nearest.told);
        lines.push(format!("  {name} came nearest{elsewhere} at {time}{}: {told}", of(group)));
    } else if explanation.groups.is_empty() {
        let of = of(&explanation.only);
        lines.push(match explanation.events.total {
            0 => format!("  {name}: there is no event{of}"),
            events => format!("  {name}: none of the {events} events{of} counts"),
        });
    }
    for excluded in explanation.excluded.iter().take(REASONS_MAX) {
        let detail = if excluded.detail.is_empty() { String::new() } else { format!(": {}", excluded.detail) };
        lines.push(format!("  {name}: {} {}{detail}", excluded.count, excluded.meaning()));
    }
    lines
}

/// ` for jwt.sub ann`; nothing for no group.
fn of(group: &Group) -> String {
    let group: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if group.is_empty() { String::new() } else { format!(" for {}", group.join(", ")) }
}
