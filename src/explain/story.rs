//! What a rule did in one group, from its first match to its last.

use std::rc::Rc;

use serde_json::value::RawValue;

use crate::detect::alert::Group;
use crate::detect::observation::{Fate, Observation};
use crate::detect::rule::Logic;
use crate::detect::time::Timestamp;
use crate::detect::value::shortest;

use super::approach::{Approach, Nearest, Seen};
use super::report::{EventReport, GroupReport, NearestReport, Place};
use super::terms::Terms;

/// The counts of a group, and the nearest that it came.
#[derive(Debug, Default)]
pub(super) struct Story {
    approach: Approach,
    nearest: Option<Nearest>,
    matches: u64,
    firings: u64,
    alerts: u64,
    suppressed: u64,
    /// The greatest alert time.
    last_alert: Option<Timestamp>,
}

impl Story {
    /// Takes a match that counts; returns what the group came to with it.
    pub(super) fn follow(
        &mut self,
        observation: Observation,
        (text, made_of): (Option<Box<RawValue>>, Vec<Rc<Seen>>),
        bounds: (Timestamp, usize),
        terms: &Terms<'_>,
    ) -> Option<Nearest> {
        let Observation { time, id, origin, labels, reading, fate, firing, .. } = observation;
        let mut nearest = None;
        if fate == Fate::Counted {
            self.matches += 1;
            let seen = Rc::new(Seen { time, id, origin, labels, reading, text, made_of });
            nearest = self.approach.arrive(seen, bounds, terms);
        }
        if let Some(firing) = firing {
            nearest = Some(self.approach.fired(firing.at, nearest.as_ref(), terms));
            self.firings += 1;
            self.alerts += u64::from(firing.is_raised);
            self.suppressed += u64::from(!firing.is_raised && terms.rule.alerts);
            if firing.is_raised {
                self.last_alert = self.last_alert.max(Some(firing.at));
            }
        }
        if let Some(nearest) = &nearest
            && self.nearest.as_ref().is_none_or(|best| nearest.shortfall < best.shortfall)
        {
            self.nearest = Some(nearest.clone());
        }
        nearest
    }

    pub(super) fn report(self, group: Group, terms: &Terms<'_>) -> GroupReport {
        let nearest = self.nearest.map(|nearest| NearestReport {
            time: nearest.at,
            fired: nearest.shortfall == 0.0,
            shortfall: nearest.shortfall,
            told: nearest.told,
            matches: nearest.matches.iter().map(|seen| seen.report(terms)).collect(),
        });
        GroupReport {
            group,
            matches: self.matches,
            firings: self.firings,
            alerts: self.alerts,
            suppressed: self.suppressed,
            suppressed_until: self.last_alert.filter(|_| self.suppressed > 0).map(|last| last + terms.rule.suppress),
            nearest,
        }
    }
}

impl GroupReport {
    /// How far it was from firing.
    pub(super) fn distance(&self) -> f64 {
        self.nearest.as_ref().map_or(1.0, |nearest| nearest.shortfall)
    }
}

impl Seen {
    pub(super) fn report(&self, terms: &Terms<'_>) -> EventReport {
        let bits = (0..terms.rule.inputs.len()).filter(|bit| self.labels & (1 << bit) != 0);
        let values = match &terms.rule.logic {
            Logic::ValueSum { .. } | Logic::ValueAverage { .. } | Logic::ValuePercentile { .. } => {
                vec![shortest(self.reading.number)]
            }
            Logic::GeoVelocity { .. } => self.reading.place[..2].iter().map(|degrees| shortest(*degrees)).collect(),
            _ => self.reading.texts.clone(),
        };
        EventReport {
            time: self.time,
            id: self.id.to_string(),
            place: Place::of(&self.origin),
            matches: bits.map(|bit| terms.input(bit).to_owned()).collect(),
            values,
            event: self.text.clone(),
            made_of: self.made_of.iter().map(|inner| inner.report_bare()).collect(),
        }
    }

    /// Under another rule: without what only that rule could name.
    fn report_bare(&self) -> EventReport {
        EventReport {
            time: self.time,
            id: self.id.to_string(),
            place: Place::of(&self.origin),
            matches: Vec::new(),
            values: Vec::new(),
            event: self.text.clone(),
            made_of: self.made_of.iter().map(|inner| inner.report_bare()).collect(),
        }
    }
}
