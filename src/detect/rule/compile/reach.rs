//! Traps that show once rules are joined: what nothing can reach, what nobody can group.
//!
//! Asked of sets with errors too, but only of what is sound in them: nothing is said that another error may explain.

use std::collections::{HashMap, HashSet};

use super::Context;
use super::graph::{DEPTH_MAX, Graph};
use super::lower::{self, Lowered};
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::matcher::{Expr, Test};
use crate::detect::rule::document::{Body, Document, Filter, Spanned, Targets};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::schema::{self, Meant};

/// The traps of a set.
pub(super) struct Reach<'a> {
    documents: &'a [Document],
    graph: &'a Graph,
    fields: &'a FieldTable,
    detections: &'a [Lowered],
    /// By document.
    exprs: HashMap<usize, &'a Expr>,
    /// True at the index of each document without an error, which no chain beyond the bounds stands on.
    sound: Vec<bool>,
    /// True if every document could be read, so that none is missing among those that refer to others.
    is_complete: bool,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        documents: &'a [Document],
        graph: &'a Graph,
        fields: &'a FieldTable,
        detections: &'a [Lowered],
        is_complete: bool,
        context: &Context<'_>,
    ) -> Self {
        let exprs = detections.iter().map(|lowered| (lowered.document, &lowered.matched.expr)).collect();
        let is_sound = |(document, depth): (&Document, &u8)| {
            *depth <= DEPTH_MAX && !context.broken.contains(&(document.file, document.at))
        };
        let sound = documents.iter().zip(&graph.depth).map(is_sound).collect();
        let is_complete = is_complete && documents.iter().all(|document| document.body.is_some());
        Self { documents, graph, fields, detections, exprs, sound, is_complete }
    }

    /// Warns of them.
    pub(super) fn check(&self, context: &mut Context<'_>) {
        for lowered in self.detections.iter().filter(|lowered| self.sound[lowered.document]) {
            self.unreachable(lowered, context);
        }
        for (index, document) in self.documents.iter().enumerate().filter(|(index, _)| self.sound[*index]) {
            self.tags(index, document, context);
            self.muted(index, document, context);
            let group_by = match &document.body {
                Some(Body::Window(window)) => &window.group_by,
                Some(Body::Detection(_)) => &document.header.group_by,
                Some(Body::Filter(_)) | None => continue,
            };
            for name in group_by {
                self.group(index, name, context);
            }
        }
        self.filters(context);
    }
}

impl Reach<'_> {
    /// A detection that holds for no event, or is for events that no source has.
    fn unreachable(&self, lowered: &Lowered, context: &mut Context<'_>) {
        let document = &self.documents[lowered.document];
        let Some(Body::Detection(detection)) = &document.body else { return };
        if is_contradictory(&lowered.matched.expr, self.fields) {
            let message = "no event can match: the condition and the filters contradict each other";
            context.report(document, Fault::new(Code::UnreachableRule, detection.condition_at, message));
        }
        let sources = &context.options.sources;
        if !sources.is_empty() && !sources.iter().any(|source| lowered.matched.logsource.admits(source)) {
            let at = detection.logsource.at.unwrap_or(document.at);
            let fault = Fault::new(Code::UnreachableRule, at, "no source declares events of this logsource");
            context.report(document, fault.hint("the native event declares product jwt and category audit"));
        }
    }

    /// A level without tags. A detection that others may refer to, as far as can be told, need not alert.
    fn tags(&self, index: usize, document: &Document, context: &mut Context<'_>) {
        let is_sure = self.graph.alerts[index] && (self.is_complete || matches!(document.body, Some(Body::Window(_))));
        if let Some(level) = document.header.level.as_ref().filter(|_| is_sure && !self.graph.meant[index])
            && document.header.tags.is_empty()
        {
            let fault = Fault::new(Code::LevelWithoutTags, level.at, "the rule has a level, but no tags");
            context.report(document, fault.hint("add the technique, as in \"tags: [attack.t1550.001]\""));
        }
    }

    /// A rule with a level that another one counts, so that it does not alert. Detections are made for that, unless the
    /// other stands elsewhere.
    fn muted(&self, index: usize, document: &Document, context: &mut Context<'_>) {
        let Some(level) = document.header.level.as_ref().filter(|_| !self.graph.alerts[index]) else { return };
        let counts = |other: &usize| self.graph.inputs[*other].iter().any(|(_, input)| *input == index);
        let Some(outer) = (0..self.documents.len()).find(counts) else { return };
        let is_window = matches!(document.body, Some(Body::Window(_)));
        if !is_window && self.documents[outer].file == document.file {
            return;
        }
        let message = format!("the rule has a level and does not alert, because \"{}\" counts it", self.name(outer));
        let hint = format!(
            "say \"generate: true\" in \"{}\" if it is to alert as well, or leave the level out",
            self.name(outer)
        );
        context.report(document, Fault::new(Code::MutedRule, level.at, message).hint(hint));
    }

    /// A group that matching events can be without.
    fn group(&self, index: usize, name: &Spanned<String>, context: &mut Context<'_>) {
        let own = [index];
        let inputs: Vec<usize> = match self.documents[index].body {
            Some(Body::Window(_)) => self.graph.inputs[index].iter().map(|(_, input)| *input).collect(),
            _ => own.to_vec(),
        };
        for input in inputs {
            let path = self.path(index, input, &name.value);
            // A slip in the name has a warning of its own.
            if self.provides(input, path) || matches!(schema::meant(path), Some(Meant::Field(_))) {
                continue;
            }
            let message = format!("matches of \"{}\" can be without {path}, and then have no group", self.name(input));
            let lacks_entry = path == name.value && self.graph.aliases[index].iter().any(|(alias, _)| alias == path);
            let hint = if lacks_entry {
                format!("say under aliases.{path} which field it is there, as in \"{}: FIELD\"", self.name(input))
            } else {
                format!("add \"{path}|exists: true\" to \"{}\" if they should not match", self.name(input))
            };
            context.report(&self.documents[index], Fault::new(Code::OptionalGroup, name.at, message).hint(hint));
            return;
        }
    }

    fn name(&self, index: usize) -> &str {
        &self.documents[index].header.name.value
    }

    /// The field behind a name of a group for one input.
    fn path<'n>(&'n self, rule: usize, input: usize, name: &'n str) -> &'n str {
        let alias = self.graph.aliases[rule].iter().find(|(alias, _)| alias == name);
        let field = alias.and_then(|(_, fields)| fields.iter().find(|(of, _)| *of == input));
        field.map_or(name, |(_, field)| field)
    }

    /// True if every match of a document has the field, or may have it once the errors are out of the way.
    fn provides(&self, index: usize, path: &str) -> bool {
        if !self.sound[index] || self.graph.filters[index].iter().any(|filter| !self.sound[*filter]) {
            return true;
        }
        match &self.documents[index].body {
            // A firing has the fields of its last match, and those of its group.
            Some(Body::Window(window)) => {
                window.group_by.iter().any(|name| name.value == path)
                    || self.graph.inputs[index].iter().all(|(_, input)| self.provides(*input, path))
            }
            _ => match (self.fields.find(path), self.exprs.get(&index)) {
                (Some(Slot::EVENT_ACTION | Slot::EVENT_ID | Slot::TIMESTAMP), _) => true,
                (Some(slot), Some(expr)) => requires(expr, slot),
                _ => false,
            },
        }
    }

    /// A filter is for the events of its logsource; elsewhere it has nothing to exclude.
    fn filters(&self, context: &mut Context<'_>) {
        for (index, document) in self.documents.iter().enumerate() {
            let Some(Body::Filter(Filter { targets: Targets::Any(at), .. })) = &document.body else { continue };
            if !self.is_complete || !self.sound[index] {
                continue;
            }
            if self.graph.filters.iter().flatten().all(|filter| *filter != index) {
                let fault = Fault::new(Code::FilterLogsource, *at, "no detection has the filter's logsource");
                context.report(document, fault.hint("any means those that declare all that the filter declares"));
            }
        }
        for (index, filters) in self.graph.filters.iter().enumerate() {
            for filter in filters.iter().filter(|filter| self.sound[**filter]) {
                let document = &self.documents[*filter];
                let Some(Body::Filter(body)) = &document.body else { continue };
                if lower::applies(body, &self.documents[index]) {
                    continue;
                }
                let at = body.detection.logsource.at.unwrap_or(document.at);
                let message =
                    format!("the filter is for other events than \"{}\", and does nothing there", self.name(index));
                let fault = Fault::new(Code::FilterLogsource, at, message);
                context.report(document, fault.hint("give both the same logsource"));
            }
        }
    }
}

/// True if the expression can hold only for events that have the field.
fn requires(expr: &Expr, slot: Slot) -> bool {
    match expr {
        Expr::Test(tested, test) => *tested == slot && !matches!(test, Test::Null),
        Expr::All(parts) => parts.iter().any(|part| requires(part, slot)),
        Expr::Any(parts) => !parts.is_empty() && parts.iter().all(|part| requires(part, slot)),
        Expr::Not(part) => matches!(&**part, Expr::Test(tested, Test::Null) if *tested == slot),
    }
}

/// True if the expression is never, or wants something and its opposite.
fn is_contradictory(expr: &Expr, fields: &FieldTable) -> bool {
    match expr {
        // Of an empty list there is a warning already.
        Expr::Any(parts) => !parts.is_empty() && parts.iter().all(|part| is_contradictory(part, fields)),
        Expr::All(parts) => {
            let known: HashSet<String> = parts.iter().map(|part| part.canonical(fields)).collect();
            let excluded = parts.iter().filter_map(|part| match part {
                Expr::Not(excluded) => Some(&**excluded),
                _ => None,
            });
            let mut excluded =
                excluded.filter(|excluded| follows(excluded, &known, fields) || is_needed(excluded, parts));
            excluded.next().is_some() || parts.iter().any(|part| is_contradictory(part, fields))
        }
        Expr::Not(part) => part.is_always(),
        Expr::Test(..) => false,
    }
}

/// True if an expression asks whether a field is there, and one of the parts can hold only where it is.
fn is_needed(expr: &Expr, parts: &[Expr]) -> bool {
    matches!(expr, Expr::Test(slot, Test::Exists) if parts.iter().any(|part| requires(part, *slot)))
}

/// True if an expression holds wherever all of `known`, given as canonical texts, do.
fn follows(expr: &Expr, known: &HashSet<String>, fields: &FieldTable) -> bool {
    match expr {
        _ if known.contains(&expr.canonical(fields)) => true,
        Expr::All(parts) => parts.iter().all(|part| follows(part, known, fields)),
        Expr::Any(parts) => parts.iter().any(|part| follows(part, known, fields)),
        Expr::Not(_) | Expr::Test(..) => false,
    }
}
