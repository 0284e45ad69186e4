//! The types that a setting can have, each from what was written.
//!
//! A file is taken at its word: a number in quotes is a text. A variable of the environment is always a text and is
//! read as the type that the key wants. A list can be written as one text with commas, in both.

use std::net::SocketAddr;

use config::ValueKind;
use serde_json::{Value as Json, json};

use crate::detect::Span;

use super::problem::nearest;
use super::reader::Given;

/// What is wrong with a value, without saying where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// True if the value is right, but names a file that cannot be read.
    pub(super) unreadable: bool,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, unreadable: false }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    fn read(given: &Given) -> Result<Self, Fault>;

    /// The JSON Schema of what a file may give.
    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

/// A text that is not empty.
impl Setting for String {
    fn read(given: &Given) -> Result<Self, Fault> {
        match &given.value {
            ValueKind::String(text) if text.trim().is_empty() => Err(Fault::new("is empty")),
            ValueKind::String(text) => Ok(text.clone()),
            other => Err(wrong_type(other, "a text")),
        }
    }
}

/// A list of texts; a lone text is split at its commas.
impl Setting for Vec<String> {
    fn read(given: &Given) -> Result<Self, Fault> {
        match &given.value {
            ValueKind::String(text) if text.trim().is_empty() => Ok(Self::new()),
            ValueKind::String(text) => text.split(',').map(|part| element(part.trim())).collect(),
            ValueKind::Array(values) => values
                .iter()
                .map(|value| match &value.kind {
                    ValueKind::String(text) => element(text),
                    other => Err(wrong_type(other, "a text in the list")),
                })
                .collect(),
            other => Err(wrong_type(other, "a list of texts")),
        }
    }

    fn schema() -> Json {
        json!({ "type": ["string", "array"], "items": { "type": "string", "minLength": 1 } })
    }
}

fn element(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() { Err(Fault::new("has an empty element")) } else { Ok(text.to_owned()) }
}

/// Yes or no.
impl Setting for bool {
    fn read(given: &Given) -> Result<Self, Fault> {
        match &given.value {
            ValueKind::Boolean(yes) => Ok(*yes),
            ValueKind::String(text) if given.variable.is_some() => {
                text.trim().parse().map_err(|_| Fault::new(format!("{text:?} is neither true nor false")))
            }
            other => Err(wrong_type(other, "true or false")),
        }
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A whole number from 0.
impl Setting for usize {
    fn read(given: &Given) -> Result<Self, Fault> {
        let number = match &given.value {
            ValueKind::I64(number) => Self::try_from(*number).ok(),
            ValueKind::U64(number) => Self::try_from(*number).ok(),
            ValueKind::String(text) if given.variable.is_some() => text.trim().parse().ok(),
            other => return Err(wrong_type(other, "a whole number")),
        };
        number.ok_or_else(|| Fault::new(format!("{} is not a whole number from 0", given.value)))
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 0 })
    }
}

/// An integer and one of `s m h d`.
impl Setting for Span {
    fn read(given: &Given) -> Result<Self, Fault> {
        let example = "write an integer and one of s, m, h, d, such as \"10m\"";
        match &given.value {
            ValueKind::String(text) => {
                Self::parse(text.trim()).map_err(|error| Fault::new(format!("{text:?} {error}")).hint(example))
            }
            ValueKind::I64(number) => Err(Fault::new(format!("{number} has no unit")).hint(example)),
            other => Err(wrong_type(other, "a length of time").hint(example)),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^\\s*[0-9]+[smhd]\\s*$" })
    }
}

/// An IP address and a port.
impl Setting for SocketAddr {
    fn read(given: &Given) -> Result<Self, Fault> {
        let text = String::read(given)?;
        text.trim().parse().map_err(|_| {
            Fault::new(format!("{text:?} is not an IP address and a port"))
                .hint("write 127.0.0.1:9464 for this machine alone, 0.0.0.0:9464 for every network")
        })
    }
}

/// One of some words.
pub(super) fn one_of<T: Copy>(given: &Given, words: &[(&str, T)]) -> Result<T, Fault> {
    let text = String::read(given)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let hint = match nearest(&text.to_lowercase(), names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("write {}", names.join(" or ")),
    };
    Err(Fault::new(format!("{text:?} is not one of {}", names.join(", "))).hint(hint))
}

/// A check that a number is within bounds.
pub(super) fn within(min: usize, max: usize) -> impl FnOnce(&usize) -> Result<(), Fault> {
    move |number| match number {
        number if *number < min => Err(Fault::new(format!("{number} is less than {min}"))),
        number if *number > max => Err(Fault::new(format!("{number} is more than {max}"))),
        _ => Ok(()),
    }
}

pub(super) fn wrong_type(found: &ValueKind, wanted: &str) -> Fault {
    let found = match found {
        ValueKind::Nil => return Fault::new("has no value").hint("leave the key out to get its default"),
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
        ValueKind::Float(_) => "a fraction",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    Fault::new(format!("is {found}, not {wanted}"))
}
