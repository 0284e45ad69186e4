//! Runs cases in the pipeline, each on a partition of its own.

use std::sync::Arc;

use crate::detect::Origin;
use crate::detect::alert::{Alert, Group};
use crate::detect::observation::Watch;
use crate::detect::outcome::RuleTally;
use crate::detect::rule::RuleSet;
use crate::explain::{Explainer, Explanation, Question};
use crate::ingest::geo::Places;
use crate::ingest::{Record, Rejection};
use crate::pipeline::{BatchOutcome, Pipeline, Settings};

use super::compare::{Pair, pair_up};
use super::concern::Concerns;
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

    /// Why a rule, by its position in the set, did or did not fire in a case: in the groups that have the names and values
    /// of `only`.
    #[must_use]
    pub fn explain(&self, case: &Case, rule: usize, only: Group) -> Explanation {
        let question = Question { rule, only, alert: None };
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

    /// Which rules, by their positions in the set, a case could have made alert: those with a window of whose `rules` it
    /// has a match that counts, and single-event rules that one of its events comes near.
    pub fn concerned(&mut self, case: &Case) -> Vec<bool> {
        let Self { pipeline, settings, places, origin, .. } = self;
        let rules = Arc::clone(pipeline.rules());
        let mut concerns = Concerns::new(&rules, &settings.source.logsource());
        let mut outcome = BatchOutcome::new(&rules);
        outcome.detected.watch = Some(Watch::of(&rules, 0..rules.rules.len()));
        let mut partition = pipeline.partition(HASH_SEED);
        for (offset, (index, n)) in (0..).zip(schedule(&case.events)) {
            let origin = Origin { offset, ..origin.clone() };
            let payload = case.events[index].record(n);
            let record = Record { origin: &origin, timestamp: None, payload: Some(&payload) };
            let mut values = Vec::new();
            if pipeline.read(&record, places, &mut values).is_ok() {
                concerns.event(&values);
            }
            pipeline.decide(&mut partition, 0, &record, &mut outcome);
            outcome.detected.watch.iter().flat_map(|watch| &watch.seen).for_each(|seen| concerns.observation(seen));
            outcome.clear();
        }
        pipeline.finish(&mut partition, &mut outcome);
        outcome.detected.watch.iter().flat_map(|watch| &watch.seen).for_each(|seen| concerns.observation(seen));
        concerns.finish()
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
