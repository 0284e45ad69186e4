//! What a `value_count` counts of a match.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::detect::fields::Slot;
use crate::detect::limits::{Limit, Limits};
use crate::detect::outcome::Outcome;
use crate::detect::state::key;
use crate::detect::value::Value;

use super::step::Match;

/// The texts of the values, each once.
pub(super) type Texts<'o> = SmallVec<[Cow<'o, str>; 1]>;

/// The values of one field, each element of a list; of several fields, every tuple of their values, as a JSON array.
/// Empty if a field is lacking.
pub(super) fn counted_values<'o>(
    fields: &[Slot],
    subject: &Match<'_, 'o>,
    limits: &Limits,
    outcome: &mut Outcome,
) -> Texts<'o> {
    if let [field] = fields {
        return texts(*field, subject, limits, outcome);
    }
    let mut tuples: Vec<Vec<Cow<'o, str>>> = vec![Vec::new()];
    for field in fields {
        let texts = texts(*field, subject, limits, outcome);
        if tuples.len() * texts.len() > limits.set_values {
            outcome.hit(Limit::SetValues);
        }
        let longer = tuples
            .iter()
            .flat_map(|tuple| texts.iter().map(move |text| tuple.iter().chain([text]).cloned().collect::<Vec<_>>()));
        tuples = longer.take(limits.set_values).collect();
    }
    let json = |tuple: &Vec<Cow<'o, str>>| Cow::Owned(serde_json::to_string(tuple).expect("strings always serialize"));
    tuples.iter().map(json).collect()
}

fn texts<'o>(field: Slot, subject: &Match<'_, 'o>, limits: &Limits, outcome: &mut Outcome) -> Texts<'o> {
    let mut texts = Texts::new();
    for text in subject.value(field).elements().iter().filter_map(Value::key_text) {
        let text = key::bounded(text, limits.label_bytes, outcome);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// A counted value as an alert shows it: the parts of a tuple joined by a comma.
pub(super) fn shown(value: String, fields: usize) -> String {
    if fields == 1 {
        return value;
    }
    serde_json::from_str::<Vec<String>>(&value).map_or(value, |parts| parts.join(", "))
}
