//! How cases worked by hand are written: who, what, and alerts in a line.

use super::model::{BASE, Event, Rule, SECOND};
use super::naive::Alert;

pub(crate) const MINUTE: i64 = 60 * SECOND;
/// The field that cases group by.
pub(crate) const WHO: &str = "who.name";

/// An event of ann's that satisfies a detection, with an id of its own.
pub(crate) fn ann(at: i64, detection: &str) -> Event {
    Event::new(at).id(&format!("{detection}{at}")).mark(detection).with(WHO, "ann")
}

/// The rules and the detections that they refer to.
pub(crate) fn with_detections(mut rules: Vec<Rule>) -> Vec<Rule> {
    for name in ["a", "b", "c"] {
        let is_referred = rules.iter().any(|rule| rule.referred().any(|referred| referred == name));
        if is_referred && !rules.iter().any(|rule| rule.name == name) {
            rules.push(Rule::detection(name));
        }
    }
    rules
}

/// Each alert as `rule(group)@time observed/suppressed`, times in milliseconds after the start of the stream; what an
/// alert does not have is left out, and so is a count of 0.
pub(crate) fn told(alerts: &[Alert]) -> Vec<String> {
    let shown = |alert: &Alert| {
        let group: Vec<_> = alert.group.iter().map(|(_, value)| value.as_str()).collect();
        let observed = alert.observed.map(|observed| format!(" {observed}")).unwrap_or_default();
        let suppressed = if alert.suppressed > 0 { format!("/{}", alert.suppressed) } else { String::new() };
        format!("{}({})@{}{observed}{suppressed}", alert.rule, group.join(","), alert.time - BASE)
    };
    alerts.iter().map(shown).collect()
}
