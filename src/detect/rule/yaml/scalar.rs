//! The type of a plain scalar, by YAML 1.2's core schema.
//!
//! Not YAML 1.1: `yes`, `on` and `1_000` are texts, and `010` is ten.

use serde_json::Value as Json;

use crate::detect::value::{Number, shortest};

use super::{Data, Text};

/// A finite number as the file spells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NumberLiteral {
    /// As it stands in the file.
    pub(crate) spelling: String,
    /// The text under which it compares, as [`Number::canonical`] gives it.
    pub(crate) canonical: String,
    /// Its value as a double.
    pub(crate) value: f64,
}

impl NumberLiteral {
    /// The same number as JSON: whole ones digit for digit as far as 64 bits go, others as the double.
    pub(super) fn json(&self) -> Json {
        // The JSON library's own reading of a fraction may be off by the last bit.
        let whole =
            self.canonical.parse::<i64>().map(Json::from).or_else(|_| self.canonical.parse::<u64>().map(Json::from));
        whole.unwrap_or_else(|_| Json::from(self.value))
    }
}

/// The value of a plain, untagged scalar.
pub(super) fn resolve(text: &str, offset: Option<usize>) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ => match number(text) {
            Some(number) => Data::Number(number),
            None => Data::Text(Text { text: text.to_owned(), offset, source: None }),
        },
    }
}

fn number(text: &str) -> Option<NumberLiteral> {
    let literal = |canonical: String, value| NumberLiteral { spelling: text.to_owned(), canonical, value };
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    if sign.is_empty() && digits.len() == text.len() {
        for (prefix, radix) in [("0x", 16), ("0o", 8)] {
            if let Some(digits) = text.strip_prefix(prefix) {
                let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
                let value = u64::from_str_radix(digits, radix).ok()?;
                #[expect(clippy::cast_precision_loss, reason = "the exact digits are kept beside the double")]
                return Some(literal(value.to_string(), value as f64));
            }
        }
    }
    let is_decimal = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if !is_decimal {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    // A fraction of zeros is none.
    let whole = digits.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|byte| byte == b'0'));
    let whole = whole.map_or(digits, |(whole, _)| whole);
    if whole.bytes().all(|byte| byte.is_ascii_digit()) {
        // JSON's grammar has no leading zeros and no plus, so neither has the canonical text.
        let significant = whole.trim_start_matches('0');
        let plain = if significant.is_empty() { "0".to_owned() } else { format!("{sign}{significant}") };
        return Some(literal(Number::Text(&plain).canonical().into_owned(), value));
    }
    Some(literal(shortest(value), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_and_nothing_of_yaml_1_1() {
        let canonical = |text| match resolve(text, Some(0)) {
            Data::Number(number) => Some(number.canonical),
            _ => None,
        };
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("+5", "5"),
            ("007", "7"),
            ("0x1410", "5136"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-5.00", "-5"),
            ("9007199254740993.0", "9007199254740993"),
            (".0", "0"),
            ("1e3", "1000"),
            ("-12.5", "-12.5"),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["yes", "1_000", "1e999", ".inf", ".nan", "0x", "0x+1", "1.2.3", "10.0.0.1", "e5", "1h", "-", "."] {
            assert!(matches!(resolve(text, Some(0)), Data::Text(_)), "{text}");
        }
        assert!(matches!(resolve("~", Some(0)), Data::Null));
        assert!(matches!(resolve("True", Some(0)), Data::Bool(true)));
    }
}
