//! What runs, but probably not as meant: traps that a document shows on its own.
//!
//! Not those that show only once rules are joined: they are in `reach`.

use super::Context;
use crate::detect::matcher::TextRelation;
use crate::detect::rule::document::{
    Body, Condition, Detection, Document, FieldSearch, Filter, Operator, Search, Window, clip,
};
use crate::detect::rule::logic::Logic;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::schema;
use crate::detect::rule::yaml::{Node, Spot};
use crate::detect::time::Span;

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
            Some(Body::Window(window)) => of_window(document, window, context),
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
    let Some(name) = field.field.as_deref() else { return };
    if is_ours {
        faults.extend(unknown_field(name, field.at));
        if matches!(field.plan.operator, Operator::Text(TextRelation::Equals)) && field.plan.encodings.is_empty() {
            faults.extend(field.values.iter().filter_map(|value| unknown_value(name, value)));
        }
    }
    if matches!(field.plan.operator, Operator::Text(_)) {
        faults.extend(any_case(name, field));
        faults.extend(field.values.iter().filter_map(|value| wildcard(name, value)));
    }
}

fn unknown_field(name: &str, at: Spot) -> Option<Fault> {
    let meant = schema::meant(name)?;
    let message = format!("the event has no field \"{name}\"");
    let at = at.part(0, name.chars().count());
    Some(Fault::new(Code::UnknownField, at, message).hint(meant.hint()))
}

fn unknown_value(name: &str, value: &Node) -> Option<Fault> {
    let hint = schema::meant_value(name, value.as_text()?)?;
    let message = format!("{name} has no value \"{}\" in the audit event", clip(value.as_text()?));
    Some(Fault::new(Code::UnknownValue, value.at, message).hint(hint))
}

fn any_case(name: &str, field: &FieldSearch) -> Option<Fault> {
    let has_letters = |value: &Node| value.as_text().is_some_and(|text| text.chars().any(char::is_alphabetic));
    if field.plan.cased || !IDENTITIES.contains(&name) || !field.values.iter().any(has_letters) {
        return None;
    }
    let message = format!("{name} is matched in any case, but \"a\" and \"A\" are different there");
    Some(Fault::new(Code::CaseInsensitiveIdentity, field.at, message).hint(format!("write \"{name}|cased\"")))
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

fn of_window(document: &Document, window: &Window, context: &Context<'_>) -> Vec<Fault> {
    let is_alias = |name: &str| window.aliases.iter().any(|alias| alias.name == name);
    let groups = window.group_by.iter().filter(|name| !is_alias(&name.value));
    let mut faults: Vec<Fault> = groups.filter_map(|name| unknown_field(&name.value, name.at)).collect();
    let aliased = window.aliases.iter().flat_map(|alias| &alias.fields);
    faults.extend(aliased.filter_map(|(_, field)| unknown_field(&field.value, field.at)));
    let counted = window.logic.iter().flat_map(Logic::fields);
    faults.extend(counted.filter_map(|name| unknown_field(name, window.condition_at)));
    faults.extend(threshold(window, context));
    faults.extend(impossible(window, document));
    faults.extend(kept_too_long(window, context));
    faults
}

/// A window that needs the state of its groups for longer than that is to be kept.
fn kept_too_long(window: &Window, context: &Context<'_>) -> Option<Fault> {
    let (timespan, at) = (window.timespan.value, window.timespan.at);
    let needed = window.logic.as_ref().map_or(timespan, |logic| logic.retention(timespan));
    let kept = context.options.state_kept_max.filter(|kept| needed > *kept)?;
    let window = match window.logic {
        Some(Logic::Spike { history, .. }) => format!("the window of {needed}, {timespan} and {history} before it,"),
        Some(Logic::Absence { wait }) if wait > Span::ZERO => {
            format!("the window of {timespan} with its wait of {wait}")
        }
        _ => format!("the window of {timespan}"),
    };
    let message = format!("{window} is longer than the {kept} that state is to be kept");
    Some(Fault::new(Code::WindowTooLong, at, message).hint("shorten it, or raise state.kept_max"))
}

/// A number that can never be observed because a limit stops the counting before.
fn threshold(window: &Window, context: &Context<'_>) -> Option<Fault> {
    let limits = &context.options.limits;
    let logic = window.logic.as_ref()?;
    let (limit, most) = match logic {
        Logic::ValueCount { .. } if limits.set_values < limits.window_entries => ("set_values", limits.set_values),
        Logic::EventCount { .. } | Logic::ValueCount { .. } | Logic::Ratio { .. } => {
            ("window_entries", limits.window_entries)
        }
        _ => return None,
    };
    let condition = logic.condition();
    let least = match logic {
        Logic::Ratio { count_min, .. } => Some(f64::from(*count_min)),
        _ => [condition.gte, condition.gt.map(|bound| bound.floor() + 1.0), condition.eq]
            .into_iter()
            .flatten()
            .max_by(f64::total_cmp),
    };
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let least = least.filter(|least| *least > most as f64)?;
    let message = format!("the condition needs {least}, but limits.{limit} stops at {most}");
    let fault = Fault::new(Code::ThresholdAboveLimit, window.condition_at, message);
    Some(fault.hint("raise the limit, or lower the threshold"))
}

/// Why no number that the logic can observe is as low as the condition wants it, or why none equals what it names.
fn never_so_low(logic: &Logic<String>) -> Option<String> {
    let condition = logic.condition();
    let (least, why) = match logic {
        Logic::EventCount { .. } | Logic::ValueCount { .. } | Logic::Temporal { .. } => {
            if let Some(number) = condition.eq.filter(|number| number.fract() != 0.0) {
                return Some(format!("the condition asks for {number}, and a count is a whole number"));
            }
            (1.0, "the match that arrives is always counted")
        }
        Logic::Ratio { .. } => (0.0, "a share never is"),
        Logic::GeoVelocity { .. } => (0.0, "a speed never is"),
        _ => return None,
    };
    let most = [condition.lte, condition.eq].into_iter().flatten().find(|most| *most < least);
    if let Some(most) = most {
        return Some(format!("the condition asks for {most}, which is below {least}, and {why}"));
    }
    let most = condition.lt.filter(|most| *most <= least)?;
    Some(format!("the condition is below {most}, and {why}"))
}

/// What no match can ever satisfy, however many there are.
fn impossible(window: &Window, document: &Document) -> Option<Fault> {
    let logic = window.logic.as_ref()?;
    let condition = logic.condition();
    let fault = |message: String| Fault::new(Code::UnreachableRule, window.condition_at, message);
    if !condition.is_satisfiable() {
        return Some(fault("no number satisfies the condition".to_owned()));
    }
    if let Some(message) = never_so_low(logic) {
        return Some(fault(message));
    }
    let above = |most: f64| {
        let reached = [condition.gte, condition.eq].into_iter().flatten().find(|least| *least > most);
        reached.or(condition.gt.filter(|least| *least >= most))
    };
    match logic {
        Logic::Ratio { .. } => {
            let least = above(1.0)?;
            let hint = format!("a share goes from 0 to 1: write {} for {least} percent", least / 100.0);
            Some(fault(format!("the condition is above {least}, and a share never is")).hint(hint))
        }
        #[expect(clippy::cast_precision_loss, reason = "a file has few rules")]
        Logic::Temporal { .. } => {
            let rules = window.references.len();
            let least = above(rules as f64)?;
            Some(fault(format!("the condition asks for {least} rules, and there are {rules}")))
        }
        Logic::TemporalOrdered { gap_min } => {
            let steps = i64::try_from(window.references.len()).unwrap_or(i64::MAX).saturating_sub(1);
            let gap = document.header.gap_min.as_ref().filter(|_| gap_min.times(steps) >= window.timespan.value)?;
            let message = format!("{steps} gaps of {gap_min} do not fit into {}", window.timespan.value);
            Some(Fault::new(Code::UnreachableRule, gap.at, message))
        }
        _ => None,
    }
}
