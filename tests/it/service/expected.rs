//! What three of the shipped rules must find, counted in the plainest way from the events themselves.
//!
//! Neither the engine nor the generator's labels are asked: this is the third opinion.

use std::collections::BTreeMap;

use serde_json::Value;

/// Rule, subject and firing time.
pub type Finding = (String, String, String);

struct Rule {
    name: &'static str,
    actions: &'static [&'static str],
    only_success: bool,
    /// The field whose distinct values count; none counts the events.
    field: Option<&'static str>,
    window_ms: i64,
    at_least: usize,
}

const RULES: [Rule; 3] = [
    Rule {
        name: "cross_service_fan_out",
        actions: &["token.validated"],
        only_success: true,
        field: Some("service.name"),
        window_ms: 5 * 60_000,
        at_least: 8,
    },
    Rule {
        name: "token_reissue_rate",
        actions: &["token.issued", "token.refreshed"],
        only_success: false,
        field: None,
        window_ms: 10 * 60_000,
        at_least: 10,
    },
    Rule {
        name: "geo_change",
        actions: &["token.validated", "request"],
        only_success: true,
        field: Some("source.geo.country_iso_code"),
        window_ms: 60 * 60_000,
        at_least: 2,
    },
];

/// What must be found in events that come in the order of their times.
pub fn findings<'a>(events: impl IntoIterator<Item = &'a [u8]>) -> Vec<Finding> {
    let mut seen: BTreeMap<(usize, String), Vec<(i64, String)>> = BTreeMap::new();
    let mut alerted: BTreeMap<(usize, String), i64> = BTreeMap::new();
    let mut findings = Vec::new();
    for event in events {
        let event: Value = serde_json::from_slice(event).expect("generated events are JSON");
        for (index, rule) in RULES.iter().enumerate() {
            let Some((subject, value)) = matched(rule, &event) else { continue };
            let text = field(&event, "@timestamp").expect("events have a time");
            let time_ms = text.parse::<jiff::Timestamp>().expect("an RFC 3339 time").as_millisecond();
            let group = (index, subject.clone());
            let matches = seen.entry(group.clone()).or_default();
            matches.push((time_ms, value));
            matches.retain(|(at, _)| *at > time_ms - rule.window_ms);
            let mut values: Vec<_> = matches.iter().map(|(_, value)| value).collect();
            if rule.field.is_some() {
                values.sort();
                values.dedup();
            }
            // The suppression is as long as the window.
            let quiet = alerted.get(&group).is_some_and(|at| time_ms < at + rule.window_ms);
            if values.len() >= rule.at_least && !quiet {
                alerted.insert(group, time_ms);
                findings.push((rule.name.to_owned(), subject, text));
            }
        }
    }
    findings
}

/// The subject and the counted value, if the rule looks at this event.
fn matched(rule: &Rule, event: &Value) -> Option<(String, String)> {
    let action = field(event, "event.action")?;
    if !rule.actions.contains(&action.as_str()) {
        return None;
    }
    if rule.only_success && field(event, "event.outcome").as_deref() != Some("success") {
        return None;
    }
    let value = match rule.field {
        Some(path) => field(event, path)?,
        None => String::new(),
    };
    Some((field(event, "jwt.sub")?, value))
}

/// A text at a path, whether the objects are nested, dotted, or both.
fn field(event: &Value, path: &str) -> Option<String> {
    if let Some(text) = event.get(path).and_then(Value::as_str) {
        return Some(text.to_owned());
    }
    path.match_indices('.').find_map(|(at, _)| field(event.get(&path[..at])?, &path[at + 1..]))
}
