//! A worker's transport over Kafka: one group member and one writer.

use std::ffi::CString;
use std::fmt;
use std::ptr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList, bindings};

use crate::config::{KafkaSettings, Start};
use crate::detect::Timestamp;
use crate::service::Failure;
use crate::service::transport::{
    Event, Hindrance, Incoming, Outgoing, PartitionId, Position, StartPosition, Ticket, Transport, Undelivered,
};

use super::begin;
use super::client;
use super::context::{MemberContext, answer};
use super::error;
use super::producer::Writer;

/// A member of the group that has subscribed, and a producer.
pub struct KafkaTransport {
    consumer: BaseConsumer<MemberContext>,
    writer: Writer,
    start: Start,
    /// The rebalance that the worker was told of and has not answered; the group waits for it.
    unanswered: Option<Change>,
    begun: Vec<PartitionId>,
}

struct Change {
    assigned: bool,
    partitions: Vec<PartitionId>,
}

impl fmt::Debug for KafkaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTransport")
            .field("begun", &self.begun)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl KafkaTransport {
    /// Makes both clients and joins the group. No broker needs to be there yet.
    pub fn connect(settings: &KafkaSettings) -> Result<Self, Failure> {
        let writer = Writer::new(settings)?;
        let context = MemberContext::new(&settings.topics, client::login_setting(settings));
        let consumer: BaseConsumer<MemberContext> =
            client::consumer(settings).create_with_context(context).map_err(|error| client::not_created(&error))?;
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| Failure::configuration("kafka.topics", format!("cannot be subscribed to: {error}")))?;
        Ok(Self { consumer, writer, start: settings.start, unanswered: None, begun: Vec::new() })
    }

    fn answer(&mut self, assigned: bool, list: &TopicPartitionList) {
        self.unanswered = None;
        answer(&self.consumer, assigned, list, &self.consumer.context().inbox);
    }

    /// The list that the client wants for partitions whose names came from the client.
    fn list(partitions: &[PartitionId]) -> TopicPartitionList {
        begin::list(partitions, |_| Offset::Invalid).expect("an invalid offset can be written into a list")
    }

    /// Begins to commit; the result comes with the consumer's events. The client's own asynchronous commit keeps its
    /// result to itself where events take the place of callbacks, as they do in rdkafka.
    fn begin_commit(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client lives as long as `self`; it copies the list, and takes a reference of its own on the
        // queue for the result, so that ours can go. There is a consumer queue, because there is a group.
        let code = unsafe {
            let queue = bindings::rd_kafka_queue_get_consumer(client);
            let code = bindings::rd_kafka_commit_queue(client, list.ptr(), queue, None, ptr::null_mut());
            bindings::rd_kafka_queue_destroy(queue);
            code
        };
        match RDKafkaErrorCode::from(code) {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(KafkaError::ConsumerCommit(code)),
        }
    }

    fn failed(&self, error: &KafkaError) -> Option<Event> {
        match error {
            KafkaError::MessageConsumptionFatal(code) => {
                let reason = self.consumer.client().fatal_error().map_or_else(|| code.to_string(), |(_, text)| text);
                Some(Event::Failed(Failure::other(format!("the Kafka client gave up: {reason}"))))
            }
            // The context has been told already, with the reason.
            _ => None,
        }
    }
}

impl Transport for KafkaTransport {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn poll(
        &mut self,
        wait: Duration,
        records_max: usize,
        events: &mut Vec<Event>,
        each: &mut dyn FnMut(Incoming<'_>),
    ) {
        let known = events.len();
        self.writer.take(if records_max == 0 { wait } else { Duration::ZERO }, events);
        let mut wait = if events.len() > known { Duration::ZERO } else { wait };
        for _ in 0..records_max {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => each(incoming(&message)),
                Some(Err(error)) => events.extend(self.failed(&error)),
                None => break,
            }
            wait = Duration::ZERO;
        }
        self.consumer.context().inbox.take(events);
        for event in &events[known..] {
            let (assigned, partitions) = match event {
                Event::Assigned(partitions) => (true, partitions),
                Event::Revoked(partitions) | Event::Lost(partitions) => (false, partitions),
                _ => continue,
            };
            self.unanswered = Some(Change { assigned, partitions: partitions.clone() });
        }
    }

    fn begin(&mut self, partitions: &[PartitionId]) -> Result<Vec<StartPosition>, Hindrance> {
        let starts = begin::positions(&self.consumer, partitions, self.start)?;
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for start in &starts {
            let Position { partition, offset } = &start.position;
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
                .map_err(|error| Hindrance::Passing(error.to_string()))?;
        }
        self.answer(true, &list);
        self.begun.extend_from_slice(partitions);
        Ok(starts)
    }

    fn release(&mut self, partitions: &[PartitionId]) {
        self.begun.retain(|id| !partitions.contains(id));
        self.answer(false, &Self::list(partitions));
    }

    fn pause(&mut self, paused: bool) {
        let list = Self::list(&self.begun);
        let done = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = done {
            self.consumer.context().inbox.push(Event::Disturbed(format!("cannot pause or resume: {error}")));
        }
    }

    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        self.writer.send(ticket, outgoing)
    }

    fn commit(&mut self, positions: &[Position]) {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        let listed = positions.iter().try_for_each(|Position { partition, offset }| {
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
        });
        if let Err(error) = listed.and_then(|()| self.begin_commit(&list)) {
            self.consumer.context().inbox.push(Event::NotCommitted(error::group_hindrance(&error)));
        }
    }

    fn end_offset(&mut self, partition: &PartitionId) -> Option<i64> {
        let topic = CString::new(&*partition.topic).ok()?;
        let client = self.consumer.client().native_ptr();
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client lives as long as `self`, the name is terminated and lives through the call, and both
        // results are written before it returns. It reads what the last fetch said and asks nobody.
        let answer = unsafe {
            bindings::rd_kafka_get_watermark_offsets(
                client,
                topic.as_ptr(),
                partition.number,
                &raw mut low,
                &raw mut high,
            )
        };
        (answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    fn leave(mut self) {
        self.consumer.context().leave();
        // The client waits for an outstanding answer before it leaves.
        if let Some(Change { assigned, partitions }) = self.unanswered.take() {
            self.answer(assigned, &Self::list(&partitions));
        }
    }
}

fn incoming<'a>(message: &'a BorrowedMessage<'_>) -> Incoming<'a> {
    Incoming {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(Timestamp::from_millis),
        key: message.key(),
        payload: message.payload(),
    }
}
