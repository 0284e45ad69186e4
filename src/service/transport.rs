//! What a worker asks of the world: records, acknowledgements, commits, partitions and the time.
//!
//! Real life implements it over Kafka, tests over a script; so a worker can be run without a broker, and without
//! waiting. No type of a Kafka client passes here.

use std::fmt;
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
}

/// Where reading a partition begins, and whether the group already stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartPosition {
    /// Where reading begins.
    pub position: Position,
    /// False if the group had no offset: `kafka.start` decided, and that decision is worth a commit, so that the
    /// next owner does not decide anew and skip what arrived in between.
    pub committed: bool,
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
    /// The group gave these partitions; [`Transport::begin`] answers. May be empty: then there is nothing to read.
    Assigned(Vec<PartitionId>),
    /// The group wants these back; [`Transport::release`] answers, after what they caused is settled.
    Revoked(Vec<PartitionId>),
    /// The group has given these to somebody else already; [`Transport::release`] answers, at once.
    Lost(Vec<PartitionId>),
    /// An output is safe on every in-sync replica.
    Delivered(Ticket),
    /// An output was not written.
    Undelivered(Ticket, Undelivered),
    /// The commit under way is done.
    Committed,
    /// The commit under way failed.
    NotCommitted(Hindrance),
    /// Something that waiting may mend, for the log.
    Disturbed(String),
    /// The service must stop.
    Failed(Failure),
}

/// Why an output was not written, by what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Send it again after a while.
    Retry(String),
    /// Send it again alone, then smaller.
    TooLarge(String),
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

    /// Answers [`Event::Assigned`]: finds where to begin, and begins to read. Partitions already begun go on.
    fn begin(&mut self, partitions: &[PartitionId]) -> Result<Vec<StartPosition>, Hindrance>;

    /// Answers [`Event::Revoked`] and [`Event::Lost`]: stops reading these partitions and lets go of them.
    fn release(&mut self, partitions: &[PartitionId]);

    /// Stops delivering records, or goes on where it stopped. Everything else goes on all the time.
    fn pause(&mut self, paused: bool);

    /// Hands an output over to be written; [`Event::Delivered`] or [`Event::Undelivered`] follows. The bytes are
    /// copied. An error means that nothing follows.
    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered>;

    /// Begins to commit; [`Event::Committed`] or [`Event::NotCommitted`] follows. At most one at a time.
    fn commit(&mut self, positions: &[Position]);

    /// The offset after the last record of a partition, as last heard; costs no round trip.
    fn end_offset(&mut self, partition: &PartitionId) -> Option<i64>;

    /// Leaves the group at once. What has not been committed will be read again by the next owner.
    fn leave(self);
}
