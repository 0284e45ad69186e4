//! YAML with positions: the boundary behind which no parser's types are seen.
//!
//! Not a general YAML library: keys are scalars, tags beyond the core schema are ignored, and every size is bounded.

mod load;
mod merge;
mod quoted;
mod scalar;
mod word;

use std::rc::Rc;

use serde_json::Value as Json;

use crate::detect::value::number_spelled;

pub(crate) use load::load;
pub(crate) use scalar::NumberLiteral;

/// A place in a source text. Columns and widths are in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    /// Line from 1.
    pub(crate) line: usize,
    /// Column from 1.
    pub(crate) column: usize,
    /// How many characters it covers on its line.
    pub(crate) width: usize,
}

impl Spot {
    /// The start of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1, width: 1 };

    /// A part of this spot: `width` characters from the character `offset`, as far as that is inside it.
    pub(crate) fn part(self, offset: usize, width: usize) -> Self {
        if offset >= self.width {
            return self;
        }
        Self { column: self.column + offset, width: width.clamp(1, self.width - offset), ..self }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Spot,
    pub(crate) data: Data,
}

/// What a node holds. Lists and maps are shared, so that an alias costs nothing.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(NumberLiteral),
    Text(Text),
    List(Rc<[Node]>),
    Map(Rc<[Entry]>),
}

/// A string, and how to find its characters in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a text has a text, and where it stands")]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Where in its spot the text begins, if its characters stand there as they are: 0 for a plain scalar, 1 behind a
    /// quote. None for a text of several lines or with escapes, whose words are looked for.
    pub(crate) offset: Option<usize>,
    /// The source of such a text, from its spot on.
    pub(crate) source: Option<Rc<str>>,
}

/// A key and its value. The key is the scalar's text, whatever type that would have as a value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Text,
    pub(crate) key_at: Spot,
    pub(crate) value: Node,
}

impl Entry {
    /// The spot of some characters of the key.
    pub(crate) fn key_part(&self, offset: usize, width: usize) -> Spot {
        self.key.part(self.key_at, offset, width)
    }
}

impl Text {
    fn part(&self, at: Spot, offset: usize, width: usize) -> Spot {
        match (self.offset, &self.source) {
            (Some(start), _) => at.part(start + offset, width),
            (None, Some(source)) => word::find(&self.text, source, at, offset, width).unwrap_or(at),
            (None, None) => at,
        }
    }
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "a boolean",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The content of a text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// The number that it is or, as a text, spells as JSON would.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match &self.data {
            Data::Number(number) => Some(number.value),
            Data::Text(text) => number_spelled(&text.text),
            _ => None,
        }
    }

    /// The text of any scalar but `null`, as the file spells it.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.data {
            Data::Bool(value) => Some(value.to_string()),
            Data::Number(number) => Some(number.spelling.clone()),
            Data::Text(text) => Some(text.text.clone()),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The same value as JSON.
    pub(crate) fn json(&self) -> Json {
        match &self.data {
            Data::Null => Json::Null,
            Data::Bool(value) => Json::Bool(*value),
            Data::Number(number) => number.json(),
            Data::Text(text) => Json::String(text.text.clone()),
            Data::List(items) => items.iter().map(Self::json).collect(),
            Data::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.text.clone(), entry.value.json())).collect())
            }
        }
    }

    /// The spot of some characters of a text, or of the whole node where they cannot be told apart.
    pub(crate) fn part(&self, offset: usize, width: usize) -> Spot {
        match &self.data {
            Data::Text(text) => text.part(self.at, offset, width),
            _ => self.at,
        }
    }
}
