//! The thread that ends transactions: each of its calls waits for brokers, and each answer is an event.
//!
//! It retries what the client calls retriable and aborts what can only be aborted; everything else is for the worker to
//! decide. It never opens a transaction.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer};

use crate::service::Failure;
use crate::service::transport::{Breakage, Event, Hindrance};

use super::context::WriterContext;
use super::error;

/// How long one call waits for its answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a commit is tried; after the transaction's own timeout nothing is gained by trying on.
const COMMIT_MAX: Duration = Duration::from_secs(20);
/// Between two attempts of what failed at once.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// What is to be done with the open transaction.
pub(super) enum Task {
    Commit { offsets: TopicPartitionList, member: ConsumerGroupMetadata },
    Abort,
}

/// Why a transaction was not committed.
enum Obstacle {
    /// It can be aborted.
    Abort(KafkaError),
    /// What became of it cannot be known.
    Broken(KafkaError),
}

type Client = BaseProducer<WriterContext>;

/// Starts the thread. First of all it makes the producer ready; it ends when the sender is dropped.
pub(super) fn start(producer: Arc<Client>) -> Result<Sender<Task>, Failure> {
    let (sender, tasks) = unbounded();
    let body = move || work(&producer, &tasks);
    let thread = thread::Builder::new().name("transactions".to_owned()).spawn(body);
    thread.map_err(|error| Failure::other(format!("the thread for transactions cannot start: {error}")))?;
    Ok(sender)
}

fn work(producer: &Client, tasks: &Receiver<Task>) {
    let inbox = &producer.context().inbox;
    inbox.push(prepare(producer, tasks));
    for task in tasks {
        inbox.push(match task {
            Task::Commit { offsets, member } => match commit(producer, &offsets, &member) {
                Ok(()) => Event::Committed,
                Err(Obstacle::Abort(why)) => abort(producer, Some(&why)),
                Err(Obstacle::Broken(why)) => broken(&why),
            },
            Task::Abort => abort(producer, failure(producer).as_ref()),
        });
    }
}

/// Takes over the producer's name, as long as that takes: brokers may be away.
fn prepare(producer: &Client, tasks: &Receiver<Task>) -> Event {
    loop {
        match producer.init_transactions(ANSWER_MAX) {
            Ok(()) => return Event::Ready,
            Err(error) if is_retriable(&error) => thread::sleep(RETRY_WAIT),
            Err(error) => return lasting(&error).map_or_else(|| broken(&error), Event::Failed),
        }
        // Nobody is left who would use it.
        if matches!(tasks.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected)) {
            return Event::Disturbed("the producer was given up before it was ready".to_owned());
        }
    }
}

fn commit(producer: &Client, offsets: &TopicPartitionList, member: &ConsumerGroupMetadata) -> Result<(), Obstacle> {
    let deadline = Instant::now() + COMMIT_MAX;
    retry(deadline, || producer.send_offsets_to_transaction(offsets, member, ANSWER_MAX)).map_err(|error| {
        // Nothing has been committed for sure before a commit is asked for.
        if is_fatal(&error) { Obstacle::Broken(error) } else { Obstacle::Abort(error) }
    })?;
    retry(deadline, || producer.commit_transaction(ANSWER_MAX)).map_err(|error| match error {
        // What was sent is not even acknowledged, so the brokers were not asked to commit.
        KafkaError::Flush(_) => Obstacle::Abort(error),
        error if requires_abort(&error) => Obstacle::Abort(error),
        error => Obstacle::Broken(error),
    })
}

/// Why the open transaction has failed, if it has. Whoever asks for another one meanwhile is told, and no broker is asked.
fn failure(producer: &Client) -> Option<KafkaError> {
    producer.begin_transaction().err().filter(|error| requires_abort(error) || is_fatal(error))
}

fn abort(producer: &Client, cause: Option<&KafkaError>) -> Event {
    let aborted = retry(Instant::now() + COMMIT_MAX, || producer.abort_transaction(ANSWER_MAX));
    match (aborted, cause) {
        (Err(why), _) => broken(&why),
        (Ok(()), Some(cause)) if error::code(cause) == Code::TopicAuthorizationFailed => {
            Event::Failed(producer.context().refused(&words(cause)))
        }
        (Ok(()), Some(cause)) => lasting(cause).map_or_else(|| Event::Aborted(words(cause)), Event::Failed),
        (Ok(()), None) => Event::Aborted("an output was not written".to_owned()),
    }
}

fn retry(deadline: Instant, mut call: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    loop {
        match call() {
            Err(error) if is_retriable(&error) && Instant::now() < deadline => thread::sleep(RETRY_WAIT),
            done => return done,
        }
    }
}

/// What it means that a producer does not work.
pub(super) fn broken(error: &KafkaError) -> Event {
    if let Some(failure) = lasting(error) {
        return Event::Failed(failure);
    }
    let fenced = matches!(error::code(error), Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch);
    Event::Broken(Breakage { fenced, why: words(error) })
}

/// What no new producer would mend.
fn lasting(error: &KafkaError) -> Option<Failure> {
    match error::code(error) {
        Code::TransactionalIdAuthorizationFailed => Some(
            Failure::surroundings("kafka.group_id", format!("the brokers refuse our transactions: {}", words(error)))
                .hint("allow the operations Write and Describe on transactional ids that begin with the group's id"),
        ),
        Code::InvalidTransactionTimeout => Some(
            Failure::surroundings("kafka.properties.transaction.timeout.ms", words(error))
                .hint("brokers allow no more than their transaction.max.timeout.ms"),
        ),
        Code::UnsupportedVersion | Code::UnsupportedFeature => Some(Failure::surroundings(
            "kafka.bootstrap_servers",
            format!("the brokers know no transactions: {}", words(error)),
        )),
        Code::GroupAuthorizationFailed => match error::group_hindrance(error) {
            Hindrance::Lasting(failure) => Some(failure),
            Hindrance::Passing(_) => None,
        },
        _ => None,
    }
}

/// What went wrong, without the client's preface.
fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(error) => error.string(),
        other => other.to_string(),
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.txn_requires_abort(),
        KafkaError::Flush(_) => true,
        _ => false,
    }
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
}
