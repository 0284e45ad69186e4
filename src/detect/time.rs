//! Event time in whole milliseconds.
//!
//! Not a clock: nothing here can say what time it is now.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Serialize, Serializer};

/// A point in event time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest time an event may carry: the epoch. Audit events are younger than that.
    pub const EVENT_MIN: Self = Self(0);
    /// The latest time an event may carry: 9999-12-31T23:59:59.999Z, the end of RFC 3339's years.
    pub const EVENT_MAX: Self = Self(253_402_300_799_999);
    /// Before every event.
    pub const BEFORE_ALL: Self = Self(i64::MIN / 4);

    /// After every event and every wait.
    pub const AFTER_ALL: Self = Self(i64::MAX / 4);

    /// A time from milliseconds since the epoch; any value, also outside what an event may carry.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// True if an event may carry this time.
    #[must_use]
    pub fn is_event_time(self) -> bool {
        (Self::EVENT_MIN..=Self::EVENT_MAX).contains(&self)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-23T17:56:58.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// Why a text is not a span; the text itself is known to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Digits without one of `s m h d`.
    #[error("has no unit")]
    NoUnit,
    /// Not an integer followed by one of `s m h d`.
    #[error("is not an integer followed by s, m, h or d")]
    Malformed,
    /// More than [`Span::MAX`].
    #[error("is longer than 10000 days")]
    TooLong,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span that can be written: 10,000 days.
    pub const MAX: Self = Self(10_000 * 86_400_000);

    /// A span of whole milliseconds; negative values become zero.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 { 0 } else { millis })
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Sigma's timespan: an integer and one of `s m h d` (`90s`, `5m`, `1h`, `7d`).
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_millis = match unit {
            _ if digits == 0 => return Err(SpanError::Malformed),
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(SpanError::NoUnit),
            _ => return Err(SpanError::Malformed),
        };
        let count: i64 = number.parse().map_err(|_| SpanError::TooLong)?;
        let millis = count.checked_mul(unit_millis).ok_or(SpanError::TooLong)?;
        if millis > Self::MAX.0 {
            return Err(SpanError::TooLong);
        }
        Ok(Self(millis))
    }

    /// This span `count` times.
    #[must_use]
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The shortest exact form in one unit: `5m`, `90s`, `250ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units.iter().find(|(millis, _)| self.0 != 0 && self.0 % millis == 0) {
            Some((millis, unit)) => write!(f, "{}{unit}", self.0 / millis),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_parse_with_a_unit_and_only_with_one() {
        assert_eq!(Span::parse("5m"), Ok(Span::from_millis(300_000)));
        assert_eq!(Span::parse("0s"), Ok(Span::ZERO));
        assert_eq!(Span::parse("5"), Err(SpanError::NoUnit));
        for text in ["", "m", "-5m", "5 m", "1.5h", "5M", "5min"] {
            assert_eq!(Span::parse(text), Err(SpanError::Malformed), "{text:?}");
        }
        assert_eq!(Span::parse("10000d"), Ok(Span::MAX));
        assert_eq!(Span::parse("10001d"), Err(SpanError::TooLong));
        assert_eq!(Span::parse("99999999999999999999s"), Err(SpanError::TooLong));
    }

    #[test]
    fn spans_print_in_the_largest_exact_unit() {
        for text in ["5m", "90s", "36h", "2d", "0s"] {
            assert_eq!(Span::parse(text).expect("valid").to_string(), text);
        }
        assert_eq!(Span::from_millis(1_500).to_string(), "1500ms");
    }

    #[test]
    fn times_print_as_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_795_456_618_123).to_string(), "2026-11-23T17:56:58.123Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
