//! What a rule reads of a match, each type what it needs.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::detect::fields::Slot;
use crate::detect::limits::{Limit, Limits};
use crate::detect::outcome::Outcome;
use crate::detect::rule::Logic;
use crate::detect::state::{Reading, key};
use crate::detect::value::Value;
use crate::detect::window::Place;

use super::step::Match;

/// Texts, each once.
type Texts<'o> = SmallVec<[Cow<'o, str>; 1]>;

/// What was read; it lends itself to a window as a [`Reading`].
#[derive(Debug, Default)]
pub(super) struct Read<'o> {
    texts: Texts<'o>,
    number: f64,
    place: Place,
}

impl<'o> Read<'o> {
    /// What `logic` needs of a match; none if the match lacks it and so is not in S(g).
    pub(super) fn of(logic: &Logic, subject: &Match<'_, 'o>, limits: &Limits, outcome: &mut Outcome) -> Option<Self> {
        let texts = match logic {
            Logic::ValueCount { fields, .. } => counted_values(fields, subject, limits, outcome),
            Logic::NewValue { field, .. } => texts(*field, subject, limits, outcome),
            Logic::ValueChange { field } => SmallVec::from_iter(as_set(texts(*field, subject, limits, outcome))),
            Logic::ValueSum { field, .. }
            | Logic::ValueAverage { field, .. }
            | Logic::ValuePercentile { field, .. } => {
                let number = subject.value(*field).to_number()?;
                return Some(Self { number, ..Self::default() });
            }
            Logic::GeoVelocity { place, .. } => {
                let number = |slot| subject.value(slot).to_number();
                let within = |slot, most: f64| number(slot).filter(|degrees| degrees.abs() <= most);
                let (latitude, longitude) = (within(place.latitude, 90.0)?, within(place.longitude, 180.0)?);
                let accuracy_km = number(place.accuracy_km).unwrap_or_default().max(0.0);
                return Some(Self { place: Place { latitude, longitude, accuracy_km }, ..Self::default() });
            }
            Logic::Event
            | Logic::EventCount { .. }
            | Logic::Temporal { .. }
            | Logic::TemporalOrdered { .. }
            | Logic::Absence { .. }
            | Logic::Ratio { .. }
            | Logic::Spike { .. } => return Some(Self::default()),
        };
        (!texts.is_empty()).then(|| Self { texts, ..Self::default() })
    }

    pub(super) fn lend(&self) -> Reading<'_> {
        Reading { texts: &self.texts, number: self.number, place: self.place }
    }
}

/// The values of one field, each element of a list; of several fields, every tuple of their values, as a JSON array.
/// Empty if a field is lacking.
fn counted_values<'o>(fields: &[Slot], subject: &Match<'_, 'o>, limits: &Limits, outcome: &mut Outcome) -> Texts<'o> {
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
    tuples.iter().map(|tuple| Cow::Owned(json(tuple))).collect()
}

fn texts<'o>(field: Slot, subject: &Match<'_, 'o>, limits: &Limits, outcome: &mut Outcome) -> Texts<'o> {
    let mut texts = Texts::new();
    for text in subject.value(field).elements().iter().filter_map(Value::scalar_text) {
        let text = key::bounded(text, limits.label_bytes, outcome);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Several texts as one that is the same in whatever order they stand.
fn as_set(mut texts: Texts<'_>) -> Option<Cow<'_, str>> {
    if texts.len() <= 1 {
        return texts.pop();
    }
    texts.sort_unstable();
    Some(Cow::Owned(json(&texts)))
}

fn json(texts: &[Cow<'_, str>]) -> String {
    serde_json::to_string(texts).expect("strings always serialize")
}

/// A text that may stand for several, as an alert shows it: joined by a comma.
pub(super) fn shown(text: &str) -> String {
    let several = if text.starts_with('[') { serde_json::from_str::<Vec<String>>(text).ok() } else { None };
    several.map_or_else(|| text.to_owned(), |parts| parts.join(", "))
}
