//! What runs, but probably not as meant.

use super::Context;
use crate::detect::rule::document::{Body, Document, Filter, Window};
use crate::detect::rule::logic::Logic;
use crate::detect::rule::problem::{Code, Fault};

/// Warns of the traps that a document alone shows.
pub(super) fn check(documents: &[Document], context: &mut Context<'_>) {
    for document in documents {
        match &document.body {
            Some(Body::Filter(filter)) => of_filter(document, filter, context),
            Some(Body::Window(window)) => threshold(document, window, context),
            Some(Body::Detection(_)) | None => {}
        }
    }
}

fn of_filter(document: &Document, filter: &Filter, context: &mut Context<'_>) {
    if !filter.detection.condition.negates() {
        let message = "the filter has no \"not\": it keeps only the events that it describes";
        let fault = Fault::new(Code::FilterWithoutNot, filter.detection.condition_at, message);
        context.report(document, fault.hint("to exclude them, write \"not\" before the condition"));
    }
}

/// A number that can never be observed because a limit stops the counting before.
fn threshold(document: &Document, window: &Window, context: &mut Context<'_>) {
    let limits = &context.options.limits;
    let (limit, most) = match window.logic {
        Logic::EventCount { .. } => ("window_entries", limits.window_entries),
        Logic::ValueCount { .. } => ("set_values", limits.set_values.min(limits.window_entries)),
        _ => return,
    };
    let condition = window.logic.condition();
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let most = most as f64;
    let least = [condition.gte, condition.gt.map(|bound| bound + 1.0), condition.eq].into_iter().flatten();
    if let Some(least) = least.max_by(f64::total_cmp).filter(|least| *least > most) {
        let message = format!("the condition needs {least}, but limits.{limit} stops at {most}");
        let fault = Fault::new(Code::ThresholdAboveLimit, window.condition_at, message);
        context.report(document, fault.hint("raise the limit, or lower the threshold"));
    }
}
