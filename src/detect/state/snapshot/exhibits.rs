//! The matches that a group's alerts would point to. Several rules show the same ones, so each is written once, and so
//! is each topic.

use std::sync::Arc;

use crate::detect::alert::Evidence;
use crate::detect::event::Origin;
use crate::detect::state::evidence::{EvidenceRing, Sighting, Sources};
use crate::detect::state::group::Group;
use crate::detect::state::waiting::Waiting;
use crate::detect::time::Timestamp;

use super::error::SnapshotError;
use super::wire::{Reader, Writer};

/// What the entry of one group refers to.
pub(super) struct Exhibits<'a> {
    topics: Vec<Arc<str>>,
    evidence: Vec<Evidence>,
    sources: &'a Sources,
}

/// What tells one evidence from another, and their order.
fn place(evidence: &Evidence) -> (Timestamp, &str, i32, i64, &str) {
    let Evidence { id, time, origin: Origin { topic, partition, offset } } = evidence;
    (*time, topic, *partition, *offset, id)
}

impl<'a> Exhibits<'a> {
    pub(super) fn of(group: &Group, waiting: &[&Waiting], sources: &'a Sources) -> Self {
        let held = group.states().iter().flat_map(|state| state.evidence.iter());
        let mut evidence: Vec<Evidence> = held.map(|held| held.evidence(sources)).collect();
        evidence.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
        evidence.dedup();
        let waiting = waiting.iter().map(|waiting| waiting.event().origin);
        let mut topics: Vec<Arc<str>> = evidence
            .iter()
            .map(|evidence| &evidence.origin)
            .chain(waiting)
            .map(|origin| origin.topic.clone())
            .collect();
        topics.sort_unstable();
        topics.dedup();
        Self { topics, evidence, sources }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.count(self.topics.len());
        self.topics.iter().for_each(|topic| writer.text(topic));
        writer.count(self.evidence.len());
        let (mut time, mut offset) = (Timestamp::EVENT_MIN, 0);
        for evidence in &self.evidence {
            writer.span(evidence.time.since(time));
            self.write_origin(&evidence.origin, offset, writer);
            writer.text(&evidence.id);
            (time, offset) = (evidence.time, evidence.origin.offset);
        }
    }

    /// Where a record stands; its offset is told by how far it is from another, which is mostly near.
    pub(super) fn write_origin(&self, origin: &Origin, near: i64, writer: &mut Writer) {
        writer.count(self.topics.partition_point(|topic| **topic < *origin.topic));
        writer.int(i64::from(origin.partition));
        writer.int(origin.offset.wrapping_sub(near));
    }

    pub(super) fn write_ring(&self, ring: &EvidenceRing, writer: &mut Writer) {
        writer.count(ring.iter().len());
        for shown in ring.iter() {
            let shown = shown.evidence(self.sources);
            writer.count(self.evidence.partition_point(|evidence| place(evidence) < place(&shown)));
        }
    }
}

/// The same when it is read back.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    topics: Vec<Arc<str>>,
    evidence: Vec<Sighting>,
    /// Where the matches of all groups come from.
    pub(super) sources: Sources,
    /// Topics of any group, each held once.
    known_topics: Vec<Arc<str>>,
}

impl Recalled {
    /// Reads what the entry at hand refers to.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.topics.clear();
        self.evidence.clear();
        for _ in 0..reader.count(1)? {
            let topic = self.topic(reader.text()?);
            self.topics.push(topic);
        }
        let (mut time, mut offset) = (Timestamp::EVENT_MIN, 0);
        for _ in 0..reader.count(EVIDENCE_BYTES_MIN)? {
            time = reader.time_after(time)?;
            let origin = self.read_origin(offset, reader)?;
            offset = origin.offset;
            let source = self.sources.number(&origin);
            self.evidence.push(Sighting::new(reader.text()?, time, (&origin, source)));
        }
        Ok(())
    }

    fn topic(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known_topics.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        self.known_topics.push(name.into());
        Arc::clone(&self.known_topics[self.known_topics.len() - 1])
    }

    pub(super) fn read_origin(&self, near: i64, reader: &mut Reader<'_>) -> Result<Origin, SnapshotError> {
        let topic = usize::try_from(reader.uint()?).ok().and_then(|topic| self.topics.get(topic));
        let topic = Arc::clone(topic.ok_or_else(|| reader.damage("it refers to a topic that it does not name"))?);
        let partition = i32::try_from(reader.int()?).map_err(|_| reader.damage("a partition has more than 32 bits"))?;
        Ok(Origin { topic, partition, offset: near.wrapping_add(reader.int()?) })
    }

    pub(super) fn read_ring(&self, reader: &mut Reader<'_>) -> Result<EvidenceRing, SnapshotError> {
        let count = reader.count(1)?;
        let mut newest = Timestamp::BEFORE_ALL;
        let mut shown = || {
            let evidence = usize::try_from(reader.uint()?).ok().and_then(|place| self.evidence.get(place));
            let evidence = evidence.filter(|evidence| evidence.time >= newest);
            let evidence =
                evidence.ok_or_else(|| reader.damage("it shows a match that it does not hold, or in no order"))?;
            newest = evidence.time;
            Ok(evidence.clone())
        };
        (0..count).map(|_| shown()).collect()
    }
}

/// Time, topic, partition, offset and the length of an id.
const EVIDENCE_BYTES_MIN: usize = 5;
