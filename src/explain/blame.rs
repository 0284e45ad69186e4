//! Which question of a detection an event fails.

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::matcher::{Expr, LogSource, Test, TextRelation};
use crate::detect::rule::RuleSet;
use crate::detect::value::Value;
use crate::pipeline::Settings;

use super::reason::Reason;
use super::terms::Terms;

/// Listed at most, of several values of which none matches.
const LISTED_MAX: usize = 4;

/// Why an event satisfies none of some detections: the one that it satisfies most of, or each of several that it
/// satisfies as much of.
pub(super) fn blame(rules: &RuleSet, labels: &[usize], source: &LogSource, values: &[Value<'_>]) -> (Reason, String) {
    let told = |label: usize| of_detection(rules, label, source, values);
    let named = |label: usize, why: String| match labels {
        [_] => why,
        _ => format!("{}: {why}", rules.detection_names[label]),
    };
    // Filtered out is nearer than not matched.
    for label in labels {
        if let (Reason::Filtered, by) = told(*label) {
            return (Reason::Filtered, named(*label, by));
        }
    }
    let share = |label: usize| satisfied(&rules.matcher.detection(label).expr, values);
    let most = labels.iter().map(|label| share(*label)).fold(0.0, f64::max);
    let nearest: Vec<usize> = labels.iter().copied().filter(|label| share(*label) >= most).collect();
    let mut all: Vec<String> = nearest.iter().take(LISTED_MAX).map(|label| named(*label, told(*label).1)).collect();
    let more = nearest.len().saturating_sub(LISTED_MAX);
    all.extend((more > 0).then(|| format!("{more} more as far")));
    (Reason::NoMatch, all.join("; "))
}

fn of_detection(rules: &RuleSet, label: usize, source: &LogSource, values: &[Value<'_>]) -> (Reason, String) {
    let detection = rules.matcher.detection(label);
    if !detection.logsource.admits(source) {
        return (Reason::NoMatch, "the rule's logsource is for other events".to_owned());
    }
    if let Some(filtered) = rules.filtered.get(&label)
        && filtered.own.holds(values)
    {
        let guilty = filtered.filters.iter().find(|(_, expr)| !expr.holds(values));
        return (Reason::Filtered, guilty.map_or_else(String::new, |(name, _)| format!("by {name}")));
    }
    let why = failing(&detection.expr, values, &rules.fields);
    (Reason::NoMatch, why.unwrap_or_else(|| "the condition does not hold".to_owned()))
}

/// The share of an expression's outermost parts that hold.
fn satisfied(expr: &Expr, values: &[Value<'_>]) -> f64 {
    let Expr::All(parts) = expr else { return f64::from(u8::from(expr.holds(values))) };
    let held = parts.iter().filter(|part| part.holds(values)).count();
    #[expect(clippy::cast_precision_loss, reason = "an expression has few parts")]
    let share = held as f64 / parts.len().max(1) as f64;
    share
}

/// What in an expression does not hold, in words.
fn failing(expr: &Expr, values: &[Value<'_>], fields: &FieldTable) -> Option<String> {
    match expr {
        Expr::All(parts) => {
            parts.iter().find(|part| !part.holds(values)).and_then(|part| failing(part, values, fields))
        }
        Expr::Any(parts) => {
            if let Some((path, wanted)) = alternatives(parts, fields) {
                return Some(format!("{path} is none of {wanted}"));
            }
            // Of equals the first.
            let share = |part: &Expr| satisfied(part, values);
            let nearest = parts.iter().reduce(|best, part| if share(part) > share(best) { part } else { best })?;
            let why = failing(nearest, values, fields)?;
            Some(if parts.len() > 1 { format!("{why} (nearest of {} alternatives)", parts.len()) } else { why })
        }
        Expr::Not(part) => holding(part, values, fields),
        Expr::Test(slot, test) => Some(refused(*slot, test, values, fields)),
    }
}

/// What in an expression holds though it must not.
fn holding(expr: &Expr, values: &[Value<'_>], fields: &FieldTable) -> Option<String> {
    match expr {
        Expr::All(parts) => {
            let told: Vec<String> = parts.iter().filter_map(|part| holding(part, values, fields)).collect();
            (!told.is_empty()).then(|| told.join(" and "))
        }
        Expr::Any(parts) => parts.iter().find(|part| part.holds(values)).and_then(|part| holding(part, values, fields)),
        Expr::Not(part) => failing(part, values, fields),
        Expr::Test(slot, Test::Exists) => Some(format!("{} is there", named(*slot, fields))),
        Expr::Test(slot, test) => Some(format!("{} {}, which is excluded", named(*slot, fields), wanted(test, fields))),
    }
}

/// Alternatives for one field, listed.
fn alternatives<'f>(parts: &[Expr], fields: &'f FieldTable) -> Option<(&'f str, String)> {
    let Expr::Test(first, _) = parts.first()? else { return None };
    let mut listed = Vec::new();
    for part in parts {
        match part {
            Expr::Test(slot, test) if slot == first => listed.push(wanted(test, fields)),
            _ => return None,
        }
    }
    let rest = listed.len().saturating_sub(LISTED_MAX);
    listed.truncate(LISTED_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    Some((named(*first, fields), format!("{}{more}", listed.join(", "))))
}

fn refused(slot: Slot, test: &Test, values: &[Value<'_>], fields: &FieldTable) -> String {
    let path = named(slot, fields);
    match (test, &values[slot.index()]) {
        (Test::Null, _) => format!("{path} is there"),
        (_, Value::Absent) => format!("{path} is missing"),
        (Test::OneOf(texts), _) => {
            let mut listed: Vec<&str> = texts.literals().take(LISTED_MAX + 1).collect();
            let more = if listed.len() > LISTED_MAX { ", …" } else { "" };
            listed.truncate(LISTED_MAX);
            format!("{path} is none of {}{more}", listed.join(", "))
        }
        (test, _) => format!("{path} is not {}", wanted(test, fields)),
    }
}

/// How a field is called; keywords are looked for in all of them.
fn named(slot: Slot, fields: &FieldTable) -> &str {
    match fields.path(slot) {
        FieldTable::KEYWORDS => "any field",
        path => path,
    }
}

/// What a test asks, in words that follow `is not` or stand for themselves.
fn wanted(test: &Test, fields: &FieldTable) -> String {
    match test {
        Test::Text(pattern) => pattern.spelled(),
        Test::Number(number) => number.canonical.to_string(),
        Test::Field { other, relation: TextRelation::Equals, .. } => format!("the same as {}", fields.path(*other)),
        test => test.canonical(fields),
    }
}

/// The group-by fields that a match lacks, under the first of its labels.
pub(super) fn missing_keys(terms: &Terms<'_>, labels: u32, values: &[Value<'_>], settings: &Settings) -> String {
    let bit = labels.trailing_zeros() as usize;
    let Some(input) = terms.rule.inputs.get(bit) else { return String::new() };
    let is_placeholder = |text: &str| settings.placeholders.iter().any(|word| word.eq_ignore_ascii_case(text));
    let slots = &terms.rules.groupings[input.grouping].slots;
    let lacking = slots.iter().filter_map(|slot| {
        let texts: Vec<_> = values[slot.index()].elements().iter().filter_map(Value::key_text).collect();
        let path = terms.rules.fields.path(*slot);
        match texts.first() {
            None => Some(path.to_owned()),
            Some(text) if texts.iter().all(|text| is_placeholder(text)) => {
                Some(format!("{path} (\"{text}\" stands for nobody)"))
            }
            Some(_) => None,
        }
    });
    lacking.collect::<Vec<_>>().join(", ")
}
