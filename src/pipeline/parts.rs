//! Which part of the way a pipeline goes: all of it, or one side of a route.
//!
//! Where partitions keep groups whole, one pipeline does everything. Where they split them, the first side reads events
//! and sends matches, the second side takes matches to where their groups are.

use std::sync::Arc;

use crate::detect::engine::route::{Arriving, Routed};
use crate::detect::engine::{Engine, Lateness};
use crate::detect::event::Event;
use crate::detect::rule::RuleSet;
use crate::detect::rule::route::Routes;
use crate::detect::state::{PartitionState, SnapshotError, StreamTime};
use crate::detect::time::Timestamp;
use crate::detect::value::Value;
use crate::ingest::{Disposition, Record, Rejection};
use crate::route::SourceTimes;
use crate::route::wire::{Decoder, Encoder, Message, Provenance, decode_mark};

use super::{BatchOutcome, disposition_of, emptied};

/// What comes in and what goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// Events in, alerts out.
    #[default]
    Whole,
    /// Events in; out go matches, and alerts of rules that remember nothing.
    Routing,
    /// Matches in, alerts out.
    Windows,
}

/// A message of the first side, and the place of its record in the batch.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The record's place in the batch.
    pub position: usize,
    /// What is sent.
    pub message: Message,
}

/// A part's own tools.
#[derive(Debug)]
pub(super) enum Side {
    Whole,
    Routing(Box<Router>),
    Windows(Box<Receiver>),
}

impl Side {
    pub(super) fn new(part: Part, rules: &Arc<RuleSet>) -> Self {
        match part {
            Part::Whole => Self::Whole,
            Part::Routing => Self::Routing(Box::new(Router::new(rules))),
            Part::Windows => Self::Windows(Box::new(Receiver::new(rules))),
        }
    }

    /// What stream time follows from.
    pub(super) const fn stream_time(&self) -> StreamTime {
        match self {
            Self::Whole | Self::Routing(_) => StreamTime::Own,
            Self::Windows(_) => StreamTime::Sources,
        }
    }

    /// What is kept of a partition, with what it has heard of the sources in front where matches arrive.
    pub(super) fn with_times(&self, state: Vec<u8>, times: &SourceTimes) -> Vec<u8> {
        let Self::Windows(_) = self else { return state };
        let times = times.to_bytes();
        let length = u32::try_from(times.len()).expect("a few bytes a source");
        [&length.to_le_bytes(), times.as_slice(), state.as_slice()].concat()
    }

    /// Takes apart what [`Self::with_times`] put together.
    pub(super) fn without_times<'a>(&self, bytes: &'a [u8]) -> Result<(SourceTimes, &'a [u8]), SnapshotError> {
        let Self::Windows(_) = self else { return Ok((SourceTimes::default(), bytes)) };
        let split = || {
            let (length, rest) = bytes.split_first_chunk()?;
            let (times, state) = rest.split_at_checked(u32::from_le_bytes(*length).try_into().ok()?)?;
            Some((SourceTimes::from_bytes(times)?, state))
        };
        let problem = "it does not tell of the sources";
        split().ok_or(SnapshotError::Damaged { at: 0, length: bytes.len(), problem })
    }
}

/// The first side.
#[derive(Debug)]
pub(super) struct Router {
    routes: Arc<Routes>,
    encoder: Encoder,
    /// Empty between records; kept for its memory.
    routed: Vec<Routed>,
}

impl Router {
    fn new(rules: &Arc<RuleSet>) -> Self {
        let routes = Arc::new(Routes::new(rules));
        Self { encoder: Encoder::new(Arc::clone(rules), Arc::clone(&routes)), routes, routed: Vec::new() }
    }

    pub(super) fn route(
        &mut self,
        engine: &mut Engine,
        state: &mut PartitionState,
        event: &Event<'_>,
        (position, recorded): (usize, Option<Timestamp>),
        outcome: &mut BatchOutcome,
    ) -> Lateness {
        let lateness = engine.take_apart(&self.routes, state, event, &mut self.routed, &mut outcome.detected);
        let stream_time = state.stream_time().unwrap_or(event.time);
        let provenance = Provenance { event, recorded, stream_time };
        for routed in self.routed.drain(..) {
            let message = self.encoder.encode(&routed, &provenance);
            outcome.sent.push(Sent { position, message });
        }
        lateness
    }
}

/// The second side.
#[derive(Debug)]
pub(super) struct Receiver {
    routes: Arc<Routes>,
    decoder: Decoder,
    values: Vec<Value<'static>>,
}

impl Receiver {
    fn new(rules: &Arc<RuleSet>) -> Self {
        let routes = Arc::new(Routes::new(rules));
        Self { decoder: Decoder::new(rules, Arc::clone(&routes)), routes, values: Vec::new() }
    }

    /// Decides a match, or takes in a mark, which has no key. `times` are those of its partition.
    pub(super) fn receive(
        &mut self,
        engine: &mut Engine,
        (state, times): (&mut PartitionState, &mut SourceTimes),
        (record, key): (&Record<'_>, Option<&[u8]>),
        outcome: &mut BatchOutcome,
    ) -> Result<(Disposition, Option<Timestamp>), Rejection> {
        let payload = record.payload.ok_or(Rejection::Empty)?;
        let not_routed = |why| Rejection::NotRouted { why };
        if key.is_none() {
            times.mark(decode_mark(payload).map_err(|problem| not_routed(problem.0))?, record.timestamp);
            if let Some(time) = times.stream_time() {
                engine.advance_to(state, time, &mut outcome.detected);
            }
            outcome.detected.accepted += 1;
            return Ok((Disposition::Accepted, record.timestamp));
        }
        let mut values = emptied(std::mem::take(&mut self.values));
        let arrived = self.decoder.decode(payload, &mut values).map_err(|problem| not_routed(problem.0))?;
        let source = (&*arrived.origin.topic, arrived.origin.partition);
        times.matched(source, arrived.stream_time, record.timestamp);
        outcome.unknown += arrived.unknown;
        // Before every source has been heard of, no time has passed for all of them.
        let stream_time = times.stream_time().unwrap_or(Timestamp::EVENT_MIN);
        let lateness = if let Some(route) = arrived.route {
            let event = Event { time: arrived.time, id: &arrived.id, origin: &arrived.origin, values: &values };
            let arriving = Arriving { event: &event, route, group: &arrived.group, readers: &arrived.readers };
            engine.put_together(state, &arriving, &self.routes, stream_time, &mut outcome.detected)
        } else {
            engine.advance_to(state, stream_time, &mut outcome.detected);
            outcome.detected.accepted += 1;
            Lateness::InTime
        };
        let recorded = arrived.recorded;
        self.values = emptied(values);
        Ok((disposition_of(lateness), recorded))
    }
}
