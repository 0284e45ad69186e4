//! Everything that is held about one group: a window and an alert memory for each rule that has seen it.

use crate::detect::rule::{Logic, Rule};
use crate::detect::time::{Span, Timestamp};

use super::evidence::EvidenceRing;
use super::suppression::AlertMemory;
use super::wheel::WheelStep;
use super::window::Window;

/// One group's entry in its partition.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct Group {
    /// Ordered by rule.
    rules: Vec<RuleState>,
    /// The step of the wheel in which the group is looked at next.
    filed: WheelStep,
}

/// What one rule holds about one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct RuleState {
    rule: u16,
    /// On the heap, when they were last counted.
    bytes: u32,
    pub(in crate::detect) memory: AlertMemory,
    /// The newest match time.
    pub(in crate::detect) newest: Timestamp,
    pub(in crate::detect) window: Window,
    pub(in crate::detect) evidence: EvidenceRing,
}

impl Group {
    /// What `rule` holds; new if it has not seen this group, or if it has forgotten it by `horizon` (T - L). Also the
    /// bytes that it held on the heap before.
    pub(in crate::detect) fn state(
        &mut self,
        index: usize,
        rule: &Rule,
        horizon: Timestamp,
    ) -> (&mut RuleState, usize) {
        match self.position(index) {
            Ok(at) => {
                let state = &mut self.rules[at];
                let bytes = state.bytes as usize;
                if state.is_forgotten(rule, horizon) {
                    // A firing can be older than what was forgotten. The newest time stays all the same: it is past its
                    // use here, and the order of eviction relies on its never going back.
                    *state = RuleState { newest: state.newest, ..RuleState::new(index, rule) };
                }
                (state, bytes)
            }
            Err(at) => {
                // A rule sees a group for the first time once, and there are many groups: no room to spare.
                self.rules.reserve_exact(1);
                self.rules.insert(at, RuleState::new(index, rule));
                (&mut self.rules[at], 0)
            }
        }
    }

    /// What `rule` holds, if it has seen this group.
    pub(in crate::detect) fn find(&mut self, rule: usize) -> Option<&mut RuleState> {
        self.position(rule).ok().map(|at| &mut self.rules[at])
    }

    fn position(&self, rule: usize) -> Result<usize, usize> {
        self.rules.binary_search_by_key(&rule, |state| usize::from(state.rule))
    }

    /// The newest match time over all rules.
    pub(in crate::detect) fn newest(&self) -> Timestamp {
        self.rules.iter().map(|state| state.newest).max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The latest time that anything here tells of.
    pub(in crate::detect) fn latest(&self) -> Timestamp {
        let latest = self.rules.iter().map(|state| state.newest.max(state.memory.parts().0));
        latest.max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The time after which, with the lateness on top, every rule has forgotten this group.
    pub(in crate::detect) fn remembered_until(&self, rules: &[Rule]) -> Timestamp {
        let until = self.rules.iter().map(|state| state.remembered_until(&rules[usize::from(state.rule)]));
        until.max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The alert memories whose suppression runs on at `horizon`.
    pub(in crate::detect) fn running(&self, rules: &[Rule], horizon: Timestamp) -> Vec<(u16, AlertMemory)> {
        let runs = |state: &&RuleState| state.memory.ends(rules[usize::from(state.rule)].suppress) > horizon;
        self.rules.iter().filter(runs).map(|state| (state.rule, state.memory)).collect()
    }

    /// An entry that remembers alerts and nothing else.
    pub(in crate::detect) fn remembering(memories: &[(u16, AlertMemory)], rules: &[Rule]) -> Self {
        let state = |(rule, memory): &(u16, AlertMemory)| {
            let index = usize::from(*rule);
            let mut state = RuleState { memory: *memory, ..RuleState::new(index, &rules[index]) };
            state.count_bytes();
            state
        };
        Self { rules: memories.iter().map(state).collect(), filed: 0 }
    }

    /// What rules held before, ordered by rule.
    pub(in crate::detect) const fn resumed(rules: Vec<RuleState>, filed: WheelStep) -> Self {
        Self { rules, filed }
    }

    /// What each rule holds that has seen this group, ordered by rule.
    pub(in crate::detect) fn states(&self) -> &[RuleState] {
        &self.rules
    }

    /// The step of the wheel in which the group is looked at next.
    pub(in crate::detect) const fn filed(&self) -> WheelStep {
        self.filed
    }

    /// The wheel has the group in this step now.
    pub(in crate::detect) const fn file(&mut self, step: WheelStep) {
        self.filed = step;
    }

    /// Bytes of this entry without what its rules hold on the heap.
    pub(in crate::detect) const fn own_bytes(&self) -> usize {
        size_of::<Self>() + self.rules.capacity() * size_of::<RuleState>()
    }

    /// Bytes of this entry, counted from the capacities of what it holds.
    pub(in crate::detect) fn bytes(&self) -> usize {
        let heap: usize = self.rules.iter().map(|state| state.bytes as usize).sum();
        self.own_bytes() + heap
    }
}

impl RuleState {
    /// What a rule that holds this window held before.
    pub(in crate::detect) fn resumed(
        rule: u16,
        (memory, newest): (AlertMemory, Timestamp),
        window: Window,
        evidence: EvidenceRing,
    ) -> Self {
        let mut resumed = Self { rule, bytes: 0, memory, newest, window, evidence };
        resumed.count_bytes();
        resumed
    }

    /// The index of its rule.
    pub(in crate::detect) fn rule(&self) -> usize {
        usize::from(self.rule)
    }

    fn new(index: usize, rule: &Rule) -> Self {
        Self {
            rule: u16::try_from(index).expect("the compiler bounds the rules"),
            bytes: 0,
            memory: AlertMemory::default(),
            newest: Timestamp::BEFORE_ALL,
            window: Window::new(rule),
            evidence: EvidenceRing::default(),
        }
    }

    /// The later of the newest match time + R and the end of the last suppression.
    fn remembered_until(&self, rule: &Rule) -> Timestamp {
        (self.newest + retention(rule)).max(self.memory.ends(rule.suppress))
    }

    fn is_forgotten(&self, rule: &Rule, horizon: Timestamp) -> bool {
        horizon > self.remembered_until(rule)
    }

    /// Counts the bytes on the heap anew.
    pub(in crate::detect) fn count_bytes(&mut self) -> usize {
        let bytes = self.window.heap_bytes() + self.evidence.heap_bytes();
        self.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        bytes
    }
}

/// R: how long a group's newest match keeps it known.
fn retention(rule: &Rule) -> Span {
    match rule.logic {
        Logic::Event => Span::ZERO,
        Logic::Spike { history, .. } => rule.timespan.times(i64::from(history) + 1),
        Logic::Absence { wait } => rule.timespan + wait,
        _ => rule.timespan,
    }
}
