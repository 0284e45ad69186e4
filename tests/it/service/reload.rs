//! Rules that change while the service runs.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::Value;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::state::Format;
use tokenwatch::pipeline::Settings;
use tokenwatch::service::batch::{Batch, Restored};
use tokenwatch::service::ledger::Ledger;
use tokenwatch::service::output::{Author, Destination};
use tokenwatch::service::route::Post;
use tokenwatch::service::{Incoming, PartitionId, Position, Workplace};
use tokenwatch::traffic::{Traffic, TrafficConfig};

use crate::support::kafka::{self, Record};
use crate::support::shipped::shipped;

use super::deployment::{Deployment, Instance, PATIENCE, ten_reissues};

const REFRESHED: &str = "
title: Refreshed
name: refreshed
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: token.refreshed}, condition: selection}
";

/// A rule that fires at so many refreshes of a subject in ten minutes.
fn counting(name: &str, count: u32) -> String {
    format!(
        "---\ntitle: {name}\nname: {name}\ncorrelation: {{type: event_count, rules: [refreshed], group-by: [jwt.sub], \
         timespan: 10m, condition: {{gte: {count}}}}}\n"
    )
}

fn rules(counting: &[String]) -> Arc<RuleSet> {
    let text = format!("{REFRESHED}{}", counting.concat());
    Arc::new(compile(&[Source { path: "rules.yml", text: &text }], &Options::default()).expect("valid rules").rules)
}

/// One worker's batches over one partition, without a broker.
struct Bench {
    in_force: Arc<ArcSwap<RuleSet>>,
    batch: Batch,
    ledger: Ledger,
    offset: i64,
}

impl Bench {
    fn new(rules: Arc<RuleSet>) -> Self {
        let in_force = Arc::new(ArcSwap::new(rules));
        let workplace = Workplace {
            rules: Arc::clone(&in_force),
            settings: Settings::default(),
            places: Arc::default(),
            post: Post::default(),
            group_id: "watch".to_owned(),
            save_interval: Duration::from_secs(30),
            format: Format::default(),
            views: Arc::default(),
        };
        let mut batch = Batch::new(&workplace, Author { group_id: "watch".to_owned(), worker: 0 });
        let restored = Restored { state: batch.unknown(), saved: None, stale: Vec::new() };
        let position = Position::new(PartitionId { topic: "audit".into(), number: 0 }, 0);
        batch.add(position, restored, (Instant::now(), Instant::now()));
        Self { in_force, batch, ledger: Ledger::default(), offset: 0 }
    }

    fn decide(&mut self, event: &[u8]) {
        let (offset, payload) = (self.offset, Some(event));
        self.batch.decide(&Incoming { topic: "audit", partition: 0, offset, timestamp: None, key: None, payload });
        self.offset += 1;
    }

    fn refresh(&mut self, times: i64) {
        for _ in 0..times {
            let event = format!(
                r#"{{"@timestamp":{},"event.action":"token.refreshed","jwt.sub":"ann"}}"#,
                1_767_225_600 + self.offset
            );
            self.decide(event.as_bytes());
        }
    }

    /// Ends the batch: the rules of all alerts so far, and their ids.
    fn alerts(&mut self) -> Vec<(String, String)> {
        self.batch.finish(&mut self.ledger, Instant::now());
        let mut alerts = Vec::new();
        while let Some((_, output)) = self.ledger.next_due() {
            // What was known under the rules before is saved in between.
            if output.destination() == Destination::State {
                continue;
            }
            let alert = output.as_alert().expect("every event is in order");
            alerts.push((alert.rule.name.clone(), alert.id.to_string()));
        }
        alerts
    }

    fn alerting(&mut self) -> Vec<String> {
        self.alerts().into_iter().map(|(rule, _)| rule).collect()
    }
}

#[test]
fn an_unchanged_rule_keeps_its_windows_and_a_changed_one_starts_anew() {
    let mut bench = Bench::new(rules(&[counting("same", 5), counting("changed", 5), counting("gone", 5)]));
    bench.refresh(4);
    assert_eq!(bench.alerting(), [""; 0]);
    bench.in_force.store(rules(&[counting("changed", 3), counting("new", 2), counting("same", 5)]));
    bench.refresh(1);
    assert_eq!(bench.alerting(), ["same"], "its fifth");
    bench.refresh(1);
    assert_eq!(bench.alerting(), ["new"], "its second");
    bench.refresh(1);
    assert_eq!(bench.alerting(), ["changed"], "its third");
}

#[test]
fn a_batch_has_the_rules_that_it_began_with() {
    let mut bench = Bench::new(rules(&[counting("old", 3)]));
    bench.refresh(1);
    bench.in_force.store(rules(&[counting("new", 1)]));
    bench.refresh(2);
    assert_eq!(bench.alerting(), ["old"]);
    bench.refresh(1);
    assert_eq!(bench.alerting(), ["new"]);
}

#[test]
fn reloading_the_same_rules_at_any_time_changes_nothing() {
    let mut traffic = Traffic::new(TrafficConfig { attack_every_ms: 50, ..TrafficConfig::default() })
        .expect("the settings are valid");
    let events: Vec<Vec<u8>> = (0..20_000)
        .map(|_| {
            let mut event = Vec::new();
            traffic.next_event(&mut event);
            event
        })
        .collect();
    let run = |reload_every: usize| {
        let mut bench = Bench::new(shipped());
        let mut alerts = Vec::new();
        for (number, event) in events.iter().enumerate() {
            bench.decide(event);
            if number % reload_every == reload_every - 1 {
                alerts.extend(bench.alerts());
                bench.in_force.store(shipped());
            }
        }
        alerts.extend(bench.alerts());
        alerts
    };
    let undisturbed = run(usize::MAX);
    assert!(undisturbed.len() > 20, "{} alerts prove little", undisturbed.len());
    assert_eq!(undisturbed.iter().collect::<BTreeSet<_>>().len(), undisturbed.len());
    assert_eq!(run(1_777), undisturbed);
}

#[track_caller]
fn wait_for_log(instance: &mut Instance, words: &str, times: usize) {
    let what = format!("{words:?}, {times} times");
    instance.running.wait_for_stderr(&what, PATIENCE, |text| (text.matches(words).count() >= times).then_some(()));
}

fn rule_view(instance: &Instance) -> Value {
    let answer = crate::support::net::get(&instance.url("/api/v1/rules")).expect("an answer");
    serde_json::from_str(&answer.body).expect("JSON")
}

fn refreshes(first: usize, count: usize) -> Vec<Record> {
    ten_reissues("ann", first).into_iter().take(count).collect()
}

#[test]
fn a_running_service_takes_over_new_rules_and_keeps_the_old_ones_on_any_problem() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1).rules("rules");
    fs::create_dir(deployment.at("rules")).expect("a folder");
    let file = deployment.at("rules/counts.yml");
    let write = |counting: &[String]| {
        let beside = deployment.at("counts.new");
        fs::write(&beside, format!("{REFRESHED}{}", counting.concat())).expect("a file");
        fs::rename(beside, &file).expect("renamed");
    };
    write(&[counting("same", 6)]);
    let mut instance = deployment.start_ready();
    deployment.produce(refreshes(0, 3));
    instance.wait_until_consumed(3);

    // A file that changes is noticed.
    write(&[counting("same", 6), counting("fresh", 2)]);
    wait_for_log(&mut instance, "2 rules in force", 1);
    deployment.produce(refreshes(10, 3));
    let names = |count: usize| -> Vec<String> {
        let name = |alert: &kafka::Received| alert.json()["rule"]["name"].as_str().expect("a name").to_owned();
        let mut names: Vec<_> = deployment.wait_for_alerts(count).iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(names(2), ["fresh", "same"], "three before and three after the reload are six");

    // A problem changes nothing, and is to be seen.
    fs::write(&file, "title: [").expect("a file");
    wait_for_log(&mut instance, "those in force stay", 1);
    let view = rule_view(&instance);
    assert_eq!(view["rules"].as_array().map(Vec::len), Some(2), "{view}");
    assert_eq!(view["refused"]["message"], "1 problem in the rules", "{view}");
    assert_eq!(view["refused"]["problems"][0]["code"], "yaml-syntax", "{view}");
    let failed = instance.metrics().sum("tokenwatch_rule_reloads_total", &[("result", "failure")]);
    assert!((failed - 1.0).abs() < f64::EPSILON, "{failed} reloads failed");

    // SIGHUP looks at once.
    write(&[counting("same", 6)]);
    instance.running.hang_up();
    wait_for_log(&mut instance, "1 rule in force", 1);
    assert_eq!(rule_view(&instance)["refused"], Value::Null);
    assert_eq!(instance.stop().code(), Some(0));
}
