//! Matches that wait for a companion, with the fields that outer rules would read of them by name.

use std::borrow::Cow;

use crate::detect::event::Event;
use crate::detect::fields::FieldTable;
use crate::detect::state::waiting::Waiting;
use crate::detect::value::{Number, Value};

use super::error::SnapshotError;
use super::exhibits::{Exhibits, Recalled};
use super::wire::{Reader, Writer};

pub(super) fn write(waiting: &Waiting, exhibits: &Exhibits<'_>, fields: &FieldTable, writer: &mut Writer) {
    let event = waiting.event();
    writer.time(waiting.time);
    writer.uint(waiting.arrival);
    writer.uint(u64::from(waiting.rank));
    writer.text(event.id);
    exhibits.write_origin(event.origin, writer);
    let held = || fields.paths().zip(event.values).filter(|(_, value)| **value != Value::Absent);
    writer.count(held().count());
    for (path, value) in held() {
        writer.text(path);
        write_value(value, writer);
    }
}

/// Reads a match of `rule` in the group `key`. Fields that no rule reads any more are dropped; those that were not read
/// when it was written are absent. All are dropped unless `keeps_values`.
pub(super) fn read(
    (rule, key): (u16, &[u8]),
    recalled: &Recalled,
    (fields, keeps_values): (&FieldTable, bool),
    reader: &mut Reader<'_>,
) -> Result<Waiting, SnapshotError> {
    let time = reader.time()?;
    if !time.is_event_time() {
        return Err(reader.damage("a match that waits has no time"));
    }
    let (arrival, rank) = (reader.uint()?, reader.short()?);
    let id = reader.text()?;
    let origin = recalled.read_origin(reader)?;
    let mut values = vec![Value::Absent; if keeps_values { fields.len() } else { 0 }];
    for _ in 0..reader.count(2)? {
        let slot = fields.find(reader.text()?);
        let value = read_value(reader)?;
        if let Some(place) = slot.and_then(|slot| values.get_mut(slot.index())) {
            *place = value;
        }
    }
    let event = Event { time, id, origin: &origin, values: &values };
    let mut waiting = Waiting::new((usize::from(rule), key), (time, rank), &event, keeps_values);
    waiting.arrival = arrival;
    Ok(waiting)
}

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INTEGER: u8 = 3;
    pub(super) const TEXT: u8 = 4;
    pub(super) const OBJECT: u8 = 5;
    pub(super) const LIST: u8 = 6;
    pub(super) const ABSENT: u8 = 7;
}

fn write_value(value: &Value<'_>, writer: &mut Writer) {
    match value {
        Value::Absent => writer.byte(tag::ABSENT),
        Value::Null => writer.byte(tag::NULL),
        Value::Bool(value) => writer.byte(if *value { tag::TRUE } else { tag::FALSE }),
        Value::Number(Number::Integer(integer)) => {
            writer.byte(tag::INTEGER);
            writer.int(*integer);
        }
        Value::Number(number @ (Number::Text(_) | Number::Real(_))) => {
            writer.byte(tag::TEXT);
            writer.text(&number.canonical());
        }
        Value::Text(text) => {
            writer.byte(tag::TEXT);
            writer.text(text);
        }
        Value::Object => writer.byte(tag::OBJECT),
        Value::List(elements) => {
            writer.byte(tag::LIST);
            writer.count(elements.len());
            for element in elements {
                write_value(element, writer);
            }
        }
    }
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value<'static>, SnapshotError> {
    match reader.byte()? {
        tag::LIST => {
            let elements = reader.count(1)?;
            (0..elements).map(|_| read_scalar(reader.byte()?, reader)).collect::<Result<_, _>>().map(Value::List)
        }
        tag => read_scalar(tag, reader),
    }
}

/// Reads anything but a list: ingest opens inner ones, so lists hold none.
fn read_scalar(tag: u8, reader: &mut Reader<'_>) -> Result<Value<'static>, SnapshotError> {
    Ok(match tag {
        tag::ABSENT => Value::Absent,
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::INTEGER => Value::Number(Number::Integer(reader.int()?)),
        tag::TEXT => Value::Text(Cow::Owned(reader.text()?.to_owned())),
        tag::OBJECT => Value::Object,
        _ => return Err(reader.damage("it has a value of no known type")),
    })
}
