//! Old alerts beside new ones: which are the same, which changed, which stand alone.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use serde::Serialize;

use crate::detect::Timestamp;
use crate::detect::alert::Group;
use crate::detect::rule::RuleSet;

use super::counterpart::{Member, Standing, counterparts};
use super::facts::Facts;
use super::{Raised, Replayed};

/// What changing the rules would have changed.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) records: u64,
    /// Of them, late ones, and those that are no events.
    pub(super) late: u64,
    pub(super) no_events: u64,
    /// The least and the greatest event time; none without events.
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) days: f64,
    /// By name; rules that alert in either set.
    pub(super) rules: Vec<RuleRow>,
    /// By rule, group and time.
    pub(super) differences: Vec<Difference>,
}

/// The alerts of one rule.
#[derive(Debug, Serialize)]
pub(super) struct RuleRow {
    /// Its name in the new rules; of one that they lack, its name in the old ones.
    pub(super) rule: String,
    /// Its name in the old rules, if that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<String>,
    /// What it is to either set.
    pub(super) in_old: Standing,
    pub(super) in_new: Standing,
    pub(super) old: u64,
    pub(super) new: u64,
    pub(super) unchanged: u64,
    pub(super) changes: u64,
    pub(super) appears: u64,
    pub(super) disappears: u64,
    /// None where the events span no time, and where the set raises no alerts of it.
    pub(super) old_per_day: Option<f64>,
    pub(super) new_per_day: Option<f64>,
}

/// What becomes of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Appears,
    Disappears,
    Changes,
}

/// An alert of which the two sets do not say the same.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    pub(super) change: Change,
    pub(super) rule: String,
    pub(super) group: Group,
    pub(super) old: Option<Facts>,
    pub(super) new: Option<Facts>,
}

/// The alerts of one place, the old and the new.
type Both<'a> = (Vec<&'a Raised>, Vec<&'a Raised>);

/// Compares the alerts of two rule sets.
pub(super) fn compare(replayed: &Replayed) -> Comparison {
    let Replayed { old, new, old_rules, new_rules, records, late, no_events, span } = replayed;
    let Table { mut rows, old_names, new_names } = rows(old_rules, new_rules);
    let mut places: BTreeMap<Place, Both<'_>> = BTreeMap::new();
    for raised in old {
        let Some(row) = old_names.get(&raised.alert.rule.name) else { continue };
        places.entry(place(*row, raised)).or_default().0.push(raised);
    }
    for raised in new {
        let Some(row) = new_names.get(&raised.alert.rule.name) else { continue };
        places.entry(place(*row, raised)).or_default().1.push(raised);
    }
    let days = span.map_or(0.0, |(from, to)| days_of(to.since(from).millis()));
    let mut differences = Vec::new();
    for ((row, _), (old, new)) in places {
        let row = &mut rows[row];
        row.old += old.len() as u64;
        row.new += new.len() as u64;
        differences.extend(of_place((old, new), row));
    }
    for row in &mut rows {
        row.old_per_day = per_day(row.old, days).filter(|_| row.in_old == Standing::Alerts);
        row.new_per_day = per_day(row.new, days).filter(|_| row.in_new == Standing::Alerts);
    }
    let (from, to) = span.unzip();
    let (records, late, no_events) = (*records, *late, *no_events);
    Comparison { records, late, no_events, from, to, days, rules: rows, differences }
}

/// Where alerts can belong together: one rule, one group, whatever the order of its names.
type Place = (usize, Vec<(String, String)>);

fn place(row: usize, raised: &Raised) -> Place {
    let mut group = raised.alert.group.0.clone();
    group.sort();
    (row, group)
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
fn days_of(millis: i64) -> f64 {
    millis as f64 / 86_400_000.0
}

#[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
fn per_day(count: u64, days: f64) -> Option<f64> {
    (days > 0.0).then(|| count as f64 / days)
}

/// A row for each rule that alerts in either set, in order of name, and which row the rules of either set have.
struct Table {
    rows: Vec<RuleRow>,
    old_names: BTreeMap<String, usize>,
    new_names: BTreeMap<String, usize>,
}

fn rows(old: &RuleSet, new: &RuleSet) -> Table {
    let mut pairs = counterparts(old, new);
    let standing = |member: &Option<Member<'_>>| member.as_ref().map_or(Standing::Absent, |member| member.standing);
    pairs.retain(|(old, new)| [standing(old), standing(new)].contains(&Standing::Alerts));
    // Of two that share a name, the one of the old rules alone comes last.
    pairs.sort_by_key(|(old, new)| (new.as_ref().or(old.as_ref()).map(|member| member.name), new.is_none()));
    let mut found = Table { rows: Vec::new(), old_names: BTreeMap::new(), new_names: BTreeMap::new() };
    for (index, (old, new)) in pairs.iter().enumerate() {
        let old_name = old.as_ref().map(|member| member.name.to_owned());
        let new_name = new.as_ref().map(|member| member.name.to_owned());
        found.old_names.extend(old_name.clone().map(|name| (name, index)));
        found.new_names.extend(new_name.clone().map(|name| (name, index)));
        let was = old_name.clone().filter(|old| new_name.as_ref().is_some_and(|new| new != old));
        found.rows.push(RuleRow {
            rule: new_name.or(old_name).unwrap_or_default(),
            was,
            in_old: standing(old),
            in_new: standing(new),
            old: 0,
            new: 0,
            unchanged: 0,
            changes: 0,
            appears: 0,
            disappears: 0,
            old_per_day: None,
            new_per_day: None,
        });
    }
    found
}

/// The differences of one rule and group, in order of time.
fn of_place((old, new): Both<'_>, row: &mut RuleRow) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (old, new) in pair_up(old, new) {
        let group = new.or(old).map(|raised| raised.alert.group.clone()).unwrap_or_default();
        let (old, new) = (old.map(Facts::of), new.map(Facts::of));
        let (change, count) = match (&old, &new) {
            (Some(old), Some(new)) if old.read == new.read => {
                row.unchanged += 1;
                continue;
            }
            (Some(_), Some(_)) => (Change::Changes, &mut row.changes),
            (Some(_), None) => (Change::Disappears, &mut row.disappears),
            (None, _) => (Change::Appears, &mut row.appears),
        };
        *count += 1;
        differences.push(Difference { change, rule: row.rule.clone(), group, old, new });
    }
    differences
}

/// Alerts of one id belong together, then those of one moment, the more alike first; of the rest, those that are less than
/// a window apart, the earliest first.
fn pair_up<'a>(mut old: Vec<&'a Raised>, mut new: Vec<&'a Raised>) -> Vec<Sides<'a>> {
    let mut pairs = Vec::new();
    pair_off(&mut old, &mut new, &mut pairs, |raised| raised.alert.id);
    pair_off(&mut old, &mut new, &mut pairs, |raised| (raised.alert.time, raised.alert.summary.clone()));
    pair_off(&mut old, &mut new, &mut pairs, |raised| raised.alert.time);
    old.sort_by_key(|old| old.alert.time);
    for old in old {
        let apart = |new: &Raised| new.alert.time.since(old.alert.time).max(old.alert.time.since(new.alert.time));
        let near = new.iter().enumerate().filter(|(_, new)| apart(new) < old.window.max(new.window));
        let at = near.min_by_key(|(_, new)| apart(new)).map(|(at, _)| at);
        pairs.push((Some(old), at.map(|at| new.remove(at))));
    }
    pairs.extend(new.into_iter().map(|new| (None, Some(new))));
    pairs.sort_by_key(|(old, new)| old.or(*new).map(|raised| raised.alert.time));
    pairs
}

/// An old alert and the new one that it became, or either alone.
type Sides<'a> = (Option<&'a Raised>, Option<&'a Raised>);

/// Moves the alerts that have the same key from both sides into pairs, those of one key in their order.
fn pair_off<'a, K: Hash + Eq>(
    old: &mut Vec<&'a Raised>,
    new: &mut Vec<&'a Raised>,
    pairs: &mut Vec<Sides<'a>>,
    key: impl Fn(&Raised) -> K,
) {
    let mut known: HashMap<K, VecDeque<&'a Raised>> = HashMap::new();
    for raised in &*new {
        known.entry(key(raised)).or_default().push_back(raised);
    }
    old.retain(|raised| {
        let counterpart = known.get_mut(&key(raised)).and_then(VecDeque::pop_front);
        pairs.extend(counterpart.map(|new| (Some(*raised), Some(new))));
        counterpart.is_none()
    });
    let mut left: HashSet<*const Raised> = HashSet::new();
    left.extend(known.values().flatten().map(|raised| std::ptr::from_ref::<Raised>(raised)));
    new.retain(|raised| left.contains(&std::ptr::from_ref::<Raised>(raised)));
}
