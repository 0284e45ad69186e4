//! The metrics of a process: registered once, filled by [`Recorder`]s and setters, rendered for a scrape.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::detect::rule::RuleSet;
use crate::detect::{Limit, Timestamp};
use crate::ingest::Rejection;

use super::names;
use super::partitions::{PartitionState, Partitions};
use super::recorder::Recorder;

/// From a fast answer to a consumer hours behind.
const ALERT_LATENCY_BUCKETS: [f64; 15] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
/// A transaction takes about 15 ms; beyond ten seconds it is aborted.
const COMMIT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
const RESTORE_BUCKETS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// How an attempt to load rules ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The new rules are in force.
    Success,
    /// They were wrong; the old ones stay.
    Failure,
}

impl Reload {
    /// Every result.
    pub const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// What a restore reads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// What was saved.
    State,
    /// Records since, which are decided again.
    Replayed,
}

impl ReadBack {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::State, Self::Replayed];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Replayed => "replayed",
        }
    }
}

/// How a transaction ended that was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nobody sees any of it; it is tried again.
    Aborted,
    /// Nobody knows; partitions begin where the group stands.
    Unknown,
}

impl Failed {
    /// Every result.
    pub const ALL: [Self; 2] = [Self::Aborted, Self::Unknown];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }
}

/// The counters that batches fill.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) records: IntCounterVec,
    pub(super) events: IntCounterVec,
    pub(super) rule_matches: IntCounterVec,
    pub(super) rule_firings: IntCounterVec,
    pub(super) alerts: IntCounterVec,
    pub(super) shadow_alerts: IntCounterVec,
    pub(super) alerts_suppressed: IntCounterVec,
    pub(super) missing_key: IntCounterVec,
    pub(super) duplicates: IntCounterVec,
    pub(super) limit_hits: IntCounterVec,
    pub(super) dead_letters: IntCounterVec,
    pub(super) miskeyed: IntCounter,
    pub(super) unknown_matches: IntCounter,
}

/// Every metric of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Held for reading while a batch is counted and for writing while a scrape reads, so that no scrape sees half a
    /// batch: records are the sum of their outcomes at every moment.
    pub(super) gate: RwLock<()>,
    pub(super) counters: Counters,
    partitions: Mutex<Partitions>,
    groups: IntGauge,
    state_bytes: IntGauge,
    consumer_lag: IntGaugeVec,
    stream_time_lag: GaugeVec,
    alert_latency: Histogram,
    commit: Histogram,
    restore: Histogram,
    partitions_waiting: IntGauge,
    restore_records: IntCounterVec,
    state_records: IntCounter,
    transaction_failures: IntCounterVec,
    rules: IntGauge,
    rule_reloads: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, with every series whose labels are known in advance at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            gate: RwLock::new(()),
            counters: counters(&registry),
            partitions: Mutex::default(),
            groups: register(&registry, IntGauge::new(names::GROUPS, "Groups held in memory")),
            state_bytes: register(
                &registry,
                IntGauge::new(names::STATE_BYTES, "Bytes of detection state held in memory"),
            ),
            consumer_lag: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(names::CONSUMER_LAG, "Records of a partition not yet consumed"),
                    &["topic", "partition"],
                ),
            ),
            stream_time_lag: register(
                &registry,
                GaugeVec::new(Opts::new(names::STREAM_TIME_LAG, "Seconds from stream time to now"), &["partition"]),
            ),
            alert_latency: register(
                &registry,
                histogram(
                    names::ALERT_LATENCY,
                    "Seconds from a record to its acknowledged alert",
                    &ALERT_LATENCY_BUCKETS,
                ),
            ),
            commit: register(&registry, histogram(names::COMMIT, "Seconds that a commit takes", &COMMIT_BUCKETS)),
            restore: register(
                &registry,
                histogram(names::RESTORE, "Seconds from an assignment to complete state", &RESTORE_BUCKETS),
            ),
            partitions_waiting: register(
                &registry,
                IntGauge::new(names::PARTITIONS_WAITING, "Partitions assigned and not read yet"),
            ),
            restore_records: counter_vec(
                &registry,
                names::RESTORE_RECORDS,
                "Records read back to restore partitions",
                &["kind"],
            ),
            state_records: register(
                &registry,
                IntCounter::new(names::STATE_RECORDS, "Records of the state topic committed"),
            ),
            transaction_failures: counter_vec(
                &registry,
                names::TRANSACTION_FAILURES,
                "Transactions that were not committed",
                &["result"],
            ),
            rules: register(&registry, IntGauge::new(names::RULES, "Rules in force")),
            rule_reloads: counter_vec(&registry, names::RULE_RELOADS, "Attempts to load rules", &["result"]),
            registry,
        };
        metrics.start_at_zero();
        metrics
    }

    fn start_at_zero(&self) {
        for reason in Rejection::REASONS {
            self.counters.dead_letters.with_label_values(&[reason]);
        }
        for limit in Limit::ALL {
            self.counters.limit_hits.with_label_values(&[limit.name()]);
        }
        for result in Reload::ALL {
            self.rule_reloads.with_label_values(&[result.name()]);
        }
        for kind in ReadBack::ALL {
            self.restore_records.with_label_values(&[kind.name()]);
        }
        for result in Failed::ALL {
            self.transaction_failures.with_label_values(&[result.name()]);
        }
        let labels = ["version", "revision"];
        let build = GaugeVec::new(Opts::new(names::BUILD_INFO, "The build of this process"), &labels);
        let revision = option_env!("TOKENWATCH_REVISION").unwrap_or("unknown");
        let one: Gauge = register(&self.registry, build).with_label_values(&[env!("CARGO_PKG_VERSION"), revision]);
        one.set(1.0);
    }

    /// Brings the series of `topics` into being, at zero. Those of rules come with their [`Recorder`].
    pub fn expect_topics<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        for topic in topics {
            self.counters.topic(topic);
        }
    }

    /// The counters of a rule set, resolved once. Each worker holds one, and gets another when the rules change.
    #[must_use]
    pub fn recorder(self: &Arc<Self>, rules: &RuleSet) -> Recorder {
        Recorder::new(Arc::clone(self), rules)
    }

    /// These rules are in force now.
    pub fn rules_in_force(&self, rules: &RuleSet) {
        self.rules.set(i64::try_from(rules.rules.len()).unwrap_or(i64::MAX));
    }

    /// An attempt to load rules, the first one at start included.
    pub fn count_reload(&self, result: Reload) {
        self.rule_reloads.with_label_values(&[result.name()]).inc();
    }

    /// An alert was acknowledged this long after its record's timestamp.
    pub fn observe_alert_latency(&self, latency: Duration) {
        self.alert_latency.observe(latency.as_secs_f64());
    }

    /// A commit took this long.
    pub fn observe_commit(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// The state of a partition was complete this long after its assignment.
    pub fn observe_restore(&self, took: Duration) {
        self.restore.observe(took.as_secs_f64());
    }

    /// So many more partitions of a worker wait to be read, or fewer.
    pub fn add_partitions_waiting(&self, more: i64) {
        self.partitions_waiting.add(more);
    }

    /// So many records were read back while a partition is restored.
    pub fn count_read_back(&self, kind: ReadBack, records: u64) {
        self.restore_records.with_label_values(&[kind.name()]).inc_by(records);
    }

    /// A record of the state topic was committed.
    pub fn count_state_record(&self) {
        self.state_records.inc();
    }

    /// A transaction was not committed.
    pub fn count_failed_transaction(&self, result: Failed) {
        self.transaction_failures.with_label_values(&[result.name()]).inc();
    }

    /// What a partition of this process holds now.
    pub fn set_partition(&self, topic: &str, partition: i32, state: PartitionState) {
        self.partitions().set(topic, partition, state);
    }

    /// This process no longer owns a partition: its series go.
    pub fn remove_partition(&self, topic: &str, partition: i32) {
        self.partitions().remove(topic, partition);
    }

    /// Records of a topic consumed so far.
    #[must_use]
    pub fn consumed(&self, topic: &str) -> u64 {
        self.counters.records.with_label_values(&[topic]).get()
    }

    /// Groups held in memory now.
    #[must_use]
    pub fn groups_held(&self) -> usize {
        self.partitions().totals().groups
    }

    /// All metrics in Prometheus' text format 0.0.4, stream-time lags as of `now`.
    #[must_use]
    pub fn render(&self, now: Timestamp) -> String {
        let _batches_wait = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.read_partitions(now);
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("registered metrics always encode")
    }

    fn read_partitions(&self, now: Timestamp) {
        let partitions = self.partitions();
        let totals = partitions.totals();
        self.groups.set(i64::try_from(totals.groups).unwrap_or(i64::MAX));
        self.state_bytes.set(i64::try_from(totals.state_bytes).unwrap_or(i64::MAX));
        self.consumer_lag.reset();
        for (topic, partition, lag) in partitions.lags() {
            self.consumer_lag.with_label_values(&[topic, &partition.to_string()]).set(lag);
        }
        self.stream_time_lag.reset();
        for (partition, lag_s) in partitions.stream_time_lags_s(now) {
            self.stream_time_lag.with_label_values(&[&partition.to_string()]).set(lag_s);
        }
    }

    fn partitions(&self) -> std::sync::MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counters(registry: &Registry) -> Counters {
    let vec = |name, help, labels: &[&str]| counter_vec(registry, name, help, labels);
    Counters {
        records: vec(names::RECORDS, "Records consumed", &["topic"]),
        events: vec(names::EVENTS, "What became of the records consumed", &["topic", "outcome"]),
        rule_matches: vec(names::RULE_MATCHES, "Matches that entered a rule's windows", &["rule"]),
        rule_firings: vec(names::RULE_FIRINGS, "Times a rule's condition held, suppressed or not", &["rule"]),
        alerts: vec(names::ALERTS, "Alerts raised", &["rule", "level"]),
        shadow_alerts: vec(names::SHADOW_ALERTS, "Alerts of rules in shadow", &["rule", "level"]),
        alerts_suppressed: vec(names::ALERTS_SUPPRESSED, "Firings kept quiet by suppression", &["rule"]),
        missing_key: vec(names::MISSING_KEY, "Matches without a group, for lack of a group-by field", &["rule"]),
        duplicates: vec(names::DUPLICATES, "Matches that repeat one already held", &["rule"]),
        limit_hits: vec(names::LIMIT_HITS, "Limits that were hit", &["limit"]),
        dead_letters: vec(names::DEAD_LETTERS, "Records that are no events", &["reason"]),
        miskeyed: register(
            registry,
            IntCounter::new(names::MISKEYED, "Events whose record has another key than kafka.keyed_by says"),
        ),
        unknown_matches: register(
            registry,
            IntCounter::new(names::UNKNOWN_MATCHES, "Rules of routed matches that are not in force here"),
        ),
    }
}

fn counter_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let collector = collector.expect("names and labels are constants");
    registry.register(Box::new(collector.clone())).expect("every name is registered once");
    collector
}
