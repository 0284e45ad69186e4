//! Runs cases in the pipeline, each on a partition of its own.

use crate::detect::Origin;
use crate::detect::alert::Alert;
use crate::detect::outcome::RuleTally;
use crate::ingest::{Record, Rejection};
use crate::pipeline::{BatchOutcome, Pipeline};

use super::compare::{Pair, pair_up};
use super::document::Case;
use super::event::{Rejected, Series, schedule};

/// No result depends on it, and nobody attacks a test.
const HASH_SEED: [u64; 4] = [0; 4];

/// What came of a case.
#[derive(Debug)]
pub struct Verdict {
    /// The alerts that were raised.
    pub raised: Vec<Alert>,
    /// Those beside the expected ones.
    pub pairs: Vec<Pair>,
    /// Events that the pipeline refused.
    pub rejected: Vec<Rejected>,
    /// How many events there were.
    pub events: usize,
    /// What each rule of the set did.
    pub rules: Vec<RuleTally>,
}

impl Verdict {
    /// True if every alert was expected, every expected one was raised, and every event was one.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.rejected.is_empty() && self.pairs.iter().all(|pair| pair.is_met)
    }
}

/// Runs the cases of one test file.
#[derive(Debug)]
pub struct Runner {
    pipeline: Pipeline,
    origin: Origin,
    outcome: BatchOutcome,
}

impl Runner {
    /// For the rules of a test file, whose name the events' origins bear.
    #[must_use]
    pub fn new(pipeline: Pipeline, name: &str) -> Self {
        let outcome = BatchOutcome::new(pipeline.rules());
        let origin = Origin { topic: name.into(), partition: 0, offset: 0 };
        Self { pipeline, origin, outcome }
    }

    /// Runs a case from its first event until stream time has passed everything.
    pub fn run(&mut self, case: &Case) -> Verdict {
        let Self { pipeline, origin, outcome } = self;
        let mut partition = pipeline.partition(HASH_SEED);
        let schedule = schedule(&case.events);
        for (position, (index, n)) in schedule.iter().enumerate() {
            origin.offset = i64::try_from(position).expect("a test has few events");
            let payload = case.events[*index].record(*n);
            let record = Record { origin, timestamp: None, payload: Some(&payload) };
            pipeline.decide(&mut partition, position, &record, outcome);
        }
        pipeline.finish(&mut partition, outcome);
        let rejected = outcome.rejected.drain(..).map(|(position, reason)| {
            let (index, n) = schedule[position];
            Rejected { line: case.events[index].spot.line, n, reason }
        });
        let rejected = rejected.collect();
        let raised = std::mem::take(&mut outcome.detected.alerts);
        let pairs = pair_up(&case.expected, &raised);
        let rules = outcome.detected.rules.clone();
        outcome.clear();
        Verdict { raised, pairs, rejected, events: schedule.len(), rules }
    }

    /// Why the first event of a series is none, if so.
    pub(super) fn probe(&mut self, series: &Series) -> Option<Rejection> {
        let Self { pipeline, origin, outcome } = self;
        let payload = series.record(0);
        let record = Record { origin, timestamp: None, payload: Some(&payload) };
        pipeline.decide(&mut pipeline.partition(HASH_SEED), 0, &record, outcome);
        let rejection = outcome.rejected.pop().map(|(_, rejection)| rejection);
        outcome.clear();
        rejection
    }
}
