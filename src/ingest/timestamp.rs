//! The two spellings of `@timestamp`: RFC 3339 texts and epoch numbers.
//!
//! Digits finer than a millisecond are cut, never rounded, so epoch numbers are read as decimals: a double would turn
//! `1700000000.123` into one millisecond less.

use crate::detect::time::Timestamp;
use crate::detect::value::{Number, Value};

/// The time that `@timestamp` spells, if it is one that an event may carry.
pub(super) fn parse(value: &Value<'_>) -> Option<Timestamp> {
    let time = match value {
        Value::Text(text) => rfc3339(text)?,
        Value::Number(Number::Text(text)) => epoch(text)?,
        _ => return None,
    };
    time.is_event_time().then_some(time)
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
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

    fn check(value: &Value<'_>, expected: Option<i64>) {
        assert_eq!(parse(value).map(Timestamp::millis), expected, "{value:?}");
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
