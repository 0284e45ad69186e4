//! Which group goes when a partition holds as many as it may, or as much.
//!
//! The stalest by newest match time, ties by key. The order is only built once the limit is reached, and brought up to
//! date lazily: a group stands in it under the newest match time that it had when it was last looked at.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use dashmap::DashMap;

use crate::detect::limits::Limits;
use crate::detect::rule::Rule;
use crate::detect::time::Timestamp;
use crate::detect::window::ValueHasher;

use super::group::Group;
use super::key::GroupKey;
use super::suppression::AlertMemory;
use super::weight::remains_weight;

/// Below this many places an order is never too long.
const ORDER_MIN: usize = 64;

/// The order of eviction, and what evicted groups leave behind.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    order: Option<BinaryHeap<Reverse<(Timestamp, GroupKey)>>>,
    /// Running suppressions of evicted groups, so that an alert does not repeat.
    suppressions: BTreeMap<GroupKey, Vec<(u16, AlertMemory)>>,
    /// Of the suppressions, towards `limits.state_bytes`.
    weight: usize,
}

/// How much evicted groups may leave behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct RemainsMax {
    pub(super) groups: usize,
    /// Towards `limits.state_bytes`; well below it, or there would be no room for groups.
    pub(super) weight: usize,
}

impl RemainsMax {
    /// The bounds that follow from the limits.
    pub(super) const fn of(limits: &Limits) -> Self {
        Self { groups: limits.groups, weight: limits.state_bytes / 2 }
    }

    /// No bounds: what was within them once is restored.
    pub(super) const NONE: Self = Self { groups: usize::MAX, weight: usize::MAX };
}

impl Evictions {
    /// Removes the stalest group.
    pub(super) fn stalest(&mut self, groups: &DashMap<GroupKey, Group, ValueHasher>) -> Option<(GroupKey, Group)> {
        let all = || groups.iter().map(|entry| Reverse((entry.newest(), entry.key().clone()))).collect();
        let order = self.order.get_or_insert_with(all);
        while let Some(Reverse((filed, key))) = order.pop() {
            let Some(newest) = groups.get(&key).map(|group| group.newest()) else { continue };
            if newest == filed {
                return groups.remove(&key);
            }
            order.push(Reverse((newest, key)));
        }
        None
    }

    /// A new group has its place in the order, if there is one. Places of groups that were forgotten meanwhile add up;
    /// an order that is more than half of those is built anew when it is next asked for.
    pub(super) fn added(&mut self, key: &GroupKey, groups: usize) {
        if let Some(order) = &mut self.order {
            order.push(Reverse((Timestamp::BEFORE_ALL, key.clone())));
            if order.len() > 2 * groups + ORDER_MIN {
                self.order = None;
            }
        }
    }

    /// What evicted groups left behind, by group.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (&GroupKey, &[(u16, AlertMemory)])> {
        self.suppressions.iter().map(|(key, memories)| (key, memories.as_slice()))
    }

    /// Keeps an evicted group's running suppressions; `dropped` hears of each group that must make room for it.
    pub(super) fn remember(
        &mut self,
        key: GroupKey,
        memories: Vec<(u16, AlertMemory)>,
        max: RemainsMax,
        mut dropped: impl FnMut(GroupKey),
    ) {
        if !memories.is_empty() {
            self.weight += remains_weight(&key, &memories);
            self.suppressions.insert(key, memories);
        }
        while self.suppressions.len() > max.groups || self.weight > max.weight {
            let Some((key, memories)) = self.suppressions.pop_first() else { break };
            self.weight -= remains_weight(&key, &memories);
            dropped(key);
        }
    }

    /// What evicted groups left behind, towards `limits.state_bytes`.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    /// What an evicted group left behind.
    pub(super) fn remembered_of(&self, key: &GroupKey) -> Option<&[(u16, AlertMemory)]> {
        self.suppressions.get(key).map(Vec::as_slice)
    }

    /// Takes back what an evicted group left behind.
    pub(super) fn recall(&mut self, key: &GroupKey) -> Vec<(u16, AlertMemory)> {
        let memories = self.suppressions.remove(key).unwrap_or_default();
        if !memories.is_empty() {
            self.weight -= remains_weight(key, &memories);
        }
        memories
    }

    /// Forgets the suppressions that have ended by `horizon`; tells of each group that leaves nothing any more.
    pub(super) fn forget_ended(&mut self, horizon: Timestamp, rules: &[Rule], mut gone: impl FnMut(&GroupKey)) {
        let Self { suppressions, weight, .. } = self;
        suppressions.retain(|key, memories| {
            *weight -= remains_weight(key, memories);
            memories.retain(|(rule, memory)| memory.ends(rules[usize::from(*rule)].suppress) >= horizon);
            if memories.is_empty() {
                gone(key);
                return false;
            }
            *weight += remains_weight(key, memories);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::outcome::Outcome;
    use crate::detect::rule::{Options, compile};
    use crate::detect::state::PartitionState;
    use crate::detect::time::Span;

    #[test]
    fn an_order_does_not_grow_while_groups_are_forgotten_and_come_again() {
        let rules = compile(&[], &Options::default()).expect("no rules are valid").rules;
        let limits = Limits { groups: 2, ..Limits::default() };
        let (mut state, mut outcome) = (PartitionState::new([0; 4]), Outcome::new(&rules));
        let mut longest = 0;
        for round in 0..1_000_i64 {
            // Every hour as many as may be held, and in the first one more, so that there is an order.
            for number in 0..if round == 0 { 3 } else { 2_u8 } {
                state.add_group(&[0, 0, number], &[], (&limits, Span::ZERO), &mut outcome);
            }
            longest = longest.max(state.evictions.order.as_ref().map_or(0, BinaryHeap::len));
            state.advance(Timestamp::from_millis(round * 3_600_000), Span::ZERO, &[]);
        }
        assert!((3..=2 * limits.groups + ORDER_MIN).contains(&longest), "{longest} places");
    }
}
