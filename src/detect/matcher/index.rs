//! From the literal values of an event to the detections that need them.
//!
//! An optimisation and nothing else: what it leaves out could not have matched. Detections that need no literal are
//! always tried.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::expr::Expr;
use super::pattern::fold;
use super::predicate::Test;
use crate::detect::fields::Slot;
use crate::detect::value::{Number, Value, number_spelled};

/// Seeds do not matter: the keys are the rules' own, and whoever chooses values cannot add any.
const HASHER: ahash::RandomState = ahash::RandomState::with_seeds(1, 2, 3, 4);

/// The detections of one scope, by what they need.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Needed by no literal.
    always: Vec<usize>,
    fields: Vec<FieldIndex>,
}

#[derive(Clone, Debug)]
struct FieldIndex {
    slot: Slot,
    /// By folded text: the labels that need a value to have it.
    labels: HashMap<Box<str>, Vec<usize>, ahash::RandomState>,
}

/// Texts of which a field must have one for a detection to match.
struct Need<'e> {
    slot: Slot,
    texts: Vec<Cow<'e, str>>,
}

impl Index {
    /// An index over detections, given as label and expression.
    pub(super) fn new<'e>(detections: impl Iterator<Item = (usize, &'e Expr)>) -> Self {
        let needs: Vec<(usize, Vec<Need<'e>>)> = detections.map(|(label, expr)| (label, needs(expr))).collect();
        // One field for as many detections as can be means one look-up for all of them.
        let mut popularity: BTreeMap<Slot, usize> = BTreeMap::new();
        for need in needs.iter().flat_map(|(_, needs)| needs) {
            *popularity.entry(need.slot).or_default() += 1;
        }
        let mut index = Self::default();
        for (label, needs) in needs {
            match needs.into_iter().max_by_key(|need| (popularity[&need.slot], std::cmp::Reverse(need.slot))) {
                Some(need) => index.insert(label, need),
                None => index.always.push(label),
            }
        }
        index
    }

    fn insert(&mut self, label: usize, need: Need<'_>) {
        let position = self.fields.iter().position(|field| field.slot == need.slot).unwrap_or_else(|| {
            self.fields.push(FieldIndex { slot: need.slot, labels: HashMap::with_hasher(HASHER) });
            self.fields.len() - 1
        });
        for text in need.texts {
            let labels = self.fields[position].labels.entry(text.into()).or_default();
            if labels.last() != Some(&label) {
                labels.push(label);
            }
        }
    }

    /// Tries every label that the event could satisfy; one more than once if several of its values lead to it.
    pub(super) fn candidates(&self, values: &[Value<'_>], mut attempt: impl FnMut(usize)) {
        self.always.iter().copied().for_each(&mut attempt);
        for field in &self.fields {
            for value in values[field.slot.index()].elements() {
                field.lookup(value, &mut attempt);
            }
        }
    }
}

impl FieldIndex {
    fn lookup(&self, value: &Value<'_>, attempt: &mut impl FnMut(usize)) {
        let mut labels = |text: &str| {
            if let Some(labels) = self.labels.get(text) {
                labels.iter().copied().for_each(&mut *attempt);
            }
        };
        match value {
            Value::Text(text) => {
                labels(&fold(text));
                // The rule's number 10 is also this text, however it spells it.
                if number_spelled(text).is_some() {
                    let canonical = Number::Text(text).canonical();
                    if canonical != *text {
                        labels(&canonical);
                    }
                }
            }
            Value::Number(number) => labels(&number.canonical()),
            Value::Bool(value) => labels(if *value { "true" } else { "false" }),
            Value::Absent | Value::Null | Value::List(_) | Value::Object => {}
        }
    }
}

/// Every field of which an expression needs one of some texts.
fn needs(expr: &Expr) -> Vec<Need<'_>> {
    match expr {
        Expr::Test(slot, test) => texts(test).map(|texts| Need { slot: *slot, texts }).into_iter().collect(),
        Expr::All(parts) => parts.iter().flat_map(needs).collect(),
        Expr::Any(parts) => {
            let mut parts = parts.iter().map(needs);
            let Some(mut common) = parts.next() else { return Vec::new() };
            for others in parts {
                common.retain_mut(|need| {
                    let other = others.iter().find(|other| other.slot == need.slot);
                    need.texts.extend(other.into_iter().flat_map(|other| other.texts.iter().cloned()));
                    other.is_some()
                });
            }
            common
        }
        Expr::Not(_) => Vec::new(),
    }
}

/// The folded texts, one of which a value must have to pass.
fn texts(test: &Test) -> Option<Vec<Cow<'_, str>>> {
    match test {
        Test::Text(pattern) => pattern.literal().map(|literal| vec![fold(literal)]),
        Test::OneOf(texts) => Some(texts.literals().map(fold).collect()),
        Test::Number(literal) => Some(vec![Cow::Borrowed(&*literal.canonical)]),
        Test::Boolean(value) => Some(vec![Cow::Borrowed(if *value { "true" } else { "false" })]),
        _ => None,
    }
}
