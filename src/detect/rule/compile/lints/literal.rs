//! Values that look like something else than the text that they are compared as.

use ipnet::IpNet;

use crate::detect::matcher::TextRelation;
use crate::detect::rule::document::{FieldSearch, Operator};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::schema;
use crate::detect::rule::yaml::Node;

/// Warns of a value of a field, or of a keyword.
pub(super) fn fault(field: &FieldSearch, value: &Node) -> Option<Fault> {
    let text = value.as_text()?;
    let (message, hint) = match (&field.field, field.plan.operator) {
        (None, Operator::Text(_)) => keyword(text)?,
        (Some(name), Operator::Text(relation)) => plain(name, text, relation, field.plan.expand)?,
        (Some(_), Operator::Network) if field.plan.expand && !has_placeholder(text) => no_placeholder(text),
        (Some(_), Operator::Regex { .. }) => delimited(text)?,
        _ => return None,
    };
    Some(Fault::new(Code::TakenLiterally, value.at, message).hint(hint))
}

/// What it is taken for, and what to do if more was meant.
type Told = (String, String);

fn plain(name: &str, text: &str, relation: TextRelation, expand: bool) -> Option<Told> {
    if expand && !has_placeholder(text) {
        return Some(no_placeholder(text));
    }
    if !expand && is_placeholder(text) {
        let message = format!("{text} is compared as it stands, and not with the values of a list");
        return Some((message, format!("add the modifier expand, as in \"{name}|expand\"")));
    }
    if relation != TextRelation::Equals {
        return None;
    }
    if text.contains('/') && text.parse::<IpNet>().is_ok() {
        let message = format!("{text} is compared as a text, not as a network");
        return Some((message, format!("add the modifier cidr, as in \"{name}|cidr\"")));
    }
    if text.len() > 2 && text.starts_with('^') && (text.ends_with('$') || text.contains(".*")) {
        let message = format!("{text} is compared as a text, not as a regular expression");
        return Some((message, format!("add the modifier re, as in \"{name}|re\"")));
    }
    // The values of other fields may have such a separator in them.
    if !matches!(name, "event.action" | "event.outcome" | "event.reason" | "http.request.method") {
        return None;
    }
    let separator = [" OR ", " or ", " AND ", ", ", "|"].into_iter().find(|separator| text.contains(separator))?;
    let message = format!("{text} is compared as one text");
    Some((message, format!("write a list for several values, as in \"[{}]\"", text.replace(separator, ", "))))
}

/// A map without the blank behind its colon is a text, and so is another tool's comparison.
fn keyword(text: &str) -> Option<Told> {
    let (name, rest) = text.split_at(text.find([':', '=', ' ', '|'])?);
    let is_field = schema::FIELDS.iter().any(|field| field.path == name);
    // A sentence may begin with the name of a field.
    if !is_field || !rest.trim_start().starts_with([':', '=', '|']) {
        return None;
    }
    let message = format!("{text} is looked for as a text anywhere in the event");
    let value = rest.trim_start_matches([':', '=', ' ']).trim_matches('"');
    Some((message, format!("write a mapping, with a blank behind the colon: \"{name}: {value}\"")))
}

/// Slashes around an expression, and flags behind them, are other languages'.
fn delimited(text: &str) -> Option<Told> {
    let inner = text.strip_prefix('/')?;
    let (pattern, flags) = inner.rsplit_once('/')?;
    if pattern.is_empty() || pattern.contains('/') || !flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'g')) {
        return None;
    }
    let modifiers = if flags.contains('i') { "|re|i" } else { "|re" };
    let message = format!("the slashes of {text} are looked for as well");
    Some((message, format!("write the expression alone, and its flags as modifiers: \"{modifiers}: {pattern}\"")))
}

fn no_placeholder(text: &str) -> Told {
    let message = format!("expand finds no %NAME% in \"{text}\", so no list is used");
    let name = text.trim_matches('%');
    (message, format!("write \"%{name}%\", or leave expand out"))
}

/// True if some `%` closes another.
fn has_placeholder(text: &str) -> bool {
    text.replace("\\%", "").matches('%').count() >= 2
}

/// True for a whole `%name%`, as only lists are written.
fn is_placeholder(text: &str) -> bool {
    let name = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_'))
}
