//! A stream decided event by event, and everything that came of it, for tests that compare one way of doing so with
//! another.
//!
//! The streams and rules are those that the oracle is compared with, under limits so tight that they are hit.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use tokenwatch::detect::outcome::RuleTally;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::state::Format;
use tokenwatch::detect::{Alert, Limit, Limits, Origin, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

use crate::oracle::ENGINE_TYPES;
use crate::oracle::engine::{self, Line};
use crate::oracle::strategies::{self, Case, FUTURE_SKEW_MAX};

/// Everything that came of a stream, comparable byte for byte.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub alerts: Vec<String>,
    /// By rule, in the order of the set.
    pub tallies: Vec<RuleTally>,
    /// By limit, how often it was hit.
    pub hits: Vec<(Limit, u64)>,
    /// Accepted, late, rejected.
    pub events: [u64; 3],
}

/// A partition and the pipeline that decides it.
pub struct Session {
    pub pipeline: Pipeline,
    pub partition: Partition,
    pub outcome: BatchOutcome,
    /// The number of the partition.
    pub number: i32,
    pub offset: i64,
}

impl Session {
    pub fn new(rules: &Arc<RuleSet>, settings: &Settings) -> Self {
        let pipeline = Pipeline::new(Arc::clone(rules), settings);
        let partition = pipeline.partition([1, 2, 3, 4]);
        Self { partition, pipeline, outcome: BatchOutcome::new(rules), number: 0, offset: 0 }
    }

    pub fn decide(&mut self, (timestamp, payload): &Line) {
        let origin = Origin { topic: "stream".into(), partition: self.number, offset: self.offset };
        let timestamp = timestamp.map(Timestamp::from_millis);
        let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
        self.pipeline.decide(&mut self.partition, 0, &record, &mut self.outcome);
        self.offset += 1;
    }

    pub fn decide_all(&mut self, lines: &[Line]) {
        for line in lines {
            self.decide(line);
        }
    }

    pub fn snapshot(&self) -> Vec<u8> {
        self.pipeline.snapshot(&self.partition)
    }

    /// Forgets everything and goes on from a snapshot.
    pub fn restart(&mut self, snapshot: &[u8], hash_seed: u64) {
        let restored = self.pipeline.restore(snapshot, [hash_seed, 7, 7, 7]);
        self.partition = restored.expect("what was written can be read");
    }

    /// Brings a store of entries up to date, as a compacted topic is, and returns its head.
    pub fn save(&mut self, store: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
        let delta = self.pipeline.changes(&mut self.partition, Format::USUAL);
        for (key, value) in delta.entries {
            match value {
                Some(value) => store.insert(key, value),
                None => store.remove(&key),
            };
        }
        delta.head
    }

    /// Forgets everything and goes on from a store. What the store need not hold any more goes from it.
    pub fn restart_from(&mut self, store: &mut BTreeMap<Vec<u8>, Vec<u8>>, head: &[u8], hash_seed: u64) {
        let entries = store.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let restored = self.pipeline.restore_from(entries, head, [hash_seed, 7, 7, 7]);
        let (partition, stale) = restored.expect("what was written can be read");
        self.partition = partition;
        store.retain(|key, _| !stale.contains(key));
    }

    /// The end of the stream.
    pub fn finish(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
    }

    /// What came of the events since it was last asked.
    pub fn tell(&mut self) -> Told {
        let detected = &self.outcome.detected;
        let told = Told {
            alerts: detected.alerts.iter().map(printed).collect(),
            hits: detected.limit_hits().collect(),
            events: [detected.accepted, detected.late, self.outcome.rejected.len() as u64],
            tallies: detected.rules.clone(),
        };
        self.outcome.clear();
        told
    }
}

fn printed(alert: &Alert) -> String {
    serde_json::to_string(alert).expect("alerts are JSON")
}

impl Told {
    /// What came of more events of the same stream.
    pub fn extend(&mut self, more: Self) {
        self.alerts.extend(more.alerts);
        if self.hits.is_empty() {
            (self.tallies, self.hits, self.events) = (more.tallies, more.hits, more.events);
            return;
        }
        self.tallies.iter_mut().zip(more.tallies).for_each(|(tally, more)| *tally = sum(*tally, more));
        self.hits.iter_mut().zip(more.hits).for_each(|((_, hits), (_, more))| *hits += more);
        self.events.iter_mut().zip(more.events).for_each(|(count, more)| *count += more);
    }
}

pub fn sum(one: RuleTally, other: RuleTally) -> RuleTally {
    RuleTally {
        matches: one.matches + other.matches,
        firings: one.firings + other.firings,
        alerts: one.alerts + other.alerts,
        suppressed: one.suppressed + other.suppressed,
        missing_key: one.missing_key + other.missing_key,
        duplicates: one.duplicates + other.duplicates,
    }
}

/// Rules of every type, side by side or upon each other.
pub fn cases() -> impl Strategy<Value = Case> {
    let single = select(ENGINE_TYPES).prop_flat_map(strategies::single);
    prop_oneof![2 => single, 2 => strategies::several(ENGINE_TYPES), 3 => strategies::chains(ENGINE_TYPES)]
}

/// Limits that streams of some dozen events hit, or some of them.
pub fn tight_limits() -> impl Strategy<Value = (Limits, usize)> {
    let tight = |few: &[usize]| select([few, &[1 << 20]].concat());
    let counts = (tight(&[1, 2, 3, 5]), tight(&[1, 2, 3, 8]), tight(&[1, 2, 3]), tight(&[1, 2]));
    // A group of one rule and one match weighs some 600 bytes.
    let bytes = (tight(&[2, 3]), tight(&[100, 1_000, 2_000, 4_000]));
    (counts, bytes, select(vec![0, 1, 3, 20])).prop_map(|(counts, (label_bytes, state_bytes), evidence)| {
        let (groups, window_entries, set_values, waiting) = counts;
        let label_bytes = label_bytes.min(512);
        let limits =
            Limits { groups, window_entries, set_values, waiting, label_bytes, state_bytes, ..Limits::default() };
        (limits, evidence)
    })
}

pub fn settings(case: &Case, (limits, evidence_max): (Limits, usize)) -> Settings {
    Settings { limits, evidence_max, ..engine::settings(case.lateness, FUTURE_SKEW_MAX) }
}

pub fn compiled(case: &Case) -> Arc<RuleSet> {
    engine::compiled(&case.rules).unwrap_or_else(|problems| panic!("{problems:#?}\n{case:?}"))
}
