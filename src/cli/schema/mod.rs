//! `tokenwatch schema`: JSON Schemas (draft 2020-12) of the formats that people write and read, for editors.
//!
//! They are made from the lists that the parsers themselves go by, so that a new key is in both or in neither. A schema
//! sees one document at a time: names across documents, conditions and regular expressions are `check`'s to judge.

mod alert;
mod detection;
mod event;
mod rule;
mod test_file;
#[cfg(test)]
mod tests;
mod window;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value as Json, json};

use super::Failure;
use crate::config;

/// Prints the JSON Schema of a format, for editors and other programs.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which format
    #[arg(value_enum, value_name = "FORMAT")]
    format: Format,
}

/// A format with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The audit event.
    Event,
    /// A document of a rule file.
    Rule,
    /// A test file beside the rules.
    Test,
    /// The alert.
    Alert,
    /// The configuration.
    Config,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&schema(arguments.format)).expect("JSON values always serialize");
    writeln!(io::stdout(), "{text}").map_err(|error| Failure::output(&error))
}

/// The schema of a format.
#[must_use]
pub fn schema(format: Format) -> Json {
    let (name, content) = match format {
        Format::Event => ("event", event::schema()),
        Format::Rule => ("rule", rule::schema()),
        Format::Test => ("test", test_file::schema()),
        Format::Alert => ("alert", alert::schema()),
        Format::Config => ("config", config::schema()),
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:tokenwatch:schema:{name}"),
    });
    merge(&mut schema, content);
    schema
}

/// Adds the members of one object to another.
fn merge(target: &mut Json, source: Json) {
    if let (Json::Object(target), Json::Object(source)) = (target, source) {
        target.extend(source);
    }
}

/// A reference to a definition of the same schema.
fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// Named schemas as the value of `properties`.
fn properties<'n>(named: impl IntoIterator<Item = (&'n str, Json)>) -> Json {
    Json::Object(named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>())
}

/// A schema with words for people.
fn explained(mut schema: Json, meaning: &str) -> Json {
    merge(&mut schema, json!({ "description": meaning }));
    schema
}

/// A text, or what is read as one.
fn scalar() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A list of texts; a lone one is a list of one.
fn texts(count_min: usize) -> Json {
    json!({ "type": ["string", "number", "boolean", "array"], "items": scalar(), "minItems": count_min })
}
