//! The times of a test: how long after its start something happens.
//!
//! The start is the Unix epoch, so that `jwt.exp: 300` is five minutes into the test and buckets of a `spike` begin
//! where a test can count.

use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::reader::{self, Spanned, clip};
use crate::detect::rule::yaml::Node;
use crate::detect::time::{Span, SpanError, Timestamp};

/// When every test begins.
pub(super) const START: Timestamp = Timestamp::EVENT_MIN;

/// The units of a moment, in milliseconds. `ms` stands before `m`, which it begins with.
const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// How long after the start of a test something happens.
#[must_use]
pub fn since_start(time: Timestamp) -> Span {
    time.since(START)
}

/// Reads `70s`, `1m10s` or `250ms`; zero needs no unit.
pub(super) fn read(node: &Node, key: &str) -> Result<Spanned<Span>, Fault> {
    let text = node.scalar_text().ok_or_else(|| reader::wrong_type(node, key, "a time such as 70s"))?;
    let fault = |code, error| Fault::new(code, node.at, format!("{key} \"{}\" {error}", clip(&text)));
    match parse(&text) {
        Ok(value) => Ok(Spanned { value, at: node.at }),
        Err(error @ SpanError::NoUnit) => {
            Err(fault(Code::TimespanWithoutUnit, error.to_string()).hint(format!("write \"{text}s\" or \"{text}m\"")))
        }
        Err(error @ SpanError::TooLong) => {
            Err(fault(Code::BadTimespan, error.to_string()).hint(format!("write at most \"{}\"", Span::MAX)))
        }
        Err(SpanError::Malformed) => Err(fault(Code::BadTimespan, "is not a time after the start".to_owned())
            .hint("write whole numbers with units, as in \"70s\", \"1m10s\", \"250ms\" or \"2d\"")),
    }
}

fn parse(text: &str) -> Result<Span, SpanError> {
    if text == "0" {
        return Ok(Span::ZERO);
    }
    let (mut rest, mut total) = (text, Span::ZERO);
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        if digits == 0 {
            return Err(SpanError::Malformed);
        }
        if behind.is_empty() {
            return Err(SpanError::NoUnit);
        }
        let unit = UNITS.iter().find_map(|(unit, millis)| Some((behind.strip_prefix(unit)?, *millis)));
        let (next, millis) = unit.ok_or(SpanError::Malformed)?;
        let count: i64 = number.parse().map_err(|_| SpanError::TooLong)?;
        total = total + Span::from_millis(count.checked_mul(millis).ok_or(SpanError::TooLong)?);
        if total > Span::MAX {
            return Err(SpanError::TooLong);
        }
        rest = next;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_units_down_to_the_millisecond() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("70s", 70_000), ("1m10s", 70_000), ("250ms", 250), ("1h1ms", 3_600_001)]
        {
            assert_eq!(parse(text), Ok(Span::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("10000d"), Ok(Span::MAX));
        assert_eq!(parse("10000d1ms"), Err(SpanError::TooLong));
        for text in ["70", "1m10"] {
            assert_eq!(parse(text), Err(SpanError::NoUnit), "{text}");
        }
        for text in ["", "s", "-5s", "1.5s", "5 s", "5min", "5M", "1m 10s"] {
            assert_eq!(parse(text), Err(SpanError::Malformed), "{text}");
        }
    }
}
