//! What Kafka promises, and no more: logs with transactions in them, offsets that are committed with a transaction,
//! producers fenced by epoch, a state topic that is compacted.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::route::Mark;
use crate::route::wire::decode_mark;
use crate::service::output::Destination;
use crate::service::transport::Outgoing;

use super::chance::{Chance, Fault};
use super::group::Group;
use super::reference::{Identity, Stream};
use super::verdict::Verdict;

/// How long a transaction may stay open.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// A record of the state topic.
#[derive(Debug)]
struct Entry {
    offset: usize,
    transaction: usize,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// A producer's name, as its coordinator knows it.
#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    open: Option<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    number: usize,
    since: Instant,
    outputs: Vec<(Identity, Vec<u8>)>,
    /// With the partition that each goes to.
    marks: Vec<(i32, Mark)>,
    offsets: Vec<Place>,
}

/// How far a partition is read, as the group is to keep it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) metadata: String,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another producer of the name has begun, or the transaction has timed out.
    Fenced,
    /// Who asks is no member, or of an earlier generation.
    NotMember,
}

pub(super) struct Broker<'a> {
    pub(super) now: Instant,
    pub(super) chance: Chance,
    pub(super) group: Group,
    pub(super) stream: &'a Stream,
    pub(super) verdict: Verdict<'a>,
    /// How many records of each partition have been produced so far.
    pub(super) produced: Vec<usize>,
    /// No request is answered before.
    pub(super) away_until: Instant,
    producers: HashMap<String, Producer>,
    fates: Vec<Fate>,
    state: Vec<Vec<Entry>>,
    /// The next offset in the state topic; partitions share the numbers.
    state_next: usize,
    pub(super) offsets: BTreeMap<i32, i64>,
    /// What stands beside them.
    pub(super) metadata: BTreeMap<i32, String>,
    /// Requests to commit that are still in the network: when they arrive, and whose they are.
    late: Vec<(Instant, String, u64)>,
}

impl<'a> Broker<'a> {
    pub(super) fn new(stream: &'a Stream, chance: Chance) -> Self {
        let (now, partitions) = (Instant::now(), stream.partitions());
        Self {
            now,
            chance,
            group: Group::new(partitions),
            stream,
            verdict: Verdict::new(stream),
            produced: vec![0; partitions],
            away_until: now,
            producers: HashMap::new(),
            fates: Vec::new(),
            state_next: 0,
            state: (0..partitions).map(|_| Vec::new()).collect(),
            offsets: BTreeMap::new(),
            metadata: BTreeMap::new(),
            late: Vec::new(),
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.now < self.away_until
    }

    /// Time has passed: what was to happen by now happens.
    pub(super) fn tick(&mut self) {
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= self.now);
        self.late = late;
        let due: Vec<_> = due;
        for (_, name, epoch) in due {
            let answer = self.end(&name, epoch, true);
            self.chance.happened(if answer.is_ok() { Fault::EndsLate } else { Fault::EndsLateFenced });
        }
        let is_over = |producer: &Producer| {
            producer.open.as_ref().is_some_and(|transaction| self.now - transaction.since >= TRANSACTION_MAX)
        };
        let mut over: Vec<_> = self.producers.iter().filter(|(_, producer)| is_over(producer)).collect();
        over.sort_by_key(|(_, producer)| producer.open.as_ref().map(|transaction| transaction.number));
        let over: Vec<_> = over.into_iter().map(|(name, _)| name.clone()).collect();
        for name in over {
            self.chance.happened(Fault::TimedOut);
            self.fence(&name);
        }
        self.group.tick(self.now, &mut self.chance);
    }

    /// A new producer of this name; what the one before left open is aborted.
    pub(super) fn init(&mut self, name: &str) -> u64 {
        if self.producers.get(name).is_some_and(|producer| producer.open.is_some()) {
            self.chance.happened(Fault::OrphanEnded);
        }
        self.fence(name)
    }

    fn fence(&mut self, name: &str) -> u64 {
        let producer = self.producers.entry(name.to_owned()).or_default();
        producer.epoch += 1;
        if let Some(transaction) = producer.open.take() {
            self.fates[transaction.number] = Fate::Aborted;
        }
        producer.epoch
    }

    fn open(&mut self, name: &str, epoch: u64) -> Result<&mut Transaction, Refusal> {
        let producer = self.producers.entry(name.to_owned()).or_default();
        if producer.epoch != epoch {
            return Err(Refusal::Fenced);
        }
        let (fates, now) = (&mut self.fates, self.now);
        Ok(producer.open.get_or_insert_with(|| {
            fates.push(Fate::Open);
            Transaction {
                number: fates.len() - 1,
                since: now,
                outputs: Vec::new(),
                marks: Vec::new(),
                offsets: Vec::new(),
            }
        }))
    }

    pub(super) fn write(&mut self, name: &str, epoch: u64, outgoing: &Outgoing<'_>) -> Result<(), Refusal> {
        let transaction = self.open(name, epoch)?;
        let number = transaction.number;
        if outgoing.destination == Destination::State {
            let partition = usize::try_from(outgoing.partition.expect("state has a partition")).expect("from 0");
            let key = outgoing.key.expect("state has a key").to_vec();
            let value = outgoing.payload.map(<[u8]>::to_vec);
            let offset = self.state_next;
            self.chance
                .tell(|| format!("{name} writes state {partition} at {offset}, {:?}", String::from_utf8_lossy(&key)));
            self.state_next += 1;
            self.state[partition].push(Entry { offset, transaction: number, key, value });
        } else {
            let payload = outgoing.payload.unwrap_or_default();
            if let Some(identity) = Identity::of(outgoing) {
                transaction.outputs.push((identity, payload.to_vec()));
            } else {
                let mark = decode_mark(payload).expect("what has no key is a mark");
                transaction.marks.push((outgoing.partition.expect("a mark has a partition"), mark));
            }
        }
        Ok(())
    }

    pub(super) fn add_offsets(
        &mut self,
        name: &str,
        epoch: u64,
        member: (Option<u64>, u64),
        offsets: &[Place],
    ) -> Result<(), Refusal> {
        let is_member = self.group.is_current(member);
        let transaction = self.open(name, epoch)?;
        if !is_member {
            return Err(Refusal::NotMember);
        }
        transaction.offsets = offsets.to_vec();
        Ok(())
    }

    pub(super) fn end(&mut self, name: &str, epoch: u64, is_commit: bool) -> Result<(), Refusal> {
        let producer = self.producers.entry(name.to_owned()).or_default();
        if producer.epoch != epoch {
            return Err(Refusal::Fenced);
        }
        let Some(transaction) = producer.open.take() else { return Ok(()) };
        self.fates[transaction.number] = if is_commit { Fate::Committed } else { Fate::Aborted };
        if is_commit {
            self.chance
                .tell(|| format!("committed by {name}: {:?}, {:?}", transaction.offsets, transaction.outputs.len()));
            self.verdict.committed(transaction.outputs, &transaction.offsets, &mut self.offsets);
            for (meeting, mark) in &transaction.marks {
                self.verdict.marked(*meeting, mark, &self.offsets);
            }
            self.metadata.extend(transaction.offsets.into_iter().map(|offset| (offset.partition, offset.metadata)));
        }
        Ok(())
    }

    /// A request to commit arrives later, whatever becomes of who sent it.
    pub(super) fn end_later(&mut self, name: &str, epoch: u64) {
        let at = self.now + self.chance.millis(1..15_000);
        self.late.push((at, name.to_owned(), epoch));
    }

    /// True if a transaction that is not over holds an offset of this partition.
    pub(super) fn is_unstable(&self, partition: i32) -> bool {
        let mut open = self.producers.values().filter_map(|producer| producer.open.as_ref());
        open.any(|transaction| transaction.offsets.iter().any(|offset| offset.partition == partition))
    }

    /// What a reader of committed records sees of a state partition from an offset on, with offsets: nothing from the
    /// first open transaction on.
    pub(super) fn saved(&self, partition: usize, from: usize) -> impl Iterator<Item = (usize, &[u8], Option<&[u8]>)> {
        let stable = self.state[partition].iter().take_while(|entry| self.fates[entry.transaction] != Fate::Open);
        let committed =
            stable.filter(move |entry| entry.offset >= from && self.fates[entry.transaction] == Fate::Committed);
        committed.map(|entry| (entry.offset, &*entry.key, entry.value.as_deref()))
    }

    /// The offset after the last record of a state partition, whatever became of it.
    pub(super) fn saved_end(&self, partition: usize) -> usize {
        self.state[partition].last().map_or(0, |entry| entry.offset + 1)
    }

    /// True if a record of a state partition below `end` is of a transaction that is not over.
    pub(super) fn is_undecided(&self, partition: usize, end: usize) -> bool {
        let mut before = self.state[partition].iter().take_while(|entry| entry.offset < end);
        before.any(|entry| self.fates[entry.transaction] == Fate::Open)
    }

    /// Keeps the latest record of each key, below the first open transaction.
    pub(super) fn compact(&mut self) {
        for partition in 0..self.state.len() {
            let fates = &self.fates;
            let log = &mut self.state[partition];
            let stable = log.iter().position(|entry| fates[entry.transaction] == Fate::Open).unwrap_or(log.len());
            let mut seen = std::collections::HashSet::new();
            let mut kept = vec![true; log.len()];
            for (index, entry) in log[..stable].iter().enumerate().rev() {
                kept[index] = fates[entry.transaction] == Fate::Committed && seen.insert(entry.key.clone());
            }
            let mut kept = kept.into_iter();
            log.retain(|_| kept.next().unwrap_or(true));
        }
    }
}
