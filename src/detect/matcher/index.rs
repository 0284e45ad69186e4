//! From the literals in an event's values to the detections that need them.
//!
//! An optimisation and nothing else: what it leaves out could not have matched. Detections that need no literal are
//! always tried.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use hashbrown::HashMap;

use super::expr::Expr;
use super::pattern::fold;
use super::predicate::Test;
use crate::detect::fields::Slot;
use crate::detect::value::{Number, Value, number_spelled};

/// Seeds do not matter: the keys are the rules' own, and whoever chooses values cannot add any.
const HASHER: ahash::RandomState = ahash::RandomState::with_seeds(1, 2, 3, 4);
/// So few detections behind one literal are not worth another look-up.
const FEW: usize = 16;
/// A shorter part of a text is in nearly every value.
const PART_BYTES_MIN: usize = 3;

type Table<'e> = HashMap<Cow<'e, str>, Vec<usize>, ahash::RandomState>;

/// The detections of one scope, by what they need.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Those that need no literal.
    always: Vec<usize>,
    fields: Vec<FieldIndex>,
}

/// The detections that need some text in a field.
#[derive(Clone, Debug)]
struct FieldIndex {
    slot: Slot,
    /// By the whole folded text.
    wholes: Table<'static>,
    /// Finds parts of the folded text; none if nobody needs any.
    parts: Option<AhoCorasick>,
    /// By pattern of the automaton.
    part_labels: Vec<Vec<usize>>,
}

/// Texts of which a field must have one for a detection to match.
#[derive(Clone, Debug)]
struct Need<'e> {
    slot: Slot,
    literals: Vec<Literal<'e>>,
}

/// A folded text that a value must be, or have in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Literal<'e> {
    is_whole: bool,
    text: Cow<'e, str>,
}

impl Index {
    /// An index over detections, given as label and expression.
    pub(super) fn new<'e>(detections: impl Iterator<Item = (usize, &'e Expr)>) -> Self {
        let needs: Vec<(usize, Vec<Need<'e>>)> = detections.map(|(label, expr)| (label, needs(expr))).collect();
        let mut users: BTreeMap<(Slot, &Literal<'e>), usize> = BTreeMap::new();
        let mut popularity: BTreeMap<Slot, usize> = BTreeMap::new();
        for need in needs.iter().flat_map(|(_, needs)| needs) {
            *popularity.entry(need.slot).or_default() += 1;
            for literal in &need.literals {
                *users.entry((need.slot, literal)).or_default() += 1;
            }
        }
        // Rare literals first, since they rule out the most; then the fields that the most others are found by.
        let rank = |need: &&Need<'e>| {
            let crowd = need.literals.iter().map(|literal| users[&(need.slot, literal)]).max().unwrap_or(0);
            let crowd = if crowd <= FEW { 0 } else { crowd };
            let is_part = need.literals.iter().any(|literal| !literal.is_whole);
            (crowd, is_part, Reverse(popularity[&need.slot]), need.slot)
        };
        let mut index = Self::default();
        let mut chosen: BTreeMap<Slot, Vec<(usize, &Need<'e>)>> = BTreeMap::new();
        for (label, needs) in &needs {
            match needs.iter().min_by_key(rank) {
                Some(need) => chosen.entry(need.slot).or_default().push((*label, need)),
                None => index.always.push(*label),
            }
        }
        index.fields =
            chosen.into_iter().map(|(slot, needs)| FieldIndex::new(slot, &needs, &mut index.always)).collect();
        index
    }

    /// Tries every label that the event could satisfy; one more than once if several of its values lead to it.
    pub(super) fn candidates(&self, values: &[Value<'_>], mut attempt: impl FnMut(usize)) {
        self.always.iter().copied().for_each(&mut attempt);
        for field in &self.fields {
            for value in values[field.slot.index()].elements() {
                field.look_up(value, &mut attempt);
            }
        }
    }
}

impl FieldIndex {
    /// What cannot be indexed goes to those that are always tried.
    fn new(slot: Slot, needs: &[(usize, &Need<'_>)], always: &mut Vec<usize>) -> Self {
        let mut wholes = Table::with_hasher(HASHER);
        let mut parts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (label, need) in needs {
            for literal in &need.literals {
                let labels = if literal.is_whole {
                    wholes.entry(Cow::Owned(literal.text.to_string())).or_default()
                } else {
                    parts.entry(&literal.text).or_default()
                };
                if labels.last() != Some(label) {
                    labels.push(*label);
                }
            }
        }
        let builder = || AhoCorasick::builder().ascii_case_insensitive(true).build(parts.keys());
        let automaton = (!parts.is_empty()).then(builder);
        let part_labels: Vec<Vec<usize>> = parts.into_values().collect();
        let parts = automaton.and_then(|automaton| {
            // It fails beyond 2^31 states only, which files cannot reach; then it would be no index, but still right.
            automaton.map_err(|_| always.extend(part_labels.iter().flatten())).ok()
        });
        Self { slot, wholes, parts, part_labels }
    }

    fn look_up(&self, value: &Value<'_>, attempt: &mut impl FnMut(usize)) {
        match value {
            Value::Text(text) => {
                if !self.wholes.is_empty() {
                    self.whole(&fold(text), attempt);
                    // The rule's number 10 is also this text, however it spells it.
                    if number_spelled(text).is_some() {
                        self.whole(&Number::Text(text).canonical(), attempt);
                    }
                }
                if self.parts.is_some() {
                    // The automaton folds ASCII by itself, without a copy.
                    self.part(&if text.is_ascii() { Cow::Borrowed(&**text) } else { fold(text) }, attempt);
                }
            }
            // Beyond a double it is as written, which may be with a capital E.
            Value::Number(number) => self.text(&fold(&number.canonical()), attempt),
            Value::Bool(value) => self.text(if *value { "true" } else { "false" }, attempt),
            Value::Absent | Value::Null | Value::List(_) | Value::Object => {}
        }
    }

    fn text(&self, text: &str, attempt: &mut impl FnMut(usize)) {
        self.whole(text, attempt);
        self.part(text, attempt);
    }

    fn whole(&self, text: &str, attempt: &mut impl FnMut(usize)) {
        if let Some(labels) = self.wholes.get(text) {
            labels.iter().copied().for_each(attempt);
        }
    }

    fn part(&self, text: &str, attempt: &mut impl FnMut(usize)) {
        let Some(parts) = &self.parts else { return };
        for found in parts.find_overlapping_iter(text) {
            self.part_labels[found.pattern().as_usize()].iter().copied().for_each(&mut *attempt);
        }
    }
}

/// Every field of which an expression needs one of some texts.
fn needs(expr: &Expr) -> Vec<Need<'_>> {
    match expr {
        Expr::Test(slot, test) => literals(test).map(|literals| Need { slot: *slot, literals }).into_iter().collect(),
        Expr::All(parts) => parts.iter().flat_map(needs).collect(),
        Expr::Any(parts) => {
            let mut parts = parts.iter().map(needs);
            let Some(mut common) = parts.next() else { return Vec::new() };
            for others in parts {
                common.retain_mut(|need| {
                    let other = others.iter().find(|other| other.slot == need.slot);
                    need.literals.extend(other.into_iter().flat_map(|other| other.literals.iter().cloned()));
                    other.is_some()
                });
            }
            common
        }
        Expr::Not(_) => Vec::new(),
    }
}

/// The texts, one of which a value must be or have in it to pass; none if there is no such text.
fn literals(test: &Test) -> Option<Vec<Literal<'_>>> {
    let whole = |text| Literal { is_whole: true, text };
    match test {
        Test::Text(pattern) => {
            let (needle, is_whole) = pattern.needle()?;
            (is_whole || needle.len() >= PART_BYTES_MIN).then(|| vec![Literal { is_whole, text: fold(needle) }])
        }
        Test::OneOf(texts) => Some(texts.literals().map(|text| whole(fold(text))).collect()),
        Test::Number(literal) => Some(vec![whole(Cow::Borrowed(&*literal.canonical))]),
        Test::Boolean(value) => Some(vec![whole(Cow::Borrowed(if *value { "true" } else { "false" }))]),
        _ => None,
    }
}
