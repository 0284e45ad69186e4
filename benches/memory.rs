//! What a million groups cost in memory, under the shipped rules and under one rule of each common kind.
//!
//! `cargo bench --bench memory [GROUPS]` prints bytes per group just seen (by one event), per further match held, per
//! further distinct value held, and per quiet group (seen once, forty minutes ago), by the allocator's own figure. Evidence is left out: it is bounded by
//! `alerts.evidence_max` and as large as the ids of events are.

#![expect(unreachable_pub, reason = "it shares modules with the tests")]

#[path = "../tests/it/support/allocations.rs"]
mod allocations;
#[path = "../tests/it/support/shipped.rs"]
mod shipped;

use std::fmt::Write;
use std::sync::Arc;

use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::{Limits, Origin};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const USED: &str = "
---
title: Used
name: used
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: token.validated}, condition: selection}
";

fn one(rule: &str) -> Arc<RuleSet> {
    let text = format!("{rule}{USED}");
    Arc::new(compile(&[Source { path: "bench.yml", text: &text }], &Options::default()).expect("a valid rule").rules)
}

/// A state that grows, and what it has cost.
struct Growing {
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    origin: Origin,
    payload: String,
    bytes: isize,
    matches: u64,
}

impl Growing {
    fn new(rules: &Arc<RuleSet>) -> Self {
        let limits = Limits { groups: usize::MAX, ..Limits::default() };
        let pipeline = Pipeline::new(Arc::clone(rules), &Settings { limits, evidence_max: 0, ..Settings::default() });
        let before = allocations::held();
        let partition = pipeline.partition([1, 2, 3, 4]);
        let bytes = allocations::held() - before;
        let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
        let outcome = BatchOutcome::new(rules);
        Self { pipeline, partition, outcome, origin, payload: String::new(), bytes, matches: 0 }
    }

    /// One validation by a subject with a value of its own choice.
    fn event(&mut self, at_ms: usize, subject: usize, value: usize) {
        self.payload.clear();
        write!(
            self.payload,
            r#"{{"@timestamp":{},"event":{{"action":"token.validated","outcome":"success"}},"jwt":{{"sub":"subject-{subject:07}"}},"source":{{"ip":"192.0.2.1","geo":{{"country_iso_code":"PT"}}}},"service":{{"name":"service-{value:04}"}}}}"#,
            1_700_000_000_000 + at_ms,
        )
        .expect("a string takes everything");
        self.origin.offset += 1;
        let record = Record { origin: &self.origin, timestamp: None, payload: Some(self.payload.as_bytes()) };
        let before = allocations::held();
        self.pipeline.decide(&mut self.partition, 0, &record, &mut self.outcome);
        let tallies = self.outcome.detected.rules.iter();
        self.matches += tallies.map(|tally| tally.matches).sum::<u64>();
        assert!(self.outcome.rejected.is_empty(), "{:?}", self.outcome.rejected);
        self.outcome.clear();
        self.bytes += allocations::held() - before;
    }

    fn print(&self, what: &str) {
        let groups = self.partition.groups();
        let counted = isize::try_from(self.partition.state_bytes()).expect("below 2^63");
        let (allocated, counted) = (per(self.bytes, groups), per(counted, groups));
        println!("  {what:<30} {allocated:>7.1} bytes ({counted:.1} by tokenwatch_state_bytes)");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per(bytes: isize, count: usize) -> f64 {
    bytes as f64 / count as f64
}

/// One event for each subject, then `more` further ones, all inside the shortest window of the pack; and quiet ones.
fn measure(name: &str, rules: &Arc<RuleSet>, subjects: usize, more: usize) {
    let mut growing = Growing::new(rules);
    for subject in 0..subjects {
        growing.event(subject / 100, subject, 0);
    }
    let matches = isize::try_from(growing.matches).expect("below 2^63");
    let groups = growing.partition.groups();
    println!("{name}: {groups} groups, {:.1} matches each", per(matches, groups));
    growing.print("group just seen");
    for (what, value_of) in [("match held", (|_| 0) as fn(usize) -> usize), ("match with a new value", |step| step + 1)]
    {
        let (bytes, matches) = (growing.bytes, growing.matches);
        for step in 0..more {
            for subject in 0..subjects {
                growing.event(20_000 + step, subject, value_of(step));
            }
        }
        let held = usize::try_from(growing.matches - matches).expect("below 2^63");
        if held > 0 {
            println!("  further {what:<22} {:>7.1} bytes", per(growing.bytes - bytes, held));
        }
    }
    let mut growing = Growing::new(rules);
    for subject in 0..subjects {
        growing.event(subject / 100, subject, 0);
    }
    growing.event(40 * 60_000, 0, 0);
    growing.print("quiet group");
}

fn main() {
    let subjects = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    measure("shipped rules", &shipped::shipped(), subjects, 0);
    let count = "title: Count\ncorrelation: {type: event_count, rules: [used], group-by: [jwt.sub], timespan: 1h, condition: {gte: 100000}}\n";
    measure("event_count", &one(count), subjects, 8);
    let distinct = "title: Distinct\ncorrelation: {type: value_count, rules: [used], group-by: [jwt.sub], timespan: 1h, condition: {field: service.name, gte: 100000}}\n";
    measure("value_count", &one(distinct), subjects, 8);
}
