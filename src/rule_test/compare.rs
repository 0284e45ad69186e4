//! Expected alerts against those that were raised: each is met by one of its own, and none is left over.

use std::cmp::Reverse;

use crate::detect::alert::Alert;
use crate::detect::time::Span;

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
    let unmet: Vec<usize> = (0..expected.len()).filter(|index| !matching.taken_by.contains(&Some(*index))).collect();
    let mut alone = unmet.clone();
    for (wanted, at) in most_alike_first(&unmet, &matching) {
        if pairs[at].expected.is_none() && alone.contains(&wanted) {
            pairs[at].expected = Some(wanted);
            alone.retain(|other| *other != wanted);
        }
    }
    pairs.extend(alone.into_iter().map(|index| Pair { expected: Some(index), raised: None, is_met: false }));
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

/// The unmet expected alerts with the untaken raised ones of their rules: those that agree in most come first, of equals
/// those that are nearest in time.
fn most_alike_first(unmet: &[usize], matching: &Matching<'_>) -> Vec<(usize, usize)> {
    let Matching { expected, raised, taken_by } = matching;
    let mut alike = Vec::new();
    for wanted in unmet {
        let Expected { rule, time, .. } = &expected[*wanted];
        for (at, alert) in raised.iter().enumerate() {
            if taken_by[at].is_none() && alert.rule.name == rule.value {
                let apart = time.map_or(Span::ZERO, |time| time.since(alert.time).max(alert.time.since(time)));
                alike.push((Reverse(expected[*wanted].likeness(alert)), apart, *wanted, at));
            }
        }
    }
    alike.sort_unstable();
    alike.into_iter().map(|(.., wanted, at)| (wanted, at)).collect()
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
