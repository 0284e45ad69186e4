//! Reading typed values out of nodes, with a problem for each that is not what it should be.
//!
//! Not the meaning of any key: that is the business of the module that asks for it.

use crate::detect::rule::compiled::Level;
use crate::detect::rule::problem::{Code, Fault, Problem, Severity, subject_rule};
use crate::detect::rule::yaml::{Data, Entry, Node, Spot};
use crate::detect::time::{Span, SpanError};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) at: Spot,
}

/// Collects the problems of one file, under the name of what is being read.
pub(crate) struct Reporter<'a> {
    file: &'a str,
    /// `rule "bruteforce"`, `test "seven do not"`.
    subject: Option<String>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(file: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { file, subject: None, problems }
    }

    /// From here on, problems belong to this rule.
    pub(crate) fn enter(&mut self, rule: Option<&str>) {
        self.subject = rule.map(subject_rule);
    }

    /// From here on, problems belong to this test.
    pub(crate) fn enter_test(&mut self, test: &str) {
        self.subject = Some(format!("test \"{}\"", clip(test)));
    }

    /// From here on, problems belong to the file.
    pub(crate) fn leave(&mut self) {
        self.subject = None;
    }

    pub(crate) fn report(&mut self, fault: Fault) {
        self.problems.push(fault.about(self.file, self.subject.as_deref()));
    }

    /// How many problems there are as yet.
    pub(crate) fn count(&self) -> usize {
        self.problems.len()
    }

    /// True if an error was reported after there were `count` problems.
    pub(crate) fn has_error_since(&self, count: usize) -> bool {
        self.problems[count..].iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The value, or none after reporting why there is none.
    pub(crate) fn check<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.report(fault)).ok()
    }
}

/// A mapping whose keys have meanings.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    /// Its name in messages: `correlation`, `tokenwatch`.
    pub(crate) name: &'static str,
    pub(crate) at: Spot,
    pub(crate) entries: &'a [Entry],
}

impl<'a> Section<'a> {
    pub(crate) fn of(node: &'a Node, name: &'static str) -> Result<Self, Fault> {
        match &node.data {
            Data::Map(entries) => Ok(Self { name, at: node.at, entries }),
            _ => Err(wrong_type(node, name, "a mapping")),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key.text == key)
    }

    /// The keys and where they stand.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Spanned<String>> + use<'a> {
        self.entries.iter().map(|entry| Spanned { value: entry.key.text.clone(), at: entry.key_at })
    }

    /// Reads the value of a key, if it is there.
    pub(crate) fn read<T>(
        &self,
        reporter: &mut Reporter<'_>,
        key: &'static str,
        read: impl FnOnce(&'a Node, &'static str) -> Result<T, Fault>,
    ) -> Option<T> {
        let entry = self.get(key)?;
        reporter.check(read(&entry.value, key))
    }

    /// Reads the value of a key that must be there. If it is only misspelt, that is reported with the unknown keys.
    pub(crate) fn require<T>(
        &self,
        reporter: &mut Reporter<'_>,
        key: &'static str,
        read: impl FnOnce(&'a Node, &'static str) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.get(key).is_none() && self.slip(key).is_none() {
            let fault = Fault::new(Code::MissingKey, self.at, format!("{} has no \"{key}\"", self.name));
            reporter.report(fault.hint_if_any(example(key).map(str::to_owned)));
        }
        self.read(reporter, key, read)
    }

    /// The key that was probably meant to be one that is not there.
    pub(crate) fn slip(&self, key: &str) -> Option<&'a str> {
        let mut keys = self.entries.iter().map(|entry| entry.key.text.as_str());
        keys.find(|other| near(other, [key], key.len().div_ceil(4)).is_some())
    }

    /// Reports every key that is not among those that have a meaning here.
    pub(crate) fn refuse_unknown(&self, reporter: &mut Reporter<'_>, known: &[&str]) {
        for entry in self.entries {
            if !known.contains(&entry.key.text.as_str()) {
                reporter.report(self.unknown(entry, known));
            }
        }
    }

    /// The problem of a key without meaning.
    pub(crate) fn unknown(&self, entry: &Entry, known: &[&str]) -> Fault {
        let message = format!("unknown key \"{}\" in {}", entry.key.text, self.name);
        Fault::new(Code::UnknownKey, entry.key_at, message).hint(suggest(&entry.key.text, known.iter().copied()))
    }
}

/// What to write for a key that must be there.
fn example(key: &str) -> Option<&'static str> {
    Some(match key {
        "type" => "write for example \"type: event_count\"",
        "rules" => "name the rules whose matches count, as in \"rules: [failed_login]\"",
        "of" => "name the rules whose matches are the whole, as in \"of: [login]\"",
        "without" => "name the rules of which a match is missed, as in \"without: [ticket_opened]\"",
        "timespan" => "say how long the window is, as in \"timespan: 5m\"",
        "rule_files" => "name the rules to be tested, as in \"rule_files: [fan_out.yml]\"",
        "tests" => "add \"tests:\" with a list of them, each with name, events and alerts",
        "name" => "say what should happen, as in \"name: eight services alert once\"",
        "events" => "say what happens, as in \"events: [{at: 0s, event: {event.action: login}}]\"",
        "at" => "say how long after the start of the test, as in \"at: 70s\"",
        "rule" => "name the rule that alerts, as in \"rule: fan_out\"",
        _ => return None,
    })
}

pub(crate) fn wrong_type(node: &Node, what: &str, wanted: &str) -> Fault {
    Fault::new(Code::WrongType, node.at, format!("{what} must be {wanted}, not {}", node.kind()))
}

/// A text; other scalars as they are spelled, so that a name may be `401`.
pub(crate) fn text(node: &Node, key: &str) -> Result<Spanned<String>, Fault> {
    let value = node.scalar_text().ok_or_else(|| wrong_type(node, key, "a text"))?;
    Ok(Spanned { value, at: node.at })
}

/// A list of texts; a lone text is a list of one.
pub(crate) fn texts(node: &Node, key: &str) -> Result<Vec<Spanned<String>>, Fault> {
    match &node.data {
        Data::List(items) => items.iter().map(|item| text(item, key)).collect(),
        _ => Ok(vec![text(node, key).map_err(|_| wrong_type(node, key, "a list of texts"))?]),
    }
}

/// A list of texts that is not empty.
pub(crate) fn some_texts(node: &Node, key: &str) -> Result<Vec<Spanned<String>>, Fault> {
    let texts = texts(node, key)?;
    if texts.is_empty() { Err(Fault::new(Code::EmptySelection, node.at, format!("{key} is empty"))) } else { Ok(texts) }
}

/// One of some words, each with what it stands for.
pub(crate) fn one_of<T: Copy>(
    node: &Node,
    key: &str,
    code: Code,
    (all, name): (&[T], impl Fn(T) -> &'static str),
) -> Result<Spanned<T>, Fault> {
    let text = text(node, key)?;
    let found = all.iter().copied().find(|one| name(*one) == text.value);
    let value = found.ok_or_else(|| {
        let hint = suggest(&text.value, all.iter().map(|one| name(*one)));
        Fault::new(code, text.at, format!("unknown {key} \"{}\"", clip(&text.value))).hint(hint)
    })?;
    Ok(Spanned { value, at: text.at })
}

/// One of Sigma's levels.
pub(crate) fn level(node: &Node, key: &str) -> Result<Spanned<Level>, Fault> {
    one_of(node, key, Code::BadLevel, (&Level::ALL, Level::name))
}

pub(crate) fn boolean(node: &Node, key: &str) -> Result<bool, Fault> {
    match node.data {
        Data::Bool(value) => Ok(value),
        _ => Err(wrong_type(node, key, "true or false")),
    }
}

/// A finite number.
pub(crate) fn number(node: &Node, key: &str) -> Result<f64, Fault> {
    if let Data::Number(number) = &node.data {
        return Ok(number.value);
    }
    let fault = Fault::new(Code::BadNumber, node.at, format!("{key} must be a number, not {}", shown(node)));
    let percent = node.as_text().and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
    Err(fault.hint_if_any(percent.map(|percent| format!("a share is written as \"{}\"", percent / 100.0))))
}

/// A number within bounds, both included.
pub(crate) fn number_within(node: &Node, key: &str, least: f64, most: f64) -> Result<f64, Fault> {
    let value = number(node, key)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let range = if most >= f64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
    Err(Fault::new(Code::BadNumber, node.at, format!("{key} must be {range}, not {value}")))
}

/// A whole number within bounds, both included.
pub(crate) fn count(node: &Node, key: &str, least: u32, most: u32) -> Result<u32, Fault> {
    let value = number_within(node, key, f64::from(least), f64::from(most))?;
    if value.fract() != 0.0 {
        return Err(Fault::new(Code::BadNumber, node.at, format!("{key} must be a whole number, not {value}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and between two u32")]
    Ok(value as u32)
}

/// A span with a unit; zero is allowed.
pub(crate) fn span(node: &Node, key: &str) -> Result<Spanned<Span>, Fault> {
    let text = node.scalar_text().ok_or_else(|| wrong_type(node, key, "a span such as 5m"))?;
    let fault = |error: SpanError, code| Fault::new(code, node.at, format!("{key} \"{text}\" {error}"));
    match Span::parse(&text) {
        Ok(value) => Ok(Spanned { value, at: node.at }),
        Err(error @ SpanError::NoUnit) => Err(fault(error, Code::TimespanWithoutUnit).hint(units_of(&text))),
        Err(error @ SpanError::TooLong) => Err(fault(error, Code::BadTimespan)),
        Err(error @ SpanError::Malformed) => Err(fault(error, Code::BadTimespan).hint(in_words(&text).map_or_else(
            || "write a whole number and one unit, as in \"90s\", \"5m\", \"1h\" or \"7d\"".to_owned(),
            |span| format!("write \"{span}\""),
        ))),
    }
}

/// The span that a number and a word say, as in `10 minutes` or `1w`.
fn in_words(text: &str) -> Option<String> {
    let (digits, word) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let count: u64 = digits.parse().ok()?;
    let (factor, unit) = match word.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => (1, 's'),
        "m" | "min" | "mins" | "minute" | "minutes" => (1, 'm'),
        "h" | "hr" | "hrs" | "hour" | "hours" => (1, 'h'),
        "d" | "day" | "days" => (1, 'd'),
        "w" | "week" | "weeks" => (7, 'd'),
        _ => return None,
    };
    Some(format!("{}{unit}", count.checked_mul(factor)?))
}

/// A bare number was probably meant in minutes, as in other tools.
fn units_of(digits: &str) -> String {
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(60));
    seconds.map_or_else(|| "add s, m, h or d".to_owned(), |seconds| format!("write \"{digits}m\" or \"{seconds}s\""))
}

/// A span longer than nothing.
pub(crate) fn positive_span(node: &Node, key: &str) -> Result<Spanned<Span>, Fault> {
    let span = span(node, key)?;
    if span.value == Span::ZERO {
        return Err(Fault::new(Code::BadTimespan, node.at, format!("{key} must be longer than nothing")));
    }
    Ok(span)
}

/// A value as a message quotes it.
pub(crate) fn shown(node: &Node) -> String {
    node.scalar_text().map_or_else(|| node.kind().to_owned(), |text| format!("\"{}\"", clip(&text)))
}

/// The start of a text that may be long.
pub(crate) fn clip(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The known word that is nearly `word`, if there is one.
pub(crate) fn near<'w>(word: &str, known: impl IntoIterator<Item = &'w str>, distance_max: usize) -> Option<&'w str> {
    // The distance costs the product of the lengths; nobody mistypes a name of kilobytes.
    if word.len() > 256 {
        return None;
    }
    let folded = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= distance_max && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// What to write instead of an unknown word: the nearest known one, else all of them if they are few.
pub(crate) fn suggest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match near(word, known.iter().copied(), (word.chars().count() / 3).max(2)) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None if known.is_empty() => "there is none".to_owned(),
        None if known.len() <= 40 => format!("known here: {}", known.join(", ")),
        None => format!("none of the {} known names is similar", known.len()),
    }
}
