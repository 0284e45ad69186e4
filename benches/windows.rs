//! What an event in order costs in each type of rule, by how many entries the window holds.
//!
//! The costs must not grow with the window: `cargo bench --bench windows` prints nanoseconds per event at 10, 1,000 and
//! 10,000 entries, with the limits raised to fit, and the ratio of the last to the first. Engine alone, no JSON.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tokenwatch::detect::engine::{Engine, EngineSettings};
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::state::PartitionState;
use tokenwatch::detect::{Event, Limits, Number, Origin, Outcome, Span, Timestamp, Value};

/// The allocator of the shipped binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const EVENTS: usize = 20_000;
const ROUNDS: usize = 5;

/// Name of a type, its rule over windows of `{W}`, and how many times the first figure the last may be.
const TYPES: [(&str, &str, f64); 14] = [
    (
        "event_count",
        "correlation: {type: event_count, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {gte: 1000000}}",
        1.3,
    ),
    (
        "value_count",
        "correlation: {type: value_count, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: value, gte: 1000000}}",
        1.3,
    ),
    ("temporal", "correlation: {type: temporal, rules: [odd, even, never], group-by: [jwt.sub], timespan: {W}}", 1.3),
    (
        "temporal_ordered",
        "correlation: {type: temporal_ordered, rules: [odd, even, never], group-by: [jwt.sub], timespan: {W}}",
        1.3,
    ),
    (
        "value_sum",
        "correlation: {type: value_sum, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: number, gte: 1.0e+18}}",
        1.3,
    ),
    (
        "value_avg",
        "correlation: {type: value_avg, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: number, gte: 1.0e+18}}",
        1.3,
    ),
    (
        "value_percentile",
        "correlation: {type: value_percentile, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: number, percentile: 95, gte: 1.0e+18}}",
        3.0,
    ),
    (
        "value_change",
        "anomaly: {type: value_change, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: same}}",
        1.3,
    ),
    (
        "geo_velocity",
        "anomaly: {type: geo_velocity, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {gte: 900}}",
        1.3,
    ),
    (
        "new_value",
        "anomaly: {type: new_value, rules: [any], group-by: [jwt.sub], timespan: {W}, condition: {field: cycle}}",
        1.3,
    ),
    ("absence", "anomaly: {type: absence, rules: [odd], without: [even], group-by: [jwt.sub], timespan: {W}}", 1.3),
    (
        "ratio",
        "anomaly: {type: ratio, rules: [odd], of: [any], group-by: [jwt.sub], timespan: {W}, condition: {gte: 0.9}}",
        1.3,
    ),
    ("spike", "anomaly: {type: spike, rules: [any], group-by: [jwt.sub], timespan: {W}, min_count: 1000000}", 1.3),
    ("single event", "detection: {selection: {parity: never}, condition: selection}", 1.3),
];

/// What the rules refer to. A detection that nothing refers to would alert by itself, so each rule gets its own.
const DETECTIONS: [(&str, &str); 4] = [("any", "[odd, even]"), ("odd", "odd"), ("even", "even"), ("never", "never")];

fn rule_set(rule: &str, entries: usize) -> Arc<RuleSet> {
    // Events come a second apart.
    let rule = rule.replace("{W}", &format!("{entries}s"));
    let mut text = format!("title: Measured\n{rule}\n");
    let (_, references) = rule.split_once("rules:").unwrap_or_default();
    let words: Vec<_> = references.split(|character: char| !character.is_ascii_alphabetic()).collect();
    for (name, parity) in DETECTIONS.iter().filter(|(name, _)| words.contains(name)) {
        let detection = format!("detection: {{selection: {{parity: {parity}}}, condition: selection}}");
        text.extend(["---\nname: ", name, "\ntitle: ", name, "\n", &detection, "\n"]);
    }
    let compiled = compile(&[Source { path: "bench.yml", text: &text }], &Options::default());
    Arc::new(compiled.unwrap_or_else(|problems| panic!("{text}\n{problems:?}")).rules)
}

/// A subject's events, one a second, through one engine.
struct Stream<'a> {
    rules: &'a RuleSet,
    engine: Engine,
    state: PartitionState,
    outcome: Outcome,
    origin: Origin,
    /// A text for each entry of the window, all different.
    values: &'a [String],
    at: usize,
}

impl Stream<'_> {
    fn event(&mut self) {
        let value = &self.values[self.at % self.values.len()];
        let mut values = vec![Value::Absent; self.rules.fields.len()];
        let mut set = |path: &str, value| {
            if let Some(slot) = self.rules.fields.find(path) {
                values[slot.index()] = value;
            }
        };
        set("jwt.sub", Value::text("ann"));
        set("parity", Value::text(if self.at % 2 == 1 { "odd" } else { "even" }));
        set("value", Value::text(value));
        // Half as many, so that each is seen again before it leaves the window.
        set("cycle", Value::text(&self.values[self.at % (self.values.len() / 2)]));
        set("same", Value::text("PT"));
        set("number", Value::Number(Number::Integer(i64::try_from(self.at * 7_919 % 10_007).expect("small"))));
        set("source.geo.location.lat", Value::Number(Number::Text("38.7")));
        set("source.geo.location.lon", Value::Number(Number::Text("-9.1")));
        let time = Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.at).expect("small") * 1_000);
        self.origin.offset += 1;
        let event = Event { time, id: value, origin: &self.origin, values: &values };
        black_box(self.engine.process(&mut self.state, &event, &mut self.outcome));
        self.at += 1;
    }
}

/// Nanoseconds per event once the window is full.
fn measure(rules: &Arc<RuleSet>, entries: usize) -> f64 {
    let limits = Limits { window_entries: 100_000, set_values: 100_000, ..Limits::default() };
    let settings = EngineSettings { lateness: Span::ZERO, limits, evidence_max: 20, placeholders: Vec::new() };
    let values: Vec<_> = (0..entries).map(|number| format!("value-{number}")).collect();
    let mut stream = Stream {
        rules,
        engine: Engine::new(Arc::clone(rules), settings),
        state: PartitionState::new([1, 2, 3, 4]),
        outcome: Outcome::new(rules),
        origin: Origin { topic: "audit".into(), partition: 0, offset: 0 },
        values: &values,
        at: 0,
    };
    (0..entries * 3).for_each(|_| stream.event());
    stream.outcome.clear();
    let begun = Instant::now();
    (0..EVENTS).for_each(|_| stream.event());
    let seconds = begun.elapsed().as_secs_f64();
    assert!(stream.outcome.alerts.is_empty(), "raising alerts is not what is measured");
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let events = EVENTS as f64;
    seconds * 1e9 / events
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    println!("{:<17}{:>8}{:>8}{:>8}  last/first  at most", "ns per event", SIZES[0], SIZES[1], SIZES[2]);
    for (name, rule, ratio_max) in TYPES {
        let rules = SIZES.map(|entries| rule_set(rule, entries));
        let mut figures = [const { Vec::new() }; SIZES.len()];
        // In turns, so that the ratio holds where the machine's speed drifts.
        for _ in 0..ROUNDS {
            for ((figures, rules), entries) in figures.iter_mut().zip(&rules).zip(SIZES) {
                figures.push(measure(rules, entries));
            }
        }
        let [small, middle, large] = figures.map(median);
        println!("{name:<17}{small:>8.0}{middle:>8.0}{large:>8.0}{:>12.2}{ratio_max:>9.1}", large / small);
    }
}
