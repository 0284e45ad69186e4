//! A real Prometheus server on loopback that scrapes what a test names, to prove metrics, rules and dashboard queries.
//!
//! Scrapes and evaluates twice a second, so that a rate has its samples soon. Not the place for rule unit tests:
//! `promtool test rules` does those without a server.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::exposition::Labels;
use super::peer::{self, Peer};
use super::process::Running;
use super::{net, scratch, wait};

/// Another process may take the port that was free a moment ago; three times in a row is something else.
const START_ATTEMPTS: usize = 3;

/// A running server; ended, and its data removed, when dropped.
#[derive(Debug)]
pub struct Prometheus {
    server: Running,
    port: u16,
    // Dropped after the server that writes to it.
    folder: TempDir,
}

/// One series of an answer, at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The labels, with the metric's name as `__name__` where it has one.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Starts a server that scrapes `targets` (job name, `host:port`) and evaluates `rule_files`.
///
/// `None` says that the test is skipped, because Prometheus is not installed.
#[track_caller]
pub fn start(targets: &[(&str, &str)], rule_files: &[&Path]) -> Option<Prometheus> {
    let Some(program) = peer::program("prometheus") else {
        Peer::Prometheus.skip("there is no `prometheus` in PATH; on Debian: apt-get install prometheus");
        return None;
    };
    let config = configuration(targets, rule_files);
    for _ in 0..START_ATTEMPTS {
        if let Some(prometheus) = try_start(&program, &config) {
            return Some(prometheus);
        }
    }
    panic!("Prometheus found its port taken {START_ATTEMPTS} times in a row");
}

/// `None` says that another process took the port first.
#[track_caller]
fn try_start(program: &Path, config: &str) -> Option<Prometheus> {
    let folder = scratch::dir("prometheus");
    fs::write(folder.path().join("prometheus.yml"), config).expect("a new folder can be written to");
    let port = net::free_port();
    let mut command = Command::new(program);
    command.current_dir(folder.path()).stdin(Stdio::null()).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--log.level=warn",
        &format!("--web.listen-address=127.0.0.1:{port}"),
    ]);
    let mut prometheus = Prometheus { server: Running::start(command), port, folder };
    let ready = wait::try_until(wait::PATIENCE, || match prometheus.server.exit_status() {
        Some(status) => Ok(Err(status)),
        None => prometheus.is_ready().map(Ok),
    });
    match ready {
        Ok(Ok(())) => Some(prometheus),
        Ok(Err(_)) if prometheus.server.stderr().contains("address already in use") => None,
        Ok(Err(status)) => panic!("Prometheus ended with {status}:\n{}", prometheus.server.stderr()),
        Err(seen) => panic!("Prometheus is not ready: {seen}\n{}", prometheus.server.stderr()),
    }
}

/// Label values and paths are quoted as JSON, which YAML reads.
fn configuration(targets: &[(&str, &str)], rule_files: &[&Path]) -> String {
    let mut config =
        String::from("global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n");
    let rule_files: Vec<PathBuf> = rule_files
        .iter()
        .map(|path| path.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .collect();
    writeln!(config, "rule_files: {}", serde_json::json!(rule_files)).expect("a string takes everything");
    config.push_str("scrape_configs:\n");
    for (job, target) in targets {
        let job = serde_json::json!({"job_name": job, "static_configs": [{"targets": [target]}]});
        writeln!(config, "  - {job}").expect("a string takes everything");
    }
    config
}

impl Prometheus {
    /// The address of its web pages and API, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An instant query, evaluated now; the error is Prometheus' own.
    pub fn query(&self, expression: &str) -> Result<Vec<Series>, String> {
        let data = self.api("query", &[("query", expression)])?;
        let sample = |value: &Value| value[1].as_str().and_then(|value| value.parse().ok());
        let series = |entry: &Value| {
            let labels = serde_json::from_value(entry["metric"].clone()).ok()?;
            Some(Series { labels, value: sample(&entry["value"])? })
        };
        let result = match data["result"].as_array() {
            Some(entries) if data["resultType"] == "vector" => entries.iter().map(series).collect::<Option<Vec<_>>>(),
            _ => sample(&data["result"]).map(|value| vec![Series { labels: Labels::new(), value }]),
        };
        result.ok_or_else(|| format!("{expression} gives neither a vector nor a scalar: {data}"))
    }

    /// Queries until `enough` likes the answer, and panics with the last one at the deadline.
    #[track_caller]
    pub fn wait_for(&self, expression: &str, patience: Duration, enough: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        wait::until(expression, patience, || {
            let series = self.query(expression)?;
            if enough(&series) { Ok(series) } else { Err(format!("{series:?}")) }
        })
    }

    /// Asks an endpoint below `/api/v1/` and gives the `data` of its answer.
    pub fn api(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("{}/api/v1/{endpoint}", self.url());
        let reply = net::get_with(&url, parameters)?;
        let mut answer: Value = serde_json::from_str(&reply.body).map_err(|error| format!("{url}: {error}"))?;
        if answer["status"] == "success" {
            Ok(answer["data"].take())
        } else {
            Err(format!("{url}: {}", answer["error"]))
        }
    }

    /// Ready, and the server that this test started: a stranger on the port would have another folder.
    fn is_ready(&self) -> Result<(), String> {
        let reply = net::get(&format!("{}/-/ready", self.url()))?;
        if reply.status != 200 {
            return Err(format!("status {}: {}", reply.status, reply.body));
        }
        let own = self.folder.path().canonicalize().map_err(|error| error.to_string())?;
        let folder = self.api("status/runtimeinfo", &[])?["CWD"].take();
        let same = folder.as_str().is_some_and(|folder| Path::new(folder) == own);
        if same { Ok(()) } else { Err(format!("port {} is a server in {folder}", self.port)) }
    }
}
