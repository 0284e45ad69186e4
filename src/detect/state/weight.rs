//! What state weighs towards `limits.state_bytes`.
//!
//! Not what it occupies (`heap_bytes`): that depends on how tables happened to grow, on which groups lie dormant, and on
//! when the state was last restored, and what is evicted must depend on none of these. A weight is counted from what is
//! held, as if every group were awake, with what the allocator and the tables need for it at the usual fill.

use std::ops::{Add, AddAssign, Sub, SubAssign};

use crate::detect::value::{Number, Value};
use crate::detect::window::AbsenceWindow;

use super::group::{Group, RuleState};
use super::key::GroupKey;
use super::suppression::AlertMemory;
use super::waiting::Waiting;
use super::window::Window;

/// What a part of the state occupies now, and what it weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::detect) struct Size {
    /// Bytes, counted from capacities.
    pub(in crate::detect) bytes: usize,
    /// Bytes towards `limits.state_bytes`.
    pub(in crate::detect) weight: usize,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, weight: self.weight + other.weight }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, weight: self.weight - other.weight }
    }
}

impl SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// What the allocator keeps for itself of a piece of memory.
const PIECE_BYTES: usize = 16;
/// A place in the map at its usual fill, and in the wheel and the order of eviction, each of which may hold two.
const PLACE_BYTES: usize = 2 * size_of::<(GroupKey, Group)>() + 2 * size_of::<GroupKey>() + 2 * 24;
/// A node of a tree shares this much of itself with each entry.
const TREE_BYTES: usize = 16;

/// A group under its key, less what its rules hold.
pub(super) fn place_weight(key: &[u8]) -> usize {
    key.len() + PIECE_BYTES + PLACE_BYTES
}

/// What an evicted group leaves behind.
pub(super) fn remains_weight(key: &[u8], memories: &[(u16, AlertMemory)]) -> usize {
    let entry = size_of::<(GroupKey, Vec<(u16, AlertMemory)>)>() + TREE_BYTES;
    key.len() + 2 * PIECE_BYTES + entry + size_of_val(memories)
}

impl RuleState {
    /// What one rule holds about one group.
    pub(in crate::detect) fn weight(&self) -> usize {
        size_of::<Self>() + PIECE_BYTES + self.window.weight() + self.evidence.weight()
    }
}

impl Window {
    fn weight(&self) -> usize {
        let matches = match self {
            Self::None => return 0,
            Self::Count(window) => size_of_val(&**window) + window.series().weight(),
            Self::Distinct(window) => {
                let (values, series) = window.parts();
                // Each value has a running count.
                size_of_val(&**window) + values.weight() + values.len() * size_of::<u32>() + series.weight()
            }
            Self::Labels(window) => size_of_val(&**window) + window.series().weight() + window.aggregate().heap_bytes(),
            Self::Ordered(window) => size_of_val(&**window) + window.weight(),
            Self::Total(window) => size_of_val(&**window) + window.sliding.series().weight(),
            Self::Percentile(window) => {
                let numbers = window.series().matches().len() * size_of::<f64>();
                size_of_val(&**window) + window.series().weight() + numbers
            }
            Self::Change(window) => {
                let (values, series) = window.parts();
                size_of_val(&**window) + values.weight() + series.weight()
            }
            Self::Velocity(window) => size_of_val(&**window) + window.series().weight(),
            Self::Fresh(window) => size_of_val(&**window) + window.weight(),
            Self::Absence(window) => size_of_val(&**window) + absence_weight(window),
            Self::Share(window) => size_of_val(&**window) + window.series().weight(),
            Self::Spike(window) => size_of_val(&**window) + window.weight(),
        };
        PIECE_BYTES + matches
    }
}

fn absence_weight(window: &AbsenceWindow) -> usize {
    let (recent, companions) = window.parts();
    recent.weight() + companions.weight()
}

impl Waiting {
    /// A match that waits, in its place.
    pub(super) fn weight(&self) -> usize {
        let event = self.event();
        let values: usize = event.values.iter().map(value_weight).sum();
        // It stands in two trees, and the key in a place that both name.
        size_of::<Self>() + 128 + 2 * TREE_BYTES + 4 * PIECE_BYTES + 2 * self.key.len() + event.id.len() + values
    }
}

fn value_weight(value: &Value<'_>) -> usize {
    let held = match value {
        Value::Text(text) => PIECE_BYTES + text.len(),
        Value::List(elements) => PIECE_BYTES + elements.iter().map(value_weight).sum::<usize>(),
        Value::Number(Number::Text(text)) => text.len(),
        Value::Absent | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object => 0,
    };
    size_of::<Value<'_>>() + held
}
