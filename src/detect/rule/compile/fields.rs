//! The slots of every field that rules read, in an order that depends on nothing but which fields those are.

use std::collections::BTreeSet;

use super::Context;
use crate::detect::fields::FieldTable;
use crate::detect::rule::document::{Body, Detection, Document, Operator, Search, Window};
use crate::detect::rule::logic::Logic;
use crate::detect::rule::problem::{Code, Fault};

/// The most fields of one rule set, well within what a slot can number.
const FIELDS_MAX: usize = 65_000;

/// None if there are too many.
pub(super) fn table(documents: &[Document], context: &mut Context<'_>) -> Option<FieldTable> {
    let mut paths = BTreeSet::new();
    for document in documents {
        paths.extend(document.header.group_by.iter().map(|field| field.value.as_str()));
        match &document.body {
            Some(Body::Detection(detection)) => of_detection(detection, &mut paths),
            Some(Body::Filter(filter)) => of_detection(&filter.detection, &mut paths),
            Some(Body::Window(window)) => of_window(window, &mut paths),
            None => {}
        }
        if paths.len() > FIELDS_MAX {
            let message = format!("with this rule the rules read more than {FIELDS_MAX} fields");
            context.report(document, Fault::new(Code::TooManyFields, document.at, message));
            return None;
        }
    }
    let mut table = FieldTable::default();
    for path in paths {
        table.slot(path);
    }
    Some(table)
}

fn of_window<'d>(window: &'d Window, paths: &mut BTreeSet<&'d str>) {
    paths.extend(window.logic.iter().flat_map(Logic::fields).map(String::as_str));
    paths.extend(window.group_by.iter().map(|name| name.value.as_str()));
    let aliased = window.aliases.iter().flat_map(|alias| &alias.fields);
    paths.extend(aliased.map(|(_, field)| field.value.as_str()));
}

fn of_detection<'d>(detection: &'d Detection, paths: &mut BTreeSet<&'d str>) {
    let searches = detection.selections.iter().filter_map(|selection| selection.search.as_ref());
    searches.for_each(|search| of_search(search, paths));
}

fn of_search<'d>(search: &'d Search, paths: &mut BTreeSet<&'d str>) {
    match search {
        Search::All(parts) | Search::Any(parts) => parts.iter().for_each(|part| of_search(part, paths)),
        Search::Field(field) => {
            paths.insert(field.field.as_deref().unwrap_or(FieldTable::KEYWORDS));
            if matches!(field.plan.operator, Operator::Field(_)) {
                paths.extend(field.values.iter().filter_map(crate::detect::rule::yaml::Node::as_text));
            }
        }
    }
}
