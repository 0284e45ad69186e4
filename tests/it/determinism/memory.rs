//! A log in memory that workers read and write as they do Kafka, with partitions handed out once and for all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokenwatch::detect::Timestamp;
use tokenwatch::service::Failure;
use tokenwatch::service::output::Destination;
use tokenwatch::service::transport::{
    Event, Hindrance, Incoming, LookBack, Outgoing, PartitionId, Position, StartPosition, Stretch, Ticket, Transport,
    Undelivered,
};

use super::Turns;
use crate::oracle::engine::Line;

pub const TOPIC: &str = "stream";

/// What the workers have written and committed.
#[derive(Default)]
pub struct Written {
    /// By destination, in the order of each worker.
    pub outputs: BTreeMap<Destination, Vec<Vec<u8>>>,
    pub committed: BTreeMap<i32, i64>,
}

/// The log, shared by all workers.
#[derive(Clone, Default)]
pub struct Log {
    pub partitions: Arc<Vec<Vec<Line>>>,
    written: Arc<Mutex<Written>>,
}

impl Log {
    pub fn new(partitions: Vec<Vec<Line>>) -> Self {
        Self { partitions: Arc::new(partitions), written: Arc::default() }
    }

    pub fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error that says which partition is not committed to its end.
    pub fn all_committed(&self) -> Result<(), String> {
        let written = self.written();
        for (number, stream) in (0..).zip(self.partitions.iter()) {
            let committed = written.committed.get(&number).copied().unwrap_or(0);
            if usize::try_from(committed) != Ok(stream.len()) {
                return Err(format!("partition {number} is committed to {committed} of {}", stream.len()));
            }
        }
        Ok(())
    }
}

/// One worker's end of the log.
pub struct Memory {
    log: Log,
    /// The partitions that it has begun to read, each with the offset of the next record.
    reading: Vec<(i32, usize)>,
    turns: Turns,
    events: VecDeque<Event>,
    now: Instant,
}

impl Memory {
    pub fn new(log: &Log, partitions: impl Iterator<Item = i32>, turns: Turns) -> Self {
        let assigned = partitions.map(|number| PartitionId { topic: TOPIC.into(), number });
        let events = VecDeque::from([Event::Assigned(assigned.collect()), Event::Ready]);
        Self { log: log.clone(), reading: Vec::new(), turns, events, now: Instant::now() }
    }

    /// A partition that has more, and the place of its next record.
    fn next(&mut self) -> Option<(i32, usize)> {
        let partitions = &self.log.partitions;
        let mut ready: Vec<_> = self
            .reading
            .iter_mut()
            .filter(|(number, next)| *next < partitions[number.unsigned_abs() as usize].len())
            .collect();
        let count = ready.len();
        let (number, next) = (count > 0).then(|| ready.swap_remove(self.turns.next(count)))?;
        *next += 1;
        Some((*number, *next - 1))
    }
}

impl Transport for Memory {
    fn now(&self) -> Instant {
        self.now
    }

    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn poll(
        &mut self,
        wait: Duration,
        records_max: usize,
        events: &mut Vec<Event>,
        each: &mut dyn FnMut(Incoming<'_>),
    ) {
        events.extend(self.events.drain(..));
        if !events.is_empty() {
            return;
        }
        let batch = (1 + self.turns.next(16)).min(records_max);
        for count in 0..batch {
            let Some((partition, place)) = self.next() else {
                // Nothing to wait for but the clock, which is ours.
                self.now += if count == 0 { wait } else { Duration::ZERO };
                break;
            };
            let partitions = Arc::clone(&self.log.partitions);
            let (timestamp, payload) = &partitions[partition.unsigned_abs() as usize][place];
            each(Incoming {
                topic: TOPIC,
                partition,
                offset: i64::try_from(place).expect("few records"),
                timestamp: timestamp.map(Timestamp::from_millis),
                key: None,
                payload: Some(payload.as_bytes()),
            });
        }
    }

    fn find(&mut self, question: u64, partitions: &[PartitionId]) {
        let position = |id: &PartitionId| Position::new(id.clone(), 0);
        let starts =
            partitions.iter().map(|id| StartPosition { position: position(id), committed: true, log: 0..i64::MAX });
        self.events.push_back(Event::Found(question, starts.collect()));
    }

    fn look_back(&mut self, _stretch: &Stretch) -> Result<(), Hindrance> {
        Ok(())
    }

    fn read_back(&mut self, _records_max: usize, _each: &mut dyn FnMut(Incoming<'_>)) -> Result<LookBack, Hindrance> {
        Ok(LookBack::End)
    }

    fn begin(&mut self, position: &Position) -> Result<(), Hindrance> {
        let offset = usize::try_from(position.offset).expect("an offset of the log");
        self.reading.push((position.partition.number, offset));
        Ok(())
    }

    fn halt(&mut self, _partitions: &[PartitionId]) {}

    fn release(&mut self, _partitions: &[PartitionId]) {}

    fn rejoin(&mut self) -> Result<(), Failure> {
        unreachable!("nobody else has the name");
    }

    fn pause(&mut self, _paused: bool) {}

    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        let payload = outgoing.payload.unwrap_or_default().to_vec();
        self.log.written().outputs.entry(outgoing.destination).or_default().push(payload);
        self.events.push_back(Event::Delivered(ticket));
        Ok(())
    }

    fn commit(&mut self, positions: &[Position]) {
        let positions = positions.iter().map(|position| (position.partition.number, position.offset));
        self.log.written().committed.extend(positions);
        self.events.push_back(Event::Committed);
    }

    fn abort(&mut self) {
        unreachable!("every output is taken");
    }

    fn renew(&mut self) {
        unreachable!("no commit fails");
    }

    fn end(&self, _partition: &PartitionId) -> Option<i64> {
        None
    }

    fn left(&mut self, _partition: &PartitionId, _next: i64) -> Option<i64> {
        None
    }

    fn leave(self) {}
}
