//! Reads the alert topic as any consumer would, and shows each alert as it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

use crate::kafka::Tail;

use super::screen::Screen;

/// A stop is noticed within this time; alerts are read as they come.
const WAIT: Duration = Duration::from_millis(200);

/// What the demo reads of an alert.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SeenAlert {
    pub(super) time: String,
    pub(super) rule: SeenRule,
    pub(super) summary: String,
    pub(super) evidence: Vec<SeenEvidence>,
}

/// What the demo reads of an event among an alert's evidence.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SeenEvidence {
    pub(super) id: String,
}

/// What the demo reads of an alert's rule.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SeenRule {
    pub(super) name: String,
    pub(super) level: String,
}

/// A thread that reads alerts until it is stopped.
#[derive(Debug)]
pub(super) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<SeenAlert>>,
}

impl Watcher {
    pub(super) fn start(tail: Tail, screen: Arc<Screen>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let thread = thread::spawn(move || watch(&tail, &screen, &stops));
        Self { stop, thread }
    }

    /// Reads what is still to come, and hands over all that was seen.
    pub(super) fn stop(self) -> Vec<SeenAlert> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(tail: &Tail, screen: &Screen, stop: &AtomicBool) -> Vec<SeenAlert> {
    let mut seen = Vec::new();
    loop {
        // Asked before reading: once told to stop, it still reads until nothing comes.
        let is_last = stop.load(Ordering::Relaxed);
        match tail.next(WAIT, |value| serde_json::from_slice::<SeenAlert>(value)) {
            Some(Ok(alert)) => {
                screen.alert(&alert);
                seen.push(alert);
            }
            None if is_last => return seen,
            _ => {}
        }
    }
}
