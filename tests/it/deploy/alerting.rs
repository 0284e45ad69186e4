//! The alerting rules are valid, tested on both sides, and explained in the runbook.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{files, folder, list, read, text, yaml};
use crate::support::peer::{self, Peer};
use crate::support::{process, wait};

/// Every alerting rule of every rule file.
fn alerts() -> Vec<Value> {
    let rule_files = files(&folder().join("prometheus/rules"), "yml");
    let groups: Vec<Value> = rule_files.iter().flat_map(|path| list(&yaml(path), "groups").to_vec()).collect();
    let rules = groups.iter().flat_map(|group| list(group, "rules").to_vec());
    rules.filter(|rule| rule.get("alert").is_some()).collect()
}

fn names() -> BTreeSet<String> {
    alerts().iter().map(|alert| text(alert, "alert").to_owned()).collect()
}

/// Runs promtool in `deploy/prometheus`, or says loudly that it is not there.
#[track_caller]
fn promtool<'a>(arguments: impl IntoIterator<Item = &'a Path>) {
    let Some(program) = peer::program("promtool") else {
        Peer::Prometheus.skip("there is no `promtool` in PATH; on Debian: apt-get install prometheus");
        return;
    };
    let mut command = Command::new(program);
    command.current_dir(folder().join("prometheus")).args(arguments);
    process::run(command, wait::PATIENCE).expect_code(0);
}

#[test]
fn promtool_accepts_the_scrape_configuration_and_the_rules_it_names() {
    promtool(["check", "config", "prometheus.yml"].map(Path::new));
}

#[test]
fn promtool_finds_that_every_rule_test_holds() {
    let tests = files(&folder().join("prometheus/tests"), "yml");
    promtool(["test", "rules"].map(Path::new).into_iter().chain(tests.iter().map(AsRef::as_ref)));
}

#[test]
fn the_scrape_configuration_loads_every_rule_file() {
    let config = yaml(&folder().join("prometheus/prometheus.yml"));
    assert_eq!(config["rule_files"], serde_json::json!(["rules/*.yml"]));
    let jobs: Vec<&str> = list(&config, "scrape_configs").iter().map(|job| text(job, "job_name")).collect();
    assert!(jobs.contains(&"tokenwatch"), "the rules ask for this job: {jobs:?}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let alerts = alerts();
    assert_eq!(names().len(), alerts.len(), "two alerts of one name");
    for alert in &alerts {
        let name = text(alert, "alert");
        assert!(name.starts_with("Tokenwatch"), "{name}: the dashboards look for this prefix");
        let severity = text(&alert["labels"], "severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: severity {severity}");
        for annotation in ["summary", "description", "runbook"] {
            text(&alert["annotations"], annotation);
        }
    }
}

/// What the test files try of each alert.
#[derive(Default)]
struct Tried {
    fires: bool,
    stays_quiet: bool,
}

/// A group of inputs counts as quiet for an alert that it asks about and never expects.
fn tried() -> BTreeMap<String, Tried> {
    let mut tried: BTreeMap<String, Tried> = BTreeMap::new();
    for path in files(&folder().join("prometheus/tests"), "yml") {
        for group in list(&yaml(&path), "tests") {
            let mut expected: BTreeMap<&str, bool> = BTreeMap::new();
            for case in list(group, "alert_rule_test") {
                *expected.entry(text(case, "alertname")).or_default() |= !list(case, "exp_alerts").is_empty();
            }
            assert!(!list(group, "input_series").is_empty(), "{}: no input proves nothing", path.display());
            for (alert, fires) in expected {
                let tried = tried.entry(alert.to_owned()).or_default();
                tried.fires |= fires;
                tried.stays_quiet |= !fires;
            }
        }
    }
    tried
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_stays_quiet() {
    let tried = tried();
    let missing = |side: fn(&Tried) -> bool| -> Vec<String> {
        names().into_iter().filter(|name| !tried.get(name).is_some_and(side)).collect()
    };
    assert_eq!(missing(|tried| tried.fires), [""; 0], "no test in which they fire");
    assert_eq!(missing(|tried| tried.stays_quiet), [""; 0], "no test in which they stay quiet");
    // promtool passes a quiet case of an alert that does not exist.
    assert_eq!(tried.into_keys().collect::<BTreeSet<_>>(), names(), "tested alerts and alerts");
}

#[test]
fn the_runbook_has_a_section_for_every_alert() {
    let readme = read(&folder().join("README.md"));
    let sections =
        readme.lines().filter_map(|line| line.strip_prefix("### ")).filter(|name| name.starts_with("Tokenwatch"));
    assert_eq!(sections.map(str::to_owned).collect::<BTreeSet<_>>(), names());
}
