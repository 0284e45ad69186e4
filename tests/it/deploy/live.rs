//! Every query that an operator sees runs on a real Prometheus that scrapes a real service under load.

use std::time::Duration;

use super::dashboard::{Dashboard, Query};
use super::{files, folder};
use crate::support::process::{self, Running};
use crate::support::prometheus::{self, Prometheus};
use crate::support::{net, wait};

/// The demo needs some seconds for its broker and its first alerts, more where other tests are running.
const PATIENCE: Duration = Duration::from_secs(90);

/// Outlives the patience; the test ends it as soon as it has seen enough.
const DEMO_DURATION: &str = "120s";

/// The demo and a Prometheus that scrapes it and evaluates our rules; none where Prometheus is not installed.
fn service_under_load() -> Option<(Running, Prometheus)> {
    let address = format!("127.0.0.1:{}", net::free_port());
    let rules = files(&folder().join("prometheus/rules"), "yml");
    let rules: Vec<_> = rules.iter().map(AsRef::as_ref).collect();
    let prometheus = prometheus::start(&[("tokenwatch", &address)], &rules)?;
    let arguments = ["demo", "--duration", DEMO_DURATION, "--rate", "2000", "--listen", &address];
    let mut demo = Running::start(process::tokenwatch(arguments));
    let flowing = wait::try_until(PATIENCE, || {
        if let Some(status) = demo.exit_status() {
            return Ok(Err(status));
        }
        match prometheus.query("sum(rate(tokenwatch_records_total[5s])) > 100")?.as_slice() {
            [] => Err("fewer than 100 records/s".to_owned()),
            _ => Ok(Ok(())),
        }
    });
    match flowing {
        Ok(Ok(())) => Some((demo, prometheus)),
        Ok(Err(status)) => panic!("the demo ended with {status}:\n{}{}", demo.stdout(), demo.stderr()),
        Err(seen) => panic!("no load within {PATIENCE:?}: {seen}\n{}{}", demo.stdout(), demo.stderr()),
    }
}

#[test]
fn every_dashboard_query_finds_series_of_a_service_under_load() {
    let Some((demo, prometheus)) = service_under_load() else { return };
    let dashboards = Dashboard::all();
    let mut missing: Vec<Query> = dashboards.iter().flat_map(Dashboard::queries).collect();
    wait::until("every dashboard query to find series", PATIENCE, || {
        let mut seen = Vec::new();
        missing.retain(|query| {
            let answer = prometheus.query(&query.expression);
            let found = answer.as_ref().is_ok_and(|series| !series.is_empty());
            if !found {
                let why = answer.err().unwrap_or_else(|| "no series".to_owned());
                seen.push(format!("{}: {why}: {}", query.place, query.expression));
            }
            !found
        });
        if missing.is_empty() { Ok(()) } else { Err(seen.join("\n  ")) }
    });
    for query in dashboards.iter().flat_map(Dashboard::annotation_queries) {
        prometheus.query(&query.expression).unwrap_or_else(|error| panic!("{}: {error}", query.place));
    }
    every_rule_can_be_evaluated(&prometheus);
    drop(demo);
}

/// Some mistakes show only on real series: labels that match many to many, a division of what has no partner.
fn every_rule_can_be_evaluated(prometheus: &Prometheus) {
    wait::until("every rule to be evaluated", PATIENCE, || {
        let groups = prometheus.api("rules", &[])?;
        let rules: Vec<_> =
            super::list(&groups, "groups").iter().flat_map(|group| super::list(group, "rules")).collect();
        assert!(!rules.is_empty(), "Prometheus has no rules");
        match rules.iter().find(|rule| rule["health"] != "ok") {
            Some(rule) => Err(format!("{}: {} {}", rule["name"], rule["health"], rule["lastError"])),
            None => Ok(()),
        }
    });
}
