//! What a window says when its condition comes true.

use crate::detect::time::Timestamp;

/// A condition came true for an arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::detect) struct Firing {
    /// The firing time: for most types the end of the first changed window that satisfies the condition.
    pub(in crate::detect) at: Timestamp,
    /// The value there; for sums and means give or take their uncertainty.
    pub(in crate::detect) observed: f64,
    /// True if a limit had dropped matches from that window.
    pub(in crate::detect) truncated: bool,
    /// What the alert's details will be made of.
    pub(in crate::detect) note: Note,
}

/// What only the deciding window knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::detect) enum Note {
    /// Nothing.
    None,
    /// The two neighbours, by their positions in the series.
    Pair {
        /// The earlier match.
        earlier: usize,
        /// The later match.
        later: usize,
    },
    /// A value by its number, and how many others were known.
    NewValue {
        /// The new value.
        value: u32,
        /// The others in the window.
        known: u32,
    },
    /// What the history of a bucket let expect.
    Spike {
        /// Mean of the buckets before.
        mean: f64,
        /// Their population deviation.
        deviation: f64,
    },
}
