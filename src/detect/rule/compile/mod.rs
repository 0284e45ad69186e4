//! From documents to a rule set: names resolved, fields in slots, every problem of every file at once.
//!
//! Not the meaning of a document, which is read before, nor of a match, which the engine decides.

mod assemble;
mod fields;
mod graph;
mod lints;
mod lower;
mod names;
mod reach;
mod regex;
mod text;
mod version;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use super::compiled::RuleSet;
use super::document::{self, Document};
use super::problem::{Fault, Problem, Severity};
use super::yaml::Spot;
use crate::detect::limits::Limits;
use crate::detect::matcher::LogSource;
use crate::detect::time::Span;

/// A rule file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How problems name it.
    pub path: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// What rules mean besides what they say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What each `%name%` stands for under `expand`; entries may have wildcards.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Limits that warnings compare thresholds with.
    pub limits: Limits,
    /// What the sources that will be read declare; a rule that is for none of them gets a warning. Empty: not known.
    pub sources: Vec<LogSource>,
    /// How long what is known of a group is to be kept, if that is bounded; a window that needs more gets a warning.
    pub state_kept_max: Option<Span>,
    /// Whether rules that are on trial run in shadow: those whose [`super::Status`] says so.
    pub shadow: bool,
}

/// Rules that run, and what is odd about them.
#[derive(Debug)]
pub struct Compiled {
    /// The rules.
    pub rules: RuleSet,
    /// Warnings in order of file and place.
    pub warnings: Vec<Problem>,
}

/// Compiles files into one rule set.
///
/// The set does not depend on the order of the files. Fails with every problem, warnings included, in order of file
/// and place, if there is any error. What may be wrong only because something else is, is not warned of.
pub fn compile(sources: &[Source<'_>], options: &Options) -> Result<Compiled, Vec<Problem>> {
    let mut context = Context { sources, options, problems: Vec::new(), broken: HashSet::new() };
    let mut documents = Vec::new();
    let mut is_complete = true;
    for (file, source) in sources.iter().enumerate() {
        let (read, all) = document::read(file, source.path, source.text, &mut context.problems);
        documents.extend(read);
        is_complete &= all;
    }
    let unsound = documents.iter().filter(|document| !document.is_sound);
    context.broken = unsound.map(|document| (document.file, document.at)).collect();
    names::number(&mut documents, &mut context);
    lints::check(&documents, &mut context);
    let names = names::Names::new(&documents, is_complete, &mut context);
    let graph = graph::Graph::new(&documents, &names, &mut context);
    let table = fields::table(&documents, &mut context);
    let lowered = table.map(|mut table| {
        let detections = lower::detections(&documents, &graph, &mut table, &mut context);
        (table, detections)
    });
    if let Some((table, detections)) = lowered {
        reach::Reach::new(&documents, &graph, &table, &detections, is_complete, &context).check(&mut context);
        if !context.is_valid() {
            return Err(context.into_problems());
        }
        let rules = assemble::rule_set(&context, &documents, &graph, table, &detections);
        return Ok(Compiled { rules, warnings: context.into_problems() });
    }
    Err(context.into_problems())
}

/// What every step of compiling needs, and where its problems go.
struct Context<'a> {
    sources: &'a [Source<'a>],
    options: &'a Options,
    problems: Vec<Problem>,
    /// Where the documents stand that have an error: file and place.
    broken: HashSet<(usize, Spot)>,
}

impl Context<'_> {
    fn is_valid(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity == Severity::Warning)
    }

    /// The problems in order of file and place.
    fn into_problems(mut self) -> Vec<Problem> {
        let position = |problem: &Problem| self.sources.iter().position(|source| source.path == problem.file);
        self.problems.sort_by_cached_key(|problem| (position(problem), problem.line, problem.column, problem.code));
        // A mapping that several take in has its problems once.
        self.problems.dedup();
        self.problems
    }

    fn report(&mut self, document: &Document, fault: Fault) {
        let file = self.sources[document.file].path;
        if fault.code.severity() == Severity::Error {
            self.broken.insert((document.file, document.at));
        }
        self.problems.push(fault.in_rule(file, &document.header.name.value));
    }
}
