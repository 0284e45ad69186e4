//! Writes generated traffic to the source topic at the pace of the clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kafka::Feed;
use crate::traffic::{AttackKind, Label, Traffic, TrafficConfig};

use super::super::Failure;

/// An attack of each kind begins about every twenty seconds; most are over within five.
const ATTACK_EVERY_MS: u32 = 1_500;
const ATTACK_SPAN_MS: u32 = 5_000;
/// Between two bursts of events; short enough to look steady.
const BEAT: Duration = Duration::from_millis(5);
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// A thread that writes traffic until it is stopped.
#[derive(Debug)]
pub(super) struct Feeder {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Fed, Failure>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    events: AtomicU64,
    subjects: AtomicUsize,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) events: u64,
    pub(super) labels: Vec<Label>,
    /// Event time of the last one.
    pub(super) end_ms: i64,
    pub(super) took: Duration,
}

impl Feeder {
    /// Begins to write `rate` events a second, stamped with the clock's time.
    pub(super) fn start(broker: &str, topic: &'static str, rate: u32, seed: u64) -> Result<Self, Failure> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let traffic = Traffic::new(TrafficConfig {
            seed,
            start_ms: now_ms,
            events_per_second: rate,
            attacks: AttackKind::ALL.to_vec(),
            attack_every_ms: ATTACK_EVERY_MS,
            attack_span_ms: ATTACK_SPAN_MS,
            ..TrafficConfig::default()
        });
        let traffic = traffic.map_err(Failure::wrong)?;
        let feed = Feed::new(broker)?;
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || write(traffic, feed, (topic, rate, now_ms), &its))
            .map_err(|error| Failure::unavailable(format!("no thread can be started: {error}")))?;
        Ok(Self { shared, thread })
    }

    /// Events written so far.
    pub(super) fn events(&self) -> u64 {
        self.shared.events.load(Ordering::Relaxed)
    }

    /// Different subjects so far.
    pub(super) fn subjects(&self) -> usize {
        self.shared.subjects.load(Ordering::Relaxed)
    }

    /// Ends the traffic, and waits until all of it is written.
    pub(super) fn stop(self) -> Result<Fed, Failure> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::unavailable("the feeder panicked"))?
    }
}

fn write(
    mut traffic: Traffic,
    feed: Feed,
    (topic, rate, start_ms): (&str, u32, i64),
    shared: &Shared,
) -> Result<Fed, Failure> {
    let begun = Instant::now();
    let mut events = 0u64;
    let mut subjects = HashSet::new();
    let mut event = Vec::new();
    let mut end_ms = start_ms;
    while !shared.stop.load(Ordering::Relaxed) {
        let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = elapsed_ms.saturating_mul(u64::from(rate)) / 1_000;
        while events < due {
            event.clear();
            end_ms = start_ms + i64::try_from(events * 1_000 / u64::from(rate)).unwrap_or_default();
            let emitted = traffic.emit(end_ms, &mut event);
            if !subjects.contains(emitted.subject) {
                subjects.insert(emitted.subject.to_owned());
            }
            feed.send(topic, emitted.subject.as_bytes(), &event, end_ms)?;
            events += 1;
        }
        shared.events.store(events, Ordering::Relaxed);
        shared.subjects.store(subjects.len(), Ordering::Relaxed);
        feed.poll();
        thread::sleep(BEAT);
    }
    let took = begun.elapsed();
    feed.finish(WRITE_PATIENCE)?;
    Ok(Fed { events, labels: traffic.finish(), end_ms, took })
}
