//! Where the alerts of a test differ from the expected ones, as lines that can be pasted into the test file.
//!
//! `-` is expected, `+` was raised; two that belong together stand one above the other, with carets where they differ.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use serde_json::Value as Json;

use crate::detect::alert::Alert;
use crate::rule_test::{Case, Expected, Pair, Rejected, Verdict, fact};

use super::results::Ran;

/// More pairs than this are shown without those that are as expected.
const CONTEXT_MAX: usize = 12;
/// What is shown of an alert that nobody expected.
const TELLING: [&str; 4] = ["rule", "at", "group", "observed"];

const MISSING: Style = AnsiColor::Red.on_default();
const EXTRA: Style = AnsiColor::Green.on_default();
const SAME: Style = Style::new().dimmed();

/// What is wrong with the alerts and events of a failed test, a line each.
pub(super) fn lines(case: &Case, ran: &Ran) -> Vec<String> {
    let verdict = &ran.verdict;
    let mut lines = refused(&verdict.rejected);
    if verdict.pairs.iter().all(|pair| pair.is_met) {
        return lines;
    }
    let count = |count: usize| super::counted(count, "alert");
    lines.push(format!(
        "expected {} (-), got {} (+):",
        count(case.expected.len()),
        if verdict.raised.is_empty() { "none".to_owned() } else { verdict.raised.len().to_string() },
    ));
    let hides_same = verdict.pairs.len() > CONTEXT_MAX;
    for pair in verdict.pairs.iter().filter(|pair| !(hides_same && pair.is_met)) {
        lines.extend(pair_lines(pair, case, verdict));
    }
    let hidden = verdict.pairs.iter().filter(|pair| hides_same && pair.is_met).count();
    if hidden > 0 {
        lines.push(format!("and {} as expected", count(hidden)));
    }
    lines.extend(ran.hints.iter().cloned());
    lines
}

/// The events that are none: a line for each entry of the file and reason.
fn refused(rejected: &[Rejected]) -> Vec<String> {
    let mut alike: BTreeMap<(usize, String), Vec<u32>> = BTreeMap::new();
    for event in rejected {
        alike.entry((event.line, event.reason.to_string())).or_default().push(event.n);
    }
    let told = alike.into_iter().map(|((line, reason), numbers)| match numbers.as_slice() {
        [n] => format!("line {line}: event {n} is no event: {reason}"),
        [first, ..] => {
            let events = super::counted(numbers.len(), "event");
            format!("line {line}: {events} refused, event {first} first: {reason}")
        }
        [] => reason,
    });
    told.collect()
}

fn pair_lines(pair: &Pair, case: &Case, verdict: &Verdict) -> Vec<String> {
    let expected = pair.expected.map(|at| &case.expected[at]);
    let raised = pair.raised.map(|at| &verdict.raised[at]);
    match (expected, raised) {
        (Some(expected), _) if pair.is_met => vec![line(' ', SAME, &of_expected(expected))],
        (Some(expected), Some(raised)) => side_by_side(expected, raised),
        (Some(expected), None) => vec![line('-', MISSING, &of_expected(expected))],
        (None, Some(raised)) => vec![line('+', EXTRA, &of_alert(raised))],
        (None, None) => Vec::new(),
    }
}

/// `key: value` as a test file says it.
type Cells = Vec<(&'static str, String)>;

fn of_expected(expected: &Expected) -> Cells {
    expected.facts.iter().map(|fact| (fact.key, flow(&fact.value))).collect()
}

fn of_alert(alert: &Alert) -> Cells {
    let cells = TELLING.into_iter().map(|key| (key, fact(alert, key)));
    cells.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, flow(&value))).collect()
}

fn line(sign: char, style: Style, cells: &Cells) -> String {
    let cells: Vec<_> = cells.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{style}{sign} {{{}}}{style:#}", cells.join(", "))
}

/// Two lines whose values stand one above the other, and one with carets under those that differ.
fn side_by_side(expected: &Expected, raised: &Alert) -> Vec<String> {
    let mut lines = [String::from("- {"), String::from("+ {"), String::from("   ")];
    let count = expected.facts.len();
    for (index, wanted) in expected.facts.iter().enumerate() {
        let actual = wanted.actual(raised);
        let differs = actual != wanted.value;
        let values = [flow(&wanted.value), flow(&actual)];
        let width = values.iter().map(|value| value.chars().count()).max().unwrap_or_default();
        let is_last = index + 1 == count;
        for (line, value) in lines.iter_mut().zip(&values) {
            let end = if is_last { "}" } else { ", " };
            let room = if is_last { 0 } else { width - value.chars().count() };
            *line = format!("{line}{}: {value}{end}{:room$}", wanted.key, "");
        }
        let caret = if differs { '^' } else { ' ' };
        let carets: String = std::iter::repeat_n(caret, width).collect();
        let indent = wanted.key.len() + ": ".len();
        lines[2] = format!("{}{:indent$}{carets}  ", lines[2], "");
    }
    let [wanted, actual, carets] = lines;
    let styled = |style: Style, line: String| format!("{style}{line}{style:#}");
    vec![styled(MISSING, wanted), styled(EXTRA, actual), carets.trim_end().to_owned()]
}

/// A value in YAML's flow style.
fn flow(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let members =
                members.iter().map(|(name, member)| format!("{}: {}", flow(&name.as_str().into()), flow(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// True if YAML reads the text back as a text without quotes. Errs towards quotes.
fn is_plain(text: &str) -> bool {
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_safe = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-@/".contains(&byte));
    let means_else = ["null", "true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text));
    (is_safe && is_word && !means_else) || is_moment(text)
}

/// True of `1m10s` and `250ms`: numbers, each with a unit. Other texts that begin with a digit may be numbers, as `0x5d`.
fn is_moment(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let Some(next) = ["ms", "s", "m", "h", "d"].iter().find_map(|known| unit.strip_prefix(known)) else {
            return false;
        };
        if unit.len() == rest.len() {
            return false;
        }
        rest = next;
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::detect::rule::yaml;

    #[test]
    fn values_stand_without_quotes_where_they_may() {
        let table = [
            (json!({"jwt.sub": "ann", "n": 8}), "{jwt.sub: ann, n: 8}"),
            (json!(["70s", "401", "null", "a b", "10.0.0.1"]), r#"[70s, "401", "null", "a b", "10.0.0.1"]"#),
            (json!(["0x5d", "1e3", "1m10s", "TRUE"]), r#"["0x5d", "1e3", 1m10s, "TRUE"]"#),
            (json!(null), "null"),
        ];
        for (value, text) in table {
            assert_eq!(flow(&value), text);
        }
    }

    proptest! {
        #[test]
        fn texts_read_back_as_they_were(text in "[0-9a-fxoeEsmhdn.+~_@/-]{0,6}|true|Null|~|.{0,4}") {
            let yaml = format!("- {}\n", flow(&json!(text)));
            let (nodes, faults) = yaml::load(&yaml);
            prop_assert!(faults.is_empty(), "{yaml}");
            prop_assert_eq!(nodes[0].json(), json!([text]), "{}", yaml);
        }
    }
}
