//! Reads what a topic holds, from one time to another: partition after partition, in no group, up to the end that each
//! had at the start.
//!
//! Not for following a topic. What is committed later, or behind a transaction that was open at the start, is not read.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::MetadataPartition;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, Timestamp as RecordTime, TopicPartitionList};

use crate::config::KafkaSettings;
use crate::detect::Timestamp;
use crate::service::Failure;
use crate::service::transport::{Event, Incoming};

use super::client;
use super::error;
use super::transport::incoming;

/// How long a single question may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long nothing may come of a stretch that is not at its end.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// One wait for a record.
const POLL: Duration = Duration::from_millis(100);
/// Records that are handed over before the caller is asked again.
const BATCH_RECORDS: usize = 10_000;

/// The records whose own time is at least `since` and less than `until`; none is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The earliest time that counts.
    pub since: Option<Timestamp>,
    /// The earliest time that counts no more.
    pub until: Option<Timestamp>,
}

/// Offsets of a partition: from the first, up to but without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    number: i32,
    from: i64,
    end: i64,
}

/// What is left of a topic to read.
pub struct History {
    consumer: BaseConsumer<Onlooker>,
    topic: String,
    period: Period,
    /// The partitions that have records, the next one last.
    ahead: Vec<Stretch>,
    current: Option<Stretch>,
    /// How many partitions the topic has.
    pub partitions: usize,
    /// How many offsets there were to read at the start; not each is a record.
    pub offsets_total: u64,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more of this partition.
    More,
    /// That was the last of a partition; another may follow.
    PartitionEnd,
    /// Everything is read.
    End,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("topic", &self.topic).field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl History {
    /// Looks where the topic's partitions begin and end; nothing is read yet.
    pub fn open(settings: &KafkaSettings, topic: &str, period: Period) -> Result<Self, Failure> {
        let context = Onlooker { login: client::login_setting(settings), heard: Mutex::default() };
        let consumer: BaseConsumer<Onlooker> =
            client::reader(settings).create_with_context(context).map_err(|error| client::not_created(&error))?;
        let mut history = Self {
            consumer,
            topic: topic.to_owned(),
            period,
            ahead: Vec::new(),
            current: None,
            partitions: 0,
            offsets_total: 0,
        };
        let numbers = history.numbers(settings)?;
        history.partitions = numbers.len();
        history.ahead = history.stretches(&numbers)?;
        let lengths = history.ahead.iter().map(|stretch| (stretch.end - stretch.from).unsigned_abs());
        history.offsets_total = lengths.sum();
        Ok(history)
    }

    /// The topic's partitions.
    fn numbers(&self, settings: &KafkaSettings) -> Result<Vec<i32>, Failure> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), ANSWER_MAX);
        self.heard_failure()?;
        let metadata = metadata.map_err(|error| {
            let reason = self.last_heard().unwrap_or_else(|| error::code(&error).to_string());
            let brokers = settings.bootstrap_servers.join(",");
            Failure::surroundings("kafka.bootstrap_servers", format!("no broker of {brokers} answers: {reason}"))
                .hint("is the address right, and do kafka.properties.security.protocol and .ssl.* suit that listener?")
        })?;
        let found = metadata.topics().iter().find(|known| known.name() == self.topic);
        match found.map(|found| (found.error(), found.partitions())) {
            Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), _)) => Err(self.refused()),
            Some((None, partitions @ [_, ..])) => {
                let mut numbers: Vec<i32> = partitions.iter().map(MetadataPartition::id).collect();
                numbers.sort_unstable();
                Ok(numbers)
            }
            _ => Err(Failure::surroundings("--topic", format!("there is no topic {:?}", self.topic))),
        }
    }

    fn refused(&self) -> Failure {
        let problem = format!("the brokers refuse {:?} to this client", self.topic);
        Failure::surroundings("--topic", problem).hint("allow the operations Describe and Read on it")
    }

    /// What is to be read of each partition, the last partition first.
    fn stretches(&self, numbers: &[i32]) -> Result<Vec<Stretch>, Failure> {
        let begins = match self.period.since {
            None => None,
            Some(time) => {
                let mut list = TopicPartitionList::new();
                for number in numbers {
                    let time = Offset::Offset(time.millis());
                    list.add_partition_offset(&self.topic, *number, time).map_err(|error| self.unknown(&error))?;
                }
                let found = self.consumer.offsets_for_times(list, ANSWER_MAX);
                Some(found.map_err(|error| self.unknown(&error))?)
            }
        };
        let mut stretches = Vec::with_capacity(numbers.len());
        for &number in numbers.iter().rev() {
            let ends = self.consumer.fetch_watermarks(&self.topic, number, ANSWER_MAX);
            let (low, end) = ends.map_err(|error| self.unknown(&error))?;
            let from = begins.as_ref().map_or(low, |begins| match begins.find_partition(&self.topic, number) {
                Some(found) => match found.offset() {
                    Offset::Offset(offset) => offset.max(low),
                    // No record is that young.
                    _ => end,
                },
                None => low,
            });
            if from < end {
                stretches.push(Stretch { number, from, end });
            }
        }
        Ok(stretches)
    }

    /// Why offsets could not be looked up.
    fn unknown(&self, error: &KafkaError) -> Failure {
        if let Err(failure) = self.heard_failure() {
            return failure;
        }
        if error::code(error) == Code::TopicAuthorizationFailed {
            return self.refused();
        }
        let reason = self.last_heard().unwrap_or_else(|| error::code(error).to_string());
        Failure::other(format!("the offsets of {:?} cannot be looked up: {reason}", self.topic))
    }

    /// Hands over the next records of the period, of one partition, in order. An error is final.
    pub fn read(&mut self, each: &mut dyn FnMut(Incoming<'_>)) -> Result<Progress, Failure> {
        let stretch = match self.current {
            Some(stretch) => stretch,
            None => match self.begin()? {
                Some(stretch) => stretch,
                None => return Ok(Progress::End),
            },
        };
        let mut heard = Instant::now();
        for _ in 0..BATCH_RECORDS {
            let is_last = match self.consumer.poll(POLL) {
                None if heard.elapsed() < SILENCE_MAX => {
                    self.heard_failure()?;
                    continue;
                }
                None => return Err(self.silent(stretch)),
                // The client may still tell of the partition before.
                Some(Err(KafkaError::PartitionEOF(number))) => number == stretch.number,
                Some(Err(error)) => {
                    self.sort(&error)?;
                    continue;
                }
                Some(Ok(record)) if record.partition() != stretch.number => continue,
                Some(Ok(record)) => {
                    heard = Instant::now();
                    take(&record, stretch, self.period, each)
                }
            };
            if is_last {
                self.current = None;
                return Ok(Progress::PartitionEnd);
            }
        }
        Ok(Progress::More)
    }

    /// Goes to the next partition; none if there is none.
    fn begin(&mut self) -> Result<Option<Stretch>, Failure> {
        let Some(stretch) = self.ahead.pop() else { return Ok(None) };
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&self.topic, stretch.number, Offset::Offset(stretch.from));
        let begun = added.and_then(|()| self.consumer.assign(&list));
        begun.map_err(|error| Failure::other(format!("{}/{} cannot be read: {error}", self.topic, stretch.number)))?;
        self.current = Some(stretch);
        Ok(self.current)
    }

    /// What the client makes of an error while it reads: most pass, and it goes on by itself.
    fn sort(&self, error: &KafkaError) -> Result<(), Failure> {
        self.heard_failure()?;
        match error::code(error) {
            Code::TopicAuthorizationFailed => Err(self.refused()),
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
                Err(Failure::surroundings("--topic", format!("{:?} was deleted while it was read", self.topic)))
            }
            _ => Ok(()),
        }
    }

    fn silent(&self, stretch: Stretch) -> Failure {
        let reason = self.last_heard().unwrap_or_else(|| "no reason is known".to_owned());
        let (topic, number, silence) = (&self.topic, stretch.number, SILENCE_MAX.as_secs());
        let problem = format!("nothing came of {topic}/{number} for {silence}s, before its end: {reason}");
        Failure::surroundings("kafka.bootstrap_servers", problem)
    }

    fn last_heard(&self) -> Option<String> {
        self.consumer.context().heard().last.clone()
    }

    fn heard_failure(&self) -> Result<(), Failure> {
        self.consumer.context().heard().failure.take().map_or(Ok(()), Err)
    }
}

/// Hands a record over if it belongs to the period; true if none can follow.
fn take(record: &BorrowedMessage<'_>, stretch: Stretch, period: Period, each: &mut dyn FnMut(Incoming<'_>)) -> bool {
    if record.offset() >= stretch.end {
        return true;
    }
    let time = record.timestamp();
    let is_before = |bound: Option<Timestamp>| {
        bound.zip(time.to_millis()).is_some_and(|(bound, time)| Timestamp::from_millis(time) < bound)
    };
    let is_over = period.until.is_some() && time.to_millis().is_some() && !is_before(period.until);
    if !is_over && !is_before(period.since) {
        each(incoming(record));
    }
    // Only brokers' clocks rise from record to record; behind a producer's, an earlier time may follow.
    record.offset() + 1 >= stretch.end || is_over && matches!(time, RecordTime::LogAppendTime(_))
}

/// Keeps what the client reports, for the reason when an answer stays out.
struct Onlooker {
    login: &'static str,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    last: Option<String>,
    /// What waiting does not mend.
    failure: Option<Failure>,
}

impl Onlooker {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Onlooker {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error::code(&error);
        // That every broker is down says less than why the last of them is; the group is in name only.
        if matches!(code, Code::PartitionEOF | Code::AllBrokersDown | Code::GroupAuthorizationFailed) {
            return;
        }
        let mut heard = self.heard();
        heard.last = Some(reason.to_owned());
        if let Event::Failed(failure) = error::reported(code, reason, self.login) {
            heard.failure.get_or_insert(failure);
        }
    }
}

impl ConsumerContext for Onlooker {}
