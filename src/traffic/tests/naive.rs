//! Three of the shipped rules, counted literally over the events as they were written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::{Delivery, FAN_OUT_SERVICES, FAN_OUT_WINDOW_MS, GEO_WINDOW_MS, REISSUE_WINDOW_MS, REISSUES};

/// An event read back, its keys flat.
pub(super) struct Record {
    pub time_ms: i64,
    pub bytes: usize,
    pub dotted: bool,
    pub attack: Option<u64>,
    pub delivery: Delivery,
    fields: BTreeMap<String, Value>,
}

impl Record {
    pub(super) fn read(json: &[u8], attack: Option<u64>, delivery: Delivery) -> Self {
        let value = serde_json::from_slice::<Value>(json).expect("an event is JSON");
        let mut fields = BTreeMap::new();
        flatten("", &value, &mut fields);
        let time = fields["@timestamp"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339");
        let dotted = value.get("event.action").is_some();
        Self { time_ms: time.as_millisecond(), bytes: json.len(), dotted, attack, delivery, fields }
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    pub(super) fn number(&self, field: &str) -> Option<i64> {
        self.fields.get(field)?.as_i64()
    }

    pub(super) fn id(&self) -> &str {
        self.text("event.id").expect("an id")
    }
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let Value::Object(object) = value else {
        assert!(into.insert(prefix.to_owned(), value.clone()).is_none(), "{prefix} stands twice");
        return;
    };
    assert!(!object.is_empty(), "{prefix} is empty");
    for (name, value) in object {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&path, value, into);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    GeoChange,
    FanOut,
    ReissueRate,
}

impl Rule {
    const ALL: [Self; 3] = [Self::GeoChange, Self::FanOut, Self::ReissueRate];

    fn window_ms(self) -> i64 {
        match self {
            Self::GeoChange => GEO_WINDOW_MS,
            Self::FanOut => FAN_OUT_WINDOW_MS,
            Self::ReissueRate => REISSUE_WINDOW_MS,
        }
    }

    fn threshold(self) -> usize {
        match self {
            Self::GeoChange => 2,
            Self::FanOut => FAN_OUT_SERVICES,
            Self::ReissueRate => REISSUES,
        }
    }

    /// What the rule counts of an event, if it counts it; reissues count themselves.
    fn counted(self, record: &Record) -> Option<&str> {
        let action = record.text("event.action")?;
        let successful = record.text("event.outcome") == Some("success");
        match (self, action) {
            (Self::GeoChange, "token.validated" | "request") if successful => {
                record.text("source.geo.country_iso_code")
            }
            (Self::FanOut, "token.validated") if successful => record.text("service.name"),
            (Self::ReissueRate, "token.issued" | "token.refreshed") => Some(record.id()),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alert {
    pub rule: Rule,
    pub subject: String,
    pub time_ms: i64,
    pub event_id: String,
}

/// The alerts of the three, each suppressed for 30 minutes or its own window, whichever is shorter: what is
/// exact under this is exact under longer suppression too.
pub(super) fn alerts(records: &[Record]) -> BTreeSet<Alert> {
    Rule::ALL.into_iter().flat_map(|rule| alerts_of(rule, records)).collect()
}

fn alerts_of(rule: Rule, records: &[Record]) -> Vec<Alert> {
    let suppressed_ms = rule.window_ms().min(30 * 60_000);
    let mut matches = BTreeMap::<&str, Vec<(i64, &str, &str)>>::new();
    let mut alerts = Vec::<Alert>::new();
    let mut quiet_until = BTreeMap::<&str, i64>::new();
    for record in records {
        let (Some(value), Some(subject)) = (rule.counted(record), record.text("jwt.sub")) else { continue };
        let group = matches.entry(subject).or_default();
        if group.iter().any(|&(time, _, id)| (time, id) == (record.time_ms, record.id())) {
            continue;
        }
        let place = group.partition_point(|&(time, ..)| time <= record.time_ms);
        group.insert(place, (record.time_ms, value, record.id()));
        // Nothing arrives an hour late here, so older matches change no window any more.
        group.retain(|&(time, ..)| time > record.time_ms - 2 * GEO_WINDOW_MS);
        let Some(time_ms) = fires_at(rule, group, record.time_ms) else { continue };
        let quiet = quiet_until.entry(subject).or_insert(i64::MIN);
        if time_ms >= *quiet {
            *quiet = time_ms + suppressed_ms;
            alerts.push(Alert { rule, subject: subject.to_owned(), time_ms, event_id: record.id().to_owned() });
        }
    }
    alerts
}

/// The end of the first window that an arrival at `arrived_ms` changes and in which the rule holds.
fn fires_at(rule: Rule, group: &[(i64, &str, &str)], arrived_ms: i64) -> Option<i64> {
    let ends = group.iter().map(|&(time, ..)| time);
    let mut changed = ends.filter(|end| (arrived_ms..arrived_ms + rule.window_ms()).contains(end));
    changed.find(|end| {
        let held = group.iter().filter(|(time, ..)| *time > end - rule.window_ms() && time <= end);
        held.map(|&(_, value, _)| value).collect::<BTreeSet<_>>().len() >= rule.threshold()
    })
}
