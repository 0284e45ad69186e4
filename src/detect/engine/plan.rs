//! What follows from a rule set alone, worked out once: who reads which label, and in which order rules are tried.

use crate::detect::rule::compiled::{Input, Role};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::state::{labels_with, wait};
use crate::detect::time::Span;

/// The fixed part of the engine's work.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each detection: the rules that count it, and the bit of the input.
    readers: Vec<Vec<(usize, u32)>>,
    /// Rules by depth, and those of one depth by grouping, so that one group's entry is touched while it is warm.
    order: Vec<usize>,
    reads_firings: Vec<bool>,
    is_single_event: Vec<bool>,
    is_unquieted: Vec<bool>,
    /// The grouping that all labels of a rule share; none where `aliases` tell them apart.
    groupings: Vec<Option<usize>>,
    /// True if another rule counts a rule's firings.
    is_read: Vec<bool>,
    /// How far behind stream time the firings that a rule counts can be, beyond the lateness: the longest wait of an
    /// `absence` underneath.
    lags: Vec<Span>,
    /// The labels of which a match needs one: those of the whole, for `ratio`; all, for the rest.
    required: Vec<u32>,
}

impl Plan {
    pub(super) fn new(rules: &RuleSet) -> Self {
        let mut readers = vec![Vec::new(); rules.detection_names.len()];
        let mut reads_firings = vec![false; rules.rules.len()];
        let mut is_read = vec![false; rules.rules.len()];
        // Rules are ordered by depth, so the lag of an inner rule is known before the outer one's.
        let mut lags = vec![Span::ZERO; rules.rules.len()];
        for (index, rule) in rules.rules.iter().enumerate() {
            for (bit, input) in rule.inputs.iter().enumerate() {
                match input.input {
                    Input::Detection(label) => readers[label].push((index, 1 << bit)),
                    Input::Firing(inner) => {
                        reads_firings[index] = true;
                        is_read[inner] = true;
                        lags[index] = lags[index].max(lags[inner]).max(wait(&rules.rules[inner]));
                    }
                }
            }
        }
        let mut order: Vec<_> = (0..rules.rules.len()).collect();
        let grouping = |rule: usize| rules.rules[rule].inputs.first().map(|input| input.grouping);
        order.sort_by_key(|rule| (rules.rules[*rule].depth, grouping(*rule), *rule));
        let is_single_event = rules.rules.iter().map(|rule| rule.logic == Logic::Event).collect();
        let is_unquieted = |rule: &Rule| rule.logic == Logic::Event && rule.suppress == Span::ZERO;
        let is_unquieted = rules.rules.iter().map(is_unquieted).collect();
        let groupings = rules.rules.iter().map(shared_grouping).collect();
        let required = rules.rules.iter().map(|rule| match labels_with(&rule.inputs, Role::Whole) {
            0 => u32::MAX,
            whole => whole,
        });
        let required = required.collect();
        Self { readers, order, reads_firings, is_single_event, is_unquieted, groupings, is_read, lags, required }
    }

    pub(super) fn readers(&self, label: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.readers[label].iter().copied()
    }

    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    pub(super) fn reads_firings(&self, rule: usize) -> bool {
        self.reads_firings[rule]
    }

    /// True if another rule counts the rule's firings.
    pub(super) fn is_read(&self, rule: usize) -> bool {
        self.is_read[rule]
    }

    /// How far behind stream time the firings that a rule counts can be, beyond the lateness.
    pub(super) fn lag(&self, rule: usize) -> Span {
        self.lags[rule]
    }

    /// True if a match with these labels is in the rule's S(g).
    pub(super) fn counts(&self, rule: usize, labels: u32) -> bool {
        labels & self.required[rule] != 0
    }

    pub(super) fn grouping(&self, rule: usize) -> Option<usize> {
        self.groupings[rule]
    }

    /// True if two neighbours in the order can visit a group together: same groups, and neither waits for firings.
    pub(super) fn shares_groups(&self, rule: usize, next: usize) -> bool {
        self.groupings[rule].is_some()
            && self.groupings[rule] == self.groupings[next]
            && !self.reads_firings[rule]
            && !self.reads_firings[next]
    }

    /// True for a single-event rule that keeps nothing.
    pub(super) fn is_unquieted(&self, rule: usize) -> bool {
        self.is_unquieted[rule]
    }

    pub(super) fn is_single_event(&self, rule: usize) -> bool {
        self.is_single_event[rule]
    }
}

fn shared_grouping(rule: &Rule) -> Option<usize> {
    let mut groupings = rule.inputs.iter().map(|input| input.grouping);
    let first = groupings.next()?;
    groupings.all(|grouping| grouping == first).then_some(first)
}
