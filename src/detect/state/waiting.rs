//! Matches of `absence` rules whose companion may still come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::detect::event::{Event, Origin};
use crate::detect::rule::{Logic, Rule};
use crate::detect::time::{Span, Timestamp};
use crate::detect::value::{Number, Value};

/// A match that waits. What outer rules would read of its event is kept only where there are such rules.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Waiting {
    pub(in crate::detect) rule: usize,
    pub(in crate::detect) key: Box<[u8]>,
    pub(in crate::detect) time: Timestamp,
    /// Number of what brought it: an event, or another wait that ended.
    pub(in crate::detect) arrival: u64,
    /// Its place among the matches of that arrival: the event is first, then come firings by rule and group.
    pub(in crate::detect) rank: u32,
    id: Box<str>,
    origin: Origin,
    values: Vec<Value<'static>>,
}

impl Waiting {
    /// A match at `time` of an event, with the event's values if `keeps_values`.
    pub(in crate::detect) fn new(
        (rule, key): (usize, &[u8]),
        (time, rank): (Timestamp, u32),
        event: &Event<'_>,
        keeps_values: bool,
    ) -> Self {
        let values = if keeps_values { event.values.iter().map(owned).collect() } else { Vec::new() };
        let (id, origin) = (event.id.into(), event.origin.clone());
        Self { rule, key: key.into(), time, arrival: 0, rank, id, origin, values }
    }

    /// The event of the match.
    pub(in crate::detect) fn event(&self) -> Event<'_> {
        Event { time: self.time, id: &self.id, origin: &self.origin, values: &self.values }
    }
}

fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Absent => Value::Absent,
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(*value),
        Value::Number(Number::Integer(integer)) => Value::Number(Number::Integer(*integer)),
        // A text that spells a number is one wherever a rule reads it.
        Value::Number(number) => Value::Text(number.canonical().into_owned().into()),
        Value::Text(text) => Value::Text(text.clone().into_owned().into()),
        Value::List(elements) => Value::List(elements.iter().map(owned).collect()),
        Value::Object => Value::Object,
    }
}

/// Everything that waits in a partition, for each rule in order of (time, arrival, group).
#[derive(Debug, Default)]
pub(in crate::detect) struct WaitingRoom {
    rules: BTreeMap<usize, BTreeMap<Place, Waiting>>,
    /// The same by group, because who fills a partition with groups makes each of them leave.
    groups: BTreeSet<GroupPlace>,
    count: usize,
    /// Towards `limits.state_bytes`.
    weight: usize,
}

/// Time, arrival and rank, group.
type Place = (Timestamp, (u64, u32), Arc<[u8]>);
/// Group, rule, time, arrival and rank.
type GroupPlace = (Arc<[u8]>, usize, Timestamp, (u64, u32));

impl WaitingRoom {
    /// Lets a match wait; at the limit the stalest goes, and is returned.
    pub(in crate::detect) fn add(&mut self, waiting: Waiting, count_max: usize) -> Option<Waiting> {
        let (key, order) = (Arc::<[u8]>::from(&*waiting.key), (waiting.arrival, waiting.rank));
        self.groups.insert((Arc::clone(&key), waiting.rule, waiting.time, order));
        let place = (waiting.time, order, key);
        self.weight += waiting.weight();
        self.rules.entry(waiting.rule).or_default().insert(place, waiting);
        self.count += 1;
        if self.count <= count_max {
            return None;
        }
        let firsts = self.rules.iter().filter_map(|(rule, queue)| Some((queue.first_key_value()?.0.clone(), *rule)));
        let (_, rule) = firsts.min()?;
        self.pop(rule)
    }

    fn pop(&mut self, rule: usize) -> Option<Waiting> {
        let ((time, order, key), waiting) = self.rules.get_mut(&rule)?.pop_first()?;
        self.groups.remove(&(key, rule, time, order));
        self.count -= 1;
        self.weight -= waiting.weight();
        Some(waiting)
    }

    /// The next match whose wait ends before `end`: by time, arrival, rule name, group.
    pub(in crate::detect) fn next_due(&mut self, rules: &[Rule], end: Timestamp) -> Option<Waiting> {
        if self.count == 0 {
            return None;
        }
        let due = self.rules.iter().filter_map(|(rule, queue)| {
            let (time, arrival, group) = queue.first_key_value()?.0;
            let is_due = *time + wait(&rules[*rule]) < end;
            is_due.then_some(((*time, *arrival, &rules[*rule].header.name, group), *rule))
        });
        let (_, rule) = due.min()?;
        self.pop(rule)
    }

    /// Everything that waits, by rule and then in order.
    pub(in crate::detect) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.rules.values().flat_map(BTreeMap::values)
    }

    /// Forgets what waits for an evicted group: without its companions nothing can be said.
    pub(in crate::detect) fn forget(&mut self, key: &[u8]) {
        if self.count == 0 {
            return;
        }
        let first = (Arc::<[u8]>::from(key), 0, Timestamp::BEFORE_ALL, (0, 0));
        let of_group: Vec<_> = self.groups.range(first..).take_while(|(group, ..)| **group == *key).cloned().collect();
        for place in of_group {
            self.groups.remove(&place);
            let (group, rule, time, order) = place;
            let queue = self.rules.get_mut(&rule);
            if let Some(waiting) = queue.and_then(|queue| queue.remove(&(time, order, group))) {
                self.count -= 1;
                self.weight -= waiting.weight();
            }
        }
    }

    /// What waits, towards `limits.state_bytes`.
    pub(in crate::detect) const fn weight(&self) -> usize {
        self.weight
    }
}

/// How long a match of a rule waits.
pub(in crate::detect) const fn wait(rule: &Rule) -> Span {
    match rule.logic {
        Logic::Absence { wait } => wait,
        _ => Span::ZERO,
    }
}
