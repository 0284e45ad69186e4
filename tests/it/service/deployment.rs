//! One deployment of the service: topics and a group of its own, a configuration file, and the running program.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::exposition::Samples;
use crate::support::kafka::{self, Broker, Isolation, Received, Record};
use crate::support::process::{Finished, Running, tokenwatch};
use crate::support::{net, scratch, wait};

/// A debug build shares a small machine with Kafka and other tests.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// How long a stop takes at most where the broker answers: an orchestrator may count on it.
pub const STOP_MAX: Duration = Duration::from_secs(5);
/// Small, so that a record too large is cheap.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;

/// The rules that `expected` counts again. The others group by more than the record's key.
const RULES: [&str; 3] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/rules/access/cross_service_fan_out.yml"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/rules/issuance/token_reissue_rate.yml"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/rules/location/geo_change.yml"),
];

const KEYED_BY: &str = "keyed_by = \"jwt.sub\"\n";

/// Topics, a group and a folder.
pub struct Deployment<'a> {
    pub broker: &'a Broker,
    pub topics: Vec<String>,
    pub alerts: String,
    pub dead_letters: String,
    pub state: String,
    pub matches: String,
    pub group: String,
    folder: TempDir,
    properties: String,
    kafka: String,
    sections: String,
    rules: Vec<String>,
    rule_settings: String,
}

impl<'a> Deployment<'a> {
    /// `sources` source topics with this many partitions, and the two output topics, all made.
    pub fn new(broker: &'a Broker, sources: usize, partitions: i32) -> Self {
        let deployment = Self::without_outputs(broker, sources, partitions);
        broker.create_topic(&deployment.alerts, 3, &[]);
        broker.create_topic(&deployment.dead_letters, 3, &[]);
        deployment
    }

    /// The same without its output topics.
    pub fn without_outputs(broker: &'a Broker, sources: usize, partitions: i32) -> Self {
        let topics: Vec<_> = (0..sources).map(|_| kafka::unique("audit")).collect();
        for topic in &topics {
            // Generated events are months old, which a topic that deletes what is older than a week takes at its word.
            broker.create_topic(topic, partitions, &[("retention.ms", "-1")]);
        }
        Self {
            broker,
            topics,
            alerts: kafka::unique("alerts"),
            dead_letters: kafka::unique("dead"),
            state: kafka::unique("state"),
            matches: kafka::unique("matches"),
            group: kafka::unique("group"),
            folder: scratch::dir("service"),
            properties: String::new(),
            // Records of one topic are keyed by subject; of several, no key can hold the groups together.
            kafka: if sources == 1 { KEYED_BY.to_owned() } else { String::new() },
            sections: String::new(),
            rules: RULES.map(str::to_owned).to_vec(),
            rule_settings: String::new(),
        }
    }

    /// Runs the rules in this file or folder of the deployment's instead of the usual ones.
    pub fn rules(mut self, name: &str) -> Self {
        self.rules = vec![name.to_owned()];
        self
    }

    /// Sets a property of the Kafka client.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        writeln!(self.properties, "{name:?} = {value:?}").expect("a string takes all");
        self
    }

    /// Sets a key of the section `kafka`, its value as TOML writes it.
    pub fn kafka(mut self, key: &str, value: &str) -> Self {
        if key == "keyed_by" {
            self.kafka = self.kafka.replace(KEYED_BY, "");
        }
        writeln!(self.kafka, "{key} = {value}").expect("a string takes all");
        self
    }

    /// Runs rules on trial in shadow, their alerts in a topic of this name.
    pub fn shadow(mut self, topic: &str) -> Self {
        self.rule_settings.push_str("shadow = true\n");
        self.kafka("shadow_topic", &format!("{topic:?}"))
    }

    /// Adds a section of the configuration, as TOML writes it.
    pub fn section(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self
    }

    /// Where a name in the deployment's folder stands.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file, written anew. The program does not know how the events were made: it gets what a user
    /// would give it.
    pub fn config(&self) -> PathBuf {
        self.config_for(self.broker.bootstrap_servers())
    }

    /// The same for brokers elsewhere.
    pub fn config_for(&self, bootstrap_servers: &str) -> PathBuf {
        let Self {
            topics,
            alerts,
            dead_letters,
            state,
            matches,
            group,
            properties,
            kafka,
            sections,
            rules,
            rule_settings,
            ..
        } = self;
        let text = format!(
            "[kafka]\nbootstrap_servers = [{bootstrap_servers:?}]\ntopics = {topics:?}\nalerts_topic = {alerts:?}\n\
             dead_letter_topic = {dead_letters:?}\nstate_topic = {state:?}\nmatches_topic = {matches:?}\ngroup_id = {group:?}\n{kafka}\n[kafka.properties]\n{properties}\n\
             [rules]\npaths = {rules:?}\n{rule_settings}[limits]\nevent_bytes = {EVENT_BYTES_MAX}\n[http]\nlisten = \"127.0.0.1:0\"\n{sections}"
        );
        let path = self.at("tokenwatch.toml");
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// The program, started; it has read its configuration and serves HTTP.
    #[track_caller]
    pub fn start(&self) -> Instance {
        Instance::start(self.config())
    }

    /// The program under a name that it keeps when it is started again.
    #[track_caller]
    pub fn start_as(&self, name: &str) -> Instance {
        let mut command = tokenwatch([PathBuf::from("run"), "--config".into(), self.config()]);
        command.env("TOKENWATCH_KAFKA__INSTANCE_ID", name);
        Instance::start_with(command)
    }

    /// The program, started for a part of the work.
    #[track_caller]
    pub fn start_role(&self, role: &str) -> Instance {
        let mut command = tokenwatch([PathBuf::from("run"), "--config".into(), self.config()]);
        command.args(["--role", role]);
        Instance::start_with(command)
    }

    /// The program, started and reading its partitions.
    #[track_caller]
    pub fn start_ready(&self) -> Instance {
        let instance = self.start();
        instance.wait_until_ready();
        instance
    }

    /// Writes records to the first source topic.
    #[track_caller]
    pub fn produce(&self, records: impl IntoIterator<Item = Record>) {
        self.broker.produce(&self.topics[0], records);
    }

    /// Waits until the group has committed everything that its source topics hold.
    #[track_caller]
    pub fn wait_until_all_is_committed(&self) {
        for topic in &self.topics {
            let ends = self.broker.end_offsets(topic);
            wait::until("the end of every partition to be committed", PATIENCE, || {
                let committed = self.broker.committed(&self.group, topic);
                if committed == ends { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
            });
        }
    }

    /// Waits until there are so many matches, and all have been counted; hands them over, with the marks among them. What
    /// stands behind the open transaction of a killed instance is seen when the broker ends it.
    #[track_caller]
    pub fn counted_matches(&self, count: usize, patience: Duration) -> Vec<Received> {
        self.wait_until_all_is_committed();
        let matches = self.broker.read_until(&self.matches, Isolation::Committed, patience, |found| {
            found.iter().filter(|found| found.key.is_some()).count() >= count
        });
        let group = format!("{}-matches", self.group);
        wait::until("every match to be counted", patience, || {
            let committed = self.broker.committed(&group, &self.matches);
            let left =
                matches.iter().find(|found| committed.get(&found.partition).is_none_or(|at| *at <= found.offset));
            left.map_or(Ok(()), |found| Err(format!("{}/{} of {committed:?}", found.partition, found.offset)))
        });
        matches
    }

    /// The alerts so far.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Received> {
        self.broker.read(&self.alerts, Isolation::Committed)
    }

    /// The alerts as soon as there are `count`.
    #[track_caller]
    pub fn wait_for_alerts(&self, count: usize) -> Vec<Received> {
        self.broker.read_until(&self.alerts, Isolation::Committed, PATIENCE, |alerts| alerts.len() >= count)
    }

    /// The dead letters so far.
    #[track_caller]
    pub fn dead_letters(&self) -> Vec<Received> {
        self.broker.read(&self.dead_letters, Isolation::Committed)
    }
}

/// A running `tokenwatch run`.
pub struct Instance {
    pub running: Running,
    pub address: String,
}

impl Instance {
    /// The program, started with this configuration; it has read it and serves HTTP.
    #[track_caller]
    pub fn start(config: PathBuf) -> Self {
        Self::start_with(tokenwatch([PathBuf::from("run"), "--config".into(), config]))
    }

    #[track_caller]
    fn start_with(command: Command) -> Self {
        let mut running = Running::start(command);
        let address = running.wait_for_stderr("the HTTP address", wait::PATIENCE, |text| {
            let (_, rest) = text.split_once("http://")?;
            Some(rest.split_once(' ')?.0.to_owned())
        });
        Self { running, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[track_caller]
    pub fn wait_until_ready(&self) {
        net::wait_for(&self.url("/readyz"), PATIENCE, |reply| reply.status == 200);
    }

    /// Waits until the service says that it waits for something whose name holds `what`.
    #[track_caller]
    pub fn wait_until_missing(&self, what: &str) {
        net::wait_for(&self.url("/readyz"), PATIENCE, |reply| {
            let report: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            let missing = report["missing"].as_object();
            reply.status == 503 && missing.is_some_and(|missing| missing.keys().any(|key| key.contains(what)))
        });
    }

    /// One scrape.
    #[track_caller]
    pub fn metrics(&self) -> Samples {
        let reply = net::get(&self.url("/metrics")).expect("the service answers");
        Samples::parse(&reply.body).expect("the text format")
    }

    /// Waits until this many records are consumed, over all source topics.
    #[track_caller]
    pub fn wait_until_consumed(&self, records: usize) {
        wait::until(&format!("{records} records to be consumed"), PATIENCE, || {
            let metrics = self.metrics();
            let by_topic = metrics.of("tokenwatch_records_total");
            let of_sources = by_topic.filter(|(labels, _)| !labels["topic"].starts_with("matches"));
            let consumed: f64 = of_sources.map(|(_, records)| records).sum();
            if (consumed - count(records)).abs() < 0.5 { Ok(()) } else { Err(consumed.to_string()) }
        });
    }

    /// Asks it to stop, as an orchestrator does, and expects it to end well.
    #[track_caller]
    pub fn stop(mut self) -> Finished {
        self.running.terminate();
        self.running.wait(PATIENCE).expect_code(0)
    }
}

/// A count as metrics carry it.
pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a test counts no further"))
}

/// Events that make `token_reissue_rate` alert for a subject, one a second from 2026-01-01T00:00:`first`; the tenth
/// is the one that does.
pub fn ten_reissues(subject: &str, first: usize) -> Vec<Record> {
    let event = |second: usize| {
        let text = format!(
            r#"{{"@timestamp":"2026-01-01T00:00:{second:02}Z","event":{{"id":"{subject}-{second}","action":"token.refreshed"}},"jwt":{{"sub":"{subject}"}}}}"#
        );
        let time_ms = 1_767_225_600_000 + i64::try_from(second).expect("few") * 1_000;
        Record::new(text).key(subject).timestamp_ms(time_ms)
    };
    (first..first + 10).map(event).collect()
}
