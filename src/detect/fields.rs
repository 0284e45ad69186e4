//! Which field paths anybody reads, and the slot of each.
//!
//! The compiled rule set owns one table; ingest fills one value per slot and skips the rest of the record. Not a
//! schema: any path may be asked for, known to the event format or not.

use std::collections::HashMap;

/// The index of a field in a [`FieldTable`], and of its value in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// `@timestamp`, required of every event.
    pub const TIMESTAMP: Self = Self(0);
    /// `event.id`.
    pub const EVENT_ID: Self = Self(1);
    /// `event.action`, required of every event.
    pub const EVENT_ACTION: Self = Self(2);

    /// The position of its value among an event's values.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The fields that the engine itself reads, in slot order.
const ALWAYS: [&str; 3] = ["@timestamp", "event.id", "event.action"];

/// Field paths (dotted) and their slots, in order of first use.
#[derive(Clone, Debug)]
pub struct FieldTable {
    paths: Vec<Box<str>>,
    slots: HashMap<Box<str>, Slot>,
}

impl Default for FieldTable {
    fn default() -> Self {
        let mut table = Self { paths: Vec::new(), slots: HashMap::new() };
        for path in ALWAYS {
            table.slot(path);
        }
        table
    }
}

impl FieldTable {
    /// The path of no field but of all: whoever fills the slots gives it, as a list, every scalar of the record. Rules
    /// that search for keywords ask for it; nobody pays for it otherwise. No field is named like that.
    pub const KEYWORDS: &str = "\0*";
    /// The most fields one rule set can read.
    pub const FIELDS_MAX: usize = u16::MAX as usize;

    /// The slot of `path`, a new one if nobody has asked for it before.
    ///
    /// # Panics
    /// Past [`Self::FIELDS_MAX`] fields, which the rule compiler refuses before.
    pub fn slot(&mut self, path: &str) -> Slot {
        if let Some(slot) = self.slots.get(path) {
            return *slot;
        }
        let slot = Slot(u16::try_from(self.paths.len()).expect("the rule compiler bounds the fields"));
        self.paths.push(path.into());
        self.slots.insert(path.into(), slot);
        slot
    }

    /// The slot of `path` if anybody reads it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Slot> {
        self.slots.get(path).copied()
    }

    /// The dotted path behind a slot of this table.
    #[must_use]
    pub fn path(&self, slot: Slot) -> &str {
        &self.paths[slot.index()]
    }

    /// All paths in slot order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.paths.iter().map(AsRef::as_ref)
    }

    /// How many slots there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "three fields are always there")]
    pub fn len(&self) -> usize {
        self.paths.len()
    }
}
