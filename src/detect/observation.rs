//! What a rule made of one match, for explaining why it did or did not fire.
//!
//! The engine writes these down for watched rules only, and nothing follows from them: the outcome is the same.

use super::alert::Group;
use super::event::Origin;
use super::rule::RuleSet;
use super::time::{Span, Timestamp};
use super::window::{Journey, Place};

/// Which rules are watched, and what was seen since the outcome was last cleared.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(super) rules: Vec<bool>,
    /// In the order in which the matches arrived.
    pub seen: Vec<Observation>,
}

impl Watch {
    /// Watches some rules of a set, by their positions in it.
    #[must_use]
    pub fn of(rules: &RuleSet, watched: impl IntoIterator<Item = usize>) -> Self {
        let mut watch = Self { rules: vec![false; rules.rules.len()], seen: Vec::new() };
        for rule in watched {
            watch.rules[rule] = true;
        }
        watch
    }
}

/// One match at one rule and, unless it has none, one group.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Position of the rule in its set.
    pub rule: usize,
    /// None for a match that lacks a group-by field.
    pub group: Option<Group>,
    /// The match's time; of a firing of another rule, the firing time.
    pub time: Timestamp,
    /// The id of the arriving event.
    pub id: Box<str>,
    /// Where the arriving event's record stands.
    pub origin: Origin,
    /// Under which of the rule's inputs it matches, as bits.
    pub labels: u32,
    /// What the rule reads of it.
    pub reading: ReadOff,
    /// What became of it.
    pub fate: Fate,
    /// The firing that it led to.
    pub firing: Option<Fired>,
}

/// What a rule read of a match; each type what it needs, the rest empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOff {
    /// Counted or compared values; those of several fields as a JSON array.
    pub texts: Vec<String>,
    /// The number that is added or ranked.
    pub number: f64,
    /// Latitude and longitude in degrees, and the radius around them in kilometres.
    pub place: [f64; 3],
}

/// What became of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in S(g), or alerted as a single event.
    Counted,
    /// It has no group, for lack of a group-by field.
    NoGroup,
    /// It lacks the field that is counted, compared or added.
    LacksField,
    /// It repeats one already in S(g).
    Duplicate,
    /// A limit kept it out.
    Dropped,
    /// It was in S(g) before, and its wait for a companion has ended.
    Awaited,
}

/// A condition that came true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fired {
    /// The firing time.
    pub at: Timestamp,
    /// What the condition was compared with; of types without such a number, nothing that means anything.
    pub observed: f64,
    /// False if suppression kept it quiet, or if the rule raises no alerts.
    pub is_raised: bool,
}

impl ReadOff {
    /// The way from this place to a later one: kilometres, less both radii, and kilometres an hour.
    #[must_use]
    pub fn journey_to(&self, later: &Self, between: Span) -> (f64, f64) {
        let place = |[latitude, longitude, accuracy_km]: [f64; 3]| Place { latitude, longitude, accuracy_km };
        let journey = Journey::new(&place(self.place), &place(later.place), between);
        (journey.distance_km, journey.speed_kmh())
    }
}
