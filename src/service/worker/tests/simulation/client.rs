//! A worker's transport in the simulation: a group member, a producer, and readers that look back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::detect::Timestamp;
use crate::service::Failure;
use crate::service::transport::{
    Breakage, Event, Hindrance, Incoming, LookBack, Outgoing, PartitionId, Position, StartPosition, Stretch, Ticket,
    Transport, Undelivered,
};

use super::broker::{Broker, Place};
use super::chance::Fault;
use super::records::{Produced, UNTIMED};
use super::writer::Writer;

/// How long a question for offsets waits for what is not settled.
const FIND_MAX: Duration = Duration::from_secs(3);

/// What is being read back.
enum Reading {
    /// Up to what was there when it was asked for, however long its transactions last.
    State {
        partition: usize,
        next: usize,
        end: usize,
    },
    Records {
        partition: usize,
        next: i64,
        until: i64,
    },
}

pub(super) struct Client<'a> {
    broker: Rc<RefCell<Broker<'a>>>,
    /// `group.instance.id`.
    name: Option<String>,
    transactional_id: String,
    writer: Writer,
    /// Our id in the group, as long as we have not heard otherwise; the process' heartbeats go on beside the worker.
    member: Rc<Cell<Option<u64>>>,
    generation: u64,
    owned: BTreeSet<i32>,
    unanswered: bool,
    /// Somebody else has our name in the group.
    expelled: bool,
    /// The next offset of each partition that is read.
    reading: BTreeMap<i32, i64>,
    paused: bool,
    questions: Vec<(u64, Vec<PartitionId>, Instant, bool)>,
    look_back: Option<Reading>,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        broker: &Rc<RefCell<Broker<'a>>>,
        name: Option<String>,
        transactional_id: String,
        member: Rc<Cell<Option<u64>>>,
    ) -> Self {
        let writer = Writer::new(&transactional_id, &mut broker.borrow_mut());
        Self {
            broker: Rc::clone(broker),
            name,
            transactional_id,
            writer,
            member,
            generation: 0,
            owned: BTreeSet::new(),
            unanswered: false,
            expelled: false,
            reading: BTreeMap::new(),
            paused: false,
            questions: Vec::new(),
            look_back: None,
        }
    }

    /// The process is killed.
    pub(super) fn vanish(&mut self) {
        let mut broker = self.broker.borrow_mut();
        if self.look_back.is_some() {
            broker.chance.happened(Fault::RestoredMidway);
        }
        self.writer.vanish(&mut broker);
    }

    /// The member's side of the group; it says nothing while the worker owes an answer.
    fn attend(&mut self, broker: &mut Broker<'_>, events: &mut Vec<Event>) {
        let before = events.len();
        self.attend_group(broker, events);
        for event in &events[before..] {
            broker.chance.tell(|| format!("{}: {event:?}", self.transactional_id));
        }
    }

    fn attend_group(&mut self, broker: &mut Broker<'_>, events: &mut Vec<Event>) {
        if self.unanswered || self.expelled || broker.is_away() {
            return;
        }
        let Some(id) = self.member.get() else {
            let (id, returns) = broker.group.enter(self.name.as_deref(), broker.now);
            self.member.set(Some(id));
            if returns {
                broker.chance.happened(Fault::StaticReturn);
                self.learn(id, broker, events);
            } else {
                broker.group.join(id, &self.owned);
            }
            return;
        };
        if self.name.is_some() && broker.chance.strikes(Fault::Expelled, 5) {
            broker.group.enter(self.name.as_deref(), broker.now);
            self.expelled = true;
            self.reading.clear();
            events.push(Event::Expelled(Breakage { fenced: true, why: "another one has the name".to_owned() }));
        } else if !broker.group.knows(id) {
            broker.chance.happened(Fault::Lost);
            self.member.set(None);
            self.unanswered = true;
            events.push(Event::Lost(ids(self.owned.iter().copied())));
        } else if broker.group.is_preparing() {
            if !broker.group.has_joined(id) {
                broker.group.join(id, &self.owned);
            }
        } else if self.generation != broker.group.generation {
            self.learn(id, broker, events);
        }
    }

    /// A new assignment: first what goes, then what comes.
    fn learn(&mut self, id: u64, broker: &mut Broker<'_>, events: &mut Vec<Event>) {
        self.generation = broker.group.generation;
        let assigned = broker.group.assignment(id);
        let revoked: Vec<_> = self.owned.difference(&assigned).copied().collect();
        let new: BTreeSet<_> = assigned.difference(&self.owned).copied().collect();
        if revoked.is_empty() {
            self.owned.extend(&new);
            events.push(Event::Assigned(ids(new)));
        } else {
            broker.chance.happened(Fault::Revoked);
            self.unanswered = true;
            events.push(Event::Revoked(ids(revoked)));
        }
    }

    fn answer(&mut self, broker: &mut Broker<'_>, events: &mut Vec<Event>) {
        let now = broker.now;
        let mut open = Vec::new();
        for (question, partitions, until, told) in std::mem::take(&mut self.questions) {
            let is_unstable = partitions.iter().any(|id| broker.is_unstable(id.number));
            if is_unstable && !told {
                broker.chance.happened(Fault::FindWaited);
            }
            if broker.chance.strikes(Fault::FindFailed, 50) || until <= now {
                let why = Hindrance::Passing("no coordinator".to_owned());
                events.push(Event::NotFound(question, why));
            } else if is_unstable || broker.is_away() || broker.chance.one_in(3) {
                open.push((question, partitions, until, told || is_unstable));
            } else {
                let start = |id: PartitionId| {
                    let offset = broker.offsets.get(&id.number).copied();
                    let metadata = broker.metadata.get(&id.number).cloned().unwrap_or_default();
                    let position = Position { metadata, ..Position::new(id, offset.unwrap_or(0)) };
                    StartPosition { position, committed: offset.is_some(), log: 0..i64::MAX }
                };
                events.push(Event::Found(question, partitions.into_iter().map(start).collect()));
            }
        }
        self.questions = open;
    }

    fn fetch(&mut self, records_max: usize, broker: &mut Broker<'_>, each: &mut dyn FnMut(Incoming<'_>)) {
        if self.paused || broker.is_away() {
            return;
        }
        let mut left = records_max.min(broker.chance.below(12));
        for (number, next) in &mut self.reading {
            let partition = index(*number);
            let records = &broker.stream.records[partition][..broker.produced[partition]];
            let mut begin = records.partition_point(|record| record.offset < *next);
            if begin > 0 && begin < records.len() && broker.chance.strikes(Fault::RecordTwice, 10) {
                begin -= 1;
            }
            for record in records[begin..].iter().take(left) {
                each(incoming(*number, record));
                *next = record.offset + 1;
                left -= 1;
            }
        }
    }
}

fn index(number: i32) -> usize {
    usize::try_from(number).expect("from 0")
}

fn ids(numbers: impl IntoIterator<Item = i32>) -> Vec<PartitionId> {
    numbers.into_iter().map(|number| PartitionId { topic: "audit".into(), number }).collect()
}

fn incoming(partition: i32, record: &Produced) -> Incoming<'_> {
    let Produced { offset, key, payload } = record;
    let (key, payload) = (key.as_deref(), Some(payload.as_slice()));
    Incoming { topic: "audit", partition, offset: *offset, timestamp: UNTIMED, key, payload }
}

impl Transport for Client<'_> {
    fn now(&self) -> Instant {
        self.broker.borrow().now
    }

    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn poll(
        &mut self,
        _wait: Duration,
        records_max: usize,
        events: &mut Vec<Event>,
        each: &mut dyn FnMut(Incoming<'_>),
    ) {
        let broker = Rc::clone(&self.broker);
        let mut broker = broker.borrow_mut();
        self.writer.advance(&mut broker);
        events.append(&mut self.writer.inbox);
        if broker.chance.strikes(Fault::ClientGaveUp, 1) {
            events.push(Event::Failed(Failure::other("the Kafka client gave up")));
        }
        self.fetch(records_max, &mut broker, each);
        self.attend(&mut broker, events);
        self.answer(&mut broker, events);
    }

    fn find(&mut self, question: u64, partitions: &[PartitionId]) {
        let until = self.now() + FIND_MAX;
        self.questions.push((question, partitions.to_vec(), until, false));
    }

    fn look_back(&mut self, stretch: &Stretch) -> Result<(), Hindrance> {
        let mut broker = self.broker.borrow_mut();
        if broker.chance.strikes(Fault::LookBackFailed, 50) {
            return Err(Hindrance::Passing("no leader".to_owned()));
        }
        broker.chance.tell(|| format!("{} looks back at {stretch:?}", self.transactional_id));
        self.look_back = Some(match stretch {
            Stretch::State(id) => {
                let partition = index(id.number);
                Reading::State { partition, next: 0, end: broker.saved_end(partition) }
            }
            Stretch::Records { partition, from, until } => {
                broker.chance.happened(Fault::Replayed);
                if *from == 0 {
                    broker.chance.happened(Fault::ReplayedAll);
                }
                Reading::Records { partition: index(partition.number), next: *from, until: *until }
            }
        });
        Ok(())
    }

    fn read_back(&mut self, records_max: usize, each: &mut dyn FnMut(Incoming<'_>)) -> Result<LookBack, Hindrance> {
        let mut broker = self.broker.borrow_mut();
        if broker.is_away() {
            return Ok(LookBack::More);
        }
        if broker.chance.strikes(Fault::ReadBackFailed, 20) {
            return Err(Hindrance::Passing("disconnected".to_owned()));
        }
        let count = records_max.min(broker.chance.below(10));
        match &mut self.look_back {
            None => Ok(LookBack::End),
            Some(Reading::State { partition, next, end }) => {
                let number = i32::try_from(*partition).expect("few");
                for (offset, key, payload) in broker.saved(*partition, *next).take(count) {
                    let (topic, partition, offset_of) = ("state", number, i64::try_from(offset).expect("few"));
                    let key = Some(key);
                    each(Incoming { topic, partition, offset: offset_of, timestamp: UNTIMED, key, payload });
                    *next = offset + 1;
                }
                let is_left = broker.saved(*partition, *next).next().is_some() || broker.is_undecided(*partition, *end);
                let (partition, next) = (*partition, *next);
                broker.chance.tell(|| format!("state {partition} is read up to {next}"));
                Ok(if is_left { LookBack::More } else { LookBack::End })
            }
            Some(Reading::Records { partition, next, until }) => {
                let number = i32::try_from(*partition).expect("few");
                let records = &broker.stream.records[*partition];
                let begin = records.partition_point(|record| record.offset < *next);
                for record in records[begin..].iter().take_while(|record| record.offset < *until).take(count) {
                    each(incoming(number, record));
                    *next = record.offset + 1;
                }
                let is_left = records.iter().any(|record| record.offset >= *next && record.offset < *until);
                Ok(if is_left { LookBack::More } else { LookBack::End })
            }
        }
    }

    fn begin(&mut self, position: &Position) -> Result<(), Hindrance> {
        if self.broker.borrow_mut().chance.strikes(Fault::BeginFailed, 20) {
            return Err(Hindrance::Passing("cannot assign".to_owned()));
        }
        assert!(self.owned.contains(&position.partition.number), "only what is ours is read");
        self.broker.borrow_mut().chance.tell(|| format!("{} begins {position:?}", self.transactional_id));
        self.reading.insert(position.partition.number, position.offset);
        Ok(())
    }

    fn halt(&mut self, partitions: &[PartitionId]) {
        self.reading.retain(|number, _| partitions.iter().all(|id| id.number != *number));
    }

    fn release(&mut self, partitions: &[PartitionId]) {
        assert!(std::mem::take(&mut self.unanswered), "an answer without a question");
        self.halt(partitions);
        self.owned.retain(|number| partitions.iter().all(|id| id.number != *number));
        let mut broker = self.broker.borrow_mut();
        if let Some(id) = self.member.get().filter(|id| broker.group.knows(*id)) {
            // What was to come comes with the next generation, as what was given back does for others.
            broker.group.rebalance();
            broker.group.join(id, &self.owned);
        }
    }

    fn rejoin(&mut self) -> Result<(), Failure> {
        assert!(std::mem::take(&mut self.expelled), "nobody has expelled us");
        (self.generation, self.unanswered) = (0, false);
        self.owned.clear();
        self.member.set(None);
        Ok(())
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        self.writer.send(ticket, outgoing, &mut self.broker.borrow_mut())
    }

    fn commit(&mut self, positions: &[Position]) {
        let offset = |position: &Position| Place {
            partition: position.partition.number,
            offset: position.offset,
            metadata: position.metadata.clone(),
        };
        let offsets = positions.iter().map(offset).collect();
        self.writer.commit((self.member.get(), self.generation), offsets, &mut self.broker.borrow_mut());
    }

    fn abort(&mut self) {
        self.writer.abort(&mut self.broker.borrow_mut());
    }

    fn renew(&mut self) {
        self.writer = Writer::new(&self.transactional_id, &mut self.broker.borrow_mut());
    }

    fn end(&self, _partition: &PartitionId) -> Option<i64> {
        None
    }

    fn left(&mut self, partition: &PartitionId, next: i64) -> Option<i64> {
        let (broker, place) = (self.broker.borrow(), index(partition.number));
        let produced = &broker.stream.records[place][..broker.produced[place]];
        Some(produced.last().map_or(0, |last| (last.offset + 1 - next).max(0)))
    }

    fn leave(self) {
        if let Some(id) = self.member.get() {
            self.broker.borrow_mut().group.leave(id);
        }
    }
}
