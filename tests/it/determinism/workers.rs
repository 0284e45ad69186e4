//! The service itself, threads and all: one worker or eight over the same partitions write the same alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tokenwatch::detect::Timestamp;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::state::Format;
use tokenwatch::http::Views;
use tokenwatch::pipeline::Settings;
use tokenwatch::service::output::Destination;
use tokenwatch::service::route::Post;
use tokenwatch::service::{Service, Team, Workplace};

use super::memory::{Log, Memory};
use super::{PARTITIONS, Turns, partitions};
use crate::oracle::compare::holds;
use crate::oracle::engine::Line;
use crate::session::{cases, compiled, settings, tight_limits};
use crate::support::wait::{PATIENCE, until};

/// What a service is seen to do.
#[derive(Debug, PartialEq)]
struct Seen {
    /// By partition, in order.
    alerts: BTreeMap<i64, Vec<Vec<u8>>>,
    /// In no order: partitions take turns.
    dead_letters: Vec<Vec<u8>>,
    /// The counters that say what was decided.
    counters: Vec<String>,
}

/// Runs the service over a log until everything is committed.
fn serve(rules: &Arc<RuleSet>, settings: &Settings, streams: &[Vec<Line>], workers: usize, seed: u64) -> Seen {
    let log = Log::new(streams.to_vec());
    let transports = (0..workers).map(|worker| {
        let mine = (0..PARTITIONS).skip(worker).step_by(workers);
        Memory::new(&log, mine, Turns(seed.wrapping_add(worker as u64)))
    });
    let views = Arc::new(Views::default());
    let workplace = Workplace {
        rules: Arc::new(Arc::clone(rules).into()),
        settings: settings.clone(),
        places: Arc::default(),
        post: Post::default(),
        group_id: "watch".to_owned(),
        save_interval: Duration::from_secs(30),
        format: Format::default(),
        views: Arc::clone(&views),
    };
    let service = Service::start(vec![Team { workplace, transports: transports.collect() }]).expect("threads start");
    until("every partition to be committed", PATIENCE, || log.all_committed());
    service.stop().now();
    service.wait().expect("nothing fails in memory");
    let mut outputs = std::mem::take(&mut log.written().outputs);
    let mut alerts: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for alert in outputs.remove(&Destination::Alerts).unwrap_or_default() {
        let read: Value = serde_json::from_slice(&alert).expect("alerts are JSON");
        let partition = read["evidence"][0]["partition"].as_i64().expect("a match and its partition");
        alerts.entry(partition).or_default().push(alert);
    }
    let mut dead_letters = outputs.remove(&Destination::DeadLetters).unwrap_or_default();
    dead_letters.sort();
    Seen { alerts, dead_letters, counters: counters(&views) }
}

fn counters(views: &Views) -> Vec<String> {
    const DECIDED: [&str; 9] = [
        "tokenwatch_records_total",
        "tokenwatch_events_total",
        "tokenwatch_rule_matches_total",
        "tokenwatch_rule_firings_total",
        "tokenwatch_alerts_total",
        "tokenwatch_alerts_suppressed_total",
        "tokenwatch_missing_key_total",
        "tokenwatch_duplicates_total",
        "tokenwatch_limit_hits_total",
    ];
    let text = views.metrics.render(Timestamp::default());
    text.lines().filter(|line| DECIDED.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

#[test]
fn one_worker_or_eight_write_the_same() {
    holds(&(cases(), tight_limits(), any::<u64>()), |(case, limits, seed)| {
        let (rules, settings) = (compiled(&case), settings(&case, limits));
        let streams = partitions(&case);
        let by_one = serve(&rules, &settings, &streams, 1, seed);
        prop_assert!(!by_one.counters.is_empty());
        for workers in [3, 8] {
            let by_many = serve(&rules, &settings, &streams, workers, !seed);
            prop_assert_eq!(&by_many, &by_one, "{} workers", workers);
        }
        Ok(())
    });
}
