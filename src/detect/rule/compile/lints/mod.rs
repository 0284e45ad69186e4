//! What runs, but probably not as meant: traps that a document shows on its own.
//!
//! Not those that show only once rules are joined: they are in `reach`.

mod bounds;
mod literal;
mod window;

use super::Context;
use crate::detect::matcher::{Comparison, DatePart, TextRelation};
use crate::detect::rule::document::{
    Body, Condition, Detection, Document, FieldSearch, Filter, Operator, Search, clip,
};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::schema;
use crate::detect::rule::yaml::{Node, Spot};

/// Fields whose values differ by case alone for different people, keys and tokens.
const IDENTITIES: [&str; 3] = ["jwt.jti", "jwt.sub", "jwt.kid"];
/// Fields whose values may hold a `*` of their own.
const SCOPES: [&str; 3] = ["jwt.scope", "jwt.missing_scope", "authz.required_scope"];

/// Warns of the traps in every document.
pub(super) fn check(documents: &[Document], context: &mut Context<'_>) {
    for document in documents {
        let faults = match &document.body {
            Some(Body::Filter(filter)) => {
                of_filter(filter).into_iter().chain(of_detection(&filter.detection)).collect()
            }
            Some(Body::Detection(detection)) => {
                let groups = document.header.group_by.iter();
                let unknown = groups.filter_map(|name| unknown_field(&name.value, name.at));
                of_detection(detection).into_iter().chain(unknown).collect()
            }
            Some(Body::Window(window)) => window::faults(document, window, context),
            None => continue,
        };
        for fault in faults {
            context.report(document, fault);
        }
    }
}

fn of_filter(filter: &Filter) -> Option<Fault> {
    let detection = &filter.detection;
    if detection.condition.as_ref().is_none_or(Condition::negates) {
        return None;
    }
    let message = "the filter has no \"not\": it keeps only the events that it describes";
    let fault = Fault::new(Code::FilterWithoutNot, detection.condition_at, message);
    Some(fault.hint("to exclude them, write \"not\" before the condition"))
}

fn of_detection(detection: &Detection) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_ours = detection.logsource.is_native();
    for selection in &detection.selections {
        if let Some(search) = &selection.search {
            of_search(search, is_ours, &mut faults);
        }
    }
    faults
}

fn of_search(search: &Search, is_ours: bool, faults: &mut Vec<Fault>) {
    let field = match search {
        Search::All(parts) | Search::Any(parts) => {
            return parts.iter().for_each(|part| of_search(part, is_ours, faults));
        }
        Search::Field(field) => field,
    };
    if is_ours {
        faults.extend(field.values.iter().filter_map(|value| literal::fault(field, value)));
    }
    let Some(name) = field.field.as_deref() else { return };
    let values = || field.values.iter();
    if is_ours {
        faults.extend(unknown_field(name, field.field_at));
    }
    match field.plan.operator {
        Operator::Text(relation) => {
            if is_ours && relation == TextRelation::Equals && field.plan.encodings.is_empty() {
                faults.extend(values().filter_map(|value| unknown_value(name, value)));
            }
            let has_letters = |value: &Node| value.as_text().is_some_and(|text| text.chars().any(char::is_alphabetic));
            faults.extend(any_case(name, field).filter(|_| values().any(has_letters)));
            faults.extend(values().filter_map(|value| wildcard(name, value)));
        }
        Operator::Field(_) => {
            let named = || values().filter_map(|value| Some((value.as_text()?, value)));
            if is_ours {
                faults.extend(named().filter_map(|(other, value)| unknown_field(other, value.at)));
            }
            let mut both = std::iter::once(name).chain(named().map(|(other, _)| other));
            faults.extend(both.find_map(|name| any_case(name, field)));
        }
        Operator::Date(part, comparison) if !field.plan.negated => {
            let comparison = comparison.unwrap_or(Comparison::Equal);
            faults.extend(values().filter_map(|value| no_date(part, comparison, value)));
        }
        _ => {}
    }
}

/// A number that a part of a date never is, or is never below or above.
fn no_date(part: DatePart, comparison: Comparison, value: &Node) -> Option<Fault> {
    let range = part.range()?;
    let number = value.as_number()?;
    if range.clone().any(|possible| comparison.holds(f64::from(possible), number)) {
        return None;
    }
    let message = format!("{} goes from {} to {}: no date matches this", part.name(), range.start(), range.end());
    Some(Fault::new(Code::UnreachableRule, value.at, message).hint("dates are in UTC; parts of them are whole numbers"))
}

fn unknown_field(name: &str, at: Spot) -> Option<Fault> {
    let meant = schema::meant(name)?;
    let message = format!("the event has no field \"{name}\"");
    Some(Fault::new(Code::UnknownField, at, message).hint(meant.hint()))
}

fn unknown_value(name: &str, value: &Node) -> Option<Fault> {
    let hint = schema::meant_value(name, value.as_text()?)?;
    let message = format!("{name} has no value \"{}\" in the audit event", clip(value.as_text()?));
    Some(Fault::new(Code::UnknownValue, value.at, message).hint(hint))
}

fn any_case(name: &str, field: &FieldSearch) -> Option<Fault> {
    if field.plan.cased || !IDENTITIES.contains(&name) {
        return None;
    }
    let message = format!("{name} is matched in any case, but \"a\" and \"A\" are different there");
    let hint = format!("add the modifier cased at the end, as in \"{}|cased\"", field.key);
    Some(Fault::new(Code::CaseInsensitiveIdentity, field.at, message).hint(hint))
}

fn wildcard(name: &str, value: &Node) -> Option<Fault> {
    let text = value.as_text().filter(|_| SCOPES.contains(&name))?;
    let mut is_escaped = false;
    let at = text.chars().position(|letter| {
        let is_wildcard = letter == '*' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_wildcard
    })?;
    let message = format!("* in {name} stands for any characters, not for a scope's own *");
    let fault = Fault::new(Code::WildcardInScope, value.part(at, 1), message);
    Some(fault.hint("write \\* if the scope has a * in it, or a modifier such as startswith if not"))
}
