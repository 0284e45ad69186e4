//! `tokenwatch run`: the service on Kafka, from its configuration to its end.
//!
//! Workers are threads; what is here is the control plane around them: HTTP, signals, and a look at the brokers now
//! and then. `demo` runs the same [`Instance`] on a broker of its own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::{Args, ValueEnum};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::{Config, Purpose};
use crate::geo::{self, Databases};
use crate::http::{Server, Views};
use crate::kafka::{Patience, Probe, state_topic};
use crate::service::route::Post;
use crate::service::{self, Remedy, Service, Workplace};
use crate::telemetry::{self, Reload};

use super::crew::Crew;
use super::rules::{self, Loaded};
use super::{Failure, counted, reload};

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
    /// Which part of the work this process does, where matches must be routed to their groups
    #[arg(long, value_enum, default_value_t)]
    role: Role,
}

/// What a process does where partitions split groups; where they keep them whole, all do everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Read events and send their matches to where their groups are
    Route,
    /// Count the matches that arrive
    Detect,
    /// Both
    #[default]
    All,
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
        let instance = Instance::bind(config, rules, databases, arguments.role).await?;
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
    rules: Loaded,
    databases: Databases,
    role: Role,
    pub(super) views: Arc<Views>,
    pub(super) server: Server,
}

impl Instance {
    /// Takes the HTTP address; nothing runs yet.
    pub(super) async fn bind(config: Config, rules: Loaded, databases: Databases, role: Role) -> Result<Self, Failure> {
        let server = Server::bind(config.http.listen).await.map_err(Failure::unavailable)?;
        let views = Arc::new(Views::default());
        views.metrics.expect_topics(config.kafka.topics.iter().map(String::as_str));
        views.metrics.rules_in_force(&rules.rules);
        views.metrics.count_reload(Reload::Success);
        views.rules.set(&rules.rules);
        Ok(Self { config, rules, databases, role, views, server })
    }

    /// Runs until `stop`, or until the service cannot go on. Ends with everything committed unless it fails.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { config, rules, databases, role, views, server } = self;
        let (close, closed) = oneshot::channel::<()>();
        let http = tokio::spawn(server.run(Arc::clone(&views), async {
            let _ = closed.await;
        }));
        tokio::pin!(stop);
        let outcome = watch((&config, role), rules, databases, &views, stop).await;
        // The server may have ended already; then nobody listens.
        let _ = close.send(());
        if let Ok(Err(error)) = http.await {
            warn!("http.listen: the server ended early: {error}");
        }
        outcome
    }
}

async fn watch(
    (config, role): (&Config, Role),
    Loaded { rules, fingerprint }: Loaded,
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
    let sources = state_topic::provide(&config.kafka).await?;
    let crew = Crew::new(config, role, &rules, sources).await?;
    let workplace = Workplace {
        rules: Arc::new(ArcSwap::new(Arc::clone(&rules))),
        settings: config.pipeline.clone(),
        places: Arc::new(ArcSwap::new(Arc::clone(databases.places()))),
        post: Post::default(),
        group_id: config.kafka.group_id.clone(),
        save_interval: Duration::from_millis(config.state.snapshot_interval.millis().unsigned_abs()),
        format: config.state.format,
        views: Arc::clone(views),
    };
    let is_routed = crew.is_routed();
    let service = Service::start(crew.teams(&workplace)?)?;
    views.readiness.started();
    let (count, shadowed) = (counted(rules.rules.len(), "rule"), rules::shadowed(&rules));
    let workers = counted(config.kafka.workers, "worker");
    for database in databases.describe() {
        info!("{database} is in force");
    }
    info!(
        group = config.kafka.group_id,
        topics = config.kafka.topics.join(" "),
        "watching: {count}{shadowed}, {workers}"
    );
    let renewing = tokio::spawn(geo::watch(databases, workplace.places));
    let target = reload::Target { in_force: workplace.rules, views: Arc::clone(views), is_routed };
    let reloading = tokio::spawn(reload::watch(config.clone(), fingerprint, target, hangup));
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
