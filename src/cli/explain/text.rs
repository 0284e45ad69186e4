//! An explanation for people.

use anstyle::{AnsiColor, Style};
use indicatif::HumanCount;

use crate::cli::counted;
use crate::detect::alert::Group;
use crate::explain::{EventReport, Excluded, Explanation, GroupReport, Made, NearestReport, Reason};

/// Matches that are listed of each group: the newest.
const MATCHES_MAX: usize = 10;
/// Details that are listed of each reason: the most frequent.
const DETAILS_MAX: usize = 5;

const STRONG: Style = Style::new().bold();
const FIRED: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// Which events there were, what excluded them, and the groups.
pub(super) fn explanation(explanation: &Explanation, groups_max: usize) -> String {
    let mut lines = vec![format!("{STRONG}{}{STRONG:#}  {}", explanation.rule.name, explanation.asks)];
    if !explanation.alerts {
        lines.push(
            "it raises no alerts of its own: other rules count it, and none of them says \"generate: true\"".to_owned(),
        );
    }
    let of_group =
        if explanation.only.0.is_empty() { String::new() } else { format!(" of {}", group(&explanation.only)) };
    let events = explanation.events;
    lines.push(String::new());
    lines.push(format!("{:>9} events{of_group}", HumanCount(events.total).to_string()));
    lines.push(format!("{:>9} match", HumanCount(events.matched).to_string()));
    for reasons in explanation.excluded.chunk_by(|a, b| a.reason == b.reason) {
        lines.extend(excluded(reasons));
    }
    lines.push(String::new());
    let shown = explanation.groups.iter().take(groups_max);
    let is_grouped = !explanation.group_by.is_empty();
    lines.extend(shown.flat_map(|report| of_group_lines(report, is_grouped)));
    match explanation.groups.len().saturating_sub(groups_max) {
        0 if explanation.groups.is_empty() => lines.push("no group has a match".to_owned()),
        0 => {}
        more => lines.push(format!("{} not shown: add --groups N or --group FIELD=VALUE", counted(more, "more group"))),
    }
    lines.join("\n") + "\n"
}

/// A reason with its most frequent details.
fn excluded(reasons: &[Excluded]) -> Vec<String> {
    let total: u64 = reasons.iter().map(|one| one.count).sum();
    let Some(first) = reasons.first() else { return Vec::new() };
    let line = |one: &Excluded| {
        let place =
            one.examples.first().map(|place| format!("{}:{}", place.topic, place.offset + 1)).unwrap_or_default();
        format!("{:>12} {}  {QUIET}{place}{QUIET:#}", HumanCount(one.count).to_string(), one.detail)
    };
    // A single detail goes on the reason's own line.
    if let [only] = reasons {
        let detail = if only.detail.is_empty() { String::new() } else { format!(": {}", only.detail) };
        let place =
            only.examples.first().map(|place| format!("  {QUIET}{}:{}{QUIET:#}", place.topic, place.offset + 1));
        return vec![format!(
            "{:>9} {}{detail}{}",
            HumanCount(total).to_string(),
            first.meaning(),
            place.unwrap_or_default()
        )];
    }
    let mut lines = vec![format!("{:>9} {}", HumanCount(total).to_string(), first.meaning())];
    lines.extend(reasons.iter().take(DETAILS_MAX).map(line));
    let rest: u64 = reasons.iter().skip(DETAILS_MAX).map(|one| one.count).sum();
    if rest > 0 {
        lines.push(format!(
            "{:>12} for {} more reasons, which --format json names",
            HumanCount(rest).to_string(),
            reasons.len() - DETAILS_MAX
        ));
    }
    // A late match is not lost to rules that look at single events.
    if first.reason == Reason::Late {
        lines.push(format!("{QUIET}{:>12}time.allowed_lateness decides{QUIET:#}", ""));
    }
    lines
}

fn of_group_lines(report: &GroupReport, is_grouped: bool) -> Vec<String> {
    // A single event without the fields of its group alerts all the same.
    let name = if is_grouped && report.group.0.is_empty() { "no group".to_owned() } else { group(&report.group) };
    let Some(nearest) = &report.nearest else {
        return vec![format!("{STRONG}{name}{STRONG:#}  {} matches, none of them near", report.matches)];
    };
    let mut lines = vec![format!("{STRONG}{name}{STRONG:#}  {}", outcome(report, nearest))];
    let hidden = nearest.matches.len().saturating_sub(MATCHES_MAX);
    if hidden > 0 {
        lines.push(format!(
            "    {QUIET}{} before{QUIET:#}",
            if hidden == 1 { "1 match".to_owned() } else { format!("{hidden} matches") }
        ));
    }
    lines.extend(nearest.matches.iter().skip(hidden).map(|event| format!("    {}", event_line(event))));
    lines.push(String::new());
    lines
}

fn outcome(report: &GroupReport, nearest: &NearestReport) -> String {
    if !nearest.fired {
        return format!("{} at {}", nearest.told, nearest.time);
    }
    let suppressed = match report.suppressed_until {
        Some(until) => format!(", {} suppressed until {until}", report.suppressed),
        None => String::new(),
    };
    let alerts = counted(usize::try_from(report.alerts).unwrap_or(usize::MAX), "alert");
    format!("{FIRED}fired{FIRED:#}: {} at {}; {alerts}{suppressed}", nearest.told, nearest.time)
}

fn event_line(event: &EventReport) -> String {
    let values = if event.values.is_empty() { String::new() } else { format!("  {}", event.values.join(", ")) };
    let matches = event.matches.join(", ");
    let place = format!("{}:{}", event.place.topic, event.place.offset + 1);
    format!("{}  {matches}{values}  {QUIET}{place}{QUIET:#}", event.time)
}

/// An alert, and the records that made it.
pub(super) fn made(made: &Made) -> String {
    let alert = &made.alert;
    let mut lines = vec![
        format!("{STRONG}{}{STRONG:#}  {}", alert.rule.name, alert.summary),
        format!("alert {} at {}, level {}", alert.id, alert.time, alert.rule.level.name()),
        String::new(),
    ];
    lines.extend(made.events.iter().flat_map(|event| record_lines(event, 0)));
    lines.join("\n") + "\n"
}

/// An event with its record below it; of a firing, the events that made it further in.
fn record_lines(event: &EventReport, depth: usize) -> Vec<String> {
    let indent = " ".repeat(depth * 4);
    let mut lines = vec![format!("{indent}{}", event_line(event))];
    if event.made_of.is_empty() {
        let record = event.event.as_deref().map(|text| text.get().to_owned());
        lines.extend(record.map(|record| format!("{indent}    {record}")));
    }
    lines.extend(event.made_of.iter().flat_map(|inner| record_lines(inner, depth + 1)));
    lines
}

fn group(group: &Group) -> String {
    if group.0.is_empty() {
        return "all events".to_owned();
    }
    group.0.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}
