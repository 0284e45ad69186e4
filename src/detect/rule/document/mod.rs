//! Typed documents: what a file says, checked as far as one document alone allows.
//!
//! Not names across documents, fields or slots: those are the compiler's.

mod action;
mod condition;
mod detection;
mod header;
mod home;
mod logsource;
mod modifier;
#[cfg(test)]
mod tests;
mod window;

use crate::detect::rule::problem::{Code, Fault, Problem};
use crate::detect::rule::yaml::{self, Data, Entry, Node, Spot};

pub(crate) use super::reader::{Reporter, Spanned, clip, near, shown, suggest};
pub(crate) use condition::Condition;
pub(crate) use detection::{Detection, FieldSearch, Search};
pub(crate) use header::Header;
pub(crate) use logsource::LogSourceText;
pub(crate) use modifier::{Encoding, MatchPlan, Operator, Quantifier};
pub(crate) use window::Window;

use super::reader::{self, Section};

/// The words of the rule language, for whoever must list them.
pub(crate) mod words {
    pub(crate) use super::action::ACTIONS;
    pub(crate) use super::header::{BODIES, KNOWN, NAME_BYTES_MAX, SETTINGS};
    pub(crate) use super::modifier::MODIFIERS;
    pub(crate) use super::window::COMMON;
    pub(crate) use super::window::logic::{ANOMALIES, BOUNDS, CORRELATIONS, EXTRA_KEYS, HISTORY_MAX};
}

/// One document of a rule file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Which of the sources it stands in.
    pub(crate) file: usize,
    pub(crate) at: Spot,
    pub(crate) header: Header,
    /// None if it could not be read; its name is known all the same, so that references to it are no second problem.
    pub(crate) body: Option<Body>,
    /// False if there is an error in it.
    pub(crate) is_sound: bool,
}

/// What kind of document it is.
#[derive(Debug)]
pub(crate) enum Body {
    Detection(Detection),
    Window(Window),
    Filter(Filter),
}

/// What excludes events from detections.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) targets: Targets,
    pub(crate) detection: Detection,
}

/// What a filter is for.
#[derive(Debug)]
pub(crate) enum Targets {
    /// `rules: any`: every detection with the filter's logsource.
    Any(Spot),
    Named(Vec<Spanned<String>>),
}

/// The documents of one file. False if some of it could not be read at all, so that names may be missing.
pub(crate) fn read(file: usize, path: &str, text: &str, problems: &mut Vec<Problem>) -> (Vec<Document>, bool) {
    let (nodes, faults) = yaml::load(text);
    let mut reporter = Reporter::new(path, problems);
    let mut complete = true;
    let doubled: Vec<Spot> = faults.iter().map(|fault| fault.at).collect();
    for fault in faults {
        complete &= fault.code == Code::DuplicateKey;
        reporter.report(fault);
    }
    let mut documents = Vec::new();
    for node in action::unfold(nodes, &mut reporter) {
        match document(file, &node, &mut reporter) {
            Some(document) => documents.push(document),
            None => complete = false,
        }
    }
    for at in doubled {
        if let Some(document) = documents.iter_mut().rfind(|document| document.at <= at) {
            document.is_sound = false;
        }
    }
    (documents, complete)
}

fn document(file: usize, node: &Node, reporter: &mut Reporter<'_>) -> Option<Document> {
    reporter.enter(None);
    let before = reporter.count();
    let section = reporter.check(Section::of(node, "a rule document"))?;
    let (header, is_named) = header::read(&section, reporter);
    header::check_keys(&section, reporter);
    let body = body(&section, &header, reporter);
    let is_sound = !reporter.has_error_since(before);
    is_named.then_some(Document { file, at: node.at, body, header, is_sound })
}

fn body(section: &Section<'_>, header: &Header, reporter: &mut Reporter<'_>) -> Option<Body> {
    let mut bodies = section.entries.iter().filter(|entry| header::BODIES.contains(&entry.key.text.as_str()));
    let Some((entry, kind)) = bodies.next().map(|entry| (entry, entry.key.text.as_str())).or_else(|| misspelt(section))
    else {
        let message = "the document has none of detection, correlation, anomaly and filter";
        let is_test = section.get("rule_files").or(section.get("tests")).is_some();
        let hint = if is_test {
            "tests stand in a file of their own, NAME_test.yml"
        } else {
            "add one of them as a key of its own, not indented"
        };
        reporter.report(Fault::new(Code::NoBody, header.name.at, message).hint(hint));
        return None;
    };
    if let Some(second) = bodies.next() {
        let message = format!("one document cannot have both {} and {}", entry.key.text, second.key.text);
        let hint = "put each into a document of its own, after a line with three dashes";
        reporter.report(Fault::new(Code::SeveralBodies, second.key_at, message).hint(hint));
        return None;
    }
    match kind {
        "detection" => {
            header.refuse_settings(&["min_gap"], "a single-event rule", reporter);
            detection::read(section, entry, reporter).map(Body::Detection)
        }
        "filter" => {
            header.refuse_settings(&header::SETTINGS, "a filter", reporter);
            filter(section, &entry.value, reporter).map(Body::Filter)
        }
        "anomaly" => window::read(&entry.value, "anomaly", header, reporter).map(Body::Window),
        _ => window::read(&entry.value, "correlation", header, reporter).map(Body::Window),
    }
}

/// A body whose key is reported as misspelt, and what it was meant to be: it may have other problems.
fn misspelt<'a>(section: &Section<'a>) -> Option<(&'a Entry, &'static str)> {
    let mut entries = section.entries.iter().filter(|entry| !header::KNOWN.contains(&entry.key.text.as_str()));
    entries.find_map(|entry| Some((entry, near(&entry.key.text, header::BODIES, header::SLIPS_MAX)?)))
}

fn filter(document: &Section<'_>, node: &Node, reporter: &mut Reporter<'_>) -> Option<Filter> {
    let section = reporter.check(Section::of(node, "filter"))?;
    let targets = section.require(reporter, "rules", targets).unwrap_or_else(|| Targets::Named(Vec::new()));
    if section.get("rules").is_none()
        && let Some(slip) = section.slip("rules").and_then(|slip| section.get(slip))
    {
        reporter.report(section.unknown(slip, &["rules"]));
    }
    Some(Filter { targets, detection: detection::read_filter(document, &section, reporter) })
}

/// The word stands alone: in a list it is the name of a rule.
fn targets(node: &Node, key: &str) -> Result<Targets, Fault> {
    match &node.data {
        Data::Text(text) if text.text.eq_ignore_ascii_case("any") => Ok(Targets::Any(node.at)),
        _ => reader::some_texts(node, key).map(Targets::Named),
    }
}
