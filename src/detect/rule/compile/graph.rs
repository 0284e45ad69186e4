//! Who refers to whom: inputs, filters, depth, circles, and who alerts.

use super::Context;
use super::lower;
use super::names::Names;
use crate::detect::rule::compiled::Role;
use crate::detect::rule::document::{Body, Document, Filter, Targets, Window};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Spot;

/// Most correlations on top of each other.
pub(super) const DEPTH_MAX: u8 = 4;
/// Most rules under one: a match holds its labels in 32 bits.
const INPUTS_MAX: usize = 32;

/// Every document's place among the others; all by index of the document.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// What a window refers to, in order.
    pub(super) inputs: Vec<Vec<(Role, usize)>>,
    /// The aliases of a window.
    pub(super) aliases: Vec<Vec<Alias>>,
    /// The filters of a detection.
    pub(super) filters: Vec<Vec<usize>>,
    /// 0 for a detection, one more than the deepest input for a window.
    pub(super) depth: Vec<u8>,
    /// False if another rule refers to it and none of those generates it.
    pub(super) alerts: Vec<bool>,
    /// True if another rule refers to it.
    pub(super) referred: Vec<bool>,
    /// True if a reference that leads nowhere was probably to it.
    pub(super) meant: Vec<bool>,
}

/// A name, and the field that stands for it in the matches of each document.
pub(super) type Alias = (String, Vec<(usize, String)>);

impl Graph {
    pub(super) fn new(documents: &[Document], names: &Names<'_>, context: &mut Context<'_>) -> Self {
        let count = documents.len();
        let mut graph = Self {
            inputs: vec![Vec::new(); count],
            aliases: vec![Vec::new(); count],
            filters: vec![Vec::new(); count],
            depth: vec![0; count],
            alerts: vec![true; count],
            referred: vec![false; count],
            meant: vec![false; count],
        };
        for (index, document) in documents.iter().enumerate() {
            match &document.body {
                Some(Body::Window(window)) => graph.window(index, document, window, names, context),
                Some(Body::Filter(filter)) => match &filter.targets {
                    Targets::Any(_) => graph.filter_any(index, filter, documents),
                    Targets::Named(rules) => {
                        for rule in rules {
                            match names.resolve(rule) {
                                Ok(target) => graph.filter(index, target, rule.at, documents, context),
                                Err(fault) => report_any(fault, document, context),
                            }
                        }
                    }
                },
                Some(Body::Detection(_)) | None => {}
            }
        }
        graph.decide_alerts(documents);
        Depths { graph: &mut graph, documents, states: vec![State::New; count], path: Vec::new() }.measure(context);
        graph
    }

    fn window(
        &mut self,
        index: usize,
        document: &Document,
        window: &Window,
        names: &Names<'_>,
        context: &mut Context<'_>,
    ) {
        if let Some(excess) = window.references.get(INPUTS_MAX) {
            let message = format!("{} rules under one, more than {INPUTS_MAX}", window.references.len());
            let fault = Fault::new(Code::TooManyInputs, excess.name.at, message);
            context.report(document, fault.hint("split it into correlations and correlate those"));
        }
        for reference in &window.references {
            match names.resolve(&reference.name) {
                Ok(target) => self.inputs[index].push((reference.role, target)),
                Err(fault) => {
                    if let Some(meant) = names.meant(&reference.name) {
                        self.meant[meant] = true;
                    }
                    report_any(fault, document, context);
                }
            }
        }
        for alias in &window.aliases {
            let mut fields = Vec::new();
            for (rule, field) in &alias.fields {
                match names.resolve(rule) {
                    Ok(target) if self.inputs[index].iter().all(|(_, input)| *input != target) => {
                        let message =
                            format!("the alias {} names \"{}\", which is not among the rules", alias.name, rule.value);
                        context.report(document, Fault::new(Code::UnknownRule, rule.at, message));
                    }
                    Ok(target) => fields.push((target, field.value.clone())),
                    Err(fault) => report_any(fault, document, context),
                }
            }
            self.aliases[index].push((alias.name.clone(), fields));
        }
    }

    fn filter_any(&mut self, index: usize, filter: &Filter, documents: &[Document]) {
        for (filters, document) in self.filters.iter_mut().zip(documents) {
            if lower::applies(filter, document) {
                filters.push(index);
            }
        }
    }

    fn filter(&mut self, filter: usize, target: usize, at: Spot, documents: &[Document], context: &mut Context<'_>) {
        match &documents[target].body {
            Some(Body::Detection(_)) => self.filters[target].push(filter),
            Some(_) => {
                let name = &documents[target].header.name.value;
                let message = format!("\"{name}\" is not a detection; only events can be filtered");
                let fault = Fault::new(Code::FilterOfCorrelation, at, message);
                context.report(&documents[filter], fault.hint("name the detections that it refers to"));
            }
            None => {}
        }
    }

    fn decide_alerts(&mut self, documents: &[Document]) {
        let mut generated = vec![false; documents.len()];
        for (document, inputs) in documents.iter().zip(&self.inputs) {
            let Some(Body::Window(window)) = &document.body else { continue };
            for (_, input) in inputs {
                self.referred[*input] = true;
                generated[*input] |= window.generate;
            }
        }
        for ((alerts, referred), generated) in self.alerts.iter_mut().zip(&self.referred).zip(generated) {
            *alerts = !referred || generated;
        }
    }
}

fn report_any(fault: Option<Fault>, document: &Document, context: &mut Context<'_>) {
    if let Some(fault) = fault {
        context.report(document, fault);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// Measures depths from the bottom up, without recursion: a chain may be as long as the files are.
struct Depths<'a> {
    graph: &'a mut Graph,
    documents: &'a [Document],
    states: Vec<State>,
    /// The documents being measured and how many of their inputs are done.
    path: Vec<(usize, usize)>,
}

impl Depths<'_> {
    fn measure(&mut self, context: &mut Context<'_>) {
        for start in 0..self.documents.len() {
            if self.states[start] == State::New {
                self.open(start);
            }
            while let Some((index, done)) = self.path.last().copied() {
                match self.graph.inputs[index].get(done).copied() {
                    None => self.close(index, context),
                    Some((_, input)) => {
                        if let Some((_, done)) = self.path.last_mut() {
                            *done += 1;
                        }
                        match self.states[input] {
                            State::New => self.open(input),
                            State::Open => self.report_cycle(input, context),
                            State::Done => {}
                        }
                    }
                }
            }
        }
    }

    fn open(&mut self, index: usize) {
        self.states[index] = State::Open;
        self.path.push((index, 0));
    }

    fn close(&mut self, index: usize, context: &mut Context<'_>) {
        self.path.pop();
        self.states[index] = State::Done;
        let Some(Body::Window(window)) = &self.documents[index].body else { return };
        let deepest = self.graph.inputs[index].iter().map(|(_, input)| self.graph.depth[*input]).max().unwrap_or(0);
        self.graph.depth[index] = deepest.saturating_add(1);
        // Said once, of the first that is too deep; what stands on it is so too.
        if deepest == DEPTH_MAX {
            let message = format!("it is the fifth correlation of a chain, and {DEPTH_MAX} are the most");
            context.report(&self.documents[index], Fault::new(Code::ChainTooDeep, window.type_at, message));
        }
    }

    fn report_cycle(&self, input: usize, context: &mut Context<'_>) {
        let name = |index: usize| self.documents[index].header.name.value.as_str();
        let start = self.path.iter().position(|(index, _)| *index == input).unwrap_or(0);
        let circle: Vec<&str> = self.path[start..].iter().map(|(index, _)| name(*index)).chain([name(input)]).collect();
        let Some((last, done)) = self.path.last().copied() else { return };
        let Some(Body::Window(window)) = &self.documents[last].body else { return };
        let at = window.references.get(done - 1).map_or(window.type_at, |reference| reference.name.at);
        let message = format!("rules refer to each other in a circle: {}", circle.join(" -> "));
        context.report(&self.documents[last], Fault::new(Code::RuleCycle, at, message));
    }
}
