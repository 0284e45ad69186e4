//! When groups are looked at to see whether they may be forgotten: one entry a group, in steps of a minute of stream
//! time.
//!
//! Only frees memory: what is past its time is forgotten on touch, swept or not. When it is freed matters to the limit
//! on groups all the same, so it follows from stream time and the groups alone: a group filed in a step is looked at
//! once that step has passed, and goes if the step of its last use has passed, too.

use std::collections::BTreeMap;

use crate::detect::time::Timestamp;

use super::key::GroupKey;

/// A minute of stream time, by its number since the epoch.
pub(in crate::detect) type WheelStep = u32;

const STEP_MS: i64 = 60_000;
/// Below this many entries a wheel is never too long.
const ENTRIES_MIN: usize = 64;

/// The step that a time falls into; the first for times before the epoch, the last for times past all events.
pub(in crate::detect) fn step_of(time: Timestamp) -> WheelStep {
    let step = time.millis().div_euclid(STEP_MS).max(0);
    WheelStep::try_from(step).unwrap_or(WheelStep::MAX)
}

/// The start of a step.
pub(in crate::detect) fn start_of(step: WheelStep) -> Timestamp {
    Timestamp::from_millis(i64::from(step) * STEP_MS)
}

/// Groups by the step in which each is looked at next.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    steps: BTreeMap<WheelStep, Vec<GroupKey>>,
    entries: usize,
    /// No step before this one is left.
    now: WheelStep,
}

impl Wheel {
    /// From groups and the steps that they are filed in, at a step.
    pub(super) fn resumed(now: WheelStep, filed: impl Iterator<Item = (WheelStep, GroupKey)>) -> Self {
        let mut wheel = Self { now, ..Self::default() };
        filed.for_each(|(step, key)| wheel.file(step, key));
        wheel
    }

    /// The step that has not passed yet.
    pub(super) const fn now(&self) -> WheelStep {
        self.now
    }

    /// Moves to a later step, if it is one.
    pub(super) fn advance(&mut self, to: WheelStep) -> bool {
        let moves = to > self.now;
        if moves {
            self.now = to;
        }
        moves
    }

    /// The next step that has passed, and the groups filed in it. Some may be gone, or filed elsewhere since.
    pub(super) fn next_passed(&mut self) -> Option<(WheelStep, Vec<GroupKey>)> {
        let first = self.steps.first_entry().filter(|first| *first.key() < self.now)?;
        let (step, keys) = first.remove_entry();
        self.entries -= keys.len();
        Some((step, keys))
    }

    /// Files a group.
    pub(super) fn file(&mut self, step: WheelStep, key: GroupKey) {
        self.steps.entry(step).or_default().push(key);
        self.entries += 1;
    }

    /// True if most entries are of groups that were evicted.
    pub(super) const fn is_crowded(&self, groups: usize) -> bool {
        self.entries > 2 * groups + ENTRIES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::limits::Limits;
    use crate::detect::outcome::Outcome;
    use crate::detect::rule::{Options, compile};
    use crate::detect::state::PartitionState;
    use crate::detect::time::Span;

    #[test]
    fn a_step_passes_when_the_next_begins() {
        let key = || GroupKey::from([0u8].as_slice());
        let mut wheel = Wheel::resumed(5, [(5, key())].into_iter());
        assert!(!wheel.advance(step_of(start_of(5))) && !wheel.advance(4));
        assert_eq!(wheel.next_passed(), None);
        assert!(wheel.advance(step_of(start_of(6))));
        assert_eq!(wheel.next_passed(), Some((5, vec![key()])));
        assert_eq!((wheel.next_passed(), wheel.now(), wheel.entries), (None, 6, 0));
    }

    #[test]
    fn every_time_has_a_step() {
        assert_eq!(step_of(Timestamp::BEFORE_ALL), 0);
        assert_eq!(step_of(Timestamp::EVENT_MIN), 0);
        assert_eq!(start_of(step_of(Timestamp::EVENT_MAX)).since(Timestamp::EVENT_MAX).millis(), 0);
        assert_eq!(step_of(Timestamp::from_millis(i64::MAX)), WheelStep::MAX);
    }

    #[test]
    fn groups_that_come_and_go_leave_nothing_behind() {
        let rules = compile(&[], &Options::default()).expect("no rules are valid").rules;
        let limits = Limits { groups: 2, ..Limits::default() };
        let (mut state, mut outcome) = (PartitionState::new([0; 4]), Outcome::new(&rules));
        for number in 0..10_000_u32 {
            state.add_group(&number.to_be_bytes(), &[], (&limits, Span::ZERO), &mut outcome);
            assert!(state.wheel.entries <= 2 * limits.groups + ENTRIES_MIN);
        }
        assert_eq!(state.groups(), 2);
    }
}
