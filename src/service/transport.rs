//! What a worker asks of the world: records, transactions, partitions and the time.
//!
//! Real life implements it over Kafka, tests over a script; so a worker can be run without a broker, and without
//! waiting. No type of a Kafka client passes here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::detect::Timestamp;

use super::failure::Failure;
use super::output::Destination;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its number in the topic, from 0.
    pub number: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

/// A partition and the offset of the record that comes next in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: PartitionId,
    /// The next record's offset.
    pub offset: i64,
    /// What the group keeps beside the offset; may be empty.
    pub metadata: String,
}

impl Position {
    /// A position with nothing beside it.
    #[must_use]
    pub const fn new(partition: PartitionId, offset: i64) -> Self {
        Self { partition, offset, metadata: String::new() }
    }
}

/// Where reading a partition begins, and whether the group already stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartPosition {
    /// Where reading begins.
    pub position: Position,
    /// False if the group had no offset: `kafka.start` decided, and that decision is worth a commit, so that the
    /// next owner does not decide anew and skip what arrived in between.
    pub committed: bool,
    /// The offsets that the partition holds, as last heard: of its first record, and after its last one.
    pub log: Range<i64>,
}

/// A record as it is read, borrowed from the transport.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition's number.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its own timestamp, whichever type the topic has.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Which topic.
    pub destination: Destination,
    /// Which partition of it; none leaves that to the key.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub payload: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [(&'static str, Vec<u8>)],
}

/// The name of an output while it is on its way, counted from 0 by each worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happened besides records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The group gave these partitions, and has been told that we know. May be empty: then there is nothing to read.
    Assigned(Vec<PartitionId>),
    /// Where partitions begin, as [`Transport::find`] asked under this number.
    Found(u64, Vec<StartPosition>),
    /// What [`Transport::find`] asked under this number could not be found out.
    NotFound(u64, Hindrance),
    /// The group wants these back; [`Transport::release`] answers, after what they caused is settled.
    Revoked(Vec<PartitionId>),
    /// The group has given these to somebody else, or will; [`Transport::release`] answers, at once. Until then no
    /// commit of ours succeeds.
    Lost(Vec<PartitionId>),
    /// Somebody else has our name in the group, so that none of its partitions is ours any more and no commit of ours
    /// succeeds. Nothing is to be released; [`Transport::rejoin`] helps.
    Expelled(Breakage),
    /// Transactions can begin, and nothing that an earlier producer of this name left open will ever be committed.
    Ready,
    /// An output is written in its transaction.
    Delivered(Ticket),
    /// An output was not written; its transaction cannot be committed.
    Undelivered(Ticket, Undelivered),
    /// The commit under way is done.
    Committed,
    /// The transaction is gone, and nobody will see any of it: it can be tried again.
    Aborted(String),
    /// Whether the transaction is committed is unknown, or somebody else took over the producer's name:
    /// [`Transport::renew`] helps.
    Broken(Breakage),
    /// Something that waiting may mend, for the log.
    Disturbed(String),
    /// The service must stop.
    Failed(Failure),
}

/// Why a producer, or a member of the group, is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakage {
    /// True if another one of the same name began after it, or a broker gave it up.
    pub fenced: bool,
    /// In the broker's or the client's words.
    pub why: String,
}

/// Why an output was not written, by what to do with it once its transaction is aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Send it again.
    Retry(String),
    /// Send it again alone, then smaller.
    TooLarge(String),
    /// Abort: its transaction has failed already, and takes nothing more.
    Doomed(String),
    /// Stop: it will not be written as things stand.
    Refused(Failure),
}

/// Why something did not work, by what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Waiting may mend it: try again after a while.
    Passing(String),
    /// Stop.
    Lasting(Failure),
}

/// What is read again, from its beginning to its end, while a partition is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// What the state topic holds in the partition of the same number, about whichever topic.
    State(PartitionId),
    /// Records that were decided before.
    Records {
        /// Of this partition.
        partition: PartitionId,
        /// The first one's offset.
        from: i64,
        /// The offset after the last one.
        until: i64,
    },
}

/// How far reading back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookBack {
    /// There may be more.
    More,
    /// That was all.
    End,
}

/// A consumer, a producer and a clock. One worker owns it; every call comes from that worker's thread.
pub trait Transport {
    /// Time for measuring and for deadlines.
    fn now(&self) -> Instant;

    /// The time of day, for latencies against the timestamps of records. It decides nothing.
    fn wall(&self) -> Timestamp;

    /// Hands the records that are ready to `each`, at most `records_max`, in order within each partition; waits up to
    /// `wait` for the first of anything. Whatever else happened goes to `events`. A rebalance ends the call. With a
    /// `records_max` of 0 only acknowledgements are awaited.
    fn poll(&mut self, wait: Duration, records_max: usize, events: &mut Vec<Event>, each: &mut dyn FnMut(Incoming<'_>));

    /// Looks up where to begin, without waiting; [`Event::Found`] or [`Event::NotFound`] follows with the question's
    /// number. Offsets of a transaction that is not over yet are waited for.
    fn find(&mut self, question: u64, partitions: &[PartitionId]);

    /// Begins to read back, in place of what was being read back before.
    fn look_back(&mut self, stretch: &Stretch) -> Result<(), Hindrance>;

    /// Hands over what is there of the stretch, at most `records_max`, without waiting.
    fn read_back(&mut self, records_max: usize, each: &mut dyn FnMut(Incoming<'_>)) -> Result<LookBack, Hindrance>;

    /// Begins to read a partition that is ours. Others go on.
    fn begin(&mut self, position: &Position) -> Result<(), Hindrance>;

    /// Stops reading partitions that stay ours.
    fn halt(&mut self, partitions: &[PartitionId]);

    /// Answers [`Event::Revoked`] and [`Event::Lost`]: stops reading these partitions and lets go of them.
    fn release(&mut self, partitions: &[PartitionId]);

    /// Joins the group as a new member after [`Event::Expelled`].
    fn rejoin(&mut self) -> Result<(), Failure>;

    /// Stops delivering records, also of partitions that are begun later, or goes on where it stopped. Everything else
    /// goes on all the time.
    fn pause(&mut self, paused: bool);

    /// Hands an output over to be written in the open transaction, or in a new one; [`Event::Delivered`] or
    /// [`Event::Undelivered`] follows. The bytes are copied. An error means that nothing follows.
    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered>;

    /// Begins to commit the open transaction with these offsets, in the name of this member of the group.
    /// [`Event::Committed`], [`Event::Aborted`] or [`Event::Broken`] follows, and nothing can be sent before.
    fn commit(&mut self, positions: &[Position]);

    /// Begins to abort the open transaction; [`Event::Aborted`] or [`Event::Broken`] follows.
    fn abort(&mut self);

    /// Begins to replace the producer, which ends whatever its predecessor left open; [`Event::Ready`] or
    /// [`Event::Broken`] follows. The first one comes by itself.
    fn renew(&mut self);

    /// The offset after the last record of a partition, whether it can be read or not, as last heard; none before its end
    /// was seen since it was begun.
    fn end(&self, partition: &PartitionId) -> Option<i64>;

    /// How many offsets of a partition are left to read from `next` on, as last heard; costs no round trip. Zero once its
    /// end was seen, though transactions end in offsets that nobody reads; none before anything was heard of it.
    fn left(&mut self, partition: &PartitionId, next: i64) -> Option<i64>;

    /// Leaves the group at once. What has not been committed will be read again by the next owner.
    fn leave(self);
}
