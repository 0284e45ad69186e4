//! The workers as threads: started together, stopped together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, unbounded};

use crate::detect::rule::RuleSet;
use crate::detect::state::Format;
use crate::http::Views;
use crate::ingest::geo::Places;
use crate::pipeline::Settings;

use super::batch::Batch;
use super::failure::Failure;
use super::output::Author;
use super::route::Post;
use super::transport::Transport;
use super::worker::Worker;

/// Drops something large on a thread of its own: group by group a million takes seconds, for which nobody need wait. Without
/// a thread it is dropped here.
pub(super) fn drop_aside(large: impl Send + 'static) {
    drop(thread::Builder::new().name("forgets".to_owned()).spawn(move || drop(large)));
}

/// What every worker works with.
#[derive(Clone, Debug)]
pub struct Workplace {
    /// The rules in force; what is stored there is used from the next batch on.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// What decides besides rules.
    pub settings: Settings,
    /// Where addresses are; what is stored there is used from the next batch on.
    pub places: Arc<ArcSwap<Places>>,
    /// Which part of a record's way the workers go.
    pub post: Post,
    /// The consumer group.
    pub group_id: String,
    /// Between two times that what is known of a partition is saved.
    pub save_interval: Duration,
    /// In which format that is.
    pub format: Format,
    /// Where the workers leave what is to be seen.
    pub views: Arc<Views>,
}

/// Workers that go the same part of the way.
#[derive(Debug)]
pub struct Team<T> {
    /// What they work with.
    pub workplace: Workplace,
    /// One for each.
    pub transports: Vec<T>,
}

/// Running workers.
#[derive(Debug)]
pub struct Service {
    threads: Vec<JoinHandle<()>>,
    outcomes: Receiver<Result<(), Failure>>,
    stop: Arc<AtomicBool>,
}

/// Asks the workers to stop; can be kept anywhere.
#[derive(Clone, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The workers settle what is under way, and end.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    /// Starts a worker for each transport at its workplace. Workers are numbered through.
    pub fn start<T: Transport + Send + 'static>(teams: Vec<Team<T>>) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let (report, outcomes) = unbounded();
        let mut threads = Vec::new();
        let places = teams.into_iter().flat_map(|Team { workplace, transports }| {
            let numbered = transports.into_iter().enumerate();
            numbered.map(move |(number, transport)| (workplace.clone(), number, transport))
        });
        for (number, (workplace, number_in_team, transport)) in places.enumerate() {
            let author = Author { group_id: workplace.group_id.clone(), worker: number_in_team };
            let batch = Batch::new(&workplace, author);
            let worker = Worker::new(number, transport, batch, Arc::clone(&workplace.views), Arc::clone(&stop));
            let report = report.clone();
            let body = move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| worker.run())).unwrap_or_else(|_| {
                    Err(Failure::other(format!("worker {number} panicked: this is a bug in tokenwatch")))
                });
                // Without a receiver nobody waits for the outcome any more.
                let _ = report.send(outcome);
            };
            let thread = thread::Builder::new().name(format!("worker {number}")).spawn(body);
            threads.push(thread.map_err(|error| Failure::other(format!("worker {number} cannot start: {error}")))?);
        }
        Ok(Self { threads, outcomes, stop })
    }

    /// The way to stop it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop(Arc::clone(&self.stop))
    }

    /// Blocks until every worker has ended. If one fails, the others are stopped too; the first failure is returned.
    pub fn wait(self) -> Result<(), Failure> {
        let mut first = Ok(());
        for _ in 0..self.threads.len() {
            let outcome = self.outcomes.recv().unwrap_or_else(|_| Err(Failure::other("a worker ended without a word")));
            if outcome.is_err() {
                self.stop().now();
                first = first.and(outcome);
            }
        }
        for thread in self.threads {
            // Its panic, if any, has been reported.
            let _ = thread.join();
        }
        first
    }
}
