//! `tokenwatch run`: the service on Kafka, from its configuration to its end.
//!
//! Workers are threads; what is here is the control plane around them: HTTP, signals, and a look at the brokers now
//! and then. `demo` runs the same [`Instance`] on a broker of its own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::{Config, Purpose};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::geo::{self, Databases};
use crate::http::{Server, Views};
use crate::kafka::{KafkaTransport, Patience, Probe};
use crate::service::{self, Remedy, Service, Workplace};
use crate::telemetry::{self, Reload};

use super::{Failure, counted, reload, rules};

/// Between two looks at whether a broker answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Control plane only: few requests, no work.
const CONTROL_THREADS: usize = 2;

/// Watches audit topics and publishes alerts, until it is told to stop.
///
/// The first SIGTERM or Ctrl-C finishes and commits what is under way; the second one ends at once.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration, TOML or YAML; every key also as `TOKENWATCH_SECTION__KEY` in the environment
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl From<service::Failure> for Failure {
    fn from(failure: service::Failure) -> Self {
        match failure.remedy {
            Remedy::Configuration => Self::wrong(failure),
            Remedy::Surroundings => Self::unavailable(failure),
        }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(Some(&arguments.config), Purpose::Service)?;
    telemetry::log::init(config.log);
    let rules = rules::load(&config.rules.paths, &config)?;
    let databases = Databases::open(&config.geo)?;
    let runtime = control_plane()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let instance = Instance::bind(config, rules, databases).await?;
        info!("http://{} serves /metrics, /healthz and /readyz", instance.server.address());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = instance.run(async {
            // Without a sender there is nobody left who could ask for a stop.
            let _ = stopped.await;
        });
        tokio::pin!(running);
        tokio::select! {
            outcome = &mut running => return outcome,
            () = signals.next() => {}
        }
        info!("stopping: finishing what is under way; a second signal ends at once");
        let _ = stop.send(());
        tokio::select! {
            outcome = &mut running => outcome,
            () = signals.next() => Err(Failure::unavailable("ended at once; what was under way will be repeated")),
        }
    });
    // A thread that still waits for a broker must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// The runtime of HTTP and signals.
pub(super) fn control_plane() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("threads cannot be started: {error}")))
}

/// What asks a process to stop.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::unavailable(format!("signals cannot be listened to: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The service of one configuration, with its address taken.
#[derive(Debug)]
pub(super) struct Instance {
    config: Config,
    rules: Arc<RuleSet>,
    databases: Databases,
    pub(super) views: Arc<Views>,
    pub(super) server: Server,
}

impl Instance {
    /// Takes the HTTP address; nothing runs yet.
    pub(super) async fn bind(config: Config, rules: Arc<RuleSet>, databases: Databases) -> Result<Self, Failure> {
        let server = Server::bind(config.http.listen).await.map_err(Failure::unavailable)?;
        let views = Arc::new(Views::default());
        views.metrics.expect_topics(config.kafka.topics.iter().map(String::as_str));
        views.metrics.rules_in_force(&rules);
        views.metrics.count_reload(Reload::Success);
        views.rules.set(&rules);
        Ok(Self { config, rules, databases, views, server })
    }

    /// Runs until `stop`, or until the service cannot go on. Ends with everything committed unless it fails.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { config, rules, databases, views, server } = self;
        let (close, closed) = oneshot::channel::<()>();
        let http = tokio::spawn(server.run(Arc::clone(&views), async {
            let _ = closed.await;
        }));
        tokio::pin!(stop);
        let outcome = watch(&config, rules, databases, &views, stop).await;
        // The server may have ended already; then nobody listens.
        let _ = close.send(());
        if let Ok(Err(error)) = http.await {
            warn!("http.listen: the server ended early: {error}");
        }
        outcome
    }
}

async fn watch(
    config: &Config,
    rules: Arc<RuleSet>,
    databases: Databases,
    views: &Arc<Views>,
    mut stop: impl Future<Output = ()> + Unpin,
) -> Result<(), Failure> {
    let hangup = reload::hangup()?;
    let probe = Arc::new(Probe::new(&config.kafka)?);
    let waiting = {
        let probe = Arc::clone(&probe);
        spawn_blocking(move || probe.wait(Patience::default()))
    };
    tokio::select! {
        found = waiting => found.map_err(|_| Failure::unavailable("the look at the brokers panicked"))??,
        () = &mut stop => return Ok(()),
    }
    probe.warn_of_create_time().await;
    warn_of_split_groups(&config.kafka.topics, &rules);
    let transports: Result<Vec<_>, _> =
        (0..config.kafka.workers).map(|worker| KafkaTransport::connect(&config.kafka, worker)).collect();
    let workplace = Workplace {
        rules: Arc::new(ArcSwap::new(Arc::clone(&rules))),
        settings: config.pipeline.clone(),
        places: Arc::new(ArcSwap::new(Arc::clone(databases.places()))),
        group_id: config.kafka.group_id.clone(),
        views: Arc::clone(views),
    };
    let service = Service::start(&workplace, transports?)?;
    let (rules, workers) = (counted(rules.rules.len(), "rule"), counted(config.kafka.workers, "worker"));
    for database in databases.describe() {
        info!("{database} is in force");
    }
    info!(group = config.kafka.group_id, topics = config.kafka.topics.join(" "), "watching: {rules}, {workers}");
    let renewing = tokio::spawn(geo::watch(databases, workplace.places));
    let reloading = tokio::spawn(reload::watch(config.clone(), workplace.rules, Arc::clone(views), hangup));
    let looking = tokio::spawn(look_for_brokers(probe, Arc::clone(views)));
    let stopper = service.stop();
    let mut working = spawn_blocking(move || service.wait());
    let ended = tokio::select! {
        ended = &mut working => ended,
        () = &mut stop => {
            stopper.now();
            working.await
        }
    };
    looking.abort();
    renewing.abort();
    reloading.abort();
    ended.map_err(|_| Failure::unavailable("the wait for the workers panicked"))??;
    info!("stopped; everything is committed");
    Ok(())
}

/// Says which groups are whole only if the records are keyed for them: windows are kept per partition.
fn warn_of_split_groups(topics: &[String], rules: &RuleSet) {
    let groups = windowed_groups(rules);
    if !groups.is_empty() {
        let where_from = if topics.len() > 1 { "in only one of these topics and " } else { "" };
        warn!(
            topics = topics.join(" "),
            "kafka.topics: windows are kept per partition, so rules grouped by {} count right only where all records \
             of a group are {where_from}in one partition: key the records by it",
            groups.join(", by ")
        );
    }
}

/// The group-bys of the rules that remember anything, each once.
fn windowed_groups(rules: &RuleSet) -> Vec<String> {
    let remembers = |rule: &&Rule| !matches!(rule.logic, Logic::Event) || rule.suppress.millis() > 0;
    let mut groups: Vec<_> = rules
        .rules
        .iter()
        .filter(remembers)
        .map(|rule| match rules.keyspaces.get(rule.keyspace).map(Vec::as_slice) {
            None | Some([]) => "nothing".to_owned(),
            Some(fields) => fields.join(" + "),
        })
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

/// Keeps `/readyz` told whether a broker answers.
async fn look_for_brokers(probe: Arc<Probe>, views: Arc<Views>) {
    let mut ticks = interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let probe = Arc::clone(&probe);
        match spawn_blocking(move || probe.reachable()).await {
            Ok(Err(why)) => views.readiness.missing("kafka.bootstrap_servers", format!("no broker answers: {why}")),
            _ => views.readiness.found("kafka.bootstrap_servers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::rule::{Options, Source, compile};

    use super::*;

    #[test]
    fn groups_that_partitions_may_split_are_named_once() {
        let detection = "title: T\nname: t\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01\nlogsource: {product: jwt}\n\
                         detection: {selection: {event.action: login}, condition: selection}\n";
        let count = |serial: u8, group_by: &str| {
            format!(
                "---\ntitle: C{serial}\nname: c{serial}\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c1{serial}\n\
                 correlation: {{type: event_count, rules: [t], {group_by}timespan: 5m, condition: {{gte: 3}}}}\n"
            )
        };
        let groups = |text: &str| {
            let compiled = compile(&[Source { path: "rules.yml", text }], &Options::default());
            windowed_groups(&compiled.expect("valid rules").rules)
        };
        assert_eq!(groups(detection), Vec::<String>::new(), "a rule that remembers nothing is right anywhere");
        let by_subject = count(1, "group-by: [jwt.sub], ");
        let text = [detection, &by_subject, &count(2, "group-by: [jwt.sub], "), &count(3, "")].concat();
        assert_eq!(groups(&text), ["jwt.sub", "nothing"]);
    }
}
