//! The writer of everything that leaves: transactional, acknowledged by every in-sync replica.
//!
//! The client's calls that end a transaction wait for brokers, so they are made on a thread of their own (`clerk`);
//! what follows from them comes as events.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::config::KafkaSettings;
use crate::service::Failure;
use crate::service::transport::{Breakage, Event, Outgoing, Ticket, Undelivered};

use super::clerk::{self, Task};
use super::client;
use super::context::{Inbox, WriterContext};
use super::error;

/// A transactional producer whose answers come as events.
pub(super) struct Writer {
    producer: Arc<BaseProducer<WriterContext>>,
    /// The thread ends when this is dropped, and what it was about is over.
    tasks: Sender<Task>,
    settings: KafkaSettings,
    transactional_id: String,
    /// True while a transaction is open.
    is_open: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("transactional_id", &self.transactional_id)
            .field("under_way", &self.producer.in_flight_count())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// A producer under this name, and its clerk, who announces when it is ready.
    pub(super) fn new(settings: &KafkaSettings, transactional_id: String) -> Result<Self, Failure> {
        let context = WriterContext {
            inbox: Inbox::new(client::login_setting(settings)),
            alerts_topic: settings.alerts_topic.clone(),
            dead_letter_topic: settings.dead_letter_topic.clone(),
            shadow_topic: settings.shadow_topic.clone(),
            state_topic: settings.state_topic.clone(),
            matches_topic: settings.matches_topic.clone(),
        };
        let config = client::producer(settings, &transactional_id);
        let producer: BaseProducer<_> =
            config.create_with_context(context).map_err(|error| client::not_created(&error))?;
        let producer = Arc::new(producer);
        let tasks = clerk::start(Arc::clone(&producer))?;
        Ok(Self { producer, tasks, settings: settings.clone(), transactional_id, is_open: false })
    }

    /// Replaces the producer by another one of the same name: transactions that this one left open are over then. What
    /// this one still has to say is not heard any more.
    pub(super) fn renew(&mut self) {
        match Self::new(&self.settings, self.transactional_id.clone()) {
            Ok(successor) => *self = successor,
            Err(failure) => self.producer.context().inbox.push(Event::Failed(failure)),
        }
    }

    pub(super) fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        self.open()?;
        let topic = self.producer.context().topic(outgoing.destination);
        let ticket = usize::try_from(ticket.0).expect("fewer outputs than a pointer's width counts");
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, ticket);
        record.partition = outgoing.partition;
        record.key = outgoing.key;
        record.payload = outgoing.payload;
        if !outgoing.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            record.headers = Some(
                outgoing
                    .headers
                    .iter()
                    .fold(headers, |headers, (name, value)| headers.insert(Header { key: name, value: Some(value) })),
            );
        }
        self.producer.send(record).map_err(|(error, _)| match error::code(&error) {
            // Not of this record: the transaction has failed already, and says why when it is ended.
            Code::Fatal | Code::Fenced | Code::State | Code::PurgeQueue => Undelivered::Doomed(error.to_string()),
            code => error::not_delivered(code, outgoing.destination, topic),
        })
    }

    /// Begins to commit, with these offsets of a member of the group.
    pub(super) fn commit(&mut self, offsets: TopicPartitionList, member: ConsumerGroupMetadata) {
        if self.open().is_ok() {
            self.hand(Task::Commit { offsets, member });
        }
    }

    /// Begins to abort.
    pub(super) fn abort(&mut self) {
        self.hand(Task::Abort);
    }

    /// Begins a transaction if none is open; asks nobody. A producer that cannot is of no more use, and says so.
    fn open(&mut self) -> Result<(), Undelivered> {
        if !self.is_open {
            self.producer.begin_transaction().map_err(|error| {
                let event = clerk::broken(&error);
                self.producer.context().inbox.push(event);
                Undelivered::Retry(error.to_string())
            })?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Whatever the clerk does with a transaction, it is not open afterwards.
    fn hand(&mut self, task: Task) {
        self.is_open = false;
        if self.tasks.send(task).is_err() {
            let why = "the thread that ends transactions is gone".to_owned();
            self.producer.context().inbox.push(Event::Broken(Breakage { fenced: false, why }));
        }
    }

    /// Waits for `wait`, and takes the answers that are there then.
    pub(super) fn take(&self, wait: Duration, events: &mut Vec<Event>) {
        let mut wait = wait;
        loop {
            let before = events.len();
            // One call serves one event of the client's queue, with the acknowledgements of a batch in it.
            self.producer.poll(wait);
            self.producer.context().inbox.take(events);
            if events.len() == before {
                return;
            }
            wait = Duration::ZERO;
        }
    }
}
