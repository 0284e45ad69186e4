//! Why a record is not an event. Each reason is counted, explained and dead-lettered.

use crate::detect::limits::Limit;
use crate::detect::time::{Span, Timestamp};

/// What became of a record, as counted by `tokenwatch_events_total{outcome}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Rules and windows saw it.
    Accepted,
    /// Older than the allowed lateness: single-event rules alone saw it.
    Late,
    /// Not an audit event.
    Malformed,
    /// No source mapping took it.
    Unmapped,
    /// Stamped too far after its record's own timestamp.
    FutureTimestamp,
    /// Dropped by a source mapping's own predicate.
    Filtered,
}

impl Disposition {
    /// Every disposition, in label order.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Late, Self::Malformed, Self::Unmapped, Self::FutureTimestamp, Self::Filtered];

    /// Its metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Late => "late",
            Self::Malformed => "malformed",
            Self::Unmapped => "unmapped",
            Self::FutureTimestamp => "future_timestamp",
            Self::Filtered => "filtered",
        }
    }
}

/// Why a record is dead-lettered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The record has no value at all.
    #[error("the record has no value")]
    Empty,
    /// Larger than `limits.event_bytes`.
    #[error("{bytes} bytes are more than limits.event_bytes = {bytes_max}")]
    TooLarge {
        /// The record's size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8")]
    InvalidUtf8 {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// Not JSON.
    #[error("not JSON: {problem} at byte {at}")]
    NotJson {
        /// What the grammar wanted.
        problem: &'static str,
        /// Where, as a byte offset.
        at: usize,
    },
    /// Nested deeper than `limits.event_depth`.
    #[error("nested deeper than limits.event_depth = {depth_max}")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// No `@timestamp`, or no field that stands for it.
    #[error("the required field {field} is missing")]
    NoTimestamp {
        /// Its path.
        field: Box<str>,
    },
    /// One that is not a time.
    #[error("{field} is neither an RFC 3339 time nor an epoch number between 1970 and 9999")]
    BadTimestamp {
        /// Its path.
        field: Box<str>,
    },
    /// No `event.action`, or not a text.
    #[error("the required field event.action is missing or not a text")]
    NoAction,
    /// Stamped after its record by more than `time.max_future_skew`.
    #[error("@timestamp {time} is {ahead} after the record's own time, more than time.max_future_skew = {ahead_max}")]
    FutureTimestamp {
        /// The event's time.
        time: Timestamp,
        /// How far ahead it is.
        ahead: Span,
        /// The limit.
        ahead_max: Span,
    },
    /// A record of the internal topic that no router wrote.
    #[error("not a routed match: {why}")]
    NotRouted {
        /// What it lacks.
        why: &'static str,
    },
}

impl Rejection {
    /// Every value of [`Self::reason`], in label order.
    pub const REASONS: [&'static str; 11] = [
        "empty",
        "too_large",
        "invalid_utf8",
        "not_json",
        "too_deep",
        "not_an_object",
        "no_timestamp",
        "bad_timestamp",
        "no_action",
        "future_timestamp",
        "not_routed",
    ];

    /// Its label in `tokenwatch_dead_letters_total{reason}`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::NotJson { .. } => "not_json",
            Self::TooDeep { .. } => "too_deep",
            Self::NotAnObject => "not_an_object",
            Self::NoTimestamp { .. } => "no_timestamp",
            Self::BadTimestamp { .. } => "bad_timestamp",
            Self::NoAction => "no_action",
            Self::FutureTimestamp { .. } => "future_timestamp",
            Self::NotRouted { .. } => "not_routed",
        }
    }

    /// The outcome under which the record counts.
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::FutureTimestamp { .. } => Disposition::FutureTimestamp,
            _ => Disposition::Malformed,
        }
    }

    /// The limit that it hit, if it is one.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::TooLarge { .. } => Some(Limit::EventBytes),
            Self::TooDeep { .. } => Some(Limit::EventDepth),
            _ => None,
        }
    }
}
