//! The newest matches of a rule and group, to point an alert at.
//!
//! Only as many are kept as an alert shows. A late arrival that completes an older window therefore shows those of that
//! window that are still among the newest, itself included.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use crate::detect::alert::Evidence;
use crate::detect::event::Origin;
use crate::detect::time::Timestamp;

/// A match as it is kept: 40 bytes and, unless its id is a UUID or stands for its place, the text of the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Sighting {
    pub(in crate::detect) time: Timestamp,
    offset: i64,
    name: Name,
}

/// The id of an event; every variant also names the event's source, where enums have room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// `topic/partition/offset`.
    StandIn { source: u32 },
    /// A UUID in lower case with hyphens.
    Uuid { source: u32, bits: [u64; 2] },
    /// Any other.
    Text { source: u32, text: Arc<str> },
}

/// The id of an event, as short as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::detect) enum Id<'a> {
    /// It stands for the event's place.
    StandIn,
    /// A UUID in lower case with hyphens.
    Uuid([u64; 2]),
    /// Any other.
    Text(&'a str),
}

/// The topics and partitions (or files) that a partition's events came from, each named by a number.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct Sources {
    known: Vec<(Arc<str>, i32)>,
    last: u32,
}

impl Sources {
    /// The number of the source that `origin` stands in, a new one if it was never seen.
    pub(in crate::detect) fn number_of(&mut self, origin: &Origin) -> u32 {
        self.number_or(&origin.topic, origin.partition, || Arc::clone(&origin.topic))
    }

    /// The same of a topic and a partition.
    pub(in crate::detect) fn number(&mut self, topic: &str, partition: i32) -> u32 {
        self.number_or(topic, partition, || topic.into())
    }

    fn number_or(&mut self, topic: &str, partition: i32, new_name: impl FnOnce() -> Arc<str>) -> u32 {
        let is = |(known, number): &(Arc<str>, i32)| *number == partition && **known == *topic;
        if !self.known.get(self.last as usize).is_some_and(is) {
            let at = self.known.iter().position(is).unwrap_or_else(|| {
                self.known.push((new_name(), partition));
                self.known.len() - 1
            });
            self.last = u32::try_from(at).expect("there are fewer topics and files than that");
        }
        self.last
    }

    /// Topic and partition of a source.
    pub(in crate::detect) fn place(&self, source: u32) -> (&str, i32) {
        let (topic, partition) = &self.known[source as usize];
        (topic, *partition)
    }

    /// A record of a source.
    pub(in crate::detect) fn origin(&self, source: u32, offset: i64) -> Origin {
        let (topic, partition) = &self.known[source as usize];
        Origin { topic: Arc::clone(topic), partition: *partition, offset }
    }
}

impl Sighting {
    /// The event `id` from `origin`, or a firing of its arrival, at `time`; `source` is the number of its origin.
    pub(in crate::detect) fn new(id: &str, time: Timestamp, (origin, source): (&Origin, u32)) -> Self {
        let name = if let Some(bits) = plain_uuid(id) {
            Name::Uuid { source, bits }
        } else if origin.stands_in(id) {
            Name::StandIn { source }
        } else {
            Name::Text { source, text: id.into() }
        };
        Self { time, offset: origin.offset, name }
    }

    /// From the number of its source, its offset there, and its id.
    pub(in crate::detect) fn resumed(time: Timestamp, (source, offset): (u32, i64), id: &Id<'_>) -> Self {
        let name = match *id {
            Id::StandIn => Name::StandIn { source },
            Id::Uuid(bits) => Name::Uuid { source, bits },
            Id::Text(text) => Name::Text { source, text: text.into() },
        };
        Self { time, offset, name }
    }

    /// The number of its source.
    pub(in crate::detect) const fn source(&self) -> u32 {
        match &self.name {
            Name::StandIn { source } | Name::Uuid { source, .. } | Name::Text { source, .. } => *source,
        }
    }

    /// The offset in its source.
    pub(in crate::detect) const fn offset(&self) -> i64 {
        self.offset
    }

    pub(in crate::detect) fn id(&self) -> Id<'_> {
        match &self.name {
            Name::StandIn { .. } => Id::StandIn,
            Name::Uuid { bits, .. } => Id::Uuid(*bits),
            Name::Text { text, .. } => Id::Text(text),
        }
    }

    /// Bytes on the heap; a text that several rules keep is counted for each.
    fn text_bytes(&self) -> usize {
        match &self.name {
            Name::StandIn { .. } | Name::Uuid { .. } => 0,
            // Two reference counts stand before it.
            Name::Text { text, .. } => 16 + text.len(),
        }
    }

    /// As an alert shows it.
    pub(in crate::detect) fn evidence(&self, sources: &Sources) -> Evidence {
        let origin = sources.origin(self.source(), self.offset);
        let id = match self.id() {
            Id::StandIn => origin.stand_in().into(),
            Id::Uuid([high, low]) => Uuid::from_u64_pair(high, low).to_string().into(),
            Id::Text(text) => text.into(),
        };
        Evidence { id, time: self.time, origin }
    }
}

/// The bits of a UUID that is spelled as a UUID prints.
fn plain_uuid(id: &str) -> Option<[u64; 2]> {
    if id.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    let uuid = Uuid::try_parse(id).ok()?;
    let mut printed = [0; uuid::fmt::Hyphenated::LENGTH];
    let (high, low) = uuid.as_u64_pair();
    (uuid.hyphenated().encode_lower(&mut printed) == id).then_some([high, low])
}

/// Matches in (time, arrival) order, at most a given number.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct EvidenceRing {
    newest: VecDeque<Sighting>,
    /// Of the ids among them that are kept as texts.
    text_bytes: usize,
}

/// From matches in (time, arrival) order.
impl FromIterator<Sighting> for EvidenceRing {
    fn from_iter<M: IntoIterator<Item = Sighting>>(matches: M) -> Self {
        let newest: VecDeque<_> = matches.into_iter().collect();
        let text_bytes = newest.iter().map(Sighting::text_bytes).sum();
        Self { newest, text_bytes }
    }
}

impl EvidenceRing {
    /// Adds a match, which `is_newest` if none held is newer; at `count_max` the oldest goes.
    pub(in crate::detect) fn add(&mut self, sighting: Sighting, is_newest: bool, count_max: usize) {
        let mut at =
            if is_newest { self.newest.len() } else { self.newest.partition_point(|held| held.time <= sighting.time) };
        // More than one goes where the ring was restored under a smaller maximum than it was filled under.
        while self.newest.len() >= count_max && at > 0 || self.newest.len() > count_max {
            self.pop();
            at = at.saturating_sub(1);
        }
        if self.newest.len() < count_max {
            self.text_bytes += sighting.text_bytes();
            self.grow(count_max);
            if at == self.newest.len() {
                self.newest.push_back(sighting);
            } else {
                self.newest.insert(at, sighting);
            }
        }
    }

    /// Makes room for one more, and never for more than are kept: a full ring writes where the oldest stood.
    fn grow(&mut self, count_max: usize) {
        let held = self.newest.len();
        if held == self.newest.capacity() {
            self.newest.reserve_exact((held * 2).clamp(2, count_max.max(2)) - held);
        }
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.newest.pop_front() {
            self.text_bytes -= oldest.text_bytes();
        }
    }

    /// Something that must be read to be known, where a full ring writes next.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.newest.front().map_or(0, |oldest| oldest.offset.unsigned_abs())
    }

    /// The matches held, oldest first.
    pub(in crate::detect) fn iter(&self) -> impl ExactSizeIterator<Item = &Sighting> {
        self.newest.iter()
    }

    /// The held matches of the window (`start`, `end`], oldest first, `arrival` among them in any case.
    pub(in crate::detect) fn within(
        &self,
        (start, end): (Timestamp, Timestamp),
        arrival: &Sighting,
        sources: &Sources,
    ) -> Vec<Evidence> {
        let inside = |held: &&Sighting| held.time > start && held.time <= end;
        let mut shown: Vec<_> = self.newest.iter().filter(inside).collect();
        if !shown.contains(&arrival) {
            shown.insert(0, arrival);
        }
        shown.into_iter().map(|held| held.evidence(sources)).collect()
    }

    /// Bytes of the matches held, whatever the room for them.
    pub(in crate::detect) fn weight(&self) -> usize {
        self.newest.len() * size_of::<Sighting>() + self.text_bytes
    }

    /// Bytes on the heap, the texts of unusual ids included.
    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.newest.capacity() * size_of::<Sighting>() + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str) {
        let origin = Origin { topic: "audit".into(), partition: 3, offset: 4711 };
        let mut sources = Sources::default();
        sources.number_of(&Origin { topic: "other".into(), ..origin.clone() });
        let source = sources.number_of(&origin);
        let time = Timestamp::from_millis(5);
        let evidence = Sighting::new(id, time, (&origin, source)).evidence(&sources);
        assert_eq!(evidence, Evidence { id: id.into(), time, origin: origin.clone() });
    }

    #[test]
    fn an_id_comes_back_as_it_was() {
        check("019b76da-a800-73c9-8cfd-9ab19fd5e464");
        check("019B76DA-a800-73c9-8cfd-9ab19fd5e464");
        check("019b76daa80073c98cfd9ab19fd5e464");
        check("{019b76da-a800-73c9-8cfd-9ab19fd5e46}");
        check("audit/3/4711");
        check("audit/3/04711");
        check("e-1");
        check("");
    }

    #[test]
    fn a_sighting_has_forty_bytes() {
        assert_eq!(size_of::<Sighting>(), 40);
    }
}
