//! What an explanation says, for programs; the command line puts it into words.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::detect::alert::Group;
use crate::detect::event::Origin;
use crate::detect::rule::RuleHeader;
use crate::detect::time::Timestamp;

use super::reason::Reason;

/// Why a rule did or did not fire over some events.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The rule.
    pub rule: Arc<RuleHeader>,
    /// False if it raises no alerts because other rules count it.
    pub alerts: bool,
    /// What it asks, in one line.
    pub asks: String,
    /// The fields that it groups by; none if everything is one group.
    pub group_by: Vec<String>,
    /// The group that was asked about; empty for all.
    pub only: Group,
    /// How many events there were.
    pub events: Events,
    /// What did not count, by reason.
    pub excluded: Vec<Excluded>,
    /// The groups: those that fired most come first, then the nearest.
    pub groups: Vec<GroupReport>,
}

/// Numbers of events; of one group, if one was asked about.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Events {
    /// All of them.
    pub total: u64,
    /// Those that satisfy a detection under the rule.
    pub matched: u64,
}

/// What was excluded for one reason.
#[derive(Debug, Serialize)]
pub struct Excluded {
    /// Why.
    pub reason: Reason,
    /// What exactly; may be empty.
    pub detail: String,
    /// How many.
    pub count: u64,
    /// Where the first of them stand.
    pub examples: Vec<Place>,
}

impl Excluded {
    /// `do not match`, and so on.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.reason.meaning()
    }
}

/// Where a record stands.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Topic or file.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset; of a file the line from 0.
    pub offset: i64,
}

impl Place {
    pub(super) fn of(origin: &Origin) -> Self {
        Self { topic: Arc::clone(&origin.topic), partition: origin.partition, offset: origin.offset }
    }
}

/// What the rule did in one group.
#[derive(Debug, Serialize)]
pub struct GroupReport {
    /// Its names and values.
    pub group: Group,
    /// Matches that counted.
    pub matches: u64,
    /// Times the condition came true.
    pub firings: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Firings that suppression kept quiet.
    pub suppressed: u64,
    /// Until when the last suppression lasts; none if nothing was kept quiet.
    pub suppressed_until: Option<Timestamp>,
    /// The first firing, else the nearest that it came.
    pub nearest: Option<NearestReport>,
}

/// How near a group came.
#[derive(Debug, Serialize)]
pub struct NearestReport {
    /// When.
    pub time: Timestamp,
    /// True if the condition held.
    pub fired: bool,
    /// 0 fired, 1 is as far as it gets.
    pub shortfall: f64,
    /// `6 of 8 service.name`.
    pub told: String,
    /// The matches in that window, oldest first.
    pub matches: Vec<EventReport>,
}

/// An event that matched.
#[derive(Debug, Serialize)]
pub struct EventReport {
    /// The match's time.
    pub time: Timestamp,
    /// The event's id.
    pub id: String,
    /// Where its record stands.
    #[serde(flatten)]
    pub place: Place,
    /// The rules that it matches.
    pub matches: Vec<String>,
    /// The values that the rule reads of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The record, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
    /// Of a firing of another rule, the matches that made that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made_of: Vec<Self>,
}
