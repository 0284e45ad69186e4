//! What is held about one group as bytes that need a tenth of the room, for a group that nothing has matched for a
//! while.
//!
//! Written as entries are, but for this process alone: rules and sources go by their numbers, and nothing seals it.

use crate::detect::rule::Rule;
use crate::detect::state::evidence::{EvidenceRing, Sighting};
use crate::detect::state::group::RuleState;
use crate::detect::time::{Span, Timestamp};
use crate::detect::window::ValueHasher;

use super::entry::{read_memory, write_memory};
use super::error::SnapshotError;
use super::exhibits::{read_id, write_id};
use super::windows;
use super::wire::{Reader, Writer};

/// The states of a group's rules, and the two times and the weight that are asked for while they lie still.
#[derive(Clone, Debug)]
pub(in crate::detect::state) struct Dormant(Box<[u8]>);

/// What is asked for while the states lie still.
struct Summary {
    newest: Timestamp,
    until: Timestamp,
    weight: u64,
}

impl Dormant {
    /// `states` in order, their weight together; the times are [`Self::newest`] and [`Self::remembered_until`].
    pub(in crate::detect::state) fn new(
        states: &[RuleState],
        (newest, until): (Timestamp, Timestamp),
        weight: usize,
    ) -> Self {
        let bytes = Writer::bytes(|writer| {
            writer.time(newest);
            writer.int(until.since(newest).millis());
            writer.count(weight);
            writer.count(states.len());
            let mut shown = Vec::new();
            for state in states {
                write_state(state, newest, &mut shown, writer);
            }
        });
        Self(bytes.into())
    }

    /// The states as they were.
    pub(in crate::detect::state) fn states(&self, rules: &[Rule], hasher: &ValueHasher) -> Vec<RuleState> {
        self.read(rules, hasher).expect("what was written here reads back")
    }

    fn read(&self, rules: &[Rule], hasher: &ValueHasher) -> Result<Vec<RuleState>, SnapshotError> {
        let (Summary { newest, .. }, mut reader) = self.open()?;
        let count = reader.count(1)?;
        let mut shown = Vec::new();
        (0..count).map(|_| read_state((rules, hasher), newest, &mut shown, &mut reader)).collect()
    }

    /// The summary, and the states behind it.
    fn open(&self) -> Result<(Summary, Reader<'_>), SnapshotError> {
        let mut reader = Reader::new(&self.0);
        let newest = reader.time()?;
        let until = newest + Span::from_millis(reader.int()?);
        let weight = reader.uint()?;
        Ok((Summary { newest, until, weight }, reader))
    }

    fn summary(&self) -> Summary {
        self.open().expect("what was written here reads back").0
    }

    /// The newest match time over all rules.
    pub(in crate::detect::state) fn newest(&self) -> Timestamp {
        self.summary().newest
    }

    /// The time after which, with the lateness on top, every rule has forgotten the group.
    pub(in crate::detect::state) fn remembered_until(&self) -> Timestamp {
        self.summary().until
    }

    /// What the states weigh towards `limits.state_bytes` when they are awake.
    pub(in crate::detect::state) fn weight(&self) -> usize {
        usize::try_from(self.summary().weight).expect("it was counted in this process")
    }

    /// Bytes on the heap.
    pub(in crate::detect::state) const fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}

/// Most rules saw the group's newest match, so how far each is from it takes a byte; and most show the same matches, in the
/// same order, so one that is `shown` already is told by its place there, from 1.
fn write_state<'a>(state: &'a RuleState, newest: Timestamp, shown: &mut Vec<&'a Sighting>, writer: &mut Writer) {
    writer.count(state.rule());
    write_memory(&state.memory, writer);
    writer.int(newest.since(state.newest).millis());
    writer.count(state.evidence.iter().len());
    let mut next = 0;
    for sighting in state.evidence.iter() {
        if let Some(ahead) = shown[next..].iter().position(|known| *known == sighting) {
            next += ahead + 1;
            writer.count(next);
            continue;
        }
        shown.push(sighting);
        writer.count(0);
        writer.int(state.newest.since(sighting.time).millis());
        writer.uint(u64::from(sighting.source()));
        writer.int(sighting.offset());
        write_id(&sighting.id(), writer);
    }
    windows::write(&state.window, state.newest, writer);
}

fn read_state(
    (rules, hasher): (&[Rule], &ValueHasher),
    newest: Timestamp,
    shown: &mut Vec<Sighting>,
    reader: &mut Reader<'_>,
) -> Result<RuleState, SnapshotError> {
    let index = reader.short()?;
    let rule = &rules[index as usize];
    let memory = read_memory(reader)?;
    let newest = newest - Span::from_millis(reader.int()?);
    let count = reader.count(1)?;
    let evidence: Result<EvidenceRing, SnapshotError> = (0..count)
        .map(|_| {
            if let Some(place) = (reader.short()? as usize).checked_sub(1) {
                return shown
                    .get(place)
                    .cloned()
                    .ok_or_else(|| reader.damage("it shows a match that it does not hold"));
            }
            let time = newest - Span::from_millis(reader.int()?);
            let record = (reader.short()?, reader.int()?);
            let sighting = Sighting::resumed(time, record, &read_id(reader)?);
            shown.push(sighting.clone());
            Ok(sighting)
        })
        .collect();
    let (evidence, window) = (evidence?, windows::read(rule, newest, hasher, reader)?);
    let index = u16::try_from(index).map_err(|_| reader.damage("it is no rule"))?;
    Ok(RuleState::resumed(index, (memory, newest), window, evidence))
}
