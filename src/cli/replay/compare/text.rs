//! A comparison for people: a row a rule, then every difference up to a number.

use anstyle::{AnsiColor, Style};
use indicatif::HumanCount;

use crate::cli::counted;
use crate::detect::value::shortest;

use super::difference::{Change, Comparison, Difference, Facts, RuleRow};

/// Rules that are listed though neither set has an alert of them; of larger sets only those that alerted.
const IDLE_MAX: usize = 100;
/// Differences that are listed; JSON has all of them.
const LISTED_MAX: usize = 50;

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
    let rates = [row.old_per_day, row.new_per_day];
    let days = columns(rates.map(|rate| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))));
    let only = match (row.is_old, row.is_new) {
        (true, false) => "  (old rules only)",
        (false, true) => "  (new rules only)",
        _ => "",
    };
    format!("{:<width$}{counts}{days}{only}", row.rule)
}

fn difference(difference: &Difference) -> String {
    let Difference { change, rule, group, old, new } = difference;
    let group: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let group = if group.is_empty() { String::new() } else { format!("  {}", group.join(", ")) };
    let (sign, style, what) = match (change, old, new) {
        (Change::Changes, Some(old), Some(new)) => ('~', CHANGES, changed(old, new)),
        (Change::Disappears, Some(only), _) => ('-', DISAPPEARS, stated(only)),
        (_, _, Some(only)) => ('+', APPEARS, stated(only)),
        _ => ('?', Style::new(), String::new()),
    };
    format!("{style}{sign} {rule}{group}  {what}{style:#}")
}

fn stated(facts: &Facts) -> String {
    let observed = facts.observed.map(|observed| format!(", observed {}", shortest(observed.0)));
    format!("at {}{}", facts.time, observed.unwrap_or_default())
}

fn changed(old: &Facts, new: &Facts) -> String {
    let number = |facts: &Facts| facts.observed.map_or_else(|| "none".to_owned(), |observed| shortest(observed.0));
    let mut parts = Vec::new();
    if old.time == new.time {
        parts.push(format!("at {}", old.time));
    } else {
        parts.push(format!("at {} -> {}", old.time, new.time));
    }
    if old.observed != new.observed {
        parts.push(format!("observed {} -> {}", number(old), number(new)));
    }
    if old.level != new.level {
        parts.push(format!("level {} -> {}", old.level.name(), new.level.name()));
    }
    match (old.shadow, new.shadow) {
        (true, false) => parts.push("out of shadow".to_owned()),
        (false, true) => parts.push("into shadow".to_owned()),
        _ => {}
    }
    parts.join(", ")
}
