//! Which of a rule's labels have a match in a window, and what share of matches carries one.

use super::slide::Aggregate;

/// `temporal`: how many labels have a match. An item is the set of a match's labels, as bits.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct LabelCounts {
    counts: Vec<u32>,
    present: u32,
}

impl LabelCounts {
    /// Over a rule with `labels` labels.
    pub(in crate::detect) fn new(labels: usize) -> Self {
        Self { counts: vec![0; labels], present: 0 }
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u32>()
    }
}

fn bits(set: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |bit| set & (1 << bit) != 0)
}

impl Aggregate for LabelCounts {
    type Item = u32;

    fn enter(&mut self, labels: u32) {
        for label in bits(labels) {
            self.present += u32::from(self.counts[label] == 0);
            self.counts[label] += 1;
        }
    }

    fn leave(&mut self, labels: u32) {
        for label in bits(labels) {
            self.counts[label] -= 1;
            self.present -= u32::from(self.counts[label] == 0);
        }
    }

    fn value(&self) -> f64 {
        f64::from(self.present)
    }

    fn emptied(&self) -> Self {
        Self::new(self.counts.len())
    }
}

/// `ratio`: of the matches of the whole, the share that is part, too. An item says whether it is.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::detect) struct Share {
    whole: u32,
    part: u32,
    whole_min: u32,
}

impl Share {
    /// Meaningful from `whole_min` matches on.
    pub(in crate::detect) const fn new(whole_min: u32) -> Self {
        Self { whole: 0, part: 0, whole_min }
    }
}

impl Aggregate for Share {
    type Item = bool;

    fn enter(&mut self, is_part: bool) {
        self.whole += 1;
        self.part += u32::from(is_part);
    }

    fn leave(&mut self, is_part: bool) {
        self.whole -= 1;
        self.part -= u32::from(is_part);
    }

    fn value(&self) -> f64 {
        f64::from(self.part) / f64::from(self.whole)
    }

    fn is_meaningful(&self) -> bool {
        self.whole > 0 && self.whole >= self.whole_min
    }

    fn emptied(&self) -> Self {
        Self::new(self.whole_min)
    }
}
