//! The alert: what fired, for whom, over which window, and on what evidence.
//!
//! Not its delivery: redaction, pseudonyms, formats and topics belong to the edges.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::event::Origin;
use super::rule::compiled::{ConditionText, PlainNumber, RuleHeader};
use super::time::Timestamp;

/// One alert; field order is output order.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// The same records in the same order under the same configuration give the same id.
    pub id: Uuid,
    /// The firing time.
    pub time: Timestamp,
    /// The rule that fired.
    pub rule: Arc<RuleHeader>,
    /// The group's names and values; empty for a rule without a group.
    pub group: Group,
    /// The window that satisfied the condition; none for single-event rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What the condition was compared with; none for types that have no such number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<PlainNumber>,
    /// The condition as the rule states it; none for types without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Arc<ConditionText>>,
    /// One line for a tired person.
    pub summary: String,
    /// Firings of this rule and group kept quiet since its last alert.
    pub suppressed: u64,
    /// True if a limit had dropped matches from the window.
    pub truncated: bool,
    /// True if its rule runs in shadow; left out if not.
    #[serde(skip_serializing_if = "is_false")]
    pub shadow: bool,
    /// What the type knows beyond the number.
    pub details: Details,
    /// The newest matches in the window, oldest first.
    pub evidence: Vec<Evidence>,
}

/// A group's names and values in group-by order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group(pub Vec<(String, String)>);

impl Group {
    /// The record key of its alerts: the group as compact JSON, `{"jwt.sub":"ann"}`.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("strings always serialize")
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A window (start, end].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Just outside the window.
    pub start: Timestamp,
    /// The last instant inside it.
    pub end: Timestamp,
}

/// What a type of rule knows beyond the observed number.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Nothing: `{}`.
    #[default]
    #[serde(serialize_with = "empty_object")]
    None,
    /// `value_count`: the distinct values in the window, oldest first, at most `alerts.evidence_max`.
    Values {
        /// The values; those of a tuple are joined by `, `.
        values: Vec<String>,
    },
    /// `value_change`: the values of the earlier and the later match.
    Change {
        /// Of the earlier match; several values are joined by `, `.
        from: String,
        /// Of the later match.
        to: String,
    },
    /// `geo_velocity`: the two places and the way between.
    Journey {
        /// Where the earlier match was.
        from: Point,
        /// Where the later match was.
        to: Point,
        /// Kilometres, less both accuracies.
        distance_km: PlainNumber,
        /// At least 1.
        seconds: PlainNumber,
    },
    /// `new_value`: the value, and how many others the window held.
    NewValue {
        /// The first new value of the match.
        value: String,
        /// Values seen in the window before.
        known: u32,
    },
    /// `spike`: what the buckets before let expect.
    Spike {
        /// Their mean.
        mean: PlainNumber,
        /// Their population deviation.
        deviation: PlainNumber,
    },
}

/// A point on the earth in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Latitude.
    pub lat: PlainNumber,
    /// Longitude.
    pub lon: PlainNumber,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn empty_object<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_map(Some(0))?.end()
}

/// A match that an alert points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The event's id.
    pub id: Box<str>,
    /// The event's time.
    pub time: Timestamp,
    /// Where its record stands.
    pub origin: Origin,
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("topic", &*self.origin.topic)?;
        map.serialize_entry("partition", &self.origin.partition)?;
        map.serialize_entry("offset", &self.origin.offset)?;
        map.end()
    }
}
