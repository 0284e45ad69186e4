//! What a watched rule made of a match, written down for explanations.
//!
//! Nothing is decided here, and a rule that nobody watches costs one comparison.

use crate::detect::alert::Group;
use crate::detect::observation::{Fate, Fired, Observation, ReadOff};
use crate::detect::outcome::Outcome;
use crate::detect::rule::RuleSet;
use crate::detect::state::{Reading, key};
use crate::detect::window::Firing;

use super::step::{Match, Reader};

/// A match at a rule, and what became of it.
pub(super) struct Noted<'a, 'e, 'o> {
    pub(super) rules: &'a RuleSet,
    pub(super) reader: Reader,
    /// None for a match without a group.
    pub(super) key: Option<&'a [u8]>,
    pub(super) subject: &'a Match<'e, 'o>,
    pub(super) fate: Fate,
}

impl Noted<'_, '_, '_> {
    /// Writes it down if the rule is watched; with a firing goes whether it raised an alert.
    pub(super) fn write(&self, reading: Reading<'_>, firing: Option<(Firing, bool)>, outcome: &mut Outcome) {
        if outcome.is_watched(self.reader.0) {
            self.write_down(reading, firing, outcome);
        }
    }

    #[cold]
    fn write_down(&self, reading: Reading<'_>, firing: Option<(Firing, bool)>, outcome: &mut Outcome) {
        let Self { rules, reader: (rule, labels), key, subject, fate } = *self;
        let names = &rules.keyspaces[rules.rules[rule].keyspace];
        let place = [reading.place.latitude, reading.place.longitude, reading.place.accuracy_km];
        let texts = reading.texts.iter().map(|text| text.clone().into_owned()).collect();
        let observation = Observation {
            rule,
            group: key.map(|key| Group(names.iter().cloned().zip(key::values(key)).collect())),
            time: subject.time,
            id: subject.event.id.into(),
            origin: subject.event.origin.clone(),
            labels,
            reading: ReadOff { texts, number: reading.number, place },
            fate,
            firing: firing.map(|(firing, is_raised)| Fired { at: firing.at, observed: firing.observed, is_raised }),
        };
        if let Some(watch) = &mut outcome.watch {
            watch.seen.push(observation);
        }
    }
}
