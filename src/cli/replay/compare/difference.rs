//! Old alerts beside new ones: which are the same, which changed, which stand alone.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::detect::Timestamp;
use crate::detect::alert::{Group, is_false};
use crate::detect::rule::compiled::{Level, PlainNumber};
use crate::detect::rule::{Rule, RuleSet};

use super::{Place, Raised, Replayed, counterpart};

/// What changing the rules would have changed.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) records: u64,
    /// Of them, late ones, and those that are no events.
    pub(super) late: u64,
    pub(super) no_events: u64,
    /// The event times of the first record and of the newest; none without events.
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
    pub(super) rule: String,
    /// True if the old set has it, and the new one.
    pub(super) is_old: bool,
    pub(super) is_new: bool,
    pub(super) old: u64,
    pub(super) new: u64,
    pub(super) unchanged: u64,
    pub(super) changes: u64,
    pub(super) appears: u64,
    pub(super) disappears: u64,
    /// None where the events span no time.
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

/// What is compared. Ids and versions are not: they follow from the rest.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) id: Uuid,
    pub(super) time: Timestamp,
    pub(super) level: Level,
    /// Left out if not.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) shadow: bool,
    pub(super) observed: Option<PlainNumber>,
    pub(super) summary: String,
}

impl Facts {
    fn of(raised: &Raised) -> Self {
        let alert = &raised.alert;
        Self {
            id: alert.id,
            time: alert.time,
            level: alert.rule.level,
            shadow: alert.shadow,
            observed: alert.observed,
            summary: alert.summary.clone(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let compared = |facts: &Self| (facts.time, facts.level, facts.shadow, facts.observed);
        compared(self) == compared(other)
    }
}

/// The alerts of one place, the old and the new.
type Both<'a> = (Vec<&'a Raised>, Vec<&'a Raised>);

/// Compares the alerts of two rule sets.
pub(super) fn compare(replayed: &Replayed) -> Comparison {
    let Replayed { old, new, old_rules, new_rules, records, late, no_events, span } = replayed;
    let mut places: BTreeMap<(String, Vec<(String, String)>), Both<'_>> = BTreeMap::new();
    for raised in old {
        // A rule that goes on under another name is told under the new one.
        let name = &counterpart(&raised.alert.rule, new_rules).unwrap_or(&raised.alert.rule).name;
        places.entry((name.clone(), raised.alert.group.0.clone())).or_default().0.push(raised);
    }
    for raised in new {
        places.entry((raised.alert.rule.name.clone(), raised.alert.group.0.clone())).or_default().1.push(raised);
    }
    let days = span.map_or(0.0, |(from, to)| days_of(to.since(from).millis()));
    let mut rows = rows(old_rules, new_rules);
    let mut differences = Vec::new();
    for ((rule, group), (old, new)) in places {
        let Some(row) = rows.get_mut(&rule) else { continue };
        row.old += old.len() as u64;
        row.new += new.len() as u64;
        differences.extend(of_place(&(rule, Group(group)), (old, new), row));
    }
    for row in rows.values_mut() {
        row.old_per_day = per_day(row.old, days).filter(|_| row.is_old);
        row.new_per_day = per_day(row.new, days).filter(|_| row.is_new);
    }
    let (from, to) = span.unzip();
    let (records, late, no_events) = (*records, *late, *no_events);
    Comparison { records, late, no_events, from, to, days, rules: rows.into_values().collect(), differences }
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
fn days_of(millis: i64) -> f64 {
    millis as f64 / 86_400_000.0
}

#[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
fn per_day(count: u64, days: f64) -> Option<f64> {
    (days > 0.0).then(|| count as f64 / days)
}

/// A row for each rule that alerts in either set, under its new name.
fn rows(old: &RuleSet, new: &RuleSet) -> BTreeMap<String, RuleRow> {
    let empty = |rule: &str| RuleRow {
        rule: rule.to_owned(),
        is_old: false,
        is_new: false,
        old: 0,
        new: 0,
        unchanged: 0,
        changes: 0,
        appears: 0,
        disappears: 0,
        old_per_day: None,
        new_per_day: None,
    };
    let alerting = |rules: &'_ RuleSet| rules.rules.iter().filter(|rule| rule.alerts).cloned().collect::<Vec<Rule>>();
    let mut rows: BTreeMap<String, RuleRow> = BTreeMap::new();
    for rule in alerting(new) {
        rows.entry(rule.header.name.clone()).or_insert_with_key(|name| empty(name)).is_new = true;
    }
    for rule in alerting(old) {
        let name = &counterpart(&rule.header, new).unwrap_or(&rule.header).name;
        rows.entry(name.clone()).or_insert_with_key(|name| empty(name)).is_old = true;
    }
    rows
}

/// The differences of one rule and group, in order of time.
fn of_place(place: &Place, (old, new): Both<'_>, row: &mut RuleRow) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (old, new) in pair_up(old, new) {
        let (old, new) = (old.map(Facts::of), new.map(Facts::of));
        let (change, count) = match (&old, &new) {
            (Some(old), Some(new)) if old.is_same(new) => {
                row.unchanged += 1;
                continue;
            }
            (Some(_), Some(_)) => (Change::Changes, &mut row.changes),
            (Some(_), None) => (Change::Disappears, &mut row.disappears),
            (None, _) => (Change::Appears, &mut row.appears),
        };
        *count += 1;
        differences.push(Difference { change, rule: place.0.clone(), group: place.1.clone(), old, new });
    }
    differences
}

/// Alerts of one moment belong together; of the rest, those that are less than a window apart, the earliest first.
fn pair_up<'a>(old: Vec<&'a Raised>, mut new: Vec<&'a Raised>) -> Vec<(Option<&'a Raised>, Option<&'a Raised>)> {
    let mut pairs = Vec::new();
    let mut alone = Vec::new();
    for old in old {
        match new.iter().position(|new| new.alert.time == old.alert.time) {
            Some(at) => pairs.push((Some(old), Some(new.remove(at)))),
            None => alone.push(old),
        }
    }
    alone.sort_by_key(|old| old.alert.time);
    for old in alone {
        let apart = |new: &Raised| new.alert.time.since(old.alert.time).max(old.alert.time.since(new.alert.time));
        let near = new.iter().enumerate().filter(|(_, new)| apart(new) < old.window.max(new.window));
        let at = near.min_by_key(|(_, new)| apart(new)).map(|(at, _)| at);
        pairs.push((Some(old), at.map(|at| new.remove(at))));
    }
    pairs.extend(new.into_iter().map(|new| (None, Some(new))));
    pairs.sort_by_key(|(old, new)| old.or(*new).map(|raised| raised.alert.time));
    pairs
}
