//! The rule set: valid documents, ordered and numbered.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::graph::Graph;
use super::lower::Lowered;
use super::names;
use super::version::{self, Essence};
use crate::detect::fields::FieldTable;
use crate::detect::matcher::{Detection, Matcher};
use crate::detect::rule::compiled::{
    Grouping, Input, LabelledInput, Role, Rule, RuleHeader, RuleNotes, RuleSet, Status,
};
use crate::detect::rule::condition::ConditionText;
use crate::detect::rule::document::{Body, Document, Spanned};
use crate::detect::rule::logic::Logic;
use crate::detect::time::Span;

/// Assembles documents that were found to be without error.
pub(super) fn rule_set(
    context: &Context<'_>,
    documents: &[Document],
    graph: &Graph,
    fields: FieldTable,
    detections: &[Lowered],
) -> RuleSet {
    let mut assembly = Assembly {
        context,
        documents,
        graph,
        fields,
        inputs: HashMap::new(),
        canonical: HashMap::new(),
        keyspaces: Vec::new(),
        groupings: Vec::new(),
        rules: Vec::new(),
    };
    for (label, lowered) in detections.iter().enumerate() {
        assembly.inputs.insert(lowered.document, Input::Detection(label));
        let canonical = version::of_detection(&lowered.matched, &assembly.fields);
        assembly.canonical.insert(lowered.document, canonical);
    }
    for index in assembly.order() {
        assembly.add(index);
    }
    let matched: Vec<Detection> = detections.iter().map(|lowered| lowered.matched.clone()).collect();
    let labelled = detections.iter().enumerate();
    let filtered = labelled.filter_map(|(label, lowered)| Some((label, lowered.filtered.clone()?)));
    let name = |lowered: &Lowered| documents[lowered.document].header.name.value.clone();
    RuleSet {
        matcher: Matcher::new(matched, &assembly.fields),
        filtered: filtered.collect(),
        fields: assembly.fields,
        detection_names: detections.iter().map(name).collect(),
        keyspaces: assembly.keyspaces,
        groupings: assembly.groupings,
        rules: assembly.rules,
    }
}

struct Assembly<'a> {
    context: &'a Context<'a>,
    documents: &'a [Document],
    graph: &'a Graph,
    fields: FieldTable,
    /// How others take the matches of a document that is done.
    inputs: HashMap<usize, Input>,
    /// The canonical form of a document that is done.
    canonical: HashMap<usize, String>,
    keyspaces: Vec<Vec<String>>,
    groupings: Vec<Grouping>,
    rules: Vec<Rule>,
}

/// The parts of a rule in which a window and a single event differ.
struct Parts<'a> {
    logic: Logic<String>,
    timespan: Span,
    suppress: Span,
    group_by: &'a [Spanned<String>],
    inputs: Vec<(Role, usize)>,
}

impl Assembly<'_> {
    /// The documents that become rules, by depth and name.
    fn order(&self) -> Vec<usize> {
        let is_rule = |index: &usize| match &self.documents[*index].body {
            Some(Body::Window(_)) => true,
            Some(Body::Detection(_)) => self.graph.alerts[*index],
            Some(Body::Filter(_)) | None => false,
        };
        let mut order: Vec<usize> = (0..self.documents.len()).filter(is_rule).collect();
        order.sort_by_key(|index| (self.graph.depth[*index], &self.documents[*index].header.name.value));
        order
    }

    fn add(&mut self, index: usize) {
        let document = &self.documents[index];
        let Some(parts) = self.parts(index, document) else { return };
        let names: Vec<String> = parts.group_by.iter().map(|name| name.value.clone()).collect();
        let keyspace = position(&mut self.keyspaces, names.clone());
        let inputs: Vec<LabelledInput> = parts
            .inputs
            .iter()
            .map(|(role, input)| LabelledInput {
                input: self.inputs[input],
                role: *role,
                grouping: self.grouping(index, *input, keyspace, &names),
            })
            .collect();
        let condition = condition_text(&parts.logic);
        let logic = parts.logic.map_fields(|path| self.fields.slot(&path));
        let essence = Essence {
            logic: &logic,
            timespan: parts.timespan,
            suppress: parts.suppress,
            group: &names,
            inputs: &inputs
                .iter()
                .zip(&parts.inputs)
                .map(|(input, (_, of))| (input, &*self.canonical[of]))
                .collect::<Vec<_>>(),
            groupings: &self.groupings,
        };
        let canonical = essence.canonical(&self.fields);
        self.rules.push(Rule {
            header: Arc::new(header(document, logic.kind(), &canonical)),
            depth: self.graph.depth[index],
            alerts: self.graph.alerts[index],
            shadow: self.context.options.shadow && document.header.status.is_some_and(Status::is_on_trial),
            inputs,
            keyspace,
            timespan: parts.timespan,
            suppress: parts.suppress,
            logic,
            condition: condition.map(Arc::new),
            notes: Arc::new(self.notes(document)),
        });
        // A detection that also alerts is still taken as a detection by those that refer to it.
        if matches!(document.body, Some(Body::Window(_))) {
            self.inputs.insert(index, Input::Firing(self.rules.len() - 1));
            self.canonical.insert(index, canonical);
        }
    }

    fn parts<'d>(&self, index: usize, document: &'d Document) -> Option<Parts<'d>> {
        let suppress = document.header.suppress.as_ref().map(|suppress| suppress.value);
        Some(match &document.body {
            Some(Body::Window(window)) => Parts {
                logic: window.logic.clone()?,
                timespan: window.timespan.value,
                suppress: suppress.unwrap_or(window.timespan.value),
                group_by: &window.group_by,
                inputs: self.graph.inputs[index].clone(),
            },
            _ => Parts {
                logic: Logic::Event,
                timespan: Span::ZERO,
                suppress: suppress.unwrap_or(Span::ZERO),
                group_by: &document.header.group_by,
                inputs: vec![(Role::Match, index)],
            },
        })
    }

    /// The grouping of one input of a rule: each name through the alias that it has for that input, if any.
    fn grouping(&mut self, rule: usize, input: usize, keyspace: usize, names: &[String]) -> usize {
        let aliases = &self.graph.aliases[rule];
        let path = |name: &String| {
            let alias = aliases.iter().find(|(alias, _)| alias == name);
            let field = alias.and_then(|(_, fields)| fields.iter().find(|(of, _)| *of == input));
            field.map_or_else(|| name.clone(), |(_, field)| field.clone())
        };
        let slots = names.iter().map(|name| self.fields.slot(&path(name))).collect();
        position(&mut self.groupings, Grouping { keyspace, slots })
    }

    fn notes(&self, document: &Document) -> RuleNotes {
        RuleNotes {
            file: self.context.sources[document.file].path.to_owned(),
            line: document.at.line,
            status: document.header.status,
            fields: document.header.notes.clone(),
        }
    }
}

/// The position of an item, which is added if it is new.
fn position<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().position(|known| *known == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}

fn header(document: &Document, kind: &'static str, canonical: &str) -> RuleHeader {
    let header = &document.header;
    RuleHeader {
        id: names::id(document),
        name: header.name.value.clone(),
        title: header.title.clone(),
        kind,
        level: header.level.as_ref().map(|level| level.value).unwrap_or_default(),
        tags: header.tags.clone(),
        version: version::of(canonical),
    }
}

/// The condition as alerts print it; none for types without one.
fn condition_text(logic: &Logic<String>) -> Option<ConditionText> {
    // The place of a geo_velocity is not part of its condition.
    let fields = match logic {
        Logic::GeoVelocity { .. } => Vec::new(),
        _ => logic.fields().into_iter().cloned().collect(),
    };
    let percentile = match logic {
        Logic::ValuePercentile { percentile, .. } => Some(*percentile),
        _ => None,
    };
    let bounds = logic.condition();
    let is_empty = fields.is_empty() && bounds.bounds().next().is_none();
    (!is_empty).then_some(ConditionText { fields, percentile, bounds })
}
