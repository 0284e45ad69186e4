//! Where the client's callbacks go: into a queue that the worker's next poll empties.
//!
//! Nothing is decided inside a callback. A rebalance, too, is only noted here and answered later by the worker, so
//! that it can settle what revoked partitions caused before it lets go of them. Only on leaving, when nobody waits
//! any more, is it answered at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, warn};

use crate::service::Failure;
use crate::service::output::Destination;
use crate::service::transport::{Event, PartitionId, Ticket};

use super::error;

/// The same trouble is not told again within this time: a client repeats itself with every attempt to connect.
const REPEAT_MIN: Duration = Duration::from_secs(10);

/// The queue of one client.
#[derive(Debug)]
pub(super) struct Inbox {
    events: Mutex<Vec<Event>>,
    /// When each kind of trouble was last told, by the code's number.
    told: Mutex<HashMap<i32, Instant>>,
    login: &'static str,
}

impl Inbox {
    pub(super) fn new(login: &'static str) -> Self {
        Self { events: Mutex::default(), told: Mutex::default(), login }
    }

    /// Moves everything that happened to `events`.
    pub(super) fn take(&self, events: &mut Vec<Event>) {
        events.append(&mut lock(&self.events));
    }

    pub(super) fn push(&self, event: Event) {
        lock(&self.events).push(event);
    }

    /// An error that the client reports on its own.
    pub(super) fn report(&self, code: Code, reason: &str) {
        let event = error::reported(code, reason, self.login);
        if matches!(event, Event::Disturbed(_)) {
            let mut told = lock(&self.told);
            let now = Instant::now();
            if told.get(&(code as i32)).is_some_and(|before| now - *before < REPEAT_MIN) {
                debug!(%code, reason, "kafka client");
                return;
            }
            told.insert(code as i32, now);
        }
        self.push(event);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's own log. What it calls errors comes as reports too, so the lines are for developers.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // It warns of properties that are meant for the other kind of client; ours are shared.
    if matches!(level, RDKafkaLogLevel::Warning) && facility != "CONFWARN" {
        warn!(facility, message, "kafka client");
    } else {
        debug!(facility, message, "kafka client");
    }
}

/// The callbacks of a group member.
#[derive(Debug)]
pub(super) struct MemberContext {
    pub(super) inbox: Inbox,
    topics: Vec<Arc<str>>,
    leaving: AtomicBool,
}

impl MemberContext {
    pub(super) fn new(topics: &[String], login: &'static str) -> Self {
        let topics = topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        Self { inbox: Inbox::new(login), topics, leaving: AtomicBool::new(false) }
    }

    /// From now on rebalances are answered at once.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<PartitionId> {
        let id = |topic: &str, number| {
            let known = self.topics.iter().find(|known| &***known == topic);
            PartitionId { topic: known.map_or_else(|| Arc::from(topic), Arc::clone), number }
        };
        list.elements().iter().map(|element| id(element.topic(), element.partition())).collect()
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error::code(&error);
        // That a partition ends is an answer to who polls.
        if code != Code::PartitionEOF {
            self.inbox.report(code, reason);
        }
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, change: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.leaving.load(Ordering::Relaxed) {
            answer(consumer, assigned, list, &self.inbox);
            return;
        }
        let partitions = self.partitions(list);
        self.inbox.push(match assigned {
            true => Event::Assigned(partitions),
            false if consumer.assignment_lost() => Event::Lost(partitions),
            false => Event::Revoked(partitions),
        });
    }
}

/// Answers a rebalance, which the group waits for. Partitions that are given back need not be read yet.
pub(super) fn answer(consumer: &BaseConsumer<MemberContext>, assigned: bool, list: &TopicPartitionList, inbox: &Inbox) {
    let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
    let answered = match (cooperative, assigned) {
        (true, true) => consumer.incremental_assign(list),
        (true, false) => read_of(consumer, list).and_then(|read| consumer.incremental_unassign(&read)),
        (false, true) => consumer.assign(list),
        (false, false) => consumer.unassign(),
    };
    if let Err(error) = answered {
        inbox.push(Event::Disturbed(format!("the group did not take our answer: {error}")));
    }
}

/// Those of some partitions that are being read; the client refuses to stop the others.
fn read_of(consumer: &BaseConsumer<MemberContext>, list: &TopicPartitionList) -> KafkaResult<TopicPartitionList> {
    let read = consumer.assignment()?;
    let mut both = TopicPartitionList::new();
    for element in list.elements() {
        if read.find_partition(element.topic(), element.partition()).is_some() {
            both.add_partition(element.topic(), element.partition());
        }
    }
    Ok(both)
}

/// The callbacks of the writer.
#[derive(Debug)]
pub(super) struct WriterContext {
    pub(super) inbox: Inbox,
    pub(super) alerts_topic: String,
    pub(super) dead_letter_topic: String,
    pub(super) shadow_topic: Option<String>,
    pub(super) state_topic: String,
    pub(super) matches_topic: String,
}

impl WriterContext {
    pub(super) fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::Alerts => &self.alerts_topic,
            Destination::DeadLetters => &self.dead_letter_topic,
            // No rule is in shadow without it; if one were, no topic has an empty name, and the write is refused.
            Destination::ShadowAlerts => self.shadow_topic.as_deref().unwrap_or_default(),
            Destination::State => &self.state_topic,
            Destination::Matches => &self.matches_topic,
        }
    }
}

impl WriterContext {
    /// A topic refuses writes. A transaction's error does not say which one of those that it writes to.
    pub(super) fn refused(&self, why: &str) -> Failure {
        let topics = Destination::ALL.map(|destination| self.topic(destination));
        let topics = topics.iter().filter(|topic| !topic.is_empty()).map(|topic| format!("{topic:?}"));
        let topics = topics.collect::<Vec<_>>().join(" or ");
        Failure::surroundings(Destination::Alerts.setting(), format!("the brokers refuse writes to {topics}: {why}"))
            .hint("allow the operation Write on all of them to this client")
    }
}

impl ClientContext for WriterContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error::code(&error) {
            // What that means for the transaction is known when it is ended.
            Code::Fatal => self.inbox.push(Event::Disturbed(format!("the producer is of no more use: {reason}"))),
            code => self.inbox.report(code, reason),
        }
    }
}

impl ProducerContext for WriterContext {
    /// The ticket; a pointer's width is enough for every output of a process's life.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let ticket = Ticket(ticket as u64);
        self.inbox.push(match result {
            Ok(_) => Event::Delivered(ticket),
            // Thrown away with its transaction, which is told of on its own.
            Err((error, _)) if matches!(error::code(error), Code::PurgeQueue | Code::PurgeInflight) => return,
            Err((error, message)) => {
                let is_it = |destination: &Destination| self.topic(*destination) == message.topic();
                let destination = Destination::ALL.into_iter().find(is_it).unwrap_or(Destination::Alerts);
                let why = error::not_delivered(error::code(error), destination, self.topic(destination));
                Event::Undelivered(ticket, why)
            }
        });
    }
}

/// The callbacks of a client that only asks: it keeps the last report, as the reason when an answer stays out.
#[derive(Debug)]
pub(super) struct ObserverContext {
    pub(super) inbox: Inbox,
    last: Mutex<Option<String>>,
}

impl ObserverContext {
    pub(super) fn new(login: &'static str) -> Self {
        Self { inbox: Inbox::new(login), last: Mutex::default() }
    }

    /// The last report.
    pub(super) fn last(&self) -> Option<String> {
        lock(&self.last).clone()
    }
}

impl ClientContext for ObserverContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That every broker is down says less than why the last of them is.
        if error::code(&error) != Code::AllBrokersDown {
            *lock(&self.last) = Some(reason.to_owned());
        }
        self.inbox.report(error::code(&error), reason);
    }
}

impl ConsumerContext for ObserverContext {}
