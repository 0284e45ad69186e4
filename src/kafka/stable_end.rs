//! Waits until nothing that was in a partition when it was asked about is undecided any more.
//!
//! A reader of committed records stops at the first transaction that is not over. If its producer was killed, that lasts
//! until the brokers end it, and what others have committed behind it stays unseen so long. Who takes that for the end
//! misses it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use tracing::info;

use crate::service::Failure;

/// How long one question may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// Transactions of the living are over sooner.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// An answer on its way.
#[derive(Debug)]
pub(super) struct StableEnd(Receiver<KafkaResult<()>>);

impl StableEnd {
    /// Begins to ask about a partition: `all` is told of every record, `committed` of none behind an open transaction.
    /// The question is dropped when nobody else has `committed` any more.
    pub(super) fn of<A, C>(
        (topic, number): (&str, i32),
        all: Arc<BaseConsumer<A>>,
        committed: Arc<BaseConsumer<C>>,
    ) -> Result<Self, Failure>
    where
        A: ConsumerContext + 'static,
        C: ConsumerContext + 'static,
    {
        let (answer, receiver) = bounded(1);
        let topic = topic.to_owned();
        let body = move || {
            // Without a receiver nobody wants to know any more.
            let _ = answer.send(await_end((&topic, number), &all, &committed));
        };
        let thread = thread::Builder::new().name("stable end".to_owned()).spawn(body);
        thread.map_err(|error| Failure::other(format!("a thread cannot be started: {error}")))?;
        Ok(Self(receiver))
    }

    /// True once everything is decided.
    pub(super) fn has_come(&self) -> KafkaResult<bool> {
        match self.0.try_recv() {
            Ok(outcome) => outcome.map(|()| true),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(KafkaError::Canceled),
        }
    }
}

fn await_end<A, C>(
    (topic, number): (&str, i32),
    all: &BaseConsumer<A>,
    committed: &Arc<BaseConsumer<C>>,
) -> KafkaResult<()>
where
    A: ConsumerContext,
    C: ConsumerContext,
{
    let (_, end) = all.fetch_watermarks(topic, number, ANSWER_MAX)?;
    let begun = Instant::now();
    let mut is_said = false;
    loop {
        let (_, stable) = committed.fetch_watermarks(topic, number, ANSWER_MAX)?;
        if stable >= end || Arc::strong_count(committed) == 1 {
            return Ok(());
        }
        if !is_said && begun.elapsed() > SAID_AFTER {
            info!(
                "{topic}/{number}: offsets {stable} to {end} wait for a transaction that nobody has ended; the brokers \
                 end it soon"
            );
            is_said = true;
        }
        thread::sleep(PAUSE);
    }
}
