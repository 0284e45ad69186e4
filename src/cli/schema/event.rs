//! The audit event. Nested objects and dotted keys are the same, so every field has a place in both forms.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::detect::rule::schema::{FIELDS, Field, Kind};

use super::explained;

/// The end of the year 9999 in epoch nanoseconds.
const TIME_END: f64 = 253_402_300_800e9;

pub(super) fn schema() -> Json {
    let paths: Vec<(&str, &Field)> = FIELDS.iter().map(|field| (field.path, field)).collect();
    json!({
        "title": "tokenwatch audit event",
        "description": "One record: who did what with which token, when and from where. Other fields are kept for rules.",
        "type": "object",
        "properties": fields(&paths),
        "required": ["@timestamp"],
        "anyOf": [
            { "required": ["event.action"] },
            { "required": ["event"], "properties": { "event": { "type": "object", "required": ["action"] } } },
        ],
    })
}

/// Every field under its dotted name, for whoever writes events in that form.
pub(super) fn dotted() -> Json {
    FIELDS
        .iter()
        .map(|field| (field.path.to_owned(), explained(json!({}), field.meaning)))
        .collect::<Map<_, _>>()
        .into()
}

/// What `event.action` must be: without it there is no event.
pub(super) fn action() -> Json {
    json!({ "type": "string", "minLength": 1 })
}

/// RFC 3339 as it is read: also with a blank, without separators or seconds, and with a time zone behind the offset.
/// Whether a month has a day of that number is not looked at.
fn time() -> String {
    let date =
        r"([0-9]{4}|\+00[0-9]{4})(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))";
    let clock = r"([01][0-9]|2[0-3])(:?[0-5][0-9](:?([0-5][0-9]|60)([.,][0-9]{1,9})?)?)?";
    let offset = r"([Zz]|[+-][0-9]{2}(:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{1,9})?)?)?)";
    format!(r"^{date}[Tt ]{clock}{offset}(\[[^\]]*\])*$")
}

/// Fields by what is left of their paths: each as a dotted key, and those with a common first part as an object.
fn fields(paths: &[(&str, &Field)]) -> Map<String, Json> {
    let mut objects: BTreeMap<&str, Vec<(&str, &Field)>> = BTreeMap::new();
    for (path, field) in paths {
        if let Some((first, rest)) = path.split_once('.') {
            objects.entry(first).or_default().push((rest, field));
        }
    }
    let mut found: Map<String, Json> = paths.iter().map(|(path, field)| ((*path).to_owned(), value(field))).collect();
    for (name, inner) in objects {
        let object = json!({ "type": ["object", "null"], "properties": fields(&inner) });
        // `token` is a text, and `token.problem` stands beside it or, where there is no text, inside.
        let both = found.remove(name).map(|text| json!({ "anyOf": [text, object] }));
        found.insert(name.to_owned(), both.unwrap_or(object));
    }
    found
}

fn value(field: &Field) -> Json {
    let text = json!({ "type": ["string", "null"] });
    let schema = match field.kind {
        Kind::Time => {
            json!({ "type": ["string", "number"], "pattern": time(), "minimum": 0, "exclusiveMaximum": TIME_END })
        }
        Kind::Text if field.path == "event.action" => action(),
        Kind::Text => text,
        Kind::Texts | Kind::Words => json!({ "type": ["string", "array", "null"], "items": text }),
        Kind::Number => json!({ "type": ["number", "null"] }),
        Kind::Derived => json!({}),
    };
    explained(schema, field.meaning)
}
