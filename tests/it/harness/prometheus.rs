//! The real Prometheus scrapes, evaluates rules and answers queries.

use std::fs;

use crate::support::{net, prometheus, scratch, wait};

#[test]
fn a_server_scrapes_what_a_test_names_and_answers_queries() {
    // A target that nobody listens on; the server itself cannot be named before it has its port.
    let dead = format!("127.0.0.1:{}", net::free_port());
    let Some(watched) = prometheus::start(&[("dead", &dead)], &[]) else { return };
    let address = watched.url().replace("http://", "");
    let observer = prometheus::start(&[("watched", &address)], &[]).expect("Prometheus was there a moment ago");

    let up = observer.wait_for("up{job=\"watched\"}", wait::PATIENCE, |series| !series.is_empty());
    assert_eq!((up.len(), up[0].value.to_bits()), (1, 1f64.to_bits()), "{up:?}");
    assert_eq!(up[0].labels["instance"], address);
    let down = watched.wait_for("up{job=\"dead\"}", wait::PATIENCE, |series| !series.is_empty());
    assert_eq!(down[0].value.to_bits(), 0f64.to_bits(), "{down:?}");

    let rate = "rate(prometheus_http_requests_total{handler=\"/metrics\"}[1m])";
    observer.wait_for(rate, wait::PATIENCE, |series| series.iter().any(|series| series.value > 0.0));
    assert_eq!(observer.query("nothing_of_this_name"), Ok(Vec::new()));
    assert_eq!(observer.query("scalar(vector(7))").map(|series| series[0].value), Ok(7.0));
    let refused = observer.query("sum(").expect_err("the expression is cut off");
    assert!(refused.contains("parse error"), "{refused}");
}

#[test]
fn rule_files_are_evaluated() {
    let folder = scratch::dir("rules");
    let rules = folder.path().join("it's a rule.yml");
    let text = concat!(
        "groups: [{name: proof, rules: [{record: proof:answer, expr: vector(42)},\n",
        "  {alert: Proof, expr: vector(1), labels: {severity: page}}]}]\n",
    );
    fs::write(&rules, text).expect("a new folder can be written to");
    let Some(prometheus) = prometheus::start(&[], &[&rules]) else { return };
    let answer = prometheus.wait_for("proof:answer", wait::PATIENCE, |series| !series.is_empty());
    assert_eq!(answer[0].value.to_bits(), 42f64.to_bits());
    let alerts = prometheus.wait_for("ALERTS{alertstate=\"firing\"}", wait::PATIENCE, |series| !series.is_empty());
    assert_eq!(alerts[0].labels["severity"], "page");
}
