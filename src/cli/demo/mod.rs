//! `tokenwatch demo`: the whole service on a broker of its own, with generated traffic and attacks.
//!
//! What decides is the same [`Instance`](super::run::Instance) that `run` starts. Around it stand the embedded broker,
//! a feeder that writes traffic at the pace of the clock, and a watcher that reads the alert topic as any consumer
//! would. At the end the alerts are held against what was planted.

mod feeder;
mod scoreboard;
mod screen;
mod shipped;
mod watcher;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::config::{Config, HttpSettings, KeyedBy, LogLevel, LogSettings};
use crate::detect::Span;
use crate::geo::Databases;
use crate::http::Views;
use crate::kafka::{EmbeddedBroker, Tail};
use crate::telemetry;

use super::Failure;
use super::rules::{self, Fingerprint, Loaded};
use super::run::{Instance, Role, Signals, control_plane};

use feeder::Feeder;
use scoreboard::Scoreboard;
use screen::{Pulse, Screen};
use watcher::Watcher;

/// By what the generated records are keyed.
const KEYED_BY: &str = "jwt.sub";
const TOPIC: &str = "audit";
const PARTITIONS: i32 = 6;
/// Between two looks at the service while it starts and ends, and between two status lines.
const GLANCE: Duration = Duration::from_millis(100);
const STATUS_INTERVAL: Duration = Duration::from_millis(250);
/// How long the service may take to be ready, and to decide what is left at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows the whole service at work: an embedded broker, generated traffic with attacks in it, alerts as they come.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long to run, such as 30s or 5m; until Ctrl-C without it
    #[arg(long, value_name = "D", value_parser = duration)]
    duration: Option<Duration>,
    /// Where to serve /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// What everything random follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Rule files and folders to use instead of the shipped rules
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = Span::parse(text).map_err(|error| format!("it {error}"))?;
    Ok(Duration::from_millis(u64::try_from(span.millis()).unwrap_or_default()))
}

/// Matches are sent on several times within this.
const SETTLED_AFTER: Duration = Duration::from_millis(400);

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let log = LogSettings { level: LogLevel::Error, ..LogSettings::default() };
    telemetry::log::init(log);
    let mut config = Config { http: HttpSettings { listen: arguments.listen }, log, ..Config::default() };
    let broker = EmbeddedBroker::start(&[
        (TOPIC, PARTITIONS),
        (&config.kafka.alerts_topic, 1),
        (&config.kafka.dead_letter_topic, 1),
        (&config.kafka.state_topic, PARTITIONS),
        (&config.kafka.matches_topic, PARTITIONS),
    ])?;
    config.kafka.bootstrap_servers = vec![broker.address().to_owned()];
    config.kafka.topics = vec![TOPIC.to_owned()];
    config.kafka.keyed_by = KeyedBy(Some(KEYED_BY.to_owned()));
    config.pipeline.keyed_by = Some(KEYED_BY.to_owned());
    // Its rules are those it began with: the score at the end counts by them.
    config.rules.reload = false;
    let rules = match arguments.rules.as_slice() {
        [] => Loaded { rules: shipped::rules(), fingerprint: Fingerprint::default() },
        paths => rules::load(paths, &config)?,
    };
    let runtime = control_plane()?;
    let outcome = runtime.block_on(play(arguments, config, rules));
    runtime.shutdown_background();
    outcome
}

async fn play(arguments: &Arguments, config: Config, loaded: Loaded) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let broker = config.kafka.bootstrap_servers[0].clone();
    let alerts_topic = config.kafka.alerts_topic.clone();
    let matches_topic = config.kafka.matches_topic.clone();
    let rules = Arc::clone(&loaded.rules);
    let instance = Instance::bind(config, loaded, Databases::default(), Role::All).await?;
    let views = Arc::clone(&instance.views);
    let screen = Arc::new(Screen::new());
    screen.introduce(arguments, &rules, instance.server.address())?;

    let (stop, stopped) = oneshot::channel::<()>();
    let mut service = tokio::spawn(instance.run(async {
        // Without a sender there is nobody left who could ask for a stop.
        let _ = stopped.await;
    }));
    let begun = tokio::select! {
        ended = &mut service => return early(ended),
        ready = ready(&views) => ready,
        () = signals.next() => false,
    };
    if !begun {
        return Err(Failure::unavailable(format!("the service was not ready within {PATIENCE:.0?}")));
    }
    let watcher = Watcher::start(Tail::open(&broker, &alerts_topic)?, Arc::clone(&screen));
    let feeder = Feeder::start(&broker, TOPIC, arguments.rate, arguments.seed)?;
    let ends_at = arguments.duration.map(|duration| Instant::now() + duration);
    tokio::select! {
        ended = &mut service => return early(ended),
        () = until(ends_at) => {}
        () = signals.next() => {}
        () = show(&screen, &feeder, &views) => {}
    }
    let fed = feeder.stop()?;
    decided(&views, fed.events).await;
    settled(&views, &matches_topic).await;
    let alerts = watcher.stop();
    let _ = stop.send(());
    service.await.map_err(|_| Failure::unavailable("the service panicked"))??;
    screen.conclude(&Scoreboard::new(&rules, &fed.labels, &alerts, fed.end_ms), &fed)
}

/// The service ended although nobody asked it to.
fn early(ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended.map_err(|_| Failure::unavailable("the service panicked"))??;
    Err(Failure::unavailable("the service ended by itself"))
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits until the service reads its partitions; what is written before would be lost on it.
async fn ready(views: &Views) -> bool {
    glance_until(|| views.readiness.report().ready).await
}

/// Waits until everything that was written is decided.
async fn decided(views: &Views, events: u64) {
    glance_until(|| views.metrics.consumed(TOPIC) >= events).await;
}

/// Waits until nothing more arrives where matches meet.
async fn settled(views: &Views, topic: &str) {
    let mut glances = interval(SETTLED_AFTER);
    // The first tick comes at once.
    glances.tick().await;
    let mut before = None;
    while before != Some(views.metrics.consumed(topic)) {
        before = Some(views.metrics.consumed(topic));
        glances.tick().await;
    }
}

async fn glance_until(is_so: impl Fn() -> bool) -> bool {
    let patience_ends = Instant::now() + PATIENCE;
    let mut glances = interval(GLANCE);
    while !is_so() {
        if Instant::now() > patience_ends {
            return false;
        }
        glances.tick().await;
    }
    true
}

/// Keeps the status line up to date; never ends by itself.
async fn show(screen: &Screen, feeder: &Feeder, views: &Views) {
    let mut ticks = interval(STATUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut pulse = Pulse::new();
    loop {
        ticks.tick().await;
        let consumed = views.metrics.consumed(TOPIC);
        let lag = feeder.events().saturating_sub(consumed);
        screen.status(&pulse.line(Instant::now(), consumed, feeder.subjects(), views.metrics.groups_held(), lag));
    }
}
