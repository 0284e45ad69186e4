//! One record in, one event or one reason out.

use std::borrow::Cow;

use crate::detect::event::Origin;
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::limits::Limits;
use crate::detect::time::{Span, Timestamp};
use crate::detect::value::Value;

use super::decode::{Fault, Projection};
use super::derive::Derivations;
use super::geo::{Lookups, Places};
use super::rejection::Rejection;
use super::source::Source;
use super::timestamp::Timestamps;

/// A record as it was read from a topic or a file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stands.
    pub origin: &'a Origin,
    /// The record's own timestamp; none for a file.
    pub timestamp: Option<Timestamp>,
    /// Its value; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// What a record says, before the engine has seen it. Its values are in the caller's buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// `event.id`, or `topic/partition/offset`.
    pub id: Cow<'a, str>,
}

/// Reads records into the slots of one field table.
#[derive(Debug)]
pub struct Reader {
    projection: Projection,
    lookups: Lookups,
    derivations: Derivations,
    timestamps: Timestamps,
    source: Source,
    /// Where the source's records say when they happened.
    timestamp: Slot,
    event_bytes_max: usize,
    event_depth_max: usize,
    future_skew_max: Span,
}

impl Reader {
    /// Deeper nesting than this is refused whatever the configuration says: decoding recurses.
    pub const EVENT_DEPTH_MAX: usize = 512;

    /// A reader of audit events for the fields that a rule set reads. It will be given `places`, or later ones in their
    /// stead, to look up what events lack.
    #[must_use]
    pub fn new(fields: &FieldTable, limits: &Limits, future_skew_max: Span, places: &Places) -> Self {
        Self::of_source(&Source::Native, fields, limits, future_skew_max, places)
    }

    /// The same for another source.
    #[must_use]
    pub fn of_source(
        source: &Source,
        fields: &FieldTable,
        limits: &Limits,
        future_skew_max: Span,
        places: &Places,
    ) -> Self {
        let mut fields = fields.clone();
        let timestamp = fields.slot(source.timestamp());
        let lookups = Lookups::new(&mut fields, places);
        let derivations = Derivations::new(&mut fields);
        Self {
            projection: Projection::new(&fields),
            lookups,
            derivations,
            timestamps: Timestamps::default(),
            source: source.clone(),
            timestamp,
            event_bytes_max: limits.event_bytes,
            event_depth_max: limits.event_depth.min(Self::EVENT_DEPTH_MAX),
            future_skew_max,
        }
    }

    /// The event in a record, or why there is none. Fills `values` with one value per slot of the field table, and
    /// further ones behind them for the reader's own use.
    pub fn read<'a>(
        &mut self,
        record: &Record<'a>,
        places: &'a Places,
        values: &mut Vec<Value<'a>>,
    ) -> Result<Decoded<'a>, Rejection> {
        let payload = record.payload.ok_or(Rejection::Empty)?;
        if payload.len() > self.event_bytes_max {
            return Err(Rejection::TooLarge { bytes: payload.len(), bytes_max: self.event_bytes_max });
        }
        let text = utf8(payload)?;
        match self.projection.decode(text, self.event_depth_max, values) {
            Ok(true) => {}
            Ok(false) => return Err(Rejection::NotAnObject),
            Err(Fault::TooDeep) => return Err(Rejection::TooDeep { depth_max: self.event_depth_max }),
            Err(Fault::Syntax { problem, at }) => return Err(Rejection::NotJson { problem, at }),
        }
        let time = self.time(record, &values[self.timestamp.index()])?;
        if self.timestamp != Slot::TIMESTAMP {
            values[Slot::TIMESTAMP.index()] = values[self.timestamp.index()].clone();
        }
        if self.source.needs_action() && values[Slot::EVENT_ACTION.index()].as_str().is_none_or(str::is_empty) {
            return Err(Rejection::NoAction);
        }
        self.lookups.apply(places, values);
        self.derivations.apply(time, values);
        let id = match &values[Slot::EVENT_ID.index()] {
            Value::Text(Cow::Borrowed(id)) if !id.is_empty() => Cow::Borrowed(*id),
            other => Cow::Owned(other.key_text().map_or_else(|| record.origin.stand_in(), Cow::into_owned)),
        };
        Ok(Decoded { time, id })
    }

    fn time(&mut self, record: &Record<'_>, value: &Value<'_>) -> Result<Timestamp, Rejection> {
        if matches!(value, Value::Absent | Value::Null) {
            return Err(Rejection::NoTimestamp { field: self.source.timestamp().into() });
        }
        let Some(time) = self.timestamps.parse(value) else {
            return Err(Rejection::BadTimestamp { field: self.source.timestamp().into() });
        };
        match record.timestamp {
            Some(recorded) if time > recorded + self.future_skew_max => {
                let ahead = time.since(recorded);
                Err(Rejection::FutureTimestamp { time, ahead, ahead_max: self.future_skew_max })
            }
            _ => Ok(time),
        }
    }
}

fn utf8(payload: &[u8]) -> Result<&str, Rejection> {
    simdutf8::basic::from_utf8(payload).map_err(|_| {
        // The fast check does not say where; this one does, and only bad records pay for it.
        let at = simdutf8::compat::from_utf8(payload).map_or_else(|error| error.valid_up_to(), str::len);
        Rejection::InvalidUtf8 { at }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: Option<&[u8]>, recorded_ms: Option<i64>) -> Result<(i64, String), Rejection> {
        let limits = Limits { event_bytes: 200, event_depth: 4, ..Limits::default() };
        let mut reader = Reader::new(&FieldTable::default(), &limits, Span::from_millis(1_000), &Places::default());
        let origin = Origin { topic: "audit".into(), partition: 3, offset: 4711 };
        let record = Record { origin: &origin, timestamp: recorded_ms.map(Timestamp::from_millis), payload };
        let places = Places::default();
        let decoded = reader.read(&record, &places, &mut Vec::new())?;
        Ok((decoded.time.millis(), decoded.id.into_owned()))
    }

    fn text(payload: &str) -> Result<(i64, String), Rejection> {
        read(Some(payload.as_bytes()), None)
    }

    #[test]
    fn an_event_has_a_time_and_an_identity() {
        let event = r#"{"@timestamp":5,"event":{"action":"login","id":"e1"}}"#;
        assert_eq!(text(event), Ok((5_000, "e1".to_owned())));
        let without_id = r#"{"@timestamp":5,"event.action":"login","event.id":""}"#;
        assert_eq!(text(without_id), Ok((5_000, "audit/3/4711".to_owned())));
        let numbered = r#"{"@timestamp":5,"event.action":"login","event.id":7}"#;
        assert_eq!(text(numbered), Ok((5_000, "7".to_owned())));
    }

    #[test]
    fn every_defect_has_its_reason() {
        assert_eq!(read(None, None), Err(Rejection::Empty));
        assert_eq!(read(Some(b"{\"a\":\"\xff\"}"), None), Err(Rejection::InvalidUtf8 { at: 6 }));
        let reason = |payload: &str| text(payload).expect_err(payload).reason();
        assert_eq!(reason(""), "not_json");
        assert_eq!(reason(r#"{"@timestamp":5,"event.action":"login"} x"#), "not_json");
        assert_eq!(reason("[1]"), "not_an_object");
        assert_eq!(reason("[1"), "not_json");
        assert_eq!(reason(r#"{"event.action":"login"}"#), "no_timestamp");
        assert_eq!(reason(r#"{"@timestamp":"soon","event.action":"login"}"#), "bad_timestamp");
        assert_eq!(reason(r#"{"@timestamp":5}"#), "no_action");
        assert_eq!(reason(r#"{"@timestamp":5,"event.action":7}"#), "no_action");
        assert_eq!(reason(r#"{"a":[[[[1]]]]}"#), "too_deep");
    }

    #[test]
    fn a_raw_record_needs_a_time_and_nothing_else() {
        let source = Source::Raw { timestamp: "event.time".into() };
        let (limits, places) = (Limits::default(), Places::default());
        let mut reader = Reader::of_source(&source, &FieldTable::default(), &limits, Span::ZERO, &places);
        let origin = Origin { topic: "log".into(), partition: 0, offset: 0 };
        let mut read = |text: &str| {
            let record = Record { origin: &origin, timestamp: None, payload: Some(text.as_bytes()) };
            let mut values = Vec::new();
            let decoded = reader.read(&record, &places, &mut values).map_err(|rejection| rejection.to_string())?;
            Ok((decoded.time.millis(), values[Slot::TIMESTAMP.index()].to_number()))
        };
        assert_eq!(read(r#"{"event":{"time":5},"EventID":1}"#), Ok((5_000, Some(5.0))));
        let missing: Result<(i64, Option<f64>), String> = Err("the required field event.time is missing".to_owned());
        assert_eq!(read(r#"{"@timestamp":5}"#), missing);
    }

    #[test]
    fn sizes_are_judged_before_anything_else() {
        let event = r#"{"@timestamp":5,"event.action":"login"}"#;
        let padded = |bytes: usize| format!("{event}{}", " ".repeat(bytes - event.len()));
        assert!(text(&padded(200)).is_ok());
        assert_eq!(text(&padded(201)), Err(Rejection::TooLarge { bytes: 201, bytes_max: 200 }));
    }

    #[test]
    fn the_future_begins_after_the_allowed_skew() {
        let event = br#"{"@timestamp":5,"event.action":"login"}"#;
        assert!(read(Some(event), Some(4_000)).is_ok());
        let refused = read(Some(event), Some(3_999)).expect_err("one millisecond too far ahead");
        assert_eq!(refused.reason(), "future_timestamp");
    }
}
