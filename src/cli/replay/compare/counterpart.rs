//! Which rule of the new set is which of the old one: every rule of either has at most one counterpart in the other.
//!
//! An id outlives a name, so rules of one id belong together first; only of those left over do the names decide. Of two
//! rules that swap their names each keeps its alerts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::detect::rule::RuleSet;

/// What a rule is to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    /// The set has no such rule.
    Absent,
    /// Others refer to it, and it raises no alert.
    Counted,
    /// It alerts.
    Alerts,
}

/// A rule of one of the sets.
#[derive(Debug)]
pub(super) struct Member<'r> {
    pub(super) name: &'r str,
    /// None of a detection that only others count.
    id: Option<Uuid>,
    pub(super) standing: Standing,
}

/// Both sides of one rule, or the only one.
pub(super) type Pair<'r> = (Option<Member<'r>>, Option<Member<'r>>);

/// Every rule of either set once.
pub(super) fn counterparts<'r>(old: &'r RuleSet, new: &'r RuleSet) -> Vec<Pair<'r>> {
    let mut pairs = Vec::new();
    let mut sides = (members(old), members(new));
    // Two rules of a set can share an id; then those that agree in both come first.
    pair_off(&mut sides, &mut pairs, |member| Some((member.id?, member.name)));
    pair_off(&mut sides, &mut pairs, |member| member.id);
    pair_off(&mut sides, &mut pairs, |member| Some(member.name));
    let (old, new) = sides;
    pairs.extend(old.into_iter().map(|old| (Some(old), None)));
    pairs.extend(new.into_iter().map(|new| (None, Some(new))));
    pairs
}

/// Moves the rules that have the same key from both sides into pairs, of each key the first.
fn pair_off<'r, K: Ord>(
    (old, new): &mut (Vec<Member<'r>>, Vec<Member<'r>>),
    pairs: &mut Vec<Pair<'r>>,
    key: impl Fn(&Member<'r>) -> Option<K>,
) {
    let mut known: BTreeMap<K, Member<'r>> = BTreeMap::new();
    for member in std::mem::take(new) {
        match key(&member).map(|key| known.entry(key)) {
            Some(Entry::Vacant(room)) => _ = room.insert(member),
            _ => new.push(member),
        }
    }
    for member in std::mem::take(old) {
        match key(&member).and_then(|key| known.remove(&key)) {
            Some(counterpart) => pairs.push((Some(member), Some(counterpart))),
            None => old.push(member),
        }
    }
    new.extend(known.into_values());
}

/// The rules of a set, and the detections that are none because others count them.
fn members(set: &RuleSet) -> Vec<Member<'_>> {
    let standing = |alerts: bool| if alerts { Standing::Alerts } else { Standing::Counted };
    let rules = set.rules.iter();
    let mut members: Vec<Member<'_>> = rules
        .map(|rule| Member { name: &rule.header.name, id: Some(rule.header.id), standing: standing(rule.alerts) })
        .collect();
    let named: HashSet<&str> = members.iter().map(|member| member.name).collect();
    let counted = set.detection_names.iter().filter(|name| !named.contains(name.as_str()));
    members.extend(counted.map(|name| Member { name, id: None, standing: Standing::Counted }));
    members
}
