//! `correlation` and `anomaly`: what is counted, by whom, over which time.

use super::header::{self, Header};
use super::home;
use super::reader::{self, Reporter, Section, Spanned};
use super::suggest;
use crate::detect::rule::compiled::{Logic, Role};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Entry, Node, Spot};
use crate::detect::time::Span;

pub(crate) mod logic;
mod places;

use places::Places;

/// A correlation or an anomaly.
#[derive(Debug)]
pub(crate) struct Window {
    /// In the order of the file, those in `rules` first.
    pub(crate) references: Vec<Reference>,
    pub(crate) group_by: Vec<Spanned<String>>,
    /// By alias: the field that stands for it in the matches of each rule.
    pub(crate) aliases: Vec<Alias>,
    /// Zero if it could not be read.
    pub(crate) timespan: Spanned<Span>,
    pub(crate) generate: bool,
    pub(crate) type_at: Spot,
    /// None if it could not be read; references are checked all the same.
    pub(crate) logic: Option<Logic<String>>,
    /// Where the parts of its condition stand.
    pub(crate) places: Places,
}

/// A rule that another refers to.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) role: Role,
    /// Its name or id.
    pub(crate) name: Spanned<String>,
}

/// One name for different fields.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) at: Spot,
    /// Rule and field.
    pub(crate) fields: Vec<(Spanned<String>, Spanned<String>)>,
}

/// Most slips of the pen between an alias and the name in `group-by` that it was meant to be.
const ALIAS_SLIPS_MAX: usize = 2;

/// The keys that every type has.
pub(crate) const COMMON: [&str; 6] = ["type", "rules", "group-by", "timespan", "aliases", "generate"];

pub(super) fn read(node: &Node, name: &'static str, header: &Header, reporter: &mut Reporter<'_>) -> Option<Window> {
    let section = reporter.check(Section::of(node, name))?;
    let what = if name == "anomaly" { "an anomaly" } else { "a correlation" };
    header.refuse_settings(&["group-by"], what, reporter);
    let kind = section.require(reporter, "type", |node, key| kind(node, key, name)).or_else(|| meant(&section));
    refuse_unknown(&section, kind.as_ref().map(|kind| kind.value), reporter);
    let references = references(&section, kind.as_ref().map(|kind| kind.value), reporter);
    let timespan = section.require(reporter, "timespan", reader::positive_span);
    let before = reporter.count();
    let group_by = section.read(reporter, "group-by", header::group_by).unwrap_or_default();
    let has_groups = !reporter.has_error_since(before);
    let aliases = section.read(reporter, "aliases", aliases).unwrap_or_default();
    for alias in aliases.iter().filter(|_| has_groups) {
        if let Some(fault) = unused(alias, &group_by) {
            reporter.report(fault);
        }
    }
    let generate = section.read(reporter, "generate", reader::boolean).unwrap_or(header.generate);
    let logic = kind.as_ref().and_then(|kind| logic::read(&section, kind, header, reporter));
    let type_at = kind.map_or(section.at, |kind| kind.at);
    Some(Window {
        references,
        group_by,
        aliases,
        timespan: timespan.unwrap_or(Spanned { value: Span::ZERO, at: section.at }),
        generate,
        type_at,
        logic,
        places: Places::of(&section, type_at),
    })
}

fn kind(node: &Node, key: &str, section: &str) -> Result<Spanned<&'static str>, Fault> {
    let text = reader::text(node, key)?;
    let (own, other, other_section): (&[&'static str], &[&'static str], _) = if section == "anomaly" {
        (&logic::ANOMALIES, &logic::CORRELATIONS, "correlation")
    } else {
        (&logic::CORRELATIONS, &logic::ANOMALIES, "anomaly")
    };
    if let Some(value) = own.iter().find(|name| **name == text.value) {
        return Ok(Spanned { value, at: text.at });
    }
    let message = format!("unknown type \"{}\" of {section}", reader::clip(&text.value));
    let hint = if other.contains(&text.value.as_str()) {
        format!("it is a type of {other_section}: write \"{other_section}:\" instead of \"{section}:\"")
    } else {
        suggest(&text.value, own.iter().copied())
    };
    Err(Fault::new(Code::UnknownType, text.at, message).hint(hint))
}

/// The type that a wrong one was probably meant to be, so that the other problems of the document are found with it.
fn meant(section: &Section<'_>) -> Option<Spanned<&'static str>> {
    const DISTANCE_MAX: usize = 2;
    let node = &section.get("type")?.value;
    let known = logic::CORRELATIONS.into_iter().chain(logic::ANOMALIES);
    Some(Spanned { value: reader::near(node.as_text()?, known, DISTANCE_MAX)?, at: node.at })
}

/// A key of another type is told apart from one that no type has.
fn refuse_unknown(section: &Section<'_>, kind: Option<&str>, reporter: &mut Reporter<'_>) {
    let is_of_kind = |types: &[&str]| kind.is_none_or(|kind| types.contains(&kind));
    let extra = logic::EXTRA_KEYS.iter().filter(|(_, types)| is_of_kind(types)).map(|(key, _)| *key);
    let known: Vec<&str> = COMMON.into_iter().chain(extra).collect();
    for entry in section.entries {
        let key = entry.key.text.as_str();
        if COMMON.contains(&key) {
            continue;
        }
        let Some((_, types)) = logic::EXTRA_KEYS.iter().find(|(extra, _)| *extra == key) else {
            reporter.report(home::unknown(section, entry, &known));
            continue;
        };
        if let Some(kind) = kind.filter(|kind| !types.contains(kind)) {
            let message = format!("{key} means nothing for the type {kind}");
            let hint = format!("it belongs to {}", types.join(", "));
            reporter.report(Fault::new(Code::MisplacedKey, entry.key_at, message).hint(hint));
        }
    }
}

/// What a window refers to; `of` and `without` only for the types that have them.
fn references(section: &Section<'_>, kind: Option<&str>, reporter: &mut Reporter<'_>) -> Vec<Reference> {
    let mut found = Vec::new();
    for (key, role, needed) in [
        ("rules", Role::Match, true),
        ("of", Role::Whole, kind == Some("ratio")),
        ("without", Role::Companion, kind == Some("absence")),
    ] {
        if !needed {
            continue;
        }
        let names = section.require(reporter, key, reader::some_texts).unwrap_or_default();
        for (index, name) in names.iter().enumerate() {
            // Only in a sequence does it make a difference how often a rule is listed.
            let is_repeat = names[..index].iter().any(|earlier| earlier.value == name.value);
            if is_repeat && kind.is_some_and(|kind| kind != "temporal_ordered") {
                let message = format!("{key} lists \"{}\" twice", name.value);
                reporter.report(Fault::new(Code::DuplicateReference, name.at, message));
            }
        }
        found.extend(names.into_iter().map(|name| Reference { role, name }));
    }
    found
}

/// An alias stands for a field of `group-by`; elsewhere it means nothing.
fn unused(alias: &Alias, group_by: &[Spanned<String>]) -> Option<Fault> {
    if group_by.iter().any(|name| name.value == alias.name) {
        return None;
    }
    let message = format!("the alias \"{}\" is not in group-by, and means nothing", reader::clip(&alias.name));
    // Sigma allows it, so it is no error.
    let fault = Fault::new(Code::UnknownField, alias.at, message);
    Some(match reader::near(&alias.name, group_by.iter().map(|name| name.value.as_str()), ALIAS_SLIPS_MAX) {
        Some(name) => fault.hint(format!("did you mean \"{name}\"?")),
        None => fault.hint(format!("write it into group-by, as in \"group-by: [{}]\", or remove it", alias.name)),
    })
}

fn aliases(node: &Node, key: &'static str) -> Result<Vec<Alias>, Fault> {
    let section = Section::of(node, key)?;
    section.entries.iter().map(alias).collect()
}

fn alias(entry: &Entry) -> Result<Alias, Fault> {
    let Data::Map(fields) = &entry.value.data else {
        let fault = reader::wrong_type(&entry.value, &format!("the alias {}", entry.key.text), "a mapping");
        return Err(fault.hint("write \"rule: field\" below it"));
    };
    let field = |entry: &Entry| {
        let rule = Spanned { value: entry.key.text.clone(), at: entry.key_at };
        Ok((rule, reader::text(&entry.value, &entry.key.text)?))
    };
    let fields = fields.iter().map(field).collect::<Result<_, Fault>>()?;
    Ok(Alias { name: entry.key.text.clone(), at: entry.key_at, fields })
}
