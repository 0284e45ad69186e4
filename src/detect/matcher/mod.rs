//! Which detections an event satisfies.
//!
//! Not what follows from it: windows are elsewhere, and a match here has no memory.

use crate::detect::value::Value;

/// A set of detections, by label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet {
    words: Vec<u64>,
}

impl LabelSet {
    /// Empties the set and makes room for `labels` labels.
    pub fn reset(&mut self, labels: usize) {
        self.words.clear();
        self.words.resize(labels.div_ceil(64), 0);
    }

    /// Adds a label.
    pub fn insert(&mut self, label: usize) {
        self.words[label / 64] |= 1 << (label % 64);
    }

    /// True if the label is in the set.
    #[must_use]
    pub fn contains(&self, label: usize) -> bool {
        self.words.get(label / 64).is_some_and(|word| word & (1 << (label % 64)) != 0)
    }

    /// True if no label is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The labels in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    index * 64 + bit as usize
                })
            })
        })
    }
}

/// The compiled detections of a rule set.
#[derive(Debug, Default)]
pub struct Matcher {}

impl Matcher {
    /// Writes the labels of every detection that the event satisfies, filters applied, into `labels`.
    pub fn labels(&self, _values: &[Value<'_>], labels: &mut LabelSet) {
        labels.reset(0);
    }
}
