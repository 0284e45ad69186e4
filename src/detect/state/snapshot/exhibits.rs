//! The matches that a group's alerts would point to. Several rules show the same ones, so each is written once, and so
//! is each source.

use crate::detect::event::Origin;
use crate::detect::state::evidence::{EvidenceRing, Id, Sighting, Sources};
use crate::detect::state::group::RuleState;
use crate::detect::state::waiting::Waiting;
use crate::detect::time::Timestamp;

use super::error::SnapshotError;
use super::wire::{Reader, Writer};

/// What the entry of one group refers to.
pub(super) struct Exhibits<'a> {
    /// Topics and partitions.
    places: Vec<(&'a str, i32)>,
    sightings: Vec<&'a Sighting>,
    sources: &'a Sources,
}

/// What tells one sighting from another, and their order; sources are numbered as they come, so by place.
fn order<'a>(sighting: &'a Sighting, sources: &'a Sources) -> (Timestamp, (&'a str, i32), i64, Id<'a>) {
    (sighting.time, sources.place(sighting.source()), sighting.offset(), sighting.id())
}

fn place(origin: &Origin) -> (&str, i32) {
    (&origin.topic, origin.partition)
}

impl<'a> Exhibits<'a> {
    pub(super) fn of(states: &'a [RuleState], waiting: &[&'a Waiting], sources: &'a Sources) -> Self {
        let mut sightings: Vec<_> = states.iter().flat_map(|state| state.evidence.iter()).collect();
        sightings.sort_unstable_by(|one, other| order(one, sources).cmp(&order(other, sources)));
        sightings.dedup();
        let waiting = waiting.iter().map(|waiting| place(waiting.event().origin));
        let mut places: Vec<_> = waiting.collect();
        for sighting in &sightings {
            let place = sources.place(sighting.source());
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        places.sort_unstable();
        places.dedup();
        Self { places, sightings, sources }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.count(self.places.len());
        for (topic, partition) in &self.places {
            writer.text(topic);
            writer.int(i64::from(*partition));
        }
        writer.count(self.sightings.len());
        let (mut time, mut near) = (Timestamp::EVENT_MIN, 0);
        for sighting in &self.sightings {
            writer.span(sighting.time.since(time));
            self.write_record(self.sources.place(sighting.source()), (sighting.offset(), near), writer);
            write_id(&sighting.id(), writer);
            (time, near) = (sighting.time, sighting.offset());
        }
    }

    pub(super) fn write_origin(&self, origin: &Origin, writer: &mut Writer) {
        self.write_record(place(origin), (origin.offset, 0), writer);
    }

    /// Where a record stands; its offset is told by how far it is from another, which is mostly near.
    fn write_record(&self, place: (&str, i32), (offset, near): (i64, i64), writer: &mut Writer) {
        writer.count(self.places.partition_point(|known| *known < place));
        writer.int(offset.wrapping_sub(near));
    }

    pub(super) fn write_ring(&self, ring: &EvidenceRing, writer: &mut Writer) {
        writer.count(ring.iter().len());
        for shown in ring.iter() {
            let shown = order(shown, self.sources);
            writer.count(self.sightings.partition_point(|sighting| order(sighting, self.sources) < shown));
        }
    }
}

/// The same when it is read back.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    /// By place, the number of the source.
    places: Vec<u32>,
    sightings: Vec<Sighting>,
    /// Where the matches of all groups come from.
    pub(super) sources: Sources,
}

impl Recalled {
    /// Reads what the entry at hand refers to.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.places.clear();
        self.sightings.clear();
        for _ in 0..reader.count(PLACE_BYTES_MIN)? {
            let (topic, partition) = (reader.text()?, reader.int()?);
            let partition = i32::try_from(partition).map_err(|_| reader.damage("a partition has more than 32 bits"))?;
            self.places.push(self.sources.number(topic, partition));
        }
        let count = reader.count(SIGHTING_BYTES_MIN)?;
        self.sightings.reserve(count);
        let (mut time, mut near) = (Timestamp::EVENT_MIN, 0);
        for _ in 0..count {
            time = reader.time_after(time)?;
            let (source, offset) = self.read_record(near, reader)?;
            near = offset;
            self.sightings.push(Sighting::resumed(time, (source, offset), &read_id(reader)?));
        }
        Ok(())
    }

    pub(super) fn read_origin(&self, reader: &mut Reader<'_>) -> Result<Origin, SnapshotError> {
        let (source, offset) = self.read_record(0, reader)?;
        Ok(self.sources.origin(source, offset))
    }

    fn read_record(&self, near: i64, reader: &mut Reader<'_>) -> Result<(u32, i64), SnapshotError> {
        let source = usize::try_from(reader.uint()?).ok().and_then(|place| self.places.get(place));
        let source = source.ok_or_else(|| reader.damage("it refers to a topic that it does not name"))?;
        Ok((*source, near.wrapping_add(reader.int()?)))
    }

    pub(super) fn read_ring(&self, reader: &mut Reader<'_>) -> Result<EvidenceRing, SnapshotError> {
        let count = reader.count(1)?;
        let mut newest = Timestamp::BEFORE_ALL;
        let mut shown = || {
            let sighting = usize::try_from(reader.uint()?).ok().and_then(|place| self.sightings.get(place));
            let sighting = sighting.filter(|sighting| sighting.time >= newest);
            let sighting =
                sighting.ok_or_else(|| reader.damage("it shows a match that it does not hold, or in no order"))?;
            newest = sighting.time;
            Ok(sighting.clone())
        };
        (0..count).map(|_| shown()).collect()
    }
}

/// The length of a topic's name, a partition.
const PLACE_BYTES_MIN: usize = 2;
/// Time, place, offset and the type of an id.
const SIGHTING_BYTES_MIN: usize = 4;

mod tag {
    pub(super) const STAND_IN: u8 = 0;
    pub(super) const UUID: u8 = 1;
    pub(super) const TEXT: u8 = 2;
}

pub(super) fn write_id(id: &Id<'_>, writer: &mut Writer) {
    match id {
        Id::StandIn => writer.byte(tag::STAND_IN),
        Id::Uuid(bits) => {
            writer.byte(tag::UUID);
            for bits in bits {
                writer.fixed(bits.to_be_bytes());
            }
        }
        Id::Text(text) => {
            writer.byte(tag::TEXT);
            writer.text(text);
        }
    }
}

pub(super) fn read_id<'a>(reader: &mut Reader<'a>) -> Result<Id<'a>, SnapshotError> {
    Ok(match reader.byte()? {
        tag::STAND_IN => Id::StandIn,
        tag::UUID => Id::Uuid([u64::from_be_bytes(reader.fixed()?), u64::from_be_bytes(reader.fixed()?)]),
        tag::TEXT => Id::Text(reader.text()?),
        _ => return Err(reader.damage("it has an id of no known type")),
    })
}
