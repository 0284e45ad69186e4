//! New rules while the service runs: all of them or none.
//!
//! What is compiled is what was compared, so no file is half of one state and half of the next. Not how windows go on
//! under other rules: workers see to that between two batches.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use xxhash_rust::xxh3::Xxh3;

use crate::config::Config;
use crate::detect::rule::{Compiled, Options, RuleSet};
use crate::http::{Refusal, Views};
use crate::telemetry::Reload;

use super::rules::{self, RuleTexts};
use super::{Failure, counted};

/// Between two looks at the files, which must agree before a change counts: an editor or a deployment may still write.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The hangup signal, which asks for a reload now. Listened to from here on; before, it ends the process.
pub(super) fn hangup() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::unavailable(format!("SIGHUP cannot be listened to: {error}")))
}

/// Rules as they were read.
struct Files {
    texts: RuleTexts,
    options: Options,
}

impl Files {
    fn read(paths: &[PathBuf], config: &Config) -> Result<Self, String> {
        let read = || Ok(Self { texts: RuleTexts::read(paths)?, options: rules::options(paths, config)? });
        read().map_err(|failure: Failure| failure.to_string())
    }

    /// Tells one content of all files and lists from another.
    fn fingerprint(&self) -> u128 {
        let mut hash = Xxh3::new();
        let mut add = |text: &str| {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        self.texts.each(&mut add);
        for (name, entries) in &self.options.lists {
            add(name);
            for entry in entries {
                add(entry);
            }
        }
        hash.digest128()
    }

    fn compile(&self) -> Result<Compiled, Refusal> {
        self.texts.compile(&self.options).map_err(|problems| Refusal {
            message: format!("{} in the rules", counted(problems.len(), "problem")),
            problems,
        })
    }
}

/// The rules' files, and what was last seen of them.
struct Watched {
    config: Config,
    /// What was last compiled, or could not be read.
    settled: Result<u128, String>,
    seen: Result<u128, String>,
}

impl Watched {
    /// Looks once. A change counts when two looks agree on it, or at once if it `is_asked_for`.
    fn look(&mut self, is_asked_for: bool) -> Option<Result<Compiled, Refusal>> {
        let files = Files::read(&self.config.rules.paths, &self.config);
        let seen = files.as_ref().map(Files::fingerprint).map_err(Clone::clone);
        let is_settled = seen == self.settled;
        let is_moving = seen != std::mem::replace(&mut self.seen, seen.clone());
        if (is_settled || is_moving) && !is_asked_for {
            return None;
        }
        self.settled = seen;
        Some(files.map_err(|message| Refusal { message, problems: Vec::new() }).and_then(|files| files.compile()))
    }
}

/// Puts new rules in force as they come: when files change, if `rules.reload` says so, and on SIGHUP. Never ends.
pub(super) async fn watch(config: Config, in_force: Arc<ArcSwap<RuleSet>>, views: Arc<Views>, mut hangup: Signal) {
    let looks = config.rules.reload;
    let first = Files::read(&config.rules.paths, &config).map(|files| files.fingerprint());
    let mut watched = Watched { config, settled: first.clone(), seen: first };
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_asked_for = tokio::select! {
            _ = ticks.tick(), if looks => false,
            _ = hangup.recv() => true,
        };
        let look = spawn_blocking(move || {
            let found = watched.look(is_asked_for);
            (watched, found)
        });
        let Ok((back, found)) = look.await else {
            error!("rules: they are no longer looked after, those in force stay: this is a bug in tokenwatch");
            return;
        };
        watched = back;
        match found {
            Some(Ok(compiled)) => put_in_force(compiled, &in_force, &views),
            Some(Err(refusal)) => refuse(&refusal, &views),
            None => {}
        }
    }
}

fn put_in_force(compiled: Compiled, in_force: &ArcSwap<RuleSet>, views: &Views) {
    if !compiled.warnings.is_empty() {
        warn!("{} about the rules; tokenwatch check shows what they are", counted(compiled.warnings.len(), "warning"));
    }
    let rules = Arc::new(compiled.rules);
    views.rules.set(&rules);
    views.metrics.rules_in_force(&rules);
    views.metrics.count_reload(Reload::Success);
    info!("rules: {} in force; unchanged ones keep their windows", counted(rules.rules.len(), "rule"));
    in_force.store(rules);
}

fn refuse(refusal: &Refusal, views: &Views) {
    for problem in &refusal.problems {
        error!("{problem}");
    }
    error!("rules: {}; those in force stay", refusal.message);
    views.metrics.count_reload(Reload::Failure);
    views.rules.refused(refusal);
}
