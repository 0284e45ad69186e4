//! From the outcome of a batch to counters.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use prometheus::IntCounter;

use crate::detect::Limit;
use crate::detect::rule::{Rule, RuleSet};
use crate::ingest::Disposition;
use crate::pipeline::BatchOutcome;

use super::metrics::{Counters, Metrics};

/// How many records of a topic became what; the index is `Disposition as usize`.
pub type Dispositions = [u64; Disposition::ALL.len()];

/// The counters of a topic.
#[derive(Debug)]
pub(super) struct TopicCounters {
    records: IntCounter,
    outcomes: [IntCounter; Disposition::ALL.len()],
}

#[derive(Debug)]
struct RuleCounters {
    matches: IntCounter,
    firings: IntCounter,
    alerts: IntCounter,
    suppressed: IntCounter,
    missing_key: IntCounter,
    duplicates: IntCounter,
}

impl Counters {
    /// The counters of a topic, brought into being at zero.
    pub(super) fn topic(&self, topic: &str) -> TopicCounters {
        TopicCounters {
            records: self.records.with_label_values(&[topic]),
            outcomes: Disposition::ALL.map(|outcome| self.events.with_label_values(&[topic, outcome.name()])),
        }
    }

    fn rule(&self, rule: &Rule) -> RuleCounters {
        let name = [rule.header.name.as_str()];
        let alerts = if rule.shadow { &self.shadow_alerts } else { &self.alerts };
        RuleCounters {
            matches: self.rule_matches.with_label_values(&name),
            firings: self.rule_firings.with_label_values(&name),
            alerts: alerts.with_label_values(&[name[0], rule.header.level.name()]),
            suppressed: self.alerts_suppressed.with_label_values(&name),
            missing_key: self.missing_key.with_label_values(&name),
            duplicates: self.duplicates.with_label_values(&name),
        }
    }
}

/// Counts batches decided under one rule set, with every counter at hand.
#[derive(Debug)]
pub struct Recorder {
    metrics: Arc<Metrics>,
    topics: HashMap<Box<str>, TopicCounters>,
    /// In the order of the rule set.
    rules: Vec<RuleCounters>,
    /// In the order of [`Limit::ALL`].
    limits: [IntCounter; Limit::ALL.len()],
}

impl Recorder {
    pub(super) fn new(metrics: Arc<Metrics>, rules: &RuleSet) -> Self {
        let counters = &metrics.counters;
        let rules = rules.rules.iter().map(|rule| counters.rule(rule)).collect();
        let limits = Limit::ALL.map(|limit| counters.limit_hits.with_label_values(&[limit.name()]));
        Self { topics: HashMap::new(), rules, limits, metrics }
    }

    /// Counts a batch: for each topic what became of its records, and what all of it led to.
    ///
    /// Records consumed are counted as the sum of their outcomes, so that the two cannot differ.
    pub fn record<'a>(
        &mut self,
        topics: impl IntoIterator<Item = (&'a str, &'a Dispositions)>,
        outcome: &BatchOutcome,
    ) {
        let metrics = Arc::clone(&self.metrics);
        let _scrapes_wait = metrics.gate.read().unwrap_or_else(PoisonError::into_inner);
        for (topic, dispositions) in topics {
            self.record_topic(topic, dispositions);
        }
        self.record_rules(outcome);
        for (limit, hits) in outcome.detected.limit_hits() {
            self.limits[limit as usize].inc_by(hits);
        }
        metrics.counters.miskeyed.inc_by(outcome.miskeyed);
        metrics.counters.unknown_matches.inc_by(outcome.unknown);
        for (_, rejection) in &outcome.rejected {
            metrics.counters.dead_letters.with_label_values(&[rejection.reason()]).inc();
        }
    }

    fn record_topic(&mut self, topic: &str, dispositions: &Dispositions) {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.into(), self.metrics.counters.topic(topic));
        }
        let counters = &self.topics[topic];
        for (counter, count) in counters.outcomes.iter().zip(dispositions) {
            counter.inc_by(*count);
        }
        counters.records.inc_by(dispositions.iter().sum());
    }

    fn record_rules(&self, outcome: &BatchOutcome) {
        for (counters, tally) in self.rules.iter().zip(&outcome.detected.rules) {
            counters.matches.inc_by(tally.matches);
            counters.firings.inc_by(tally.firings);
            counters.alerts.inc_by(tally.alerts);
            counters.suppressed.inc_by(tally.suppressed);
            counters.missing_key.inc_by(tally.missing_key);
            counters.duplicates.inc_by(tally.duplicates);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crate::detect::Timestamp;
    use crate::detect::rule::{Level, Logic, RuleHeader};
    use crate::detect::time::Span;
    use crate::ingest::Rejection;
    use crate::telemetry::names;

    use super::*;

    fn rule(name: &str, shadow: bool) -> Rule {
        let header = RuleHeader {
            id: uuid::Uuid::nil(),
            name: name.to_owned(),
            title: String::new(),
            kind: "event",
            level: Level::High,
            tags: Vec::new(),
            version: String::new(),
        };
        Rule {
            header: Arc::new(header),
            depth: 0,
            alerts: true,
            shadow,
            inputs: Vec::new(),
            keyspace: 0,
            timespan: Span::ZERO,
            suppress: Span::ZERO,
            logic: Logic::Event,
            condition: None,
            notes: Arc::default(),
        }
    }

    /// One that people answer, and one in shadow.
    fn two_rules() -> RuleSet {
        RuleSet {
            fields: crate::detect::FieldTable::default(),
            matcher: crate::detect::matcher::Matcher::default(),
            filtered: std::collections::BTreeMap::new(),
            detection_names: Vec::new(),
            keyspaces: Vec::new(),
            groupings: Vec::new(),
            rules: vec![rule("reissue_rate", false), rule("on_trial", true)],
        }
    }

    /// The value of a series, by its full text before the value.
    fn value(text: &str, series: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    #[test]
    fn every_series_known_in_advance_is_there_at_zero() {
        let rules = two_rules();
        let metrics = Arc::new(Metrics::new());
        metrics.expect_topics(["audit"]);
        let _recorder = metrics.recorder(&rules);
        let text = metrics.render(Timestamp::from_millis(0));
        for series in [
            "tokenwatch_records_total{topic=\"audit\"}",
            "tokenwatch_events_total{outcome=\"late\",topic=\"audit\"}",
            "tokenwatch_alerts_total{level=\"high\",rule=\"reissue_rate\"}",
            "tokenwatch_shadow_alerts_total{level=\"high\",rule=\"on_trial\"}",
            "tokenwatch_dead_letters_total{reason=\"not_json\"}",
            "tokenwatch_limit_hits_total{limit=\"groups\"}",
            "tokenwatch_rule_reloads_total{result=\"failure\"}",
            "tokenwatch_groups",
            "tokenwatch_commit_seconds_count",
        ] {
            assert_eq!(value(&text, series), Some(0), "{series}");
        }
        // Gauges by partition appear with the first assignment.
        let by_partition = [names::CONSUMER_LAG, names::STREAM_TIME_LAG];
        for name in names::ALL.into_iter().filter(|name| !by_partition.contains(name)) {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }

    #[test]
    fn a_batch_is_counted_once_and_completely() {
        let rules = two_rules();
        let metrics = Arc::new(Metrics::new());
        let mut recorder = metrics.recorder(&rules);
        let mut outcome = BatchOutcome::new(&rules);
        outcome.detected.rules[0].matches = 4;
        outcome.detected.rules[0].alerts = 1;
        outcome.detected.rules[1].alerts = 3;
        outcome.detected.hit(Limit::Groups);
        outcome.miskeyed = 7;
        outcome.rejected.push((2, Rejection::TooLarge { bytes: 9, bytes_max: 8 }));
        let mut audit = Dispositions::default();
        audit[Disposition::Accepted as usize] = 5;
        audit[Disposition::Malformed as usize] = 1;
        let mut logins = Dispositions::default();
        logins[Disposition::Late as usize] = 2;
        recorder.record([("audit", &audit), ("logins", &logins)], &outcome);
        let text = metrics.render(Timestamp::from_millis(0));
        for (series, expected) in [
            ("tokenwatch_records_total{topic=\"audit\"}", 6),
            ("tokenwatch_records_total{topic=\"logins\"}", 2),
            ("tokenwatch_events_total{outcome=\"malformed\",topic=\"audit\"}", 1),
            ("tokenwatch_events_total{outcome=\"late\",topic=\"logins\"}", 2),
            ("tokenwatch_rule_matches_total{rule=\"reissue_rate\"}", 4),
            ("tokenwatch_alerts_total{level=\"high\",rule=\"reissue_rate\"}", 1),
            ("tokenwatch_shadow_alerts_total{level=\"high\",rule=\"on_trial\"}", 3),
            ("tokenwatch_dead_letters_total{reason=\"too_large\"}", 1),
            ("tokenwatch_limit_hits_total{limit=\"groups\"}", 1),
            ("tokenwatch_miskeyed_records_total", 7),
        ] {
            assert_eq!(value(&text, series), Some(expected), "{series}");
        }
        assert_eq!(value(&text, "tokenwatch_alerts_total{level=\"high\",rule=\"on_trial\"}"), None, "nobody is paged");
    }

    #[test]
    fn no_scrape_sees_half_a_batch() {
        let rules = two_rules();
        let metrics = Arc::new(Metrics::new());
        let mut recorder = metrics.recorder(&rules);
        let outcome = BatchOutcome::new(&rules);
        let worker = thread::spawn(move || {
            for _ in 0..2_000 {
                recorder.record([("audit", &[1; 6])], &outcome);
            }
        });
        while !worker.is_finished() {
            let text = metrics.render(Timestamp::from_millis(0));
            let records = value(&text, "tokenwatch_records_total{topic=\"audit\"}").unwrap_or(0);
            let outcomes: u64 = text
                .lines()
                .filter(|line| line.starts_with("tokenwatch_events_total{"))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum();
            assert_eq!(records, outcomes);
        }
        worker.join().expect("the worker does not panic");
    }
}
