//! Sigma's value modifiers: from `field|contains|all` to what is to be compared, and how.

use super::suggest;
use crate::detect::matcher::{Comparison, DatePart, TextRelation};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Entry, Spot};

/// What is done with each value of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Text(TextRelation),
    Regex {
        ignore_case: bool,
        multi_line: bool,
        dot_all: bool,
    },
    Network,
    Exists,
    Compare(Comparison),
    /// A part of a date, equal to a number or compared with it.
    Date(DatePart, Option<Comparison>),
    /// Another field of the same event.
    Field(TextRelation),
}

/// A change to a value before it is compared, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Windash,
    Base64,
    Base64Offset,
    Utf16Le,
    Utf16Be,
    Utf16,
}

/// How many of the values must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
}

/// Everything that the modifiers of one entry say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MatchPlan {
    pub(crate) operator: Operator,
    pub(crate) encodings: Vec<Encoding>,
    /// Placeholders stand for the values of lists.
    pub(crate) expand: bool,
    pub(crate) cased: bool,
    pub(crate) quantifier: Quantifier,
    /// None may match, and the field must be there.
    pub(crate) negated: bool,
}

/// Every modifier.
pub(crate) const MODIFIERS: [&str; 31] = [
    "contains",
    "startswith",
    "endswith",
    "all",
    "exists",
    "cased",
    "neq",
    "windash",
    "re",
    "i",
    "m",
    "s",
    "base64",
    "base64offset",
    "utf16le",
    "utf16be",
    "utf16",
    "wide",
    "lt",
    "lte",
    "gt",
    "gte",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "cidr",
    "expand",
    "fieldref",
];

/// The modifiers as written, before they are weighed against each other.
#[derive(Default)]
struct Written<'a> {
    words: Vec<(&'a str, Spot)>,
    text: Option<TextRelation>,
    comparison: Option<Comparison>,
    date: Option<DatePart>,
    encodings: Vec<Encoding>,
}

impl Written<'_> {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|(written, _)| *written == word)
    }

    fn add(&mut self, word: &str, at: Spot) -> Result<(), Fault> {
        match word {
            "contains" => set(&mut self.text, TextRelation::Contains, word, at),
            "startswith" => set(&mut self.text, TextRelation::StartsWith, word, at),
            "endswith" => set(&mut self.text, TextRelation::EndsWith, word, at),
            "lt" => set(&mut self.comparison, Comparison::Less, word, at),
            "lte" => set(&mut self.comparison, Comparison::LessOrEqual, word, at),
            "gt" => set(&mut self.comparison, Comparison::Greater, word, at),
            "gte" => set(&mut self.comparison, Comparison::GreaterOrEqual, word, at),
            "minute" => set(&mut self.date, DatePart::Minute, word, at),
            "hour" => set(&mut self.date, DatePart::Hour, word, at),
            "day" => set(&mut self.date, DatePart::Day, word, at),
            "week" => set(&mut self.date, DatePart::Week, word, at),
            "month" => set(&mut self.date, DatePart::Month, word, at),
            "year" => set(&mut self.date, DatePart::Year, word, at),
            _ => {
                let encoding = match word {
                    "windash" => Encoding::Windash,
                    "base64" => Encoding::Base64,
                    "base64offset" => Encoding::Base64Offset,
                    "utf16le" | "wide" => Encoding::Utf16Le,
                    "utf16be" => Encoding::Utf16Be,
                    "utf16" => Encoding::Utf16,
                    _ if MODIFIERS.contains(&word) => return Ok(()),
                    _ => {
                        let fault = Fault::new(Code::UnknownModifier, at, format!("unknown modifier \"{word}\""));
                        return Err(fault.hint(elsewhere(word).map_or_else(|| suggest(word, MODIFIERS), str::to_owned)));
                    }
                };
                self.encodings.push(encoding);
                Ok(())
            }
        }
    }
}

/// What other tools' words are here.
fn elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "any" | "in" | "or" => "a list of values needs no modifier: any of them matches",
        "equals" | "eq" | "is" | "exact" => "leave it out: without a modifier the whole value is compared",
        "regex" | "regexp" | "matches" => "write re",
        "wildcard" | "like" | "glob" => "leave it out: * and ? are wildcards everywhere",
        "near" => "what happens near one another is a correlation of the type temporal",
        "ignorecase" | "nocase" => "leave it out: any case matches, but for re, where it is i",
        "not" => "write neq, or put \"not\" before the selection in the condition",
        "count" | "sum" | "avg" => "counting is a correlation of its own: event_count, value_sum, value_avg",
        _ => return None,
    })
}

fn set<T>(place: &mut Option<T>, value: T, word: &str, at: Spot) -> Result<(), Fault> {
    if place.replace(value).is_some() {
        return Err(Fault::new(Code::ModifierConflict, at, format!("{word} and another modifier of its kind")));
    }
    Ok(())
}

/// The field (none for keywords) and the modifiers of an entry's key.
pub(super) fn parse(entry: &Entry) -> Result<(String, MatchPlan), Fault> {
    let mut parts = entry.key.text.split('|');
    let field = parts.next().unwrap_or_default();
    let mut offset = field.chars().count();
    let mut written = Written::default();
    for word in parts {
        offset += 1;
        let width = word.chars().count();
        let at = entry.key_part(offset, width);
        written.add(word, at)?;
        written.words.push((word, at));
        offset += width;
    }
    Ok((field.to_owned(), plan(&written)?))
}

fn plan(written: &Written<'_>) -> Result<MatchPlan, Fault> {
    let operator = operator(written)?;
    let is_text = matches!(operator, Operator::Text(_));
    let expand = written.has("expand");
    let is_regex = matches!(operator, Operator::Regex { .. });
    for (word, at) in &written.words {
        let why = match *word {
            "i" | "m" | "s" if !is_regex => "means something only after re",
            "expand" if !is_text && operator != Operator::Network => "changes texts, and none is compared here",
            encoding if !is_text && is_encoding(encoding) => "changes texts, and none is compared here",
            "all" | "neq" if operator == Operator::Exists => "and exists exclude each other",
            _ => continue,
        };
        return Err(Fault::new(Code::ModifierConflict, *at, format!("{word} {why}")));
    }
    Ok(MatchPlan {
        operator,
        encodings: written.encodings.clone(),
        expand,
        cased: written.has("cased"),
        quantifier: if written.has("all") { Quantifier::All } else { Quantifier::Any },
        negated: written.has("neq"),
    })
}

fn is_encoding(word: &str) -> bool {
    matches!(word, "windash" | "base64" | "base64offset" | "utf16le" | "wide" | "utf16be" | "utf16")
}

fn operator(written: &Written<'_>) -> Result<Operator, Fault> {
    let text = written.text;
    let special = ["re", "cidr", "exists", "fieldref"].into_iter().filter(|word| written.has(word)).collect::<Vec<_>>();
    let others = [("a text modifier", text.is_some() && special != ["fieldref"])]
        .into_iter()
        .chain([("a comparison", written.comparison.is_some()), ("a part of a date", written.date.is_some())])
        .filter_map(|(name, there)| there.then_some(name));
    let kinds: Vec<&str> = special.iter().copied().chain(others).collect();
    let may_compare = kinds == ["a comparison", "a part of a date"];
    if kinds.len() > 1 && !may_compare {
        let at = written.words.last().map_or(Spot::START, |(_, at)| *at);
        let message = format!("{} exclude each other", kinds.join(" and "));
        return Err(Fault::new(Code::ModifierConflict, at, message));
    }
    Ok(match (special.first(), written.date, written.comparison) {
        (Some(&"re"), ..) => {
            Operator::Regex { ignore_case: written.has("i"), multi_line: written.has("m"), dot_all: written.has("s") }
        }
        (Some(&"cidr"), ..) => Operator::Network,
        (Some(&"exists"), ..) => Operator::Exists,
        (Some(_), ..) => Operator::Field(text.unwrap_or(TextRelation::Equals)),
        (None, Some(part), comparison) => Operator::Date(part, comparison),
        (None, None, Some(comparison)) => Operator::Compare(comparison),
        (None, None, None) => Operator::Text(text.unwrap_or(TextRelation::Equals)),
    })
}
