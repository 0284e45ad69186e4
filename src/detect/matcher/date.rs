//! Parts of dates, for Sigma's time modifiers. Always in UTC: a rule says nothing of time zones.

use std::ops::RangeInclusive;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::detect::value::Value;

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    Day,
    /// ISO 8601's week, 1 to 53.
    Week,
    /// 1 to 12.
    Month,
    /// The year of the calendar.
    Year,
}

impl DatePart {
    /// Sigma's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// What it can be; a year can be anything.
    pub(crate) const fn range(self) -> Option<RangeInclusive<u8>> {
        Some(match self {
            Self::Minute => 0..=59,
            Self::Hour => 0..=23,
            Self::Day => 1..=31,
            Self::Week => 1..=53,
            Self::Month => 1..=12,
            Self::Year => return None,
        })
    }

    /// This part of the date that a value holds; none if it holds none.
    #[must_use]
    pub fn of(self, value: &Value<'_>) -> Option<f64> {
        let time = match value {
            Value::Text(text) => date(text)?,
            Value::Number(number) => epoch(number.to_f64()?)?,
            _ => return None,
        };
        Some(match self {
            Self::Minute => f64::from(time.minute()),
            Self::Hour => f64::from(time.hour()),
            Self::Day => f64::from(time.day()),
            Self::Week => f64::from(time.date().iso_week_date().week()),
            Self::Month => f64::from(time.month()),
            Self::Year => f64::from(time.year()),
        })
    }
}

/// RFC 3339, or the same without an offset, or without a time.
fn date(text: &str) -> Option<DateTime> {
    // Digits alone are an identifier, though they can be read as a date.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let with_offset = text.parse::<jiff::Timestamp>().map(|time| Offset::UTC.to_datetime(time));
    with_offset.or_else(|_| text.parse()).ok()
}

/// An epoch number in the unit that its size suggests, as for `@timestamp`.
fn epoch(number: f64) -> Option<DateTime> {
    let seconds = match number.abs() {
        size if size < 1e11 => number,
        size if size < 1e14 => number / 1e3,
        size if size < 1e17 => number / 1e6,
        _ => number / 1e9,
    };
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and no date is that far away")]
    let time = jiff::Timestamp::from_second(seconds.floor() as i64).ok()?;
    Some(Offset::UTC.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::value::Number;

    #[test]
    fn parts_are_those_of_the_utc_date() {
        let text = Value::text("2024-12-30T23:59:58.5-02:00");
        let part = |part: DatePart| part.of(&text);
        assert_eq!(part(DatePart::Minute), Some(59.0));
        assert_eq!(part(DatePart::Hour), Some(1.0));
        assert_eq!(part(DatePart::Day), Some(31.0));
        assert_eq!(part(DatePart::Week), Some(1.0), "the week of ISO 8601 belongs to the next year");
        assert_eq!(part(DatePart::Month), Some(12.0));
        assert_eq!(part(DatePart::Year), Some(2024.0));
    }

    #[test]
    fn dates_without_offset_and_epochs_of_any_unit_count() {
        for text in ["1970-01-02T03:00:00", "1970-01-02 03:00:00"] {
            assert_eq!(DatePart::Hour.of(&Value::text(text)), Some(3.0), "{text}");
        }
        for text in ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000"] {
            assert_eq!(DatePart::Year.of(&Value::Number(Number::Text(text))), Some(2023.0), "{text}");
        }
        assert_eq!(DatePart::Hour.of(&Value::text("1970-01-02")), Some(0.0));
        for text in ["20241231T235958Z", "2024-12-31T23Z", "2024-12-31T23:59:58+00:00[UTC]"] {
            assert_eq!(DatePart::Hour.of(&Value::text(text)), Some(23.0), "{text}, as a time of the event is read");
        }
        for text in ["20241231", "2024-W52-1", "12-31"] {
            assert_eq!(DatePart::Year.of(&Value::text(text)), None, "{text}");
        }
        for value in [Value::text("soon"), Value::Null, Value::Number(Number::Text("1e300"))] {
            assert_eq!(DatePart::Hour.of(&value), None, "{value:?}");
        }
    }
}
