//! Both sides of a route without a broker: records of some source partitions, through routers, to partitions of matches.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use tokenwatch::detect::outcome::RuleTally;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::{Alert, Origin, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Part, Partition, Pipeline, Settings};
use tokenwatch::route::Mark;
use tokenwatch::route::wire::encode_mark;

use crate::oracle::engine::Line;

/// What came of it, in an order that does not depend on where things were decided.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// Alerts as people see them.
    pub alerts: Vec<String>,
    /// By rule name: matches, firings, alerts, suppressed, without a group, repeated.
    pub tallies: BTreeMap<String, [u64; 6]>,
    /// Late and rejected events.
    pub apart: (u64, usize),
}

impl Found {
    /// From the outcomes of however many partitions; `events` is the one of those who read events.
    pub fn new(rules: &RuleSet, events: &BatchOutcome, rest: &[&BatchOutcome]) -> Self {
        let outcomes = || rest.iter().copied().chain([events]);
        let shown = |alert: &Alert| serde_json::to_string(alert).expect("an alert serializes");
        let mut alerts: Vec<_> = outcomes().flat_map(|outcome| outcome.detected.alerts.iter().map(shown)).collect();
        alerts.sort_unstable();
        let mut tallies: BTreeMap<String, [u64; 6]> = BTreeMap::new();
        for outcome in outcomes() {
            for (rule, tally) in rules.rules.iter().zip(&outcome.detected.rules) {
                let RuleTally { matches, firings, alerts, suppressed, missing_key, duplicates } = *tally;
                let sums = tallies.entry(rule.header.name.clone()).or_default();
                for (sum, count) in sums.iter_mut().zip([matches, firings, alerts, suppressed, missing_key, duplicates])
                {
                    *sum += count;
                }
            }
        }
        Self { alerts, tallies, apart: (events.detected.late, events.rejected.len()) }
    }
}

/// A partition of the topic in which matches meet, and who counts them.
struct Place {
    partition: Partition,
    outcome: BatchOutcome,
    offset: i64,
}

/// Routers for some sources, and those who count behind them.
pub struct Relay {
    rules: Arc<RuleSet>,
    router: Pipeline,
    counter: Pipeline,
    sources: Vec<(Partition, i64)>,
    places: Vec<Place>,
    events: BatchOutcome,
    restarts: usize,
}

const RESTARTS_MAX: usize = 10;

const TOPIC: &str = "stream";

impl Relay {
    pub fn new(rules: &Arc<RuleSet>, settings: &Settings, sources: i32, places: usize) -> Self {
        let part = |part| Pipeline::of_part(part, Arc::clone(rules), settings, Arc::default());
        let (router, counter) = (part(Part::Routing), part(Part::Windows));
        let place =
            || Place { partition: counter.partition([5, 6, 7, 8]), outcome: BatchOutcome::new(rules), offset: 0 };
        let mut relay = Self {
            places: (0..places).map(|_| place()).collect(),
            sources: (0..sources).map(|_| (router.partition([1, 2, 3, 4]), 0)).collect(),
            rules: Arc::clone(rules),
            events: BatchOutcome::new(rules),
            restarts: 0,
            router,
            counter,
        };
        for source in 0..relay.sources.len() {
            relay.mark(source);
        }
        relay
    }

    /// A record is read from a source, and its matches arrive.
    pub fn read(&mut self, source: usize, (timestamp, payload): &Line) {
        let number = i32::try_from(source).expect("few sources");
        let (partition, offset) = &mut self.sources[source];
        let origin = Origin { topic: TOPIC.into(), partition: number, offset: *offset };
        *offset += 1;
        let timestamp = timestamp.map(Timestamp::from_millis);
        let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
        self.router.decide_keyed(partition, 0, (&record, None), &mut self.events);
        for sent in std::mem::take(&mut self.events.sent) {
            let place = usize::from(sent.message.key[0]) % self.places.len();
            self.arrive(place, Some(&sent.message.key), &sent.message.payload);
        }
    }

    /// Every place is told how far a source is.
    pub fn mark(&mut self, source: usize) {
        let mark = Mark {
            topic: TOPIC.to_owned(),
            partition: i32::try_from(source).expect("few sources"),
            stream_time: self.sources[source].0.stream_time().map(Timestamp::millis),
            is_quiet: false,
            sources: BTreeMap::from([(TOPIC.to_owned(), i32::try_from(self.sources.len()).expect("few sources"))]),
        };
        for place in 0..self.places.len() {
            self.arrive(place, None, &encode_mark(&mark));
        }
    }

    /// Those who count stop, and go on from what they saved. Not too often: streams can be long.
    pub fn restart(&mut self) {
        if self.restarts == RESTARTS_MAX {
            return;
        }
        self.restarts += 1;
        for place in &mut self.places {
            let saved = self.counter.snapshot(&place.partition);
            place.partition = self.counter.restore(&saved, [9, 9, 9, 9]).expect("what it wrote itself");
        }
    }

    fn arrive(&mut self, place: usize, key: Option<&[u8]>, payload: &[u8]) {
        let _: Json = serde_json::from_slice(payload).expect("what meets is JSON");
        let Place { partition, outcome, offset } = &mut self.places[place];
        let origin = Origin { topic: "matches".into(), partition: 0, offset: *offset };
        *offset += 1;
        let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
        self.counter.decide_keyed(partition, 0, (&record, key), outcome);
    }

    /// The end of all sources.
    pub fn finish(mut self) -> Found {
        for source in 0..self.sources.len() {
            self.mark(source);
        }
        for Place { partition, outcome, .. } in &mut self.places {
            self.counter.finish(partition, outcome);
            assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
            assert_eq!(outcome.unknown, 0, "all sides have the same rules");
        }
        let places: Vec<_> = self.places.iter().map(|place| &place.outcome).collect();
        Found::new(&self.rules, &self.events, &places)
    }
}
