//! A transactional producer with the clerk that ends its transactions: every request takes a while, may be lost on the
//! way there or back, and may arrive when nobody waits for it any more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::service::output::Destination;
use crate::service::transport::{Breakage, Event, Outgoing, Ticket, Undelivered};

use super::broker::{Broker, Place, Refusal};
use super::chance::Fault;

/// Bytes of a dead letter that its topic takes.
const DEAD_LETTER_MAX: usize = 200;
/// How long an output or a commit is tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// An output on its way.
struct Sent {
    ticket: Ticket,
    destination: Destination,
    partition: Option<i32>,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

/// What the clerk is about.
enum Task {
    Init,
    Offsets { member: (Option<u64>, u64), offsets: Vec<Place>, until: Instant },
    End { until: Instant },
    Abort,
}

pub(super) struct Writer {
    name: String,
    epoch: u64,
    in_flight: VecDeque<Sent>,
    task: Option<(Instant, Task)>,
    /// An output was not written, so the transaction can only be aborted.
    tainted: bool,
    /// The numbering of records has a gap: the broker takes no more.
    gap: bool,
    /// The transaction has failed, and the client says so only to who goes on with it.
    doomed: bool,
    pub(super) inbox: Vec<Event>,
}

impl Writer {
    pub(super) fn new(name: &str, broker: &mut Broker<'_>) -> Self {
        let at = broker.now + broker.chance.millis(0..300);
        let (task, name) = (Some((at, Task::Init)), name.to_owned());
        let (in_flight, inbox) = (VecDeque::new(), Vec::new());
        Self { name, epoch: 0, in_flight, task, tainted: false, gap: false, doomed: false, inbox }
    }

    pub(super) fn send(
        &mut self,
        ticket: Ticket,
        outgoing: &Outgoing<'_>,
        broker: &mut Broker<'_>,
    ) -> Result<(), Undelivered> {
        assert!(self.task.is_none(), "nothing can be sent while a transaction ends");
        if broker.chance.strikes(Fault::QueueFull, 10) {
            return Err(Undelivered::Retry("the queue is full".to_owned()));
        }
        if self.doomed || broker.chance.strikes(Fault::Doomed, 10) {
            self.doomed = true;
            return Err(Undelivered::Doomed("another state".to_owned()));
        }
        if broker.chance.strikes(Fault::RefusedWrite, 1) {
            let failure = crate::service::Failure::surroundings(outgoing.destination.setting(), "not allowed");
            return Err(Undelivered::Refused(failure));
        }
        self.in_flight.push_back(Sent {
            ticket,
            destination: outgoing.destination,
            partition: outgoing.partition,
            key: outgoing.key.map(<[u8]>::to_vec),
            payload: outgoing.payload.map(<[u8]>::to_vec),
            headers: outgoing.headers.to_vec(),
        });
        Ok(())
    }

    pub(super) fn commit(&mut self, member: (Option<u64>, u64), offsets: Vec<Place>, broker: &mut Broker<'_>) {
        let task = Task::Offsets { member, offsets, until: broker.now + PATIENCE };
        self.begin(task, broker);
    }

    pub(super) fn abort(&mut self, broker: &mut Broker<'_>) {
        self.begin(Task::Abort, broker);
    }

    fn begin(&mut self, task: Task, broker: &mut Broker<'_>) {
        assert!(self.task.is_none(), "one thing at a time");
        self.task = Some((broker.now + broker.chance.millis(0..60), task));
    }

    /// What was to happen by now happens.
    pub(super) fn advance(&mut self, broker: &mut Broker<'_>) {
        if broker.is_away() {
            return self.await_broker(broker);
        }
        if self.task.is_none() {
            let count = broker.chance.below(self.in_flight.len() + 1);
            self.deliver(count, broker);
        }
        if let Some((at, task)) = self.task.take() {
            if at > broker.now {
                self.task = Some((at, task));
            } else {
                self.go_on(task, broker);
            }
        }
    }

    /// Nothing is answered; what has waited too long for its commit is given up.
    fn await_broker(&mut self, broker: &mut Broker<'_>) {
        match &self.task {
            Some((_, Task::Init)) => broker.chance.happened(Fault::ReadyLate),
            Some((_, Task::Offsets { until, .. })) if *until <= broker.now => {
                self.task = Some((broker.now, Task::Abort));
            }
            Some((_, Task::End { until })) if *until <= broker.now => {
                self.task = None;
                self.break_down(false, "the broker is away");
            }
            _ => {}
        }
    }

    fn go_on(&mut self, task: Task, broker: &mut Broker<'_>) {
        match task {
            Task::Init if broker.chance.strikes(Fault::RenewFailed, 50) => self.break_down(false, "no producer id"),
            Task::Init => {
                self.epoch = broker.init(&self.name);
                self.inbox.push(Event::Ready);
            }
            Task::Offsets { member, offsets, until } => {
                self.deliver(self.in_flight.len(), broker);
                if self.tainted || self.doomed || broker.chance.strikes(Fault::OffsetsRefused, 40) {
                    return self.begin(Task::Abort, broker);
                }
                match broker.add_offsets(&self.name, self.epoch, member, &offsets) {
                    Ok(()) => self.begin(Task::End { until }, broker),
                    Err(Refusal::NotMember) => {
                        broker.chance.happened(Fault::ZombieCommit);
                        self.begin(Task::Abort, broker);
                    }
                    Err(Refusal::Fenced) => self.fenced(broker),
                }
            }
            Task::End { .. } => self.end(broker),
            Task::Abort if broker.chance.strikes(Fault::AbortFailed, 40) => self.break_down(false, "no answer"),
            Task::Abort => {
                self.in_flight.clear();
                (self.tainted, self.doomed) = (false, false);
                match broker.end(&self.name, self.epoch, false) {
                    Ok(()) => self.inbox.push(Event::Aborted("something failed".to_owned())),
                    Err(_) => self.fenced(broker),
                }
            }
        }
    }

    fn end(&mut self, broker: &mut Broker<'_>) {
        if broker.chance.strikes(Fault::CommitAbortable, 40) {
            return self.begin(Task::Abort, broker);
        }
        if broker.chance.strikes(Fault::NotCommittedUnknown, 40) {
            if broker.chance.one_in(2) {
                broker.end_later(&self.name, self.epoch);
            }
            return self.break_down(false, "the request was lost");
        }
        let ended = broker.end(&self.name, self.epoch, true);
        if broker.chance.strikes(Fault::CommittedUnknown, 40) {
            return self.break_down(false, "the answer was lost");
        }
        match ended {
            Ok(()) => self.inbox.push(Event::Committed),
            Err(_) => self.fenced(broker),
        }
    }

    fn fenced(&mut self, broker: &mut Broker<'_>) {
        broker.chance.happened(Fault::Fenced);
        self.break_down(true, "another one has the name");
    }

    fn break_down(&mut self, fenced: bool, why: &str) {
        self.inbox.push(Event::Broken(Breakage { fenced, why: why.to_owned() }));
    }

    fn deliver(&mut self, count: usize, broker: &mut Broker<'_>) {
        if self.doomed {
            return;
        }
        let in_company = self.in_flight.len() > 1;
        for sent in self.in_flight.drain(..count) {
            let outgoing = Outgoing {
                destination: sent.destination,
                partition: sent.partition,
                key: sent.key.as_deref(),
                payload: sent.payload.as_deref(),
                headers: &sent.headers,
            };
            let is_large = sent.destination == Destination::DeadLetters
                && sent.payload.as_ref().is_some_and(|payload| payload.len() > DEAD_LETTER_MAX);
            let undelivered = if is_large || in_company && broker.chance.strikes(Fault::TooLarge, 5) {
                self.gap = true;
                Some(Undelivered::TooLarge("too large".to_owned()))
            } else if self.gap || broker.chance.strikes(Fault::NotWritten, 10) {
                Some(Undelivered::Retry("too few replicas".to_owned()))
            } else if broker.write(&self.name, self.epoch, &outgoing).is_err() {
                Some(Undelivered::Retry("fenced".to_owned()))
            } else if broker.chance.strikes(Fault::AckLost, 10) {
                Some(Undelivered::Retry("timed out".to_owned()))
            } else {
                None
            };
            self.tainted |= undelivered.is_some();
            self.inbox.push(match undelivered {
                Some(why) => Event::Undelivered(sent.ticket, why),
                None => Event::Delivered(sent.ticket),
            });
        }
    }

    /// The process is gone; what it asked for last may still be in the network.
    pub(super) fn vanish(&mut self, broker: &mut Broker<'_>) {
        if matches!(self.task, Some((_, Task::End { .. }))) && broker.chance.one_in(2) {
            broker.end_later(&self.name, self.epoch);
        }
    }
}
