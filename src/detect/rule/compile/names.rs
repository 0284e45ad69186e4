//! Who is meant by a name or an id.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Context;
use crate::detect::rule::document::{Body, Document, Spanned, clip, near};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Spot;

/// Most documents of one set, well within what the engine can number.
const RULES_MAX: usize = 65_000;
/// Under which ids are made from names (RFC 9562, version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x7f1d_3c52_9a0e_4b6f_8c41_5e2a_d09b_7763);

/// The documents that can be referred to, by name and by id.
pub(super) struct Names<'d> {
    documents: &'d [Document],
    by_name: HashMap<&'d str, usize>,
    by_id: HashMap<Uuid, Vec<usize>>,
    /// False if a file could not be read, so that an unknown name may be in it.
    is_complete: bool,
}

/// The id of a document: its own, or one made from its name.
pub(super) fn id(document: &Document) -> Uuid {
    let given = document.header.id.as_ref().map(|id| id.value);
    given.unwrap_or_else(|| Uuid::new_v5(&NAMESPACE, document.header.name.value.as_bytes()))
}

/// Numbers the names that are made of titles where they are taken: Sigma's titles need not be unique, and the documents
/// under one `action: global` share theirs.
///
/// The first in order of file name and place keeps the name, whatever the order of the sources.
pub(super) fn number(documents: &mut [Document], context: &mut Context<'_>) {
    let is_rule = |document: &Document| !matches!(document.body, Some(Body::Filter(_)));
    let given = documents.iter().filter(|document| is_rule(document) && document.header.has_name);
    let mut taken: HashSet<String> = given.map(|document| document.header.name.value.clone()).collect();
    let mut made: Vec<usize> = (0..documents.len())
        .filter(|index| is_rule(&documents[*index]) && !documents[*index].header.has_name)
        .collect();
    made.sort_by_key(|index| (context.sources[documents[*index].file].path, documents[*index].at));
    // What a title has come to, so that a thousand rules of one title are not counted from the start each.
    let mut next: HashMap<String, usize> = HashMap::new();
    for index in made {
        let document = &mut documents[index];
        let name = &mut document.header.name.value;
        if taken.insert(name.clone()) {
            continue;
        }
        let title = name.clone();
        let next = next.entry(title.clone()).or_insert(2);
        while !taken.insert(format!("{title}_{next}")) {
            *next += 1;
        }
        *name = format!("{title}_{next}");
        let message = format!("another rule is called \"{title}\", so this one is called \"{name}\"");
        let fault = Fault::new(Code::DuplicateTitle, document.header.name.at, message);
        context.report(document, fault.hint("give it a \"name\" of its own: names are labels of metrics"));
    }
}

impl<'d> Names<'d> {
    /// Registers every rule. Filters have no alerts, no metrics and nobody who refers to them, so any name will do.
    pub(super) fn new(documents: &'d [Document], is_complete: bool, context: &mut Context<'_>) -> Self {
        let mut names = Self { documents, by_name: HashMap::new(), by_id: HashMap::new(), is_complete };
        for (index, document) in documents.iter().enumerate() {
            if matches!(document.body, Some(Body::Filter(_))) {
                continue;
            }
            let name = &document.header.name;
            if let Some(earlier) = names.by_name.get(name.value.as_str()) {
                let first = &documents[*earlier];
                let message = format!("the name is taken {}", place(first, first.header.name.at, context));
                let hint = "names are labels of metrics and must be unique; give one of the two another \"name\"";
                context.report(document, Fault::new(Code::DuplicateName, name.at, message).hint(hint));
            } else {
                names.by_name.insert(&name.value, index);
            }
            names.register_id(index, document, context);
        }
        if let Some(excess) = documents.get(RULES_MAX) {
            let message = format!("there are {} rules, more than {RULES_MAX}", documents.len());
            context.report(excess, Fault::new(Code::TooManyRules, excess.header.name.at, message));
        }
        names
    }

    fn register_id(&mut self, index: usize, document: &Document, context: &mut Context<'_>) {
        let Some(id) = &document.header.id else {
            if document.header.lacks_id {
                let made = id(document);
                let message = "there is no id; alerts will carry one made from the name";
                let fault = Fault::new(Code::MissingId, document.header.name.at, message);
                context.report(document, fault.hint(format!("add \"id: {made}\", so that it outlives a new name")));
            }
            return;
        };
        let same = self.by_id.entry(id.value).or_default();
        if let Some(earlier) = same.first() {
            let first = &self.documents[*earlier];
            let at = first.header.id.as_ref().map_or(first.at, |id| id.at);
            let message =
                format!("the id is also that of \"{}\" {}", first.header.name.value, place(first, at, context));
            let fault = Fault::new(Code::DuplicateId, id.at, message);
            context.report(document, fault.hint("alerts of the two cannot be told apart by id"));
        }
        same.push(index);
    }

    /// The document that a reference means. An error without a fault is the follow-up of another problem.
    pub(super) fn resolve(&self, reference: &Spanned<String>) -> Result<usize, Option<Fault>> {
        if let Some(index) = self.by_name.get(reference.value.as_str()) {
            return Ok(*index);
        }
        let same_id = Uuid::try_parse(&reference.value).ok().and_then(|id| self.by_id.get(&id));
        match same_id.map(Vec::as_slice) {
            Some([index]) => return Ok(*index),
            Some(several) => {
                let names: Vec<&str> =
                    several.iter().map(|index| self.documents[*index].header.name.value.as_str()).collect();
                let message = format!("{} rules have the id {}", several.len(), reference.value);
                let fault = Fault::new(Code::AmbiguousRule, reference.at, message);
                return Err(Some(fault.hint(format!("refer to one by name: {}", names.join(", ")))));
            }
            None if !self.is_complete => return Err(None),
            None => {}
        }
        let is_filter = self.documents.iter().any(|document| {
            document.header.name.value == reference.value && matches!(document.body, Some(Body::Filter(_)))
        });
        let message = if is_filter {
            format!("\"{}\" is a filter, not a rule", reference.value)
        } else {
            format!("no rule has the name or id \"{}\"", clip(&reference.value))
        };
        let hint = match self.nearest(reference) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => "a rule goes by its name, else by its title in snake_case, or by its id".to_owned(),
        };
        Err(Some(Fault::new(Code::UnknownRule, reference.at, message).hint(hint)))
    }

    fn nearest(&self, reference: &Spanned<String>) -> Option<&'d str> {
        near(&reference.value, self.by_name.keys().copied(), (reference.value.len() / 3).max(2))
    }

    /// The document that a reference to nothing probably means.
    pub(super) fn meant(&self, reference: &Spanned<String>) -> Option<usize> {
        self.by_name.get(self.nearest(reference)?).copied()
    }
}

/// Where something else stands.
fn place(document: &Document, at: Spot, context: &Context<'_>) -> String {
    format!("in {}:{}", context.sources[document.file].path, at.line)
}
