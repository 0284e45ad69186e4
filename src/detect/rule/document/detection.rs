//! `detection`: named selections of searches, and the condition that joins them.

use super::condition::{self, Condition};
use super::logsource::{self, LogSourceText};
use super::modifier::{self, MatchPlan, Operator, Quantifier};
use super::reader::{self, Reporter, Section, shown, wrong_type};
use crate::detect::matcher::TextRelation;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Entry, Node, Spot};

/// A detection, or the part of a filter that is one.
#[derive(Debug)]
pub(crate) struct Detection {
    pub(crate) logsource: LogSourceText,
    pub(crate) selections: Vec<Selection>,
    /// None if it could not be read; selections are checked all the same.
    pub(crate) condition: Option<Condition>,
    pub(crate) condition_at: Spot,
}

/// A named part of a detection.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) name: String,
    pub(crate) at: Spot,
    /// None if it could not be read.
    pub(crate) search: Option<Search>,
}

/// What is searched for.
#[derive(Debug)]
pub(crate) enum Search {
    All(Vec<Search>),
    Any(Vec<Search>),
    Field(FieldSearch),
}

/// One entry of a map, or a list of keywords.
#[derive(Debug)]
pub(crate) struct FieldSearch {
    /// None for keywords, which are looked for in every scalar of the record.
    pub(crate) field: Option<String>,
    /// The field with its modifiers, as written.
    pub(crate) key: String,
    /// Where the key stands, or the list of keywords.
    pub(crate) at: Spot,
    /// Where the field stands without its modifiers.
    pub(crate) field_at: Spot,
    pub(crate) plan: MatchPlan,
    /// Scalars, at least one.
    pub(crate) values: Vec<Node>,
}

pub(super) fn read(document: &Section<'_>, entry: &Entry, reporter: &mut Reporter<'_>) -> Option<Detection> {
    let section = reporter.check(Section::of(&entry.value, "detection"))?;
    // `timeframe` belonged to Sigma 1's aggregations; without one it never meant anything.
    Some(parts(document, &section, &["condition", "timeframe"], reporter))
}

/// The detection inside a filter, whose keys besides `rules` and `condition` are selections.
pub(super) fn read_filter(document: &Section<'_>, section: &Section<'_>, reporter: &mut Reporter<'_>) -> Detection {
    // A slip for `rules` is no selection.
    let slip = section.slip("rules").filter(|_| section.get("rules").is_none());
    parts(document, section, &["condition", "rules", slip.unwrap_or("rules")], reporter)
}

fn parts(document: &Section<'_>, section: &Section<'_>, reserved: &[&str], reporter: &mut Reporter<'_>) -> Detection {
    let logsource = logsource::read(document, reporter);
    let is_filter = reserved.contains(&"rules");
    let named = section.entries.iter().filter(|entry| !reserved.contains(&entry.key.text.as_str()));
    let selections: Vec<Selection> = named
        .map(|entry| Selection {
            name: entry.key.text.clone(),
            at: entry.key_at,
            search: search(&entry.value, &entry.key.text, reporter),
        })
        .collect();
    let condition = section.get("condition");
    if condition.is_none() {
        reporter.report(no_condition(section, &selections, is_filter));
    }
    let parsed = condition.and_then(|entry| condition::read(&entry.value, &selections, reporter));
    let uses = parsed.as_ref().map(|condition| condition.uses(selections.len())).unwrap_or_default();
    for (selection, is_used) in selections.iter().zip(uses) {
        // Sigma leaves selections with an underscore to rules that build on this one.
        if !is_used && (is_filter || !selection.name.starts_with('_')) {
            reporter.report(unused(selection, is_filter, reserved));
        }
    }
    let condition_at = condition.map_or(section.at, |entry| entry.value.at);
    Detection { logsource, selections, condition: parsed, condition_at }
}

/// The condition is not there, or stands somewhere else.
fn no_condition(section: &Section<'_>, selections: &[Selection], is_filter: bool) -> Fault {
    let inner = section.entries.iter().find_map(|entry| match &entry.value.data {
        Data::Map(entries) => entries.iter().find(|inner| inner.key.text == "condition").map(|inner| (entry, inner)),
        _ => None,
    });
    let message = format!("{} has no condition", section.name);
    if let Some((selection, inner)) = inner {
        let message = format!("{message}: it stands inside of \"{}\"", selection.key.text);
        return Fault::new(Code::MissingKey, inner.key_at, message).hint("indent it less");
    }
    let not = if is_filter { "not " } else { "" };
    Fault::new(Code::MissingKey, section.at, message).hint_if_any(
        match (section.slip("condition"), selections.first()) {
            (Some(slip), _) => Some(format!("write \"condition\" instead of \"{slip}\"")),
            (None, first) => first.map(|selection| format!("write \"condition: {not}{}\"", selection.name)),
        },
    )
}

/// In a filter, a key that is no selection in use is taken for a slip of the pen.
fn unused(selection: &Selection, is_filter: bool, reserved: &[&str]) -> Fault {
    let name = &selection.name;
    if is_filter {
        let near = reader::near(name, reserved.iter().copied(), 2);
        let hint = near.map_or_else(|| "name it in the condition".to_owned(), |key| format!("did you mean \"{key}\"?"));
        let message = format!("unknown key \"{name}\" in filter: its condition names no such selection");
        return Fault::new(Code::UnknownKey, selection.at, message).hint(hint);
    }
    let message = format!("the condition does not use the selection \"{name}\"");
    Fault::new(Code::UnusedSelection, selection.at, message).hint("name it in the condition, or remove it")
}

/// What of it could be read; the rest is reported. None if that is nothing.
fn search(node: &Node, name: &str, reporter: &mut Reporter<'_>) -> Option<Search> {
    match &node.data {
        Data::Map(entries) if !entries.is_empty() => {
            let fields = entries.iter().filter_map(|entry| reporter.check(field(entry)));
            Some(Search::All(fields.collect()))
        }
        Data::List(items) if !items.is_empty() => {
            let (maps, words): (Vec<&Node>, Vec<&Node>) =
                items.iter().partition(|item| matches!(item.data, Data::Map(_) | Data::List(_)));
            let mut any: Vec<Search> = maps.into_iter().filter_map(|item| search(item, name, reporter)).collect();
            if !words.is_empty() {
                any.push(Search::Field(keywords(words.into_iter().cloned().collect(), node.at)));
            }
            Some(Search::Any(any))
        }
        Data::Null | Data::Map(_) | Data::List(_) => {
            reporter.report(empty(node, name));
            None
        }
        Data::Bool(_) | Data::Number(_) | Data::Text(_) => Some(Search::Field(keywords(vec![node.clone()], node.at))),
    }
}

fn empty(node: &Node, name: &str) -> Fault {
    Fault::new(Code::EmptySelection, node.at, format!("the selection \"{name}\" is empty"))
        .hint("write \"field: value\" below it")
}

fn keywords(values: Vec<Node>, at: Spot) -> FieldSearch {
    let plan = MatchPlan {
        operator: Operator::Text(TextRelation::Contains),
        encodings: Vec::new(),
        expand: false,
        cased: false,
        quantifier: Quantifier::Any,
        negated: false,
    };
    FieldSearch { field: None, key: String::new(), at, field_at: at, plan, values }
}

fn field(entry: &Entry) -> Result<Search, Fault> {
    let (field, mut plan) = modifier::parse(entry)?;
    let field = Some(field).filter(|field| !field.is_empty());
    if field.is_none() && plan.operator == Operator::Text(TextRelation::Equals) {
        plan.operator = Operator::Text(TextRelation::Contains);
    }
    let at = entry.key_at;
    let values = match &entry.value.data {
        Data::List(items) if items.is_empty() => {
            return Err(Fault::new(
                Code::EmptySelection,
                entry.value.at,
                format!("\"{}\" has no values", entry.key.text),
            ));
        }
        Data::List(items) => items.to_vec(),
        Data::Map(_) => {
            let fault = wrong_type(&entry.value, &entry.key.text, "a value or a list of values");
            return Err(fault.hint("write a nested field with dots, as in \"source.ip: 10.0.0.1\""));
        }
        _ => vec![entry.value.clone()],
    };
    if let Some(nested) = values.iter().find(|value| matches!(value.data, Data::List(_) | Data::Map(_))) {
        let message = format!("a value of \"{}\" must be a scalar, not {}", entry.key.text, shown(nested));
        return Err(Fault::new(Code::BadValue, nested.at, message));
    }
    let field_at = entry.key_part(0, field.as_deref().map_or(usize::MAX, |field| field.chars().count()));
    Ok(Search::Field(FieldSearch { field, key: entry.key.text.clone(), at, field_at, plan, values }))
}
