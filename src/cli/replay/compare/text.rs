//! A comparison for people: a row a rule, then every difference up to a number.

use anstyle::{AnsiColor, Style};
use indicatif::HumanCount;

use crate::cli::counted;
use crate::detect::rule::compiled::ConditionText;
use crate::detect::rule::reader::clip;
use crate::detect::value::shortest;

use super::counterpart::Standing;
use super::difference::{Change, Comparison, Difference, RuleRow};
use super::facts::Read;

/// Rules that are listed though neither set has an alert of them; of larger sets only those that alerted.
const IDLE_MAX: usize = 100;
/// Differences that are listed; JSON has all of them.
const LISTED_MAX: usize = 50;

/// Longest details that are shown, in characters; JSON has all.
const DETAILS_MAX: usize = 100;

const STRONG: Style = Style::new().bold();
const APPEARS: Style = AnsiColor::Green.on_default();
const DISAPPEARS: Style = AnsiColor::Red.on_default();
const CHANGES: Style = AnsiColor::Yellow.on_default();

pub(super) fn comparison(comparison: &Comparison) -> String {
    let mut lines = vec![span(comparison), String::new()];
    let is_short = comparison.rules.len() <= IDLE_MAX;
    let rows: Vec<_> = comparison.rules.iter().filter(|row| is_short || row.old + row.new > 0).collect();
    let width = rows.iter().map(|row| row.rule.chars().count()).max().unwrap_or_default().max(4);
    let header = ["old", "new", "unchanged", "changes", "appears", "disappears", "a day, old", "a day, new"];
    let titles = columns(header.map(str::to_owned));
    lines.push(format!("{STRONG}{:<width$}{titles}{STRONG:#}", "rule"));
    lines.extend(rows.iter().map(|row| rule(row, width)));
    if rows.len() < comparison.rules.len() {
        lines.push(format!("{} without an alert", counted(comparison.rules.len() - rows.len(), "rule")));
    }
    lines.push(String::new());
    let listed = comparison.differences.iter().take(LISTED_MAX);
    lines.extend(listed.map(difference));
    match comparison.differences.len().saturating_sub(LISTED_MAX) {
        0 if comparison.differences.is_empty() => lines.push("no alert differs".to_owned()),
        0 => {}
        more => lines.push(format!("{} not shown: --format json has all", counted(more, "more difference"))),
    }
    lines.join("\n") + "\n"
}

/// Over which events; so few hours say little of a day.
fn span(comparison: &Comparison) -> String {
    let mut records = counted(usize::try_from(comparison.records).unwrap_or(usize::MAX), "record");
    for (count, what) in [(comparison.late, "late"), (comparison.no_events, "no event")] {
        if count > 0 {
            records = format!("{records} ({} {what})", HumanCount(count));
        }
    }
    let Some((from, to)) = comparison.from.zip(comparison.to) else { return format!("{records}, no event among them") };
    if from == to {
        return format!("{records}, all at {from}");
    }
    let rough = if comparison.days < 1.0 { "; alerts a day are projected from less than a day" } else { "" };
    format!("{records} from {from} to {to}, {:.2} days{rough}", comparison.days)
}

/// Each at the right of a column of its own.
fn columns<const N: usize>(cells: [String; N]) -> String {
    cells.map(|cell| format!("{cell:>12}")).concat()
}

fn rule(row: &RuleRow, width: usize) -> String {
    let counts = [row.old, row.new, row.unchanged, row.changes, row.appears, row.disappears];
    let counts = columns(counts.map(|count| HumanCount(count).to_string()));
    let rates = columns([row.old_per_day, row.new_per_day].map(rate));
    let only = match (row.in_old, row.in_new) {
        (_, Standing::Absent) => "  (old rules only)",
        (Standing::Absent, _) => "  (new rules only)",
        (_, Standing::Counted) => "  (the new rules only count it)",
        (Standing::Counted, _) => "  (the old rules only count it)",
        _ => "",
    };
    let was = row.was.as_ref().map(|was| format!("  (was {was})")).unwrap_or_default();
    format!("{:<width$}{counts}{rates}{was}{only}", row.rule)
}

/// Alerts a day. What there is never looks like nothing.
fn rate(per_day: Option<f64>) -> String {
    match per_day {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 0.1 => "<0.1".to_owned(),
        Some(rate) => format!("{rate:.1}"),
    }
}

fn difference(difference: &Difference) -> String {
    let Difference { change, rule, group, old, new } = difference;
    let group: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let group = if group.is_empty() { String::new() } else { format!("  {}", group.join(", ")) };
    let (sign, style, what) = match (change, old, new) {
        (Change::Changes, Some(old), Some(new)) => ('~', CHANGES, changed(&old.read, &new.read)),
        (Change::Disappears, Some(only), _) => ('-', DISAPPEARS, stated(&only.read)),
        (_, _, Some(only)) => ('+', APPEARS, stated(&only.read)),
        _ => ('?', Style::new(), String::new()),
    };
    format!("{style}{sign} {rule}{group}  {what}{style:#}")
}

fn stated(read: &Read) -> String {
    let observed = read.observed.map(|observed| format!(", observed {}", shortest(observed.0)));
    let shadow = if read.shadow { ", in shadow" } else { "" };
    format!("at {}{}{shadow}", read.time, observed.unwrap_or_default())
}

/// What differs. The summary is shown where it alone does: else it says the same again.
fn changed(old: &Read, new: &Read) -> String {
    let mut parts = vec![if old.time == new.time {
        format!("at {}", old.time)
    } else {
        format!("at {} -> {}", old.time, new.time)
    }];
    let mut told = |what: &str, of: &dyn Fn(&Read) -> String| {
        let (old, new) = (of(old), of(new));
        if old != new {
            parts.push(format!("{what} {} -> {}", clip(&old), clip(&new)));
        }
    };
    told("observed", &|read| read.observed.map_or_else(nothing, |observed| shortest(observed.0)));
    told("type", &|read| read.kind.to_owned());
    told("field", &|read| read.condition.as_ref().map_or_else(nothing, |condition| condition.fields.join(", ")));
    told("percentile", &|read| percentile(read).map_or_else(nothing, shortest));
    told("threshold", &|read| read.condition.as_ref().map_or_else(nothing, ConditionText::to_string));
    told("window", &|read| read.window.map_or_else(nothing, |window| window.end.since(window.start).to_string()));
    told("level", &|read| read.level.name().to_owned());
    told("title", &|read| format!("\"{}\"", read.title));
    told("tags", &|read| if read.tags.is_empty() { nothing() } else { read.tags.join(", ") });
    told("suppressed", &|read| read.suppressed.to_string());
    told("truncated", &|read| read.truncated.to_string());
    if old.details != new.details {
        parts.push(details(old, new));
    }
    if parts.len() == 1 && old.summary != new.summary {
        parts.push(format!("\"{}\" -> \"{}\"", old.summary, new.summary));
    } else if parts.len() == 1 && old.time == new.time && old.shadow == new.shadow {
        parts.push("other evidence".to_owned());
    }
    match (old.shadow, new.shadow) {
        (true, false) => parts.push("out of shadow".to_owned()),
        (false, true) => parts.push("into shadow".to_owned()),
        (true, true) => parts.push("in shadow".to_owned()),
        (false, false) => {}
    }
    parts.join(", ")
}

/// The details of both, if they are short.
fn details(old: &Read, new: &Read) -> String {
    let json = |read: &Read| serde_json::to_string(&read.details).expect("details always serialize");
    let both = format!("details {} -> {}", json(old), json(new));
    if both.chars().count() <= DETAILS_MAX { both } else { "other details".to_owned() }
}

fn nothing() -> String {
    "none".to_owned()
}

fn percentile(read: &Read) -> Option<f64> {
    read.condition.as_ref().and_then(|condition| condition.percentile)
}
