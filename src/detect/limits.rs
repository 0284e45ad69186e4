//! A named limit on everything that grows.

use serde::{Deserialize, Serialize};

/// The limits, with the names they have in the configuration's section `limits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest record in bytes that is decoded; a larger one is dead-lettered.
    pub event_bytes: usize,
    /// Deepest nesting of arrays and objects that is decoded; the outermost object is depth 1.
    pub event_depth: usize,
    /// Groups held per partition, over all rules; the group with the stalest newest match goes first.
    pub groups: usize,
    /// Matches held per rule and group; the oldest goes first.
    pub window_entries: usize,
    /// Distinct values held per rule and group; the value not seen for longest goes first.
    pub set_values: usize,
    /// Longest group or set value kept as text, in bytes; a longer one is cut and marked with a hash of the whole, so
    /// that two values never become one.
    pub label_bytes: usize,
    /// Matches per partition that wait for the end of an `absence`; the stalest goes first.
    pub waiting: usize,
    /// Groups that one match may count in when its group-by values are lists.
    pub groups_per_match: usize,
    /// Bytes held per partition, over all groups and what waits in them, counted as if every group were awake; the group
    /// with the stalest newest match goes first.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            event_depth: 64,
            groups: 1_000_000,
            window_entries: 4096,
            set_values: 4096,
            label_bytes: 512,
            waiting: 100_000,
            groups_per_match: 16,
            state_bytes: 4 << 30,
        }
    }
}

/// A limit that was hit, as counted by `tokenwatch_limit_hits_total{limit}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// A record was larger than `event_bytes`.
    EventBytes,
    /// A record was nested deeper than `event_depth`.
    EventDepth,
    /// A group was evicted.
    Groups,
    /// A match was dropped from a window that still needed it.
    WindowEntries,
    /// A distinct value was dropped from a window that still needed it.
    SetValues,
    /// A group or set value was cut.
    LabelBytes,
    /// A match that waited was dropped before its time.
    Waiting,
    /// A match had more group tuples than are counted.
    GroupsPerMatch,
    /// A group was evicted because all of them took too much.
    StateBytes,
}

impl Limit {
    /// Every limit, in label order.
    pub const ALL: [Self; 9] = [
        Self::EventBytes,
        Self::EventDepth,
        Self::Groups,
        Self::WindowEntries,
        Self::SetValues,
        Self::LabelBytes,
        Self::Waiting,
        Self::GroupsPerMatch,
        Self::StateBytes,
    ];

    /// Its name in the configuration and as a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventBytes => "event_bytes",
            Self::EventDepth => "event_depth",
            Self::Groups => "groups",
            Self::WindowEntries => "window_entries",
            Self::SetValues => "set_values",
            Self::LabelBytes => "label_bytes",
            Self::Waiting => "waiting",
            Self::GroupsPerMatch => "groups_per_match",
            Self::StateBytes => "state_bytes",
        }
    }
}
