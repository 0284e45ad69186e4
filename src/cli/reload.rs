//! New rules while the service runs: all of them or none.
//!
//! What is compiled is what was compared, so no file is half of one state and half of the next. Not how windows go on
//! under other rules: workers see to that between two batches.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::config::Config;
use crate::detect::rule::{Compiled, RuleSet};
use crate::http::{Refusal, Views};
use crate::telemetry::Reload;

use super::rules::{self, Files, Fingerprint};
use super::{Failure, counted, split_groups};

/// Between two looks at the files, which must agree before a change counts: an editor or a deployment may still write.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The hangup signal, which asks for a reload now. Listened to from here on; before, it ends the process.
pub(super) fn hangup() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::unavailable(format!("SIGHUP cannot be listened to: {error}")))
}

/// The rules' files, and what was last seen of them.
struct Watched {
    config: Config,
    /// What was last compiled, or could not be read.
    settled: Result<Fingerprint, String>,
    seen: Result<Fingerprint, String>,
}

impl Watched {
    /// From the rules in force on.
    fn new(config: Config, in_force: Fingerprint) -> Self {
        Self { config, settled: Ok(in_force), seen: Ok(in_force) }
    }

    /// Looks once. A change counts when two looks agree on it, or at once if it `is_asked_for`.
    fn look(&mut self, is_asked_for: bool) -> Option<Result<Compiled, Refusal>> {
        let files = Files::read(&self.config.rules.paths, &self.config).map_err(|failure| failure.to_string());
        let seen = files.as_ref().map(Files::fingerprint).map_err(Clone::clone);
        let is_settled = seen == self.settled;
        let is_moving = seen != std::mem::replace(&mut self.seen, seen.clone());
        if (is_settled || is_moving) && !is_asked_for {
            return None;
        }
        self.settled = seen;
        Some(files.map_err(|message| Refusal { message, problems: Vec::new() }).and_then(|files| compile(&files)))
    }
}

fn compile(files: &Files) -> Result<Compiled, Refusal> {
    files.compile().map_err(|problems| Refusal {
        message: format!("{} in the rules", counted(problems.len(), "problem")),
        problems,
    })
}

/// Where new rules go.
pub(super) struct Target {
    /// The rules in force.
    pub(super) in_force: Arc<ArcSwap<RuleSet>>,
    pub(super) views: Arc<Views>,
    /// True if matches are routed; decided at the start.
    pub(super) is_routed: bool,
}

/// Puts new rules in force as they come: when files change, if `rules.reload` says so, and on SIGHUP. Files that changed
/// since those with this fingerprint were read count too. Never ends while signals can come.
pub(super) async fn watch(config: Config, fingerprint: Fingerprint, target: Target, mut hangup: Signal) {
    if config.rules.paths.is_empty() {
        // So it is in a demonstration.
        while hangup.recv().await.is_some() {
            info!("rules: no rules.paths are configured to be read again; those in force stay");
        }
        return;
    }
    let looks = config.rules.reload;
    let kept = config.clone();
    let mut watched = Watched::new(config, fingerprint);
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
            Some(Ok(compiled)) => match target.check(&compiled.rules, &kept) {
                Ok(()) => target.put_in_force(compiled, &kept),
                Err(refusal) => refuse(&refusal, &target.views),
            },
            Some(Err(refusal)) => refuse(&refusal, &target.views),
            None => {}
        }
    }
}

impl Target {
    /// Rules that need routing cannot come into force where nothing is routed: their groups would be split.
    fn check(&self, rules: &RuleSet, config: &Config) -> Result<(), Refusal> {
        if self.is_routed || !split_groups::need_routing(config, rules) {
            return Ok(());
        }
        let why = split_groups::sentences(config, rules).join("; ");
        let message = format!("matches must be routed for them, which begins with a start of the service: {why}");
        Err(Refusal { message, problems: Vec::new() })
    }

    /// First the rules, then the word: who reads that they are in force can count on it.
    fn put_in_force(&self, compiled: Compiled, config: &Config) {
        let rules = Arc::new(compiled.rules);
        let before = self.in_force.swap(Arc::clone(&rules));
        self.views.rules.set(&rules);
        self.views.metrics.rules_in_force(&rules);
        self.views.metrics.count_reload(Reload::Success);
        let warnings = compiled.warnings.len();
        if warnings > 0 {
            warn!(
                "{} about the rules; tokenwatch check, with the same --config, shows what they are",
                counted(warnings, "warning")
            );
        }
        if self.is_routed && split_groups::sentences(config, &rules) != split_groups::sentences(config, &before) {
            split_groups::tell(config, &rules);
        }
        let (count, shadowed) = (counted(rules.rules.len(), "rule"), rules::shadowed(&rules));
        info!("rules: {count} in force{shadowed}; unchanged ones keep their windows");
    }
}

fn refuse(refusal: &Refusal, views: &Views) {
    for problem in &refusal.problems {
        error!("{problem}");
    }
    error!("rules: {}; those in force stay", refusal.message);
    views.metrics.count_reload(Reload::Failure);
    views.rules.refused(refusal);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn rule(threshold: u32) -> String {
        format!(
            "title: E\nname: e\ndetection: {{s: {{a: 1}}, condition: s}}\n---\ntitle: C\nname: c\ncorrelation: {{type: \
             event_count, rules: [e], timespan: 5m, condition: {{gte: {threshold}}}}}\n"
        )
    }

    #[test]
    fn a_change_since_the_start_counts_when_two_looks_agree() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.yml");
        let write = |text: &str| fs::write(&path, text).expect("a file");
        let mut config = Config::default();
        config.rules.paths = vec![path.clone()];
        write(&rule(2));
        let in_force = rules::load(&config.rules.paths, &config).expect("valid").fingerprint;
        let mut unchanged = Watched::new(config.clone(), in_force);
        assert!(unchanged.look(false).is_none() && unchanged.look(false).is_none());

        write(&rule(3));
        let mut watched = Watched::new(config, in_force);
        assert!(watched.look(false).is_none(), "it may still be written");
        assert!(watched.look(false).is_some_and(|found| found.is_ok()));
        assert!(watched.look(false).is_none(), "once");
        assert!(watched.look(true).is_some(), "asked for");

        write("title: [");
        assert!(watched.look(false).is_none());
        assert!(watched.look(false).is_some_and(|found| found.is_err()));
        assert!(watched.look(false).is_none(), "told once");
    }

    #[test]
    fn rules_that_need_routing_wait_for_a_start_that_routes() {
        let text = rule(2);
        let source = crate::detect::rule::Source { path: "rules.yml", text: &text };
        let rules = crate::detect::rule::compile(&[source], &crate::detect::rule::Options::default());
        let rules = rules.expect("valid").rules;
        let mut config = Config::default();
        config.kafka.topics = vec!["audit".to_owned()];
        let refused = |is_routed| {
            let target =
                Target { in_force: Arc::new(ArcSwap::from_pointee(no_rules())), views: Arc::default(), is_routed };
            target.check(&rules, &config).err().map(|refusal| refusal.message)
        };
        assert_eq!(refused(true), None);
        let why = refused(false).expect("its groups would be split");
        assert!(why.contains("begins with a start of the service") && why.ends_with(": c"), "{why}");
    }

    fn no_rules() -> RuleSet {
        crate::detect::rule::compile(&[], &crate::detect::rule::Options::default()).expect("valid").rules
    }
}
