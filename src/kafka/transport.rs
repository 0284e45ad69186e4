//! A worker's transport over Kafka: one group member and one writer.

use std::ffi::CString;
use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList, bindings};

use crate::config::KafkaSettings;
use crate::detect::Timestamp;
use crate::service::Failure;
use crate::service::transport::{
    Breakage, Event, Hindrance, Incoming, LookBack, Outgoing, PartitionId, Position, Stretch, Ticket, Transport,
    Undelivered,
};

use super::begin;
use super::client;
use super::context::{MemberContext, answer};
use super::lookback::Reader;
use super::producer::Writer;
use super::reading::Reading;

/// Bytes of records handed over before the caller can look at anything else.
const POLL_BYTES_MAX: usize = 8 << 20;

/// A member of the group that has subscribed, and a producer.
pub struct KafkaTransport {
    settings: KafkaSettings,
    worker: usize,
    consumer: Arc<BaseConsumer<MemberContext>>,
    /// Somebody else has its name in the group: it reads nothing any more.
    expelled: bool,
    writer: Writer,
    reader: Reader,
    /// The partitions that the worker was told to give back and has not; the group waits for it.
    unanswered: Option<Vec<PartitionId>>,
    reading: Reading,
    paused: bool,
    /// Threads that look up offsets.
    questions: Vec<JoinHandle<()>>,
}

impl fmt::Debug for KafkaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTransport")
            .field("reading", &self.reading)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl KafkaTransport {
    /// Makes both clients and joins the group. No broker needs to be there yet. `worker` is the number of the one that
    /// this is for, which tells the clients of a process apart.
    pub fn connect(settings: &KafkaSettings, worker: usize) -> Result<Self, Failure> {
        let writer = Writer::new(settings, client::transactional_id(settings, worker))?;
        Ok(Self {
            consumer: Arc::new(member(settings, worker)?),
            reader: Reader::new(settings),
            settings: settings.clone(),
            worker,
            expelled: false,
            writer,
            unanswered: None,
            reading: Reading::default(),
            paused: false,
            questions: Vec::new(),
        })
    }

    fn pause_or_resume(&self, list: &TopicPartitionList) {
        let done = if self.paused { self.consumer.pause(list) } else { self.consumer.resume(list) };
        if let Err(error) = done {
            self.disturbed(format!("cannot pause or resume: {error}"));
        }
    }

    fn answer(&mut self, assigned: bool, list: &TopicPartitionList) {
        self.unanswered = None;
        answer(&self.consumer, assigned, list, &self.consumer.context().inbox);
    }

    /// The list that the client wants for partitions whose names came from the client.
    fn list(partitions: &[PartitionId]) -> TopicPartitionList {
        begin::list(partitions, |_| Offset::Invalid).expect("an invalid offset can be written into a list")
    }

    fn came_to_the_end(&mut self, number: i32) {
        let Self { reading, consumer, .. } = self;
        reading.came_to_the_end(number, |id| end_offset(consumer, id));
    }

    fn disturbed(&self, what: String) {
        self.consumer.context().inbox.push(Event::Disturbed(what));
    }

    fn failed(&mut self, error: &KafkaError) -> Option<Event> {
        // Of everything else the context has been told already, with the reason.
        let KafkaError::MessageConsumptionFatal(code) = error else { return None };
        let (code, reason) = self.consumer.client().fatal_error().unwrap_or_else(|| (*code, code.to_string()));
        let fenced = match code {
            // After a broken connection that may have been ourselves: the answer to a second join, which never came.
            Code::FencedInstanceId => true,
            // A predecessor was killed, and its session is not over.
            Code::UnreleasedInstanceId => false,
            _ => return Some(Event::Failed(Failure::other(format!("the Kafka client gave up: {reason}")))),
        };
        self.expelled = true;
        self.unanswered = None;
        self.reading.clear();
        Some(Event::Expelled(Breakage { fenced, why: reason }))
    }
}

/// A consumer that joins the group.
fn member(settings: &KafkaSettings, worker: usize) -> Result<BaseConsumer<MemberContext>, Failure> {
    let context = MemberContext::new(&settings.topics, client::login_setting(settings));
    let consumer: BaseConsumer<MemberContext> =
        client::consumer(settings, worker).create_with_context(context).map_err(|error| client::not_created(&error))?;
    let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .map_err(|error| Failure::configuration("kafka.topics", format!("cannot be subscribed to: {error}")))?;
    Ok(consumer)
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
        let records_max = if self.expelled { 0 } else { records_max };
        self.writer.take(if records_max == 0 { wait } else { Duration::ZERO }, events);
        let mut wait = if events.len() > known { Duration::ZERO } else { wait };
        let (mut bytes, mut failed) = (0, None);
        for _ in 0..records_max {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    bytes += message.payload_len();
                    self.reading.record(message.partition());
                    each(incoming(&message));
                }
                Some(Err(KafkaError::PartitionEOF(number))) => self.came_to_the_end(number),
                Some(Err(error)) => failed = self.failed(&error),
                None => break,
            }
            if bytes >= POLL_BYTES_MAX || failed.is_some() {
                break;
            }
            wait = Duration::ZERO;
        }
        self.consumer.context().inbox.take(events);
        // What came before it is of no more use, so it comes last.
        events.extend(failed);
        if self.expelled {
            return;
        }
        for event in &events[known..] {
            match event {
                // Known, and that is all the group waits for; reading begins one by one, when the worker is ready.
                Event::Assigned(_) => self.answer(true, &TopicPartitionList::new()),
                Event::Revoked(partitions) | Event::Lost(partitions) => self.unanswered = Some(partitions.clone()),
                _ => {}
            }
        }
    }

    fn find(&mut self, question: u64, partitions: &[PartitionId]) {
        let (consumer, partitions, start) = (Arc::clone(&self.consumer), partitions.to_vec(), self.settings.start);
        let look_up = move || {
            let event = match begin::positions(&consumer, &partitions, start) {
                Ok(starts) => Event::Found(question, starts),
                Err(why) => Event::NotFound(question, why),
            };
            consumer.context().inbox.push(event);
        };
        self.questions.retain(|thread| !thread.is_finished());
        match thread::Builder::new().name("offsets".to_owned()).spawn(look_up) {
            Ok(thread) => self.questions.push(thread),
            Err(error) => {
                let why = Hindrance::Passing(format!("a thread cannot be started: {error}"));
                self.consumer.context().inbox.push(Event::NotFound(question, why));
            }
        }
    }

    fn look_back(&mut self, stretch: &Stretch) -> Result<(), Hindrance> {
        self.reader.begin(stretch)
    }

    fn read_back(&mut self, records_max: usize, each: &mut dyn FnMut(Incoming<'_>)) -> Result<LookBack, Hindrance> {
        self.reader.read(records_max, each)
    }

    fn begin(&mut self, position: &Position) -> Result<(), Hindrance> {
        let passing = |error: KafkaError| Hindrance::Passing(error.to_string());
        let partitions = std::slice::from_ref(&position.partition);
        let list = begin::list(partitions, |_| Offset::Offset(position.offset)).map_err(passing)?;
        self.consumer.incremental_assign(&list).map_err(passing)?;
        // The client remembers that a partition was paused when it was taken from it.
        self.pause_or_resume(&list);
        self.reading.add(position);
        Ok(())
    }

    fn halt(&mut self, partitions: &[PartitionId]) {
        let halted = self.reading.remove(partitions);
        if !halted.is_empty()
            && let Err(error) = self.consumer.incremental_unassign(&Self::list(&halted))
        {
            self.disturbed(format!("reading does not stop: {error}"));
        }
    }

    fn release(&mut self, partitions: &[PartitionId]) {
        self.reading.remove(partitions);
        self.answer(false, &Self::list(partitions));
    }

    fn rejoin(&mut self) -> Result<(), Failure> {
        self.consumer.context().leave();
        self.consumer = Arc::new(member(&self.settings, self.worker)?);
        self.expelled = false;
        self.unanswered = None;
        self.reading.clear();
        Ok(())
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.reading.forget_ends();
        self.pause_or_resume(&Self::list(&self.reading.partitions()));
    }

    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        self.writer.send(ticket, outgoing)
    }

    fn commit(&mut self, positions: &[Position]) {
        match (offsets(positions), self.consumer.group_metadata()) {
            // Who we are in the group now: if that changes before the brokers decide, they refuse.
            (Ok(list), Some(member)) => self.writer.commit(list, member),
            (Err(error), _) => self.disturbed(format!("offsets cannot be written down: {error}")),
            (_, None) => self.disturbed("there is no consumer group to commit for".to_owned()),
        }
    }

    fn abort(&mut self) {
        self.writer.abort();
    }

    fn renew(&mut self) {
        self.writer.renew();
    }

    fn end(&self, partition: &PartitionId) -> Option<i64> {
        self.reading.has_heard(partition).then(|| end_offset(&self.consumer, partition)).flatten()
    }

    fn left(&mut self, partition: &PartitionId, next: i64) -> Option<i64> {
        let end = end_offset(&self.consumer, partition)?;
        self.reading.left(partition, next, end)
    }

    fn leave(mut self) {
        self.consumer.context().leave();
        // The client waits for an outstanding answer before it leaves.
        if let Some(partitions) = self.unanswered.take() {
            self.answer(false, &Self::list(&partitions));
        }
        // It leaves when the last one that holds it is gone, which should be this thread.
        for thread in self.questions.drain(..) {
            // What it found does not matter any more.
            let _ = thread.join();
        }
    }
}

/// The offset after the last record of a partition, whether it can be read or not, as the client last heard.
fn end_offset(consumer: &BaseConsumer<MemberContext>, partition: &PartitionId) -> Option<i64> {
    let topic = CString::new(&*partition.topic).ok()?;
    let client = consumer.client().native_ptr();
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client lives as long as `consumer`, the name is terminated and lives through the call, and both
    // results are written before it returns. It reads what the last fetch said and asks nobody.
    let answer = unsafe {
        bindings::rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition.number, &raw mut low, &raw mut high)
    };
    (answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// The client's list of offsets, and of what stands beside them.
fn offsets(positions: &[Position]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for Position { partition: PartitionId { topic, number }, offset, metadata } in positions {
        list.add_partition_offset(topic, *number, Offset::Offset(*offset))?;
        if let Some(mut added) = list.find_partition(topic, *number).filter(|_| !metadata.is_empty()) {
            added.set_metadata(metadata);
        }
    }
    Ok(list)
}

pub(super) fn incoming<'a>(message: &'a BorrowedMessage<'_>) -> Incoming<'a> {
    Incoming {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(Timestamp::from_millis),
        key: message.key(),
        payload: message.payload(),
    }
}
