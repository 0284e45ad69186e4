//! Every metric that `deploy/` speaks of exists, and every metric that exists can be seen on a dashboard.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use tokenwatch::telemetry::names;

use super::dashboard::Dashboard;
use super::{folder, read};

/// Prometheus makes these itself.
const FROM_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// What Prometheus sees of a histogram.
const HISTOGRAM_PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];
const HISTOGRAMS: [&str; 3] = [names::ALERT_LATENCY, names::COMMIT, names::RESTORE];

fn exported() -> BTreeSet<String> {
    let plain = names::ALL.into_iter().filter(|name| !HISTOGRAMS.contains(name)).map(str::to_owned);
    let parts = HISTOGRAMS.iter().flat_map(|name| HISTOGRAM_PARTS.map(|part| format!("{name}{part}")));
    plain.chain(parts).collect()
}

/// Whatever looks like one of our metrics, in prose too, and whatever has a label selector.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    static METRIC: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\btokenwatch_[a-z0-9_]+|\b[a-zA-Z_:][\w:]*\{\w+(=|!=|=~|!~)").expect("valid"));
    let name = |found: &str| found.find('{').unwrap_or(found.len());
    METRIC.find_iter(text).map(|found| &found.as_str()[..name(found.as_str())]).collect()
}

fn text_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a listed file").path();
        if path.is_dir() {
            text_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_metric_named_in_the_folder_is_exported() {
    let mut files = Vec::new();
    text_files(&folder(), &mut files);
    let exported = exported();
    let mut seen = 0;
    for path in files {
        let text = read(&path);
        for metric in metrics_in(&text) {
            let prose = path.extension() == Some(OsStr::new("md")) || path.extension() == Some(OsStr::new("toml"));
            let whole_histogram = prose && HISTOGRAMS.contains(&metric);
            let known = exported.contains(metric) || FROM_PROMETHEUS.contains(&metric) || whole_histogram;
            assert!(known, "{}: {metric} is not exported", path.display());
            seen += 1;
        }
    }
    assert!(seen > names::ALL.len(), "only {seen} found; does the search still find any?");
}

#[test]
fn every_exported_metric_is_on_a_dashboard() {
    let queries: Vec<_> = Dashboard::all().iter().flat_map(Dashboard::queries).collect();
    let shown: BTreeSet<&str> = queries.iter().flat_map(|query| metrics_in(&query.expression)).collect();
    for name in names::ALL {
        let visible =
            shown.contains(name) || HISTOGRAM_PARTS.iter().any(|part| shown.contains(&*format!("{name}{part}")));
        assert!(visible, "{name} is on no dashboard");
    }
}
