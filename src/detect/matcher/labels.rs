//! The answer of the matcher, and the memory that it works in.

/// A set of detections, by label. It also holds the working memory of matching, so that an event allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct LabelSet {
    words: Vec<u64>,
    pub(super) memo: Memo,
}

/// Equal if the labels are; the working memory does not count.
impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for LabelSet {}

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

/// What is already known of the nodes of an evaluation: two bits each.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    known: Vec<u64>,
    holds: Vec<u64>,
}

impl Memo {
    pub(super) fn reset(&mut self, nodes: usize) {
        let words = nodes.div_ceil(64);
        self.known.clear();
        self.known.resize(words, 0);
        self.holds.resize(words, 0);
    }

    pub(super) fn get(&self, node: u32) -> Option<bool> {
        let (word, bit) = (node as usize / 64, 1 << (node % 64));
        (self.known[word] & bit != 0).then(|| self.holds[word] & bit != 0)
    }

    pub(super) fn set(&mut self, node: u32, holds: bool) {
        let (word, bit) = (node as usize / 64, 1_u64 << (node % 64));
        self.known[word] |= bit;
        self.holds[word] = if holds { self.holds[word] | bit } else { self.holds[word] & !bit };
    }
}
