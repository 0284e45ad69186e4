//! Numbers in a condition that nothing observed can satisfy.

use crate::detect::rule::compile::Context;
use crate::detect::rule::condition::Condition;
use crate::detect::rule::document::Window;
use crate::detect::rule::logic::Logic;
use crate::detect::rule::problem::{Code, Fault};

/// A bound by Sigma's word, and its number.
type Bound = (&'static str, f64);

/// A number that can never be observed because a limit stops the counting before.
pub(super) fn above_limit(window: &Window, context: &Context<'_>) -> Option<Fault> {
    let limits = &context.options.limits;
    let logic = window.logic.as_ref()?;
    let (limit, most) = match logic {
        Logic::ValueCount { .. } if limits.set_values < limits.window_entries => ("set_values", limits.set_values),
        Logic::EventCount { .. } | Logic::ValueCount { .. } | Logic::Ratio { .. } => {
            ("window_entries", limits.window_entries)
        }
        _ => return None,
    };
    let (least, at) = if let Logic::Ratio { count_min, .. } = logic {
        (f64::from(*count_min), window.places.count_min())
    } else {
        let (word, least) = logic.condition().least_whole()?;
        (least, window.places.bound(word))
    };
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let is_above = least > most as f64;
    let message = format!("the condition needs {least}, but limits.{limit} stops at {most}");
    let fault = Fault::new(Code::ThresholdAboveLimit, at, message);
    is_above.then(|| fault.hint("raise the limit, or lower the threshold"))
}

/// A condition that no number satisfies, or none that its type of window can observe.
pub(super) fn never(window: &Window, logic: &Logic<String>) -> Option<Fault> {
    let condition = logic.condition();
    if !condition.is_satisfiable() {
        let message = "no number satisfies the condition";
        return Some(Fault::new(Code::UnreachableRule, window.places.condition, message));
    }
    let fault = |word, message| Fault::new(Code::UnreachableRule, window.places.bound(word), message);
    if let Some((word, message)) = too_low(logic, condition) {
        return Some(fault(word, message));
    }
    match logic {
        Logic::Ratio { .. } => {
            let (word, least) = above(condition, 1.0)?;
            let hint = format!("a share goes from 0 to 1: write {} for {least} percent", least / 100.0);
            Some(fault(word, format!("the condition is above {least}, and a share never is")).hint(hint))
        }
        #[expect(clippy::cast_precision_loss, reason = "a file has few rules")]
        Logic::Temporal { .. } => {
            let rules = window.references.len();
            let (word, least) = above(condition, rules as f64)?;
            Some(fault(word, format!("the condition asks for {least} rules, and there are {rules}")))
        }
        _ => None,
    }
}

/// Why no number that the logic can observe is as low as a bound wants it, or why none equals what it names.
fn too_low(logic: &Logic<String>, condition: Condition) -> Option<(&'static str, String)> {
    let (least, why) = match logic {
        Logic::EventCount { .. } | Logic::ValueCount { .. } | Logic::Temporal { .. } => {
            if let Some(number) = condition.eq.filter(|number| number.fract() != 0.0) {
                return Some(("eq", format!("the condition asks for {number}, and a count is a whole number")));
            }
            (1.0, "the match that arrives is always counted")
        }
        Logic::Ratio { .. } => (0.0, "a share never is"),
        Logic::GeoVelocity { .. } => (0.0, "a speed never is"),
        _ => return None,
    };
    condition.bounds().find_map(|(word, most)| match word {
        "lte" | "eq" if most < least => {
            Some((word, format!("the condition asks for {most}, which is below {least}, and {why}")))
        }
        "lt" if most <= least => Some((word, format!("the condition is below {most}, and {why}"))),
        _ => None,
    })
}

/// The bound that only numbers above `most` satisfy.
fn above(condition: Condition, most: f64) -> Option<Bound> {
    condition.bounds().find(|(word, least)| match *word {
        "gte" | "eq" => *least > most,
        "gt" => *least >= most,
        _ => false,
    })
}
