//! Everything that is held about one group: a window and an alert memory for each rule that has seen it.
//!
//! A group that nothing has matched for a while lies dormant: the same in a tenth of the room, until it is touched.

use std::borrow::Cow;

use crate::detect::rule::Rule;
use crate::detect::time::{Span, Timestamp};
use crate::detect::window::ValueHasher;

use super::evidence::EvidenceRing;
use super::snapshot::Dormant;
use super::suppression::AlertMemory;
use super::waiting::wait;
use super::weight::Size;
use super::wheel::{WheelStep, step_of};
use super::window::Window;

/// One group's entry in its partition.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct Group {
    held: Held,
    /// The step of the wheel in which the group is looked at next.
    filed: WheelStep,
    /// True from a change to the next look at what has changed.
    changed: bool,
}

#[derive(Clone, Debug)]
enum Held {
    /// Ordered by rule.
    Awake(Vec<RuleState>),
    Dormant(Dormant),
}

impl Default for Held {
    fn default() -> Self {
        Self::Awake(Vec::new())
    }
}

/// How long after its newest match, and what that may wait for, a group lies down.
const REST_AFTER: Span = Span::from_millis(300_000);

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
    /// What `rule` holds; new if it has not seen this group, or if it has forgotten it by `horizon` (T - L), where one is
    /// given. Also what it held before: bytes on the heap, and its weight.
    pub(in crate::detect) fn state(
        &mut self,
        index: usize,
        rule: &Rule,
        horizon: Option<Timestamp>,
    ) -> (&mut RuleState, Size) {
        let rules = self.awake_states();
        match position(rules, index) {
            Ok(at) => {
                let state = &mut rules[at];
                let size = Size { bytes: state.bytes as usize, weight: state.weight() };
                if horizon.is_some_and(|horizon| state.is_forgotten(rule, horizon)) {
                    // A firing can be older than what was forgotten. The newest time stays all the same: it is past its
                    // use here, and the order of eviction relies on its never going back.
                    *state = RuleState { newest: state.newest, ..RuleState::new(index, rule) };
                }
                (state, size)
            }
            Err(at) => {
                // A rule sees a group for the first time once, and there are many groups: no room to spare.
                rules.reserve_exact(1);
                rules.insert(at, RuleState::new(index, rule));
                (&mut rules[at], Size::default())
            }
        }
    }

    /// Reads a little of everything that `rules` hold, so that a processor fetches it all at once, and does not wait for
    /// one place after the other: of a million groups hardly anything is in its caches.
    pub(in crate::detect) fn touch(&self, rules: impl Iterator<Item = usize>) {
        let states = self.states();
        let held = rules.filter_map(|rule| states.get(position(states, rule).ok()?));
        std::hint::black_box(held.fold(0, |known, state| known ^ state.window.touch() ^ state.evidence.touch()));
    }

    /// What `rule` holds, if it has seen this group.
    pub(in crate::detect) fn find(&mut self, rule: usize) -> Option<&mut RuleState> {
        let rules = self.awake_states();
        position(rules, rule).ok().map(|at| &mut rules[at])
    }

    fn awake_states(&mut self) -> &mut Vec<RuleState> {
        match &mut self.held {
            Held::Awake(states) => states,
            Held::Dormant(_) => unreachable!("a group is woken before it is touched"),
        }
    }

    /// The newest match time over all rules.
    pub(in crate::detect) fn newest(&self) -> Timestamp {
        match &self.held {
            Held::Awake(states) => states.iter().map(|state| state.newest).max().unwrap_or(Timestamp::BEFORE_ALL),
            Held::Dormant(dormant) => dormant.newest(),
        }
    }

    /// The latest time that anything here tells of.
    pub(in crate::detect) fn latest(&self) -> Timestamp {
        let latest = self.states().iter().map(|state| state.newest.max(state.memory.parts().0));
        latest.max().unwrap_or(Timestamp::BEFORE_ALL)
    }

    /// The time after which, with the lateness on top, every rule has forgotten this group.
    pub(in crate::detect) fn remembered_until(&self, rules: &[Rule]) -> Timestamp {
        match &self.held {
            Held::Awake(states) => {
                let until = states.iter().map(|state| state.remembered_until(&rules[usize::from(state.rule)]));
                until.max().unwrap_or(Timestamp::BEFORE_ALL)
            }
            Held::Dormant(dormant) => dormant.remembered_until(),
        }
    }

    /// The alert memories whose suppression runs on at `horizon`. The group must be awake.
    pub(in crate::detect) fn running(&self, rules: &[Rule], horizon: Timestamp) -> Vec<(u16, AlertMemory)> {
        let runs = |state: &&RuleState| state.memory.ends(rules[usize::from(state.rule)].suppress) > horizon;
        self.states().iter().filter(runs).map(|state| (state.rule, state.memory)).collect()
    }

    /// Makes a dormant group ready to be touched. Returns what it takes before and after.
    pub(in crate::detect) fn wake(&mut self, rules: &[Rule], hasher: &ValueHasher) -> (Size, Size) {
        let Held::Dormant(dormant) = &self.held else { return (Size::default(), Size::default()) };
        let states = dormant.states(rules, hasher);
        let before = self.bytes();
        self.held = Held::Awake(states);
        // It weighs what it weighed.
        (Size { bytes: before, weight: 0 }, Size { bytes: self.bytes(), weight: 0 })
    }

    /// The group as it is when it is awake.
    pub(in crate::detect) fn awake(&self, rules: &[Rule], hasher: &ValueHasher) -> Cow<'_, Self> {
        match &self.held {
            Held::Awake(_) => Cow::Borrowed(self),
            Held::Dormant(dormant) => Cow::Owned(Self { held: Held::Awake(dormant.states(rules, hasher)), ..*self }),
        }
    }

    /// Lies down.
    pub(in crate::detect) fn rest(&mut self, rules: &[Rule]) {
        if let Held::Awake(states) = &self.held {
            let times = (self.newest(), self.remembered_until(rules));
            self.held = Held::Dormant(Dormant::new(states, times, self.weight()));
        }
    }

    /// The wheel is at `now` and past the step in which the group is filed: it is filed anew, and lies down if nothing
    /// has matched for a while and nothing waits in it. Nothing is filed if every rule has forgotten it.
    pub(in crate::detect) fn look(&mut self, rules: &[Rule], now: WheelStep) -> Option<WheelStep> {
        let last_use = step_of(self.remembered_until(rules));
        if last_use < now {
            return None;
        }
        // By then its waits are over, for stream time is past the wheel's.
        let wait_max = rules.iter().map(wait).max().unwrap_or(Span::ZERO);
        let rests_after = step_of(self.newest() + wait_max + REST_AFTER);
        if rests_after < now {
            self.rest(rules);
        }
        self.filed = if rests_after < now { last_use } else { last_use.min(rests_after) };
        Some(self.filed)
    }

    /// An entry that remembers alerts and nothing else.
    pub(in crate::detect) fn remembering(memories: &[(u16, AlertMemory)], rules: &[Rule]) -> Self {
        let state = |(rule, memory): &(u16, AlertMemory)| {
            let index = usize::from(*rule);
            let mut state = RuleState { memory: *memory, ..RuleState::new(index, &rules[index]) };
            state.count_bytes();
            state
        };
        Self { held: Held::Awake(memories.iter().map(state).collect()), filed: 0, changed: false }
    }

    /// What rules held before, ordered by rule.
    pub(in crate::detect) const fn resumed(rules: Vec<RuleState>, filed: WheelStep) -> Self {
        Self { held: Held::Awake(rules), filed, changed: false }
    }

    /// What each rule holds that has seen this group, ordered by rule. The group must be awake.
    pub(in crate::detect) fn states(&self) -> &[RuleState] {
        match &self.held {
            Held::Awake(states) => states,
            Held::Dormant(_) => unreachable!("a group is woken before it is read"),
        }
    }

    /// The step of the wheel in which the group is looked at next.
    pub(in crate::detect) const fn filed(&self) -> WheelStep {
        self.filed
    }

    /// The wheel has the group in this step now.
    pub(in crate::detect) const fn file(&mut self, step: WheelStep) {
        self.filed = step;
    }

    /// It is not as it was when it was last looked at. True if that is news.
    pub(in crate::detect) const fn change(&mut self) -> bool {
        !std::mem::replace(&mut self.changed, true)
    }

    /// It has been looked at.
    pub(in crate::detect) const fn seen(&mut self) {
        self.changed = false;
    }

    /// What its rules hold, towards `limits.state_bytes`; the same whether it lies dormant or not.
    pub(in crate::detect) fn weight(&self) -> usize {
        match &self.held {
            Held::Awake(states) => states.iter().map(RuleState::weight).sum(),
            Held::Dormant(dormant) => dormant.weight(),
        }
    }

    /// Bytes of this entry without what its rules hold on the heap while it is awake.
    pub(in crate::detect) fn own_bytes(&self) -> usize {
        let held = match &self.held {
            Held::Awake(states) => states.capacity() * size_of::<RuleState>(),
            Held::Dormant(dormant) => dormant.heap_bytes(),
        };
        size_of::<Self>() + held
    }

    /// Bytes of this entry, counted from the capacities of what it holds.
    pub(in crate::detect) fn bytes(&self) -> usize {
        let heap = match &self.held {
            Held::Awake(states) => states.iter().map(|state| state.bytes as usize).sum(),
            Held::Dormant(_) => 0,
        };
        self.own_bytes() + heap
    }
}

fn position(states: &[RuleState], rule: usize) -> Result<usize, usize> {
    states.binary_search_by_key(&rule, |state| usize::from(state.rule))
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
        (self.newest + rule.logic.retention(rule.timespan)).max(self.memory.ends(rule.suppress))
    }

    /// Whether `rule` has forgotten the group by `horizon` (T - L).
    pub(in crate::detect) fn is_forgotten(&self, rule: &Rule, horizon: Timestamp) -> bool {
        horizon > self.remembered_until(rule)
    }

    /// Counts the bytes on the heap anew; they and the weight.
    pub(in crate::detect) fn count_bytes(&mut self) -> Size {
        let bytes = self.window.heap_bytes() + self.evidence.heap_bytes();
        self.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Size { bytes, weight: self.weight() }
    }
}
