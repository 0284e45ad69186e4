//! What people read of an alert, and so what is compared: everything but ids and versions, which follow from the rest.

use serde::Serialize;
use uuid::Uuid;

use crate::detect::Timestamp;
use crate::detect::alert::{Details, Window, is_false};
use crate::detect::rule::compiled::{ConditionText, Level, PlainNumber};

use super::Raised;

/// An alert as it is compared.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    id: Uuid,
    #[serde(flatten)]
    pub(super) read: Read,
}

/// What counts. Field order is output order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Read {
    pub(super) time: Timestamp,
    pub(super) title: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) level: Level,
    pub(super) tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Window>,
    pub(super) observed: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<ConditionText>,
    pub(super) summary: String,
    pub(super) suppressed: u64,
    pub(super) truncated: bool,
    /// Left out if not.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) shadow: bool,
    pub(super) details: Details,
    /// Tells one list of evidence from another.
    #[serde(skip)]
    pub(super) evidence: u64,
}

impl Facts {
    pub(super) fn of(raised: &Raised) -> Self {
        let alert = &raised.alert;
        let rule = &alert.rule;
        let read = Read {
            time: alert.time,
            title: rule.title.clone(),
            kind: rule.kind,
            level: rule.level,
            tags: rule.tags.clone(),
            window: alert.window,
            observed: alert.observed,
            condition: alert.condition.as_deref().cloned(),
            summary: alert.summary.clone(),
            suppressed: alert.suppressed,
            truncated: alert.truncated,
            shadow: alert.shadow,
            details: alert.details.clone(),
            evidence: raised.evidence,
        };
        Self { id: alert.id, read }
    }
}
