//! One group's entry: what each rule holds about it and what waits in it, or what an eviction left behind.

use std::sync::Arc;

use crate::detect::rule::{Rule, RuleSet};
use crate::detect::state::evidence::Sources;
use crate::detect::state::group::{Group, RuleState};
use crate::detect::state::suppression::AlertMemory;
use crate::detect::state::waiting::Waiting;
use crate::detect::window::ValueHasher;

use super::error::SnapshotError;
use super::exhibits::{Exhibits, Recalled};
use super::format::Format;
use super::names::{Names, RuleName};
use super::wire::{Kind, Reader, Writer};
use super::{waiting, windows};

/// The entry of one group.
pub(super) enum Entry<G, W, M> {
    /// The group is held; the matches that wait in it stand in their order.
    Held(G, W),
    /// The group was evicted while alerts of these rules were quiet.
    Remains(M),
}

/// An entry as it is written.
pub(super) type Lent<'a> = Entry<&'a Group, &'a [&'a Waiting], &'a [(u16, AlertMemory)]>;
/// An entry as it is read.
pub(super) type Owned = Entry<Group, Vec<Waiting>, Vec<(u16, AlertMemory)>>;

const REMAINS: u8 = 0;
const HELD: u8 = 1;
/// A rule's name and the length of its part.
const PART_BYTES_MIN: usize = size_of::<RuleName>() + 1;

/// Seals the entry of the group that is spelled so.
pub(super) fn seal(
    (format, spelled): (Format, &[u8]),
    entry: &Lent<'_>,
    sources: &Sources,
    rules: &RuleSet,
    names: &Names,
) -> Vec<u8> {
    Kind::Group.seal(format, spelled, |writer| match entry {
        Entry::Held(group, waiting) => write_held((group, waiting), sources, rules, names, writer),
        Entry::Remains(memories) => {
            let rule = |(rule, _): &(u16, AlertMemory)| usize::from(*rule);
            writer.byte(REMAINS);
            write_parts(memories, names, writer, rule, |(_, memory), writer| write_memory(memory, writer));
        }
    })
}

fn write_held(
    (group, waiting): (&Group, &[&Waiting]),
    sources: &Sources,
    rules: &RuleSet,
    names: &Names,
    writer: &mut Writer,
) {
    let states = group.states();
    let exhibits = Exhibits::of(states, waiting, sources);
    writer.byte(HELD);
    writer.uint(u64::from(group.filed()));
    exhibits.write(writer);
    write_parts(states, names, writer, RuleState::rule, |state, writer| {
        write_memory(&state.memory, writer);
        writer.time(state.newest);
        exhibits.write_ring(&state.evidence, writer);
        writer.byte(windows::kind(&rules.rules[state.rule()].logic));
        windows::write(&state.window, state.newest, writer);
    });
    let rule = |waiting: &&Waiting| waiting.rule;
    write_parts(waiting, names, writer, rule, |waiting, writer| {
        waiting::write(waiting, &exhibits, &rules.fields, writer);
    });
}

/// Writes parts that each belong to a rule.
fn write_parts<P>(
    parts: &[P],
    names: &Names,
    writer: &mut Writer,
    rule: impl Fn(&P) -> usize,
    write: impl Fn(&P, &mut Writer),
) {
    writer.count(parts.len());
    for part in parts {
        writer.fixed(names.of_rule(rule(part)).to_le_bytes());
        writer.part(|writer| write(part, writer));
    }
}

pub(super) fn write_memory(memory: &AlertMemory, writer: &mut Writer) {
    let (last, suppressed) = memory.parts();
    writer.time(last);
    writer.uint(u64::from(suppressed));
}

/// What is needed to read entries.
pub(super) struct Context {
    pub(super) rules: Arc<RuleSet>,
    pub(super) names: Names,
    /// By rule: whether others count its firings, so that what waits in it keeps its fields.
    pub(super) is_read: Vec<bool>,
    pub(super) hasher: ValueHasher,
}

impl Context {
    /// Opens the entry of the group `key`, which is spelled so. None if the rules that held something are all gone.
    pub(super) fn open(
        &self,
        (key, spelled): (&[u8], &[u8]),
        value: &[u8],
        recalled: &mut Recalled,
    ) -> Result<Option<Owned>, SnapshotError> {
        Kind::Group.open(spelled, value, |reader| match reader.byte()? {
            REMAINS => {
                let memories = self.read_parts(reader, |rule, _, reader| Ok((rule, read_memory(reader)?)))?;
                Ok(memories.map(|memories| Entry::Remains(in_rule_order(memories, |(rule, _)| *rule))))
            }
            HELD => self.read_held(key, reader, recalled),
            _ => Err(reader.damage("it is no entry of a group")),
        })
    }

    fn read_held(
        &self,
        key: &[u8],
        reader: &mut Reader<'_>,
        recalled: &mut Recalled,
    ) -> Result<Option<Owned>, SnapshotError> {
        let filed = reader.short()?;
        recalled.read(reader)?;
        let recalled = &*recalled;
        let states = self.read_parts(reader, |index, rule, reader| self.read_state((index, rule), recalled, reader))?;
        let waiting = self.read_parts(reader, |index, _, reader| {
            let keeps_values = self.is_read[usize::from(index)];
            waiting::read((index, key), recalled, (&self.rules.fields, keeps_values), reader)
        })?;
        let Some(states) = states else { return Ok(None) };
        let states = in_rule_order(states, RuleState::rule);
        if states.windows(2).any(|pair| pair[0].rule() == pair[1].rule()) {
            return Err(reader.damage("a rule stands twice"));
        }
        Ok(Some(Entry::Held(Group::resumed(states, filed), waiting.unwrap_or_default())))
    }

    fn read_state(
        &self,
        (index, rule): (u16, &Rule),
        recalled: &Recalled,
        reader: &mut Reader<'_>,
    ) -> Result<RuleState, SnapshotError> {
        let memory = read_memory(reader)?;
        let newest = reader.time()?;
        let evidence = recalled.read_ring(reader)?;
        if reader.byte()? != windows::kind(&rule.logic) {
            return Err(reader.damage("a window is not of its rule's type"));
        }
        let window = windows::read(rule, newest, &self.hasher, reader)?;
        Ok(RuleState::resumed(index, (memory, newest), window, evidence))
    }

    /// Reads the parts of rules that the set has. None if there were parts, but no rule of any.
    fn read_parts<P>(
        &self,
        reader: &mut Reader<'_>,
        read: impl Fn(u16, &Rule, &mut Reader<'_>) -> Result<P, SnapshotError>,
    ) -> Result<Option<Vec<P>>, SnapshotError> {
        let count = reader.count(PART_BYTES_MIN)?;
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let name = RuleName::from_le_bytes(reader.fixed()?);
            let mut part = reader.part()?;
            if let Some(rule) = self.names.rule(name) {
                parts.push(read(rule, &self.rules.rules[usize::from(rule)], &mut part)?);
                part.finish()?;
            }
        }
        Ok((count == 0 || !parts.is_empty()).then_some(parts))
    }
}

pub(super) fn read_memory(reader: &mut Reader<'_>) -> Result<AlertMemory, SnapshotError> {
    Ok(AlertMemory::resumed(reader.time()?, reader.short()?))
}

/// Rules may be numbered otherwise than they were when their parts were written.
fn in_rule_order<P, R: Ord>(mut parts: Vec<P>, rule: impl Fn(&P) -> R) -> Vec<P> {
    if !parts.is_sorted_by_key(&rule) {
        parts.sort_by_key(rule);
    }
    parts
}
