//! The two spellings of `@timestamp`: RFC 3339 texts and epoch numbers.
//!
//! Digits finer than a millisecond are cut, never rounded, so epoch numbers are read as decimals: a double would turn
//! `1700000000.123` into one millisecond less.

use crate::detect::time::Timestamp;
use crate::detect::value::{Number, Value};

/// Reads timestamps. Events come minute by minute, so the minute of the last one is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Timestamps {
    last: Option<Minute>,
}

/// A minute of UTC as RFC 3339 spells it up to its seconds, and when it begins.
#[derive(Clone, Debug)]
struct Minute {
    spelling: [u8; Minute::SPELLING_BYTES],
    begin: Timestamp,
}

impl Timestamps {
    /// The time that `@timestamp` spells, if it is one that an event may carry.
    pub(super) fn parse(&mut self, value: &Value<'_>) -> Option<Timestamp> {
        let time = match value {
            Value::Text(text) => self.rfc3339(text)?,
            Value::Number(Number::Text(text)) => epoch(text)?,
            _ => return None,
        };
        time.is_event_time().then_some(time)
    }

    fn rfc3339(&mut self, text: &str) -> Option<Timestamp> {
        if let Some(time) = self.last.as_ref().and_then(|minute| minute.time(text)) {
            return Some(time);
        }
        let time: jiff::Timestamp = text.parse().ok()?;
        let time = Timestamp::from_millis(time.as_millisecond());
        self.last = Minute::of(text, time).or(self.last.take());
        Some(time)
    }
}

impl Minute {
    /// `2026-11-23T17:56:`
    const SPELLING_BYTES: usize = 17;
    const MILLIS: i64 = 60_000;

    /// The minute of a time, if its spelling says so in UTC.
    fn of(text: &str, time: Timestamp) -> Option<Self> {
        let begin = Timestamp::from_millis(time.millis().div_euclid(Self::MILLIS) * Self::MILLIS);
        let minute = Self { spelling: *text.as_bytes().first_chunk()?, begin };
        // What it makes of its own origin shows that the spelling is the expected one.
        (minute.time(text)? == time).then_some(minute)
    }

    /// The time that `text` spells, if it is one of this minute: two digits of seconds, perhaps a fraction, and `Z`.
    fn time(&self, text: &str) -> Option<Timestamp> {
        let (spelling, rest) = text.as_bytes().split_first_chunk()?;
        let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', fraction @ .., b'Z'] = rest else { return None };
        if *spelling != self.spelling {
            return None;
        }
        let millis = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
                let digits = digits.iter().copied().chain(std::iter::repeat(b'0'));
                digits.take(3).fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'))
            }
            _ => return None,
        };
        let seconds = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
        Some(Timestamp::from_millis(self.begin.millis() + seconds * 1_000 + millis))
    }
}

/// An epoch number: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
fn epoch(text: &str) -> Option<Timestamp> {
    let decimal = Decimal::parse(text)?;
    let millis = match decimal.whole()? {
        whole if whole < 100_000_000_000 => decimal.scaled(3)?,
        whole if whole < 100_000_000_000_000 => decimal.scaled(0)?,
        whole if whole < 100_000_000_000_000_000 => decimal.scaled(-3)?,
        _ => decimal.scaled(-6)?,
    };
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
}

/// A decimal that is not negative: digits, and how many of them stand before the point.
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    /// More digits than any time has are no time.
    const POINT_MAX: i64 = 24;

    /// From a number under JSON's grammar; none if it is negative.
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.starts_with('-') {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
        let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
        Some(Self { digits, point })
    }

    fn whole(&self) -> Option<u128> {
        self.scaled(0)
    }

    /// Times ten to the `power`, cut to a whole number.
    fn scaled(&self, power: i64) -> Option<u128> {
        let digits_wanted = self.point.checked_add(power)?.max(0);
        if digits_wanted > Self::POINT_MAX && self.digits.iter().any(|digit| *digit != 0) {
            return None;
        }
        let digits = self.digits.iter().copied().chain(std::iter::repeat(0));
        let wanted = usize::try_from(digits_wanted.min(Self::POINT_MAX)).ok()?;
        Some(digits.take(wanted).fold(0, |number, digit| number * 10 + u128::from(digit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: &Value<'_>, expected: Option<i64>) {
        let mut timestamps = Timestamps::default();
        assert_eq!(timestamps.parse(value).map(Timestamp::millis), expected, "{value:?}");
        assert_eq!(timestamps.parse(value).map(Timestamp::millis), expected, "{value:?} a second time");
    }

    #[test]
    fn rfc_3339_with_any_offset_and_fraction() {
        let text = |text: &'static str, expected| check(&Value::text(text), expected);
        text("2026-11-23T17:56:58Z", Some(1_795_456_618_000));
        text("2026-11-23T17:56:58.1Z", Some(1_795_456_618_100));
        text("2026-11-23T17:56:58.123999999Z", Some(1_795_456_618_123));
        text("2026-11-23T19:56:58.123+02:00", Some(1_795_456_618_123));
        text("2026-11-23t17:56:58z", Some(1_795_456_618_000));
        text("1970-01-01T00:00:00Z", Some(0));
        text("1969-12-31T23:59:59.999Z", None);
        for bad in ["", "now", "2026-11-23", "2026-11-23T17:56:58", "2026-13-01T00:00:00Z", "1795456618"] {
            text(bad, None);
        }
    }

    proptest! {
        /// Texts of two neighbouring minutes, well spelled and not, one after the other.
        #[test]
        fn the_minute_before_changes_nothing(
            texts in prop::collection::vec(
                "2026-11-2[34][Tt ]17:5[67]:[0-6][0-9](\\.[0-9]{0,11})?(Z|z|\\+02:00|)", 1..20,
            ),
        ) {
            let mut timestamps = Timestamps::default();
            for text in &texts {
                let expected = text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
                let time = timestamps.parse(&Value::text(text));
                prop_assert_eq!(time.map(Timestamp::millis), expected, "{}", text);
            }
        }
    }

    #[test]
    fn epoch_numbers_say_their_unit_by_their_size() {
        let number = |text: &'static str, expected| check(&Value::Number(Number::Text(text)), expected);
        number("1795456618", Some(1_795_456_618_000));
        number("1795456618.1239", Some(1_795_456_618_123));
        number("1.795456618123e9", Some(1_795_456_618_123));
        number("99999999999", Some(99_999_999_999_000));
        number("100000000000", Some(100_000_000_000));
        number("99999999999999", Some(99_999_999_999_999));
        number("100000000000000", Some(100_000_000_000));
        number("99999999999999999", Some(99_999_999_999_999));
        number("100000000000000000", Some(100_000_000_000));
        number("1795456618123456789", Some(1_795_456_618_123));
        number("0", Some(0));
        number("0e999999999999", Some(0));
        number("0.0009", Some(0));
        number("0.001", Some(1));
        for bad in ["-1", "1e30", "1e999", "253402300800000000000", "1e99999999999999999999"] {
            number(bad, None);
        }
        for bad in [Value::Null, Value::Bool(true), Value::Object, Value::List(vec![])] {
            check(&bad, None);
        }
    }
}
