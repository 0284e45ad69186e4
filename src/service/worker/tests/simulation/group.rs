//! The coordinator of the consumer group: generations, and partitions that change hands only when both agree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::chance::{Chance, Fault};

/// How long a member may be silent.
const SESSION_MAX: Duration = Duration::from_secs(6);

#[derive(Debug, Default)]
struct Member {
    /// Its `group.instance.id`.
    name: Option<String>,
    heard: Option<Instant>,
    /// True once it has joined the rebalance that is under way.
    joined: bool,
    /// What it says it owns.
    claimed: BTreeSet<i32>,
    assigned: BTreeSet<i32>,
}

#[derive(Debug)]
pub(super) struct Group {
    partitions: usize,
    members: BTreeMap<u64, Member>,
    next_id: u64,
    pub(super) generation: u64,
    preparing: bool,
}

impl Group {
    pub(super) const fn new(partitions: usize) -> Self {
        Self { partitions, members: BTreeMap::new(), next_id: 0, generation: 0, preparing: false }
    }

    /// A member and the generation that it knows.
    pub(super) fn is_current(&self, (id, generation): (Option<u64>, u64)) -> bool {
        id.is_some_and(|id| self.members.contains_key(&id)) && generation == self.generation
    }

    pub(super) fn knows(&self, id: u64) -> bool {
        self.members.contains_key(&id)
    }

    pub(super) const fn is_preparing(&self) -> bool {
        self.preparing
    }

    /// A new member; true if it takes the place of one of the same name, without a rebalance.
    pub(super) fn enter(&mut self, name: Option<&str>, now: Instant) -> (u64, bool) {
        self.next_id += 1;
        let id = self.next_id;
        let is_it = |(_, member): &(&u64, &Member)| name.is_some() && member.name.as_deref() == name;
        let before = self.members.iter().find(is_it).map(|(id, _)| *id);
        let before = before.and_then(|before| self.members.remove(&before));
        let assigned_all: usize = self.members.values().chain(&before).map(|member| member.assigned.len()).sum();
        // What somebody was to give back first is not left lying.
        let returns = before.is_some() && !self.preparing && assigned_all == self.partitions;
        let assigned = before.map(|member| member.assigned).unwrap_or_default();
        let member = Member { name: name.map(str::to_owned), heard: Some(now), assigned, ..Member::default() };
        self.members.insert(id, member);
        if !returns {
            self.rebalance();
        }
        (id, returns)
    }

    pub(super) fn leave(&mut self, id: u64) {
        // A member with a name is expected back.
        if self.members.get(&id).is_some_and(|member| member.name.is_none()) {
            self.kick(id);
        }
    }

    pub(super) fn kick(&mut self, id: u64) {
        if self.members.remove(&id).is_some() {
            self.rebalance();
        }
    }

    pub(super) fn heard(&mut self, id: u64, now: Instant) {
        if let Some(member) = self.members.get_mut(&id) {
            member.heard = Some(now);
        }
    }

    pub(super) fn rebalance(&mut self) {
        self.preparing = true;
        for member in self.members.values_mut() {
            member.joined = false;
        }
    }

    pub(super) fn join(&mut self, id: u64, claimed: &BTreeSet<i32>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.joined = true;
            member.claimed.clone_from(claimed);
        }
    }

    pub(super) fn has_joined(&self, id: u64) -> bool {
        self.members.get(&id).is_some_and(|member| member.joined)
    }

    pub(super) fn assignment(&self, id: u64) -> BTreeSet<i32> {
        self.members.get(&id).map(|member| member.assigned.clone()).unwrap_or_default()
    }

    pub(super) fn tick(&mut self, now: Instant, chance: &mut Chance) {
        let is_silent = |member: &Member| member.heard.is_none_or(|heard| now - heard > SESSION_MAX);
        let silent: Vec<_> = self.members.iter().filter(|(_, member)| is_silent(member)).map(|(id, _)| *id).collect();
        for id in silent {
            chance.happened(Fault::Kicked);
            self.kick(id);
        }
        if self.preparing && !self.members.is_empty() && self.members.values().all(|member| member.joined) {
            self.assign(chance);
        }
    }

    /// Each keeps what it has, up to its share; what somebody else is to have is first given back.
    fn assign(&mut self, chance: &mut Chance) {
        self.preparing = false;
        self.generation += 1;
        let share = self.partitions.div_ceil(self.members.len());
        let mut free: BTreeSet<i32> = (0..).take(self.partitions).collect();
        for member in self.members.values_mut() {
            for partition in &member.claimed {
                free.remove(partition);
            }
            member.assigned = member.claimed.iter().copied().take(share).collect();
            if member.assigned.len() > 1 && chance.strikes(Fault::Moved, 100) {
                member.assigned.pop_first();
            }
        }
        for partition in free {
            let least = self.members.values_mut().min_by_key(|member| member.assigned.len());
            least.expect("there are members").assigned.insert(partition);
        }
    }
}
