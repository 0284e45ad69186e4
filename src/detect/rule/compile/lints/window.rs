//! The traps of a correlation or an anomaly.

use super::{bounds, unknown_field};
use crate::detect::rule::compile::Context;
use crate::detect::rule::compiled::Role;
use crate::detect::rule::document::{Document, Window};
use crate::detect::rule::logic::Logic;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::schema;
use crate::detect::time::Span;

/// What is odd about a window, as far as it shows in its own document.
pub(super) fn faults(document: &Document, window: &Window, context: &Context<'_>) -> Vec<Fault> {
    let groups = window.group_by.iter().filter(|name| !is_alias(window, &name.value));
    let mut faults: Vec<Fault> = groups.filter_map(|name| unknown_field(&name.value, name.at)).collect();
    let aliased = window.aliases.iter().flat_map(|alias| &alias.fields);
    faults.extend(aliased.filter_map(|(_, field)| unknown_field(&field.value, field.at)));
    let counted = window.logic.iter().flat_map(Logic::fields).enumerate();
    faults.extend(counted.filter_map(|(index, name)| unknown_field(name, window.places.field(index))));
    faults.extend(bounds::above_limit(window, context));
    faults.extend(impossible(window, document));
    faults.extend(kept_too_long(window, context));
    faults
}

fn is_alias(window: &Window, name: &str) -> bool {
    window.aliases.iter().any(|alias| alias.name == name)
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

/// What no match can ever satisfy, however many there are.
fn impossible(window: &Window, document: &Document) -> Option<Fault> {
    let logic = window.logic.as_ref()?;
    bounds::never(window, logic).or_else(|| match logic {
        Logic::TemporalOrdered { gap_min } => {
            let steps = i64::try_from(window.references.len()).unwrap_or(i64::MAX).saturating_sub(1);
            let gap = document.header.gap_min.as_ref().filter(|_| gap_min.times(steps) >= window.timespan.value)?;
            let message = format!("{steps} gaps of {gap_min} do not fit into {}", window.timespan.value);
            Some(Fault::new(Code::UnreachableRule, gap.at, message))
        }
        Logic::ValueSum { field, .. } | Logic::ValueAverage { field, .. } | Logic::ValuePercentile { field, .. }
            if schema::is_text(field) =>
        {
            let message = format!("{field} is a text in the audit event, and only numbers count");
            let fault = Fault::new(Code::UnreachableRule, window.places.field(0), message);
            Some(fault.hint("to count different values, take the type value_count"))
        }
        Logic::ValueChange { field } => constant(window, field, "a single value never changes within it"),
        Logic::ValueCount { fields, condition } if condition.least_whole().is_some_and(|(_, least)| least > 1.0) => {
            match fields.as_slice() {
                [field] => constant(window, field, "has a single value within it"),
                _ => None,
            }
        }
        Logic::Absence { .. } => own_companion(window),
        _ => None,
    })
}

/// A field that is compared within a group although it is the same in all of it. Of a list a group has one element.
fn constant(window: &Window, field: &str, why: &str) -> Option<Fault> {
    let is_grouped = window.group_by.iter().any(|name| name.value == *field) && !is_alias(window, field);
    if !is_grouped || !schema::is_single(field) {
        return None;
    }
    let message = format!("{field} is in group-by, and {why}");
    let fault = Fault::new(Code::UnreachableRule, window.places.field(0), message);
    Some(fault.hint("group by whom it belongs to, and compare what may differ"))
}

/// A match that is of the rules that it must be without is never without them.
fn own_companion(window: &Window) -> Option<Fault> {
    let with = |role| window.references.iter().filter(move |reference| reference.role == role);
    let companion = with(Role::Companion)
        .find(|companion| with(Role::Match).any(|missed| missed.name.value == companion.name.value))?;
    let name = &companion.name.value;
    let message = format!("a match of \"{name}\" is its own companion, and never without one");
    let fault = Fault::new(Code::UnreachableRule, companion.name.at, message);
    Some(fault.hint("remove it here or under rules: the rule fires where nothing of \"without\" is near"))
}
