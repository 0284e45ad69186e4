//! One audit event as the engine sees it: a time, an identity, where it came from, and a value per slot.

use std::sync::Arc;

use super::fields::Slot;
use super::time::Timestamp;
use super::value::Value;

/// Where a record stands in the log it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Topic, or the name of the file it was read from.
    pub topic: Arc<str>,
    /// Partition; 0 for a file.
    pub partition: i32,
    /// Offset; the line number from 0 for a file.
    pub offset: i64,
}

impl Origin {
    /// The id of an event that brought none: `topic/partition/offset`.
    #[must_use]
    pub fn stand_in(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }

    /// True if `id` is what [`Self::stand_in`] gives.
    #[must_use]
    pub fn stands_in(&self, id: &str) -> bool {
        // Few ids get beyond the first comparison.
        id.strip_prefix(&*self.topic).is_some_and(|rest| rest.starts_with('/')) && id == self.stand_in()
    }
}

/// An accepted event, borrowed from its record.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// `event.id`, or `topic/partition/offset`.
    pub id: &'a str,
    /// Where its record stands.
    pub origin: &'a Origin,
    /// One value per slot of the rule set's field table.
    pub values: &'a [Value<'a>],
}

impl<'a> Event<'a> {
    /// The value in a slot.
    #[must_use]
    pub fn value(&self, slot: Slot) -> &'a Value<'a> {
        &self.values[slot.index()]
    }
}
