//! Expected alerts against those that were raised: each is met by one of its own, and none is left over.

use crate::detect::alert::Alert;

use super::expected::{Expected, fact, position};
use super::moment::START;

/// An expected alert, a raised one, or both where they belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Position among the expected alerts.
    pub expected: Option<usize>,
    /// Position among the raised alerts.
    pub raised: Option<usize>,
    /// True if the raised one is as expected.
    pub is_met: bool,
}

/// Every alert of either side once, ordered by time, then rule, then group.
///
/// As many expected alerts as possible are met. Of the rest, those of one rule that are most alike are held side by
/// side.
pub(super) fn pair_up(expected: &[Expected], raised: &[Alert]) -> Vec<Pair> {
    let mut matching = Matching { expected, raised, taken_by: vec![None; raised.len()] };
    for index in 0..expected.len() {
        matching.place(index, &mut vec![false; raised.len()]);
    }
    let mut pairs: Vec<Pair> = (matching.taken_by.iter().enumerate())
        .map(|(raised, expected)| Pair { expected: *expected, raised: Some(raised), is_met: expected.is_some() })
        .collect();
    for (index, wanted) in expected.iter().enumerate() {
        if matching.taken_by.contains(&Some(index)) {
            continue;
        }
        let likeness = |pair: &&mut Pair| pair.raised.map_or(0, |raised_at| wanted.likeness(&raised[raised_at]));
        let of_rule = |pair: &&mut Pair| {
            pair.expected.is_none() && pair.raised.is_some_and(|at| raised[at].rule.name == wanted.rule.value)
        };
        // Of equals the first: it is the earliest.
        match pairs.iter_mut().filter(of_rule).rev().max_by_key(likeness) {
            Some(pair) => pair.expected = Some(index),
            None => pairs.push(Pair { expected: Some(index), raised: None, is_met: false }),
        }
    }
    pairs.sort_by_cached_key(|pair| match (pair.raised, pair.expected) {
        (Some(at), _) => position(raised[at].time, &raised[at].rule.name, Some(&fact(&raised[at], "group"))),
        (None, Some(at)) => {
            let wanted = &expected[at];
            let group = wanted.facts.iter().find(|fact| fact.key == "group").map(|fact| &fact.value);
            position(wanted.time.unwrap_or(START), &wanted.rule.value, group)
        }
        (None, None) => position(START, "", None),
    });
    pairs
}

/// A maximum matching by augmenting paths (Kuhn): a loosely described alert makes room for a closely described one.
struct Matching<'a> {
    expected: &'a [Expected],
    raised: &'a [Alert],
    taken_by: Vec<Option<usize>>,
}

impl Matching<'_> {
    fn place(&mut self, wanted: usize, tried: &mut Vec<bool>) -> bool {
        for at in 0..self.raised.len() {
            if tried[at] || !self.expected[wanted].is_met_by(&self.raised[at]) {
                continue;
            }
            tried[at] = true;
            if self.taken_by[at].is_none_or(|holder| self.place(holder, tried)) {
                self.taken_by[at] = Some(wanted);
                return true;
            }
        }
        false
    }
}
