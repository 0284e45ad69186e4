//! Which groups a match is in: the tuple of its group-by values, or several where a value is a list.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::detect::limits::{Limit, Limits};
use crate::detect::outcome::Outcome;
use crate::detect::rule::RuleSet;
use crate::detect::rule::compiled::Grouping;
use crate::detect::rule::route::Routes;
use crate::detect::state::key;

use super::EngineSettings;
use super::step::Match;

/// The keys of one match under one grouping, in the order of its lists; most matches have one.
pub(super) type Keys = SmallVec<[Vec<u8>; 1]>;

/// Takes groups from matches, each grouping once an event.
#[derive(Debug)]
pub(super) struct GroupKeys {
    names: Naming,
    /// By grouping: the keys of the event at hand, if they were asked for.
    of_event: Vec<(bool, Keys)>,
    only: Option<Only>,
    /// Where limits are counted that were hit where the event was read.
    ignored: Outcome,
}

/// What names a group.
#[derive(Debug)]
struct Naming {
    placeholders: Vec<String>,
    limits: Limits,
}

/// Of the groups of a routed match, those that are counted here.
#[derive(Debug)]
struct Only {
    routes: Arc<Routes>,
    route: usize,
    /// The values that such a group has, as keys spell them.
    values: Vec<Vec<u8>>,
}

impl Only {
    fn is_here(&self, grouping: usize, key: &[u8]) -> bool {
        let places = self.routes.places(self.route, grouping);
        let is_same = |(place, value): (&usize, &Vec<u8>)| key::spelled(key).nth(*place) == Some(value.as_slice());
        places.iter().zip(&self.values).all(is_same)
    }
}

impl GroupKeys {
    pub(super) fn new(rules: &RuleSet, settings: &EngineSettings) -> Self {
        let placeholders = settings.placeholders.iter().map(|text| text.to_lowercase()).collect();
        let names = Naming { placeholders, limits: settings.limits.clone() };
        let of_event = vec![(false, Keys::new()); rules.groupings.len()];
        Self { names, of_event, only: None, ignored: Outcome::new(rules) }
    }

    /// Another event is at hand.
    pub(super) fn begin(&mut self) {
        for (known, _) in &mut self.of_event {
            *known = false;
        }
        self.only = None;
    }

    /// A routed match is at hand, of which only the groups count that have the values of `group` under a route.
    pub(super) fn begin_in(&mut self, routes: &Arc<Routes>, route: usize, group: &[String]) {
        self.begin();
        let values = group.iter().map(|value| key::spell(value)).collect();
        self.only = Some(Only { routes: Arc::clone(routes), route, values });
    }

    /// Hands out the keys of `subject` under a grouping; none if it lacks one of the fields. Give them back with
    /// [`Self::put_back`].
    pub(super) fn take(
        &mut self,
        rules: &RuleSet,
        grouping: usize,
        subject: &Match<'_, '_>,
        outcome: &mut Outcome,
    ) -> Keys {
        let (known, keys) = &mut self.of_event[grouping];
        let mut keys = std::mem::take(keys);
        if !*known || subject.is_firing() {
            let fields = &rules.groupings[grouping];
            match &self.only {
                None => self.names.fill(fields, subject, &mut keys, outcome),
                Some(only) => {
                    self.names.fill(fields, subject, &mut keys, &mut self.ignored);
                    keys.retain(|key| only.is_here(grouping, key));
                }
            }
        }
        keys
    }

    /// Keeps the keys for the next rule with the same grouping.
    pub(super) fn put_back(&mut self, grouping: usize, subject: &Match<'_, '_>, keys: Keys) {
        self.of_event[grouping] = (!subject.is_firing(), keys);
    }
}

impl Naming {
    fn fill(&self, grouping: &Grouping, subject: &Match<'_, '_>, keys: &mut Keys, outcome: &mut Outcome) {
        keys.truncate(1);
        if keys.is_empty() {
            keys.push(Vec::new());
        }
        key::begin(&mut keys[0], grouping.keyspace);
        for slot in &grouping.slots {
            let value = subject.value(*slot);
            let elements = value.elements().iter().filter_map(|element| self.text(element.key_text()?, outcome));
            let mut texts: SmallVec<[Cow<'_, str>; 1]> = SmallVec::new();
            for text in elements {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            match texts.as_slice() {
                [] => return keys.clear(),
                [text] => keys.iter_mut().for_each(|key| key::push(key, text)),
                texts => self.multiply(keys, texts, outcome),
            }
        }
    }

    /// One key for each of the keys so far and each text, the first ones up to the limit.
    fn multiply(&self, keys: &mut Keys, texts: &[Cow<'_, str>], outcome: &mut Outcome) {
        if keys.len() * texts.len() > self.limits.groups_per_match {
            outcome.hit(Limit::GroupsPerMatch);
        }
        let extended = keys.iter().flat_map(|key| texts.iter().map(move |text| (key, text)));
        let extended = extended.take(self.limits.groups_per_match.max(1)).map(|(key, text)| {
            let mut key = key.clone();
            key::push(&mut key, text);
            key
        });
        *keys = extended.collect();
    }

    /// The text if it names a group, cut if it is too long.
    fn text<'a>(&self, text: Cow<'a, str>, outcome: &mut Outcome) -> Option<Cow<'a, str>> {
        let is_placeholder = if text.is_ascii() {
            self.placeholders.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(&text))
        } else {
            let lower = text.to_lowercase();
            self.placeholders.contains(&lower)
        };
        if is_placeholder {
            return None;
        }
        Some(key::bounded(text, self.limits.label_bytes, outcome))
    }
}
