//! Taking the state out and putting it back: whoever goes on with it goes on as if it had never stopped, and bytes that
//! are not what was written are refused.
//!
//! Over the streams and rules that the oracle is compared with, and under limits so tight that they are hit. That the
//! alerts are right is the oracle's business, not tested here.

mod changed_rules;
mod damage;
mod going_on;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use tokenwatch::detect::outcome::RuleTally;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::{Limits, Origin, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

use crate::oracle::ENGINE_TYPES;
use crate::oracle::engine::{self, Line};
use crate::oracle::strategies::{self, Case, FUTURE_SKEW_MAX};

/// Everything that came of a stream, comparable byte for byte.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    alerts: Vec<String>,
    /// By rule, in the order of the set.
    tallies: Vec<RuleTally>,
    /// By limit, how often it was hit.
    hits: Vec<(&'static str, u64)>,
    /// Accepted, late, rejected.
    events: (u64, u64, usize),
}

/// A partition and the pipeline that decides it.
struct Session {
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    offset: i64,
}

impl Session {
    fn new(rules: &Arc<RuleSet>, settings: &Settings) -> Self {
        let pipeline = Pipeline::new(Arc::clone(rules), settings);
        let partition = pipeline.partition([1, 2, 3, 4]);
        Self { partition, pipeline, outcome: BatchOutcome::new(rules), offset: 0 }
    }

    fn decide(&mut self, (timestamp, payload): &Line) {
        let origin = Origin { topic: "stream".into(), partition: 0, offset: self.offset };
        let timestamp = timestamp.map(Timestamp::from_millis);
        let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
        self.pipeline.decide(&mut self.partition, 0, &record, &mut self.outcome);
        self.offset += 1;
    }

    fn decide_all(&mut self, lines: &[Line]) {
        for line in lines {
            self.decide(line);
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        self.pipeline.snapshot(&self.partition)
    }

    /// Forgets everything and goes on from a snapshot.
    fn restart(&mut self, snapshot: &[u8], hash_seed: u64) {
        let restored = self.pipeline.restore(snapshot, [hash_seed, 7, 7, 7]);
        self.partition = restored.expect("what was written can be read");
    }

    /// The end of the stream.
    fn finish(&mut self) {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
    }

    fn tell(self) -> Told {
        let detected = self.outcome.detected;
        Told {
            alerts: detected
                .alerts
                .iter()
                .map(|alert| serde_json::to_string(alert).expect("alerts are JSON"))
                .collect(),
            hits: detected.limit_hits().map(|(limit, hits)| (limit.name(), hits)).collect(),
            events: (detected.accepted, detected.late, self.outcome.rejected.len()),
            tallies: detected.rules,
        }
    }
}

/// Rules of every type, side by side or upon each other.
fn cases() -> impl Strategy<Value = Case> {
    let single = select(ENGINE_TYPES).prop_flat_map(strategies::single);
    prop_oneof![2 => single, 2 => strategies::several(ENGINE_TYPES), 3 => strategies::chains(ENGINE_TYPES)]
}

/// Limits that streams of some dozen events hit, or some of them.
fn tight_limits() -> impl Strategy<Value = (Limits, usize)> {
    let tight = |few: &[usize]| select([few, &[1 << 20]].concat());
    let limits = (tight(&[1, 2, 3, 5]), tight(&[1, 2, 3, 8]), tight(&[1, 2, 3]), tight(&[1, 2]), tight(&[2, 3]));
    (limits, select(vec![0, 1, 3, 20])).prop_map(|((groups, window_entries, set_values, waiting, bytes), evidence)| {
        let label_bytes = bytes.min(512);
        (Limits { groups, window_entries, set_values, waiting, label_bytes, ..Limits::default() }, evidence)
    })
}

fn settings(case: &Case, (limits, evidence_max): (Limits, usize)) -> Settings {
    Settings { limits, evidence_max, ..engine::settings(case.lateness, FUTURE_SKEW_MAX) }
}

fn compiled(case: &Case) -> Arc<RuleSet> {
    engine::compiled(&case.rules).unwrap_or_else(|problems| panic!("{problems:#?}\n{case:?}"))
}
