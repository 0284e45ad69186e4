//! One record in, one event or one reason out.

use std::borrow::Cow;

use crate::detect::event::Origin;
use crate::detect::fields::FieldTable;
use crate::detect::limits::Limits;
use crate::detect::time::{Span, Timestamp};
use crate::detect::value::Value;

use super::rejection::Rejection;

/// A record as it was read from a topic or a file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stands.
    pub origin: &'a Origin,
    /// The record's own timestamp; none for a file.
    pub timestamp: Option<Timestamp>,
    /// Its value; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// What a record says, before the engine has seen it.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// `event.id`, or `topic/partition/offset`.
    pub id: Cow<'a, str>,
    /// One value per slot.
    pub values: Vec<Value<'a>>,
}

/// Reads records into the slots of one field table.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// A reader for the fields that a rule set reads.
    #[must_use]
    pub fn new(_fields: &FieldTable, _limits: &Limits, _future_skew_max: Span) -> Self {
        Self {}
    }

    /// The event in a record, or why there is none.
    pub fn read<'a>(&self, _record: &Record<'a>) -> Result<Decoded<'a>, Rejection> {
        Err(Rejection::Empty)
    }
}
