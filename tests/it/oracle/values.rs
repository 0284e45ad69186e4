//! How values compare: as members of a group, as members of a set, as numbers.

use serde_json::Value as Json;

use super::model::Fields;

/// Values that are no group in any case, beside the empty text.
const PLACEHOLDERS: [&str; 4] = ["-", "null", "anonymous", "unknown"];
/// Of an event that lists put into more groups than this, the first tuples count.
const TUPLES_MAX: usize = 16;

/// The distinct values of a field, a list opened; none for a field that is absent, `null` or an empty list.
pub(super) fn texts(fields: &Fields, field: &str) -> Vec<String> {
    let elements = match fields.get(field) {
        None => &[],
        Some(Json::Array(elements)) => elements.as_slice(),
        Some(scalar) => std::slice::from_ref(scalar),
    };
    distinct(elements.iter().filter_map(text))
}

fn text(scalar: &Json) -> Option<String> {
    match scalar {
        Json::Bool(truth) => Some(truth.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (None, Some(fraction)) => fraction.to_string(),
            _ => number.to_string(),
        }),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A JSON number or a text that spells one.
pub(super) fn number(fields: &Fields, field: &str) -> Option<f64> {
    match fields.get(field)? {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Every combination of one value of each field, the last field varying fastest; empty if a field has none.
pub(super) fn tuples(fields: &Fields, names: &[String]) -> Vec<Vec<String>> {
    product(names.iter().map(|name| texts(fields, name)))
}

/// The groups of a match, those beyond the first 16 left out.
pub(super) fn groups(fields: &Fields, names: &[String]) -> Vec<Vec<String>> {
    let is_value = |text: &String| !text.is_empty() && !PLACEHOLDERS.contains(&text.to_lowercase().as_str());
    let mut groups = product(names.iter().map(|name| texts(fields, name).into_iter().filter(is_value).collect()));
    groups.truncate(TUPLES_MAX);
    groups
}

fn product(sets: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    sets.fold(vec![vec![]], |tuples, values| {
        let extended = |tuple: &Vec<String>| {
            let tuple = tuple.clone();
            values.clone().into_iter().map(move |value| [tuple.clone(), vec![value]].concat()).collect::<Vec<_>>()
        };
        tuples.iter().flat_map(extended).collect()
    })
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    texts.fold(Vec::new(), |mut seen, text| {
        if !seen.contains(&text) {
            seen.push(text);
        }
        seen
    })
}
