//! How near a rule came to firing in one group.
//!
//! Only matches that the engine counted are looked at, and only as long as a window can hold them.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::value::RawValue;

use crate::detect::event::Origin;
use crate::detect::observation::ReadOff;
use crate::detect::rule::Logic;
use crate::detect::rule::compiled::Role;
use crate::detect::time::{Span, Timestamp};

use super::terms::Terms;
use super::{count, neighbour};

/// A match that counts.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) time: Timestamp,
    pub(super) id: Box<str>,
    pub(super) origin: Origin,
    pub(super) labels: u32,
    pub(super) reading: ReadOff,
    /// The record, where it is wanted.
    pub(super) text: Option<Box<RawValue>>,
    /// Of a firing of another rule: the matches that made that rule fire.
    pub(super) made_of: Vec<Rc<Self>>,
}

/// How near a group came at one moment.
#[derive(Clone, Debug)]
pub(super) struct Nearest {
    pub(super) at: Timestamp,
    /// 0 fired, 1 is as far as it gets.
    pub(super) shortfall: f64,
    /// `6 of 8 service.name`.
    pub(super) told: String,
    /// The matches that are meant, oldest first.
    pub(super) matches: Vec<Rc<Seen>>,
}

/// The matches of one group, as far as they can still matter.
#[derive(Debug, Default)]
pub(super) struct Approach {
    /// By (time, arrival).
    pub(super) seen: Vec<Rc<Seen>>,
    /// The earliest match ever.
    pub(super) first: Option<Timestamp>,
    /// Of a `spike`: how many matches each bucket has.
    pub(super) buckets: BTreeMap<i64, u32>,
}

impl Approach {
    /// Adds a match, forgets those at or before `expired`, and says how near the windows that it changes come.
    pub(super) fn arrive(&mut self, seen: Rc<Seen>, bounds: (Timestamp, usize), terms: &Terms<'_>) -> Option<Nearest> {
        let time = seen.time;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.forget(bounds);
        let at = self.seen.partition_point(|held| held.time <= time);
        self.seen.insert(at, seen);
        let timespan = terms.rule.timespan;
        match &terms.rule.logic {
            Logic::Event => Some(self.alone(at, "it matches".to_owned(), 0.0)),
            Logic::ValueChange { .. } | Logic::GeoVelocity { .. } => neighbour::pairs(self, at, terms),
            Logic::NewValue { learning, .. } => Some(neighbour::new_value(self, at, (*learning, bounds.0), terms)),
            Logic::Absence { .. } => neighbour::accompanied(self, at, terms),
            Logic::Spike { .. } => Some(count::spike(self, at, terms)),
            _ => {
                let ends = self.seen[at..].iter().map(|held| held.time).take_while(|end| *end < time + timespan);
                let mut ends: Vec<Timestamp> = ends.collect();
                ends.dedup();
                // Of equally near windows the first.
                let windows = ends.into_iter().filter_map(|end| self.window(end, terms));
                windows.reduce(|best, next| if next.shortfall < best.shortfall { next } else { best })
            }
        }
    }

    /// What the engine found true at `at`, in the same words.
    pub(super) fn fired(&self, at: Timestamp, nearest: Option<&Nearest>, terms: &Terms<'_>) -> Nearest {
        let told = match &terms.rule.logic {
            Logic::Absence { wait } => {
                let after = if *wait == Span::ZERO { String::new() } else { format!(" or {wait} after") };
                let missed = terms.names(Role::Companion, " or ");
                let matches = self.seen.iter().filter(|seen| seen.time == at).cloned().collect();
                let told = format!("no {missed} in the {} before{after}", terms.rule.timespan);
                return Nearest { at, shortfall: 0.0, told, matches };
            }
            Logic::Event | Logic::ValueChange { .. } | Logic::GeoVelocity { .. } | Logic::Spike { .. } => {
                nearest.cloned()
            }
            Logic::NewValue { .. } => nearest.cloned().map(|mut nearest| {
                // It did fire, so nothing spoke against it.
                nearest.told.truncate(nearest.told.find(", but ").unwrap_or(nearest.told.len()));
                nearest
            }),
            _ => self.window(at, terms),
        };
        let found = told.unwrap_or_else(|| Nearest { at, shortfall: 0.0, told: String::new(), matches: Vec::new() });
        Nearest { at, shortfall: 0.0, ..found }
    }

    /// The matches of the window that ends at `end`, and how near it comes.
    fn window(&self, end: Timestamp, terms: &Terms<'_>) -> Option<Nearest> {
        let held = self.within(end - terms.rule.timespan, end);
        let before = self.seen.partition_point(|held| held.time <= end - terms.rule.timespan);
        let before = before.checked_sub(1).map(|at| &self.seen[at]);
        let (shortfall, told) = count::judge(held, before, terms)?;
        Some(Nearest { at: end, shortfall, told, matches: held.to_vec() })
    }

    /// The matches in (`start`, `end`].
    pub(super) fn within(&self, start: Timestamp, end: Timestamp) -> &[Rc<Seen>] {
        let low = self.seen.partition_point(|held| held.time <= start);
        let high = self.seen.partition_point(|held| held.time <= end);
        &self.seen[low..high.max(low)]
    }

    /// The match at a position by itself.
    pub(super) fn alone(&self, at: usize, told: String, shortfall: f64) -> Nearest {
        let seen = &self.seen[at];
        Nearest { at: seen.time, shortfall, told, matches: vec![Rc::clone(seen)] }
    }

    /// Forgets what no window can hold; the newest of it stays, because neighbours are told of beyond the window.
    fn forget(&mut self, (expired, count_max): (Timestamp, usize)) {
        let old = self.seen.partition_point(|held| held.time <= expired).saturating_sub(1);
        let excess = (self.seen.len() + 1).saturating_sub(count_max.max(2));
        self.seen.drain(..old.max(excess));
    }
}
