//! The whole pack over generated traffic: every attack is found where its label says, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tokenwatch::detect::Origin;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Partition, Pipeline, Settings};
use tokenwatch::traffic::{AttackKind, Disorder, Label, Traffic, TrafficConfig};

use super::rules;

/// An alert as far as it is compared.
#[derive(Debug)]
struct Raised {
    rule: String,
    level: String,
    time: String,
    evidence: Vec<String>,
    text: String,
}

/// The pipeline on one partition.
struct Watch {
    pipeline: Pipeline,
    partition: Partition,
    outcome: BatchOutcome,
    records: i64,
}

impl Watch {
    fn new(rules: &Arc<RuleSet>) -> Self {
        let pipeline = Pipeline::new(Arc::clone(rules), &Settings::default());
        let partition = pipeline.partition([1, 2, 3, 4]);
        Self { pipeline, partition, outcome: BatchOutcome::new(rules), records: 0 }
    }

    fn decide(&mut self, event: &[u8]) {
        let origin = Origin { topic: "audit".into(), partition: 0, offset: self.records };
        self.records += 1;
        let record = Record { origin: &origin, timestamp: None, payload: Some(event) };
        self.pipeline.decide(&mut self.partition, 0, &record, &mut self.outcome);
    }

    fn alerts(mut self) -> Vec<Raised> {
        self.pipeline.finish(&mut self.partition, &mut self.outcome);
        assert!(self.outcome.rejected.is_empty(), "{:?}", self.outcome.rejected);
        let alerts = self.outcome.detected.alerts.iter();
        alerts.map(|alert| raised(&serde_json::to_value(alert).expect("an alert is JSON"))).collect()
    }
}

fn raised(alert: &Value) -> Raised {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let evidence = alert["evidence"].as_array().expect("a list").iter().map(|event| text(&event["id"]));
    Raised {
        rule: text(&alert["rule"]["name"]),
        level: text(&alert["rule"]["level"]),
        time: text(&alert["time"]),
        evidence: evidence.collect(),
        text: format!("{} {}: {}", text(&alert["time"]), text(&alert["rule"]["name"]), text(&alert["summary"])),
    }
}

/// The alerts of a stream at its own pace, and what was planted in it.
fn watch(rules: &Arc<RuleSet>, config: TrafficConfig, events: usize) -> (Vec<Raised>, Vec<Label>) {
    let mut traffic = Traffic::new(config).expect("settings in range");
    let mut watch = Watch::new(rules);
    let mut event = Vec::new();
    for _ in 0..events {
        event.clear();
        traffic.next_event(&mut event);
        watch.decide(&event);
    }
    (watch.alerts(), traffic.finish())
}

fn quiet() -> TrafficConfig {
    TrafficConfig { seed: 21, attacks: Vec::new(), ..TrafficConfig::default() }
}

#[test]
fn every_kind_of_attack_has_a_rule_of_the_pack() {
    let rules = rules();
    let names: BTreeSet<&str> =
        rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.as_str()).collect();
    for kind in AttackKind::ALL {
        for rule in kind.other_rules().iter().chain([&kind.rule()]) {
            assert!(names.contains(rule), "{kind:?}: there is no rule {rule}");
        }
    }
}

#[test]
fn every_attack_is_found_at_its_event_and_every_alert_is_about_an_attack() {
    let rules = rules();
    let mut found = BTreeMap::<AttackKind, usize>::new();
    for (seed, disorder) in
        [(22, Disorder::default()), (23, Disorder { late_share: 0.15, late_ms_max: 20_000, duplicate_share: 0.2 })]
    {
        let config = TrafficConfig {
            seed,
            events_per_second: 250,
            attack_every_ms: 900,
            attack_span_ms: 12_000,
            disorder,
            ..TrafficConfig::default()
        };
        let (alerts, labels) = watch(&rules, config, 40_000);
        for label in labels.iter().filter(|label| label.fires_at.is_some()) {
            let time = &serde_json::to_value(&label.fires_at).expect("JSON")["time"];
            let mut about = alerts.iter().filter(|alert| alert.rule == label.rule && shares_events(alert, label));
            let first = about.next().unwrap_or_else(|| panic!("missed: {label:?}"));
            assert_eq!(&Value::from(first.time.as_str()), time, "{} and {label:?}", first.text);
            *found.entry(label.kind).or_default() += 1;
        }
        let unexplained: Vec<_> =
            alerts.iter().filter(|alert| !labels.iter().any(|label| explains(label, alert))).collect();
        assert_eq!(unexplained.iter().map(|alert| alert.text.as_str()).collect::<Vec<_>>(), [] as [&str; 0]);
    }
    for kind in AttackKind::ALL {
        assert!(found.get(&kind).is_some_and(|&found| found >= 5), "{kind:?}: {found:?}");
    }
}

fn shares_events(alert: &Raised, label: &Label) -> bool {
    alert.evidence.iter().any(|id| label.event_ids.contains(id))
}

fn explains(label: &Label, alert: &Raised) -> bool {
    (label.rule == alert.rule || label.also.contains(&alert.rule)) && shares_events(alert, label)
}

#[test]
fn ordinary_traffic_is_quiet_at_any_rate() {
    let rules = rules();
    // Hours of few people, minutes of many, and a second in which everybody acts without a pause.
    for (subjects, events_per_second) in [(300, 2), (4_000, 300), (300, 20_000)] {
        let (alerts, _) = watch(&rules, TrafficConfig { subjects, events_per_second, ..quiet() }, 25_000);
        let texts: Vec<_> = alerts.iter().map(|alert| &alert.text).collect();
        assert!(texts.is_empty(), "{subjects} subjects, {events_per_second} events/s: {texts:#?}");
    }
}

/// Long enough for the rules that learn for a week, and for histories of hours.
#[test]
fn weeks_of_ordinary_traffic_are_quiet() {
    const MINUTE_MS: i64 = 60_000;
    let rules = rules();
    let config = TrafficConfig { subjects: 50, ..quiet() };
    let start_ms = config.start_ms;
    let mut traffic = Traffic::new(config).expect("settings in range");
    let mut watch = Watch::new(&rules);
    let mut event = Vec::new();
    for minute in 0..16 * 24 * 60 {
        event.clear();
        traffic.emit(start_ms + minute * MINUTE_MS, &mut event);
        watch.decide(&event);
    }
    let alerts = watch.alerts();
    // Few services write the network, so a second device's can come up late. That is what the level low is for.
    let (low, loud): (Vec<_>, Vec<_>) =
        alerts.iter().partition(|alert| ["low", "informational"].contains(&alert.level.as_str()));
    assert!(low.len() <= 4 && loud.is_empty(), "{:#?}", alerts.iter().map(|alert| &alert.text).collect::<Vec<_>>());
}
