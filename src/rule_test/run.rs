//! Runs cases in the pipeline, each on a partition of its own.

use std::sync::Arc;

use crate::detect::Origin;
use crate::detect::alert::{Alert, Group};
use crate::detect::outcome::RuleTally;
use crate::detect::rule::RuleSet;
use crate::explain::{Explainer, Explanation, Question};
use crate::ingest::geo::Places;
use crate::ingest::{Record, Rejection};
use crate::pipeline::{BatchOutcome, Pipeline, Settings};

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
    settings: Settings,
    places: Arc<Places>,
    origin: Origin,
    outcome: BatchOutcome,
}

impl Runner {
    /// For the rules of a test file, whose name the events' origins bear.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, settings: &Settings, places: &Arc<Places>, name: &str) -> Self {
        let pipeline = Pipeline::with_places(rules, settings, Arc::clone(places));
        let outcome = BatchOutcome::new(pipeline.rules());
        let origin = Origin { topic: name.into(), partition: 0, offset: 0 };
        Self { pipeline, settings: settings.clone(), places: Arc::clone(places), origin, outcome }
    }

    /// Why a rule, by its position in the set, did or did not fire in a case.
    #[must_use]
    pub fn explain(&self, case: &Case, rule: usize) -> Explanation {
        let question = Question { rule, only: Group::default(), alert: None };
        let rules = Arc::clone(self.pipeline.rules());
        let mut explainer = Explainer::with_places(rules, &self.settings, question, Arc::clone(&self.places));
        for (offset, (index, n)) in (0..).zip(schedule(&case.events)) {
            let origin = Origin { offset, ..self.origin.clone() };
            let payload = case.events[index].record(n);
            explainer.take(&Record { origin: &origin, timestamp: None, payload: Some(&payload) });
        }
        explainer.finish()
    }

    /// Runs a case from its first event until stream time has passed everything.
    pub fn run(&mut self, case: &Case) -> Verdict {
        let Self { pipeline, origin, outcome, .. } = self;
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
        let Self { pipeline, origin, outcome, .. } = self;
        let payload = series.record(0);
        let record = Record { origin, timestamp: None, payload: Some(&payload) };
        pipeline.decide(&mut pipeline.partition(HASH_SEED), 0, &record, outcome);
        let rejection = outcome.rejected.pop().map(|(_, rejection)| rejection);
        outcome.clear();
        rejection
    }
}
