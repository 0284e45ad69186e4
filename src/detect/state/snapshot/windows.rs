//! The window of each type of rule: its matches in order, and what a limit took from it.
//!
//! What can be worked out is left out (running counts, indices, where the newest window starts), so that no bytes can
//! make a window that contradicts itself; a running sum starts out exact. Which fields of a type are written is decided
//! here and nowhere else.

use crate::detect::rule::{Logic, Rule};
use crate::detect::state::window::Window;
use crate::detect::time::Timestamp;
use crate::detect::window::{
    AbsenceWindow, Acquaintance, Aggregate, Buckets, ChangeWindow, Count, DistinctWindow, FreshWindow, LabelCounts,
    OrderedWindow, Packed, PackedPlace, Percentile, RunningTotal, Series, Share, Sliding, SpikeWindow, Total,
    TotalWindow, ValueHasher, ValueTable, VelocityWindow, bucket_of, pack, unpack,
};

use super::error::SnapshotError;
use super::wire::{Reader, Writer};

/// Says which type of rule a window is of. Never renumbered.
pub(super) const fn kind(logic: &Logic) -> u8 {
    match logic {
        Logic::Event => 0,
        Logic::EventCount { .. } => 1,
        Logic::ValueCount { .. } => 2,
        Logic::Temporal { .. } => 3,
        Logic::TemporalOrdered { .. } => 4,
        Logic::ValueSum { .. } => 5,
        Logic::ValueAverage { .. } => 6,
        Logic::ValuePercentile { .. } => 7,
        Logic::ValueChange { .. } => 8,
        Logic::GeoVelocity { .. } => 9,
        Logic::NewValue { .. } => 10,
        Logic::Absence { .. } => 11,
        Logic::Ratio { .. } => 12,
        Logic::Spike { .. } => 13,
    }
}

/// Writes a window of which no match is newer than `newest`.
pub(super) fn write(window: &Window, newest: Timestamp, writer: &mut Writer) {
    match window {
        Window::None => {}
        Window::Count(window) => write_series(window.series(), newest, writer, |_, ()| {}),
        Window::Distinct(window) => write_valued(window.parts(), newest, writer),
        Window::Labels(window) => write_series(window.series(), newest, writer, write_labels),
        Window::Ordered(window) => write_series(window.series(), newest, writer, write_labels),
        Window::Total(window) => {
            writer.time(window.clipped_negative());
            write_series(window.sliding.series(), newest, writer, write_number);
        }
        Window::Percentile(window) => write_series(window.series(), newest, writer, write_number),
        Window::Change(window) => write_valued(window.parts(), newest, writer),
        Window::Velocity(window) => {
            write_series(window.series(), newest, writer, |writer, place| {
                for number in place {
                    write_number(writer, number);
                }
            });
        }
        Window::Fresh(window) => write_fresh(window, newest, writer),
        Window::Absence(window) => {
            let (recent, companions) = window.parts();
            write_series(recent, newest, writer, |_, ()| {});
            write_series(companions, newest, writer, |_, ()| {});
        }
        Window::Share(window) => {
            write_series(window.series(), newest, writer, |writer, is_part| writer.byte(u8::from(is_part)));
        }
        Window::Spike(window) => write_spike(window, newest, writer),
    }
}

/// Reads the window of a rule.
pub(super) fn read(
    rule: &Rule,
    newest: Timestamp,
    hasher: &ValueHasher,
    reader: &mut Reader<'_>,
) -> Result<Window, SnapshotError> {
    let labels = rule.inputs.len();
    Ok(match &rule.logic {
        Logic::Event => Window::None,
        Logic::EventCount { .. } => {
            Window::Count(Box::new(read_sliding(rule, newest, reader, Count::default(), |_| Ok(()))?))
        }
        Logic::ValueCount { .. } => {
            let (values, series) = read_valued(newest, hasher, reader)?;
            Window::Distinct(Box::new(DistinctWindow::resumed(values, series, rule.timespan)))
        }
        Logic::Temporal { .. } => {
            let read_labels = |reader: &mut Reader<'_>| read_labels(labels, reader);
            Window::Labels(Box::new(read_sliding(rule, newest, reader, LabelCounts::new(labels), read_labels)?))
        }
        Logic::TemporalOrdered { .. } => {
            let series = read_series(newest, reader, |reader| read_labels(labels, reader))?;
            Window::Ordered(Box::new(OrderedWindow::resumed(series, labels)))
        }
        Logic::ValueSum { .. } => read_total(rule, newest, Total::Sum, reader)?,
        Logic::ValueAverage { .. } => read_total(rule, newest, Total::Mean, reader)?,
        Logic::ValuePercentile { percentile, .. } => {
            let empty = Percentile::new(*percentile);
            Window::Percentile(Box::new(read_sliding(rule, newest, reader, empty, read_number)?))
        }
        Logic::ValueChange { .. } => {
            let (values, series) = read_valued(newest, hasher, reader)?;
            Window::Change(Box::new(ChangeWindow::resumed(values, series)))
        }
        Logic::GeoVelocity { .. } => {
            Window::Velocity(Box::new(VelocityWindow::resumed(read_series(newest, reader, read_place)?)))
        }
        Logic::NewValue { .. } => Window::Fresh(Box::new(read_fresh(newest, hasher, reader)?)),
        Logic::Absence { .. } => {
            let recent = read_series(newest, reader, |_| Ok(()))?;
            let companions = read_series(newest, reader, |_| Ok(()))?;
            Window::Absence(Box::new(AbsenceWindow::resumed(recent, companions)))
        }
        Logic::Ratio { count_min, .. } => {
            let empty = Share::new(*count_min);
            Window::Share(Box::new(read_sliding(rule, newest, reader, empty, |reader| Ok(reader.byte()? != 0))?))
        }
        Logic::Spike { .. } => Window::Spike(Box::new(read_spike(rule, newest, reader)?)),
    })
}

/// A step in time, the fingerprint.
const MATCH_BYTES_MIN: usize = 1 + ID_BYTES;
/// The bytes of a fingerprint that a series keeps: the lowest four and the highest two.
const ID_BYTES: usize = 6;

fn kept(id: u64) -> [u8; ID_BYTES] {
    let (bytes, mut kept) = (id.to_le_bytes(), [0; ID_BYTES]);
    kept[..4].copy_from_slice(&bytes[..4]);
    kept[4..].copy_from_slice(&bytes[6..]);
    kept
}

fn fingerprint(kept: [u8; ID_BYTES]) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    bytes[..4].copy_from_slice(&kept[..4]);
    bytes[6..].copy_from_slice(&kept[4..]);
    u64::from_le_bytes(bytes)
}

/// Writes the matches of a series: the first by how far it is from the newest, the others from the one before.
fn write_series<I: Copy>(
    series: &Series<I>,
    newest: Timestamp,
    writer: &mut Writer,
    mut write_item: impl FnMut(&mut Writer, I),
) {
    writer.time(series.clipped());
    writer.count(series.matches().len());
    let mut before = None;
    for (time, id, item) in series.matches() {
        writer.span(before.map_or_else(|| newest.since(time), |before| time.since(before)));
        writer.fixed(kept(id));
        write_item(writer, item);
        before = Some(time);
    }
}

fn read_series<I: Copy>(
    newest: Timestamp,
    reader: &mut Reader<'_>,
    mut read_item: impl FnMut(&mut Reader<'_>) -> Result<I, SnapshotError>,
) -> Result<Series<I>, SnapshotError> {
    let clipped = reader.time()?;
    let count = reader.count(MATCH_BYTES_MIN)?;
    let mut series = Series::resumed(clipped, count);
    let mut before = None;
    for _ in 0..count {
        let time = match before {
            None => reader.time_before(newest)?,
            Some(before) => reader.time_after(before)?,
        };
        if time > newest {
            return Err(reader.damage("a match is newer than the newest"));
        }
        let id = fingerprint(reader.fixed()?);
        series.push(time, id, read_item(reader)?);
        before = Some(time);
    }
    Ok(series)
}

fn read_sliding<A: Aggregate>(
    rule: &Rule,
    newest: Timestamp,
    reader: &mut Reader<'_>,
    empty: A,
    read_item: impl FnMut(&mut Reader<'_>) -> Result<A::Item, SnapshotError>,
) -> Result<Sliding<A>, SnapshotError> {
    Ok(Sliding::resumed(read_series(newest, reader, read_item)?, rule.timespan, empty))
}

/// Writes matches that hold values. Values are numbered by first use, where their text follows the number.
fn write_valued((values, series): (&ValueTable, &Series<u32>), newest: Timestamp, writer: &mut Writer) {
    let mut numbers: Vec<Option<usize>> = vec![None; values.numbers()];
    let mut next = 0;
    write_series(series, newest, writer, |writer, value| {
        let number = &mut numbers[value as usize];
        writer.count(number.unwrap_or(next));
        if number.is_none() {
            writer.text(values.text(value));
            *number = Some(next);
            next += 1;
        }
    });
}

fn read_valued(
    newest: Timestamp,
    hasher: &ValueHasher,
    reader: &mut Reader<'_>,
) -> Result<(ValueTable, Series<u32>), SnapshotError> {
    let mut values = ValueTable::default();
    let series = read_series(newest, reader, |reader| {
        let number = reader.short()?;
        let known = values.numbers();
        if (number as usize) < known {
            values.hold_again(number);
        } else if number as usize > known || values.hold(reader.text()?, hasher) != number {
            return Err(reader.damage("values are not numbered in order of first use"));
        }
        Ok(number)
    })?;
    Ok((values, series))
}

fn write_labels(writer: &mut Writer, labels: u32) {
    writer.uint(u64::from(labels));
}

fn read_labels(count: usize, reader: &mut Reader<'_>) -> Result<u32, SnapshotError> {
    let labels = reader.short()?;
    if u64::from(labels) >> count == 0 { Ok(labels) } else { Err(reader.damage("a match has labels of no rule")) }
}

fn write_number(writer: &mut Writer, number: Packed) {
    writer.double(unpack(number));
}

fn read_number(reader: &mut Reader<'_>) -> Result<Packed, SnapshotError> {
    reader.double().map(pack)
}

fn read_place(reader: &mut Reader<'_>) -> Result<PackedPlace, SnapshotError> {
    Ok([read_number(reader)?, read_number(reader)?, read_number(reader)?])
}

fn read_total(rule: &Rule, newest: Timestamp, total: Total, reader: &mut Reader<'_>) -> Result<Window, SnapshotError> {
    let clipped_negative = reader.time()?;
    let sliding = read_sliding(rule, newest, reader, RunningTotal::new(total), read_number)?;
    Ok(Window::Total(Box::new(TotalWindow::resumed(sliding, clipped_negative))))
}

fn write_fresh(window: &FreshWindow, newest: Timestamp, writer: &mut Writer) {
    let (recent, acquaintance, sights) = window.parts();
    write_series(recent, newest, writer, |_, ()| {});
    let Acquaintance { earliest, newest, clipped, sweep_at } = acquaintance;
    writer.time(newest);
    writer.time(if newest == Timestamp::BEFORE_ALL { newest } else { earliest });
    writer.time(clipped);
    writer.count(sweep_at);
    writer.count(sights.len());
    for (text, last_seen) in sights {
        writer.text(text);
        writer.span(newest.since(last_seen));
    }
}

fn read_fresh(newest: Timestamp, hasher: &ValueHasher, reader: &mut Reader<'_>) -> Result<FreshWindow, SnapshotError> {
    let recent = read_series(newest, reader, |_| Ok(()))?;
    let newest = reader.time()?;
    let earliest = reader.time()?;
    let earliest = if earliest == Timestamp::BEFORE_ALL { Timestamp::EVENT_MAX } else { earliest };
    let clipped = reader.time()?;
    let sweep_at = reader.short()? as usize;
    let mut window = FreshWindow::resumed(recent, Acquaintance { earliest, newest, clipped, sweep_at });
    for _ in 0..reader.count(2)? {
        let text = reader.text()?;
        let last_seen = reader.time_before(newest)?;
        if !window.recall(text, last_seen, hasher) {
            return Err(reader.damage("a value stands twice"));
        }
    }
    Ok(window)
}

fn write_spike(window: &SpikeWindow, newest: Timestamp, writer: &mut Writer) {
    let (recent, Buckets { first, counts, earliest, clipped }) = window.parts();
    write_series(recent, newest, writer, |_, ()| {});
    writer.option(earliest);
    writer.option(clipped);
    writer.option((!counts.is_empty()).then_some(first));
    writer.count(counts.len());
    for count in counts {
        writer.uint(u64::from(count));
    }
}

fn read_spike(rule: &Rule, newest: Timestamp, reader: &mut Reader<'_>) -> Result<SpikeWindow, SnapshotError> {
    let recent = read_series(newest, reader, |_| Ok(()))?;
    let (earliest, clipped, first) = (reader.option()?, reader.option()?, reader.option()?);
    let counts = reader.count(1)?;
    let end = first.unwrap_or(0).saturating_add(i64::try_from(counts).unwrap_or(i64::MAX));
    let after_newest = bucket_of(newest, rule.timespan).saturating_add(1);
    let buckets = [earliest, clipped].into_iter().flatten().map(|bucket| bucket.saturating_add(1));
    if buckets.chain((counts > 0).then_some(end)).any(|end| end > after_newest) || first.is_some() != (counts > 0) {
        return Err(reader.damage("a bucket is newer than the newest match"));
    }
    let counts = (0..counts).map(|_| reader.short()).collect::<Result<_, _>>()?;
    Ok(SpikeWindow::resumed(recent, Buckets { first: first.unwrap_or(0), counts, earliest, clipped }))
}
