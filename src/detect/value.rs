//! The value of one field of one event, borrowed from the record where it can be.
//!
//! Not a JSON tree: objects are opened by the projection, so a value is a scalar, a list of scalars, or the bare fact
//! that there was an object.

use std::borrow::Cow;

/// A number: as its JSON text, or computed by a derived field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number<'a> {
    /// The number as the record spells it, valid under JSON's grammar.
    Text(&'a str),
    /// A whole number that ingest computed.
    Integer(i64),
    /// A number from a table that ingest looked into; finite.
    Real(f64),
}

impl<'a> Number<'a> {
    /// Its value as an IEEE double; `None` where that would be infinite (`1e999`).
    #[must_use]
    pub fn to_f64(self) -> Option<f64> {
        match self {
            Self::Text(text) => finite(text),
            #[expect(clippy::cast_precision_loss, reason = "rule arithmetic is IEEE double by definition")]
            Self::Integer(integer) => Some(integer as f64),
            Self::Real(number) => Some(number),
        }
    }

    /// The text under which it compares as a group or set value: whole numbers digit for digit (`5.0` is `5`), others as the
    /// shortest text that reads back equal (`1.50` and `15e-1` are `1.5`), numbers beyond a double as written.
    #[must_use]
    pub fn canonical(self) -> Cow<'a, str> {
        match self {
            Self::Integer(integer) => Cow::Owned(integer.to_string()),
            Self::Real(number) => Cow::Owned(shortest(number)),
            Self::Text("-0") => Cow::Borrowed("0"),
            Self::Text(text) if is_integer(text) => Cow::Borrowed(text),
            Self::Text(text) if is_whole(text) => Self::Text(text.split('.').next().unwrap_or(text)).canonical(),
            Self::Text(text) => finite(text).map_or(Cow::Borrowed(text), |number| Cow::Owned(shortest(number))),
        }
    }
}

fn is_integer(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// True for digits and a fraction of nothing but zeros.
fn is_whole(text: &str) -> bool {
    let parts = text.split_once('.');
    parts.is_some_and(|(whole, fraction)| is_integer(whole) && fraction.bytes().all(|byte| byte == b'0'))
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The shortest decimal text that reads back as the same double; whole numbers without a fraction.
#[must_use]
pub fn shortest(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { number.to_string() }
}

/// What a field of an event holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// The event has no such field.
    #[default]
    Absent,
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A JSON number.
    Number(Number<'a>),
    /// A JSON string, unescaped; a lone surrogate has become U+FFFD.
    Text(Cow<'a, str>),
    /// A JSON array: its scalars in order, inner arrays opened, objects as [`Value::Object`].
    List(Vec<Value<'a>>),
    /// A JSON object: it exists and equals nothing.
    Object,
}

impl<'a> Value<'a> {
    /// A borrowed text value.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The text of a string value; `None` for everything else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The rule language's *number*: a JSON number or a string that spells one, finite.
    #[must_use]
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.to_f64(),
            Self::Text(text) => number_spelled(text),
            _ => None,
        }
    }

    /// The elements of a list, or the value itself as the only one.
    #[must_use]
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            single => std::slice::from_ref(single),
        }
    }

    /// The text under which a scalar compares as a group value; `None` for absent, `null`, `""`, objects and lists.
    #[must_use]
    pub fn key_text(&self) -> Option<Cow<'_, str>> {
        self.scalar_text().filter(|text| !text.is_empty())
    }

    /// The text under which a scalar compares as a counted value; `None` for absent, `null`, objects and lists. `1` and
    /// `"1"` give the same text.
    #[must_use]
    pub fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(number) => Some(number.canonical()),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }
}

/// The number that a string spells under JSON's grammar for numbers, if it does and it is finite.
#[must_use]
pub fn number_spelled(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let leading_zero = whole > 1 && digits.starts_with('0');
    // Rust's own parser also takes "inf", "nan", "+1", ".5" and "5.", which JSON's grammar does not.
    if whole == 0 || leading_zero || digits.ends_with('.') || digits.contains(".e") || digits.contains(".E") {
        return None;
    }
    finite(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_text_for_one_value() {
        let canonical = |text| Number::Text(text).canonical().into_owned();
        assert_eq!(canonical("1"), "1");
        assert_eq!(canonical("1.0"), "1");
        assert_eq!(canonical("1e0"), "1");
        assert_eq!(canonical("1.50"), "1.5");
        assert_eq!(canonical("-0"), "0");
        assert_eq!(canonical("-0.0"), "0");
        assert_eq!(canonical("12345678901234567890123"), "12345678901234567890123");
        assert_eq!(canonical("9007199254740993.0"), "9007199254740993");
        assert_eq!(canonical("1e999"), "1e999");
        let looked_up = |number| Number::Real(number).canonical().into_owned();
        assert_eq!([394_000.0, -0.0, 1.5].map(looked_up), ["394000", "0", "1.5"]);
    }

    #[test]
    fn strings_spell_numbers_as_json_does() {
        assert_eq!(number_spelled("10"), Some(10.0));
        assert_eq!(number_spelled("-1.5e3"), Some(-1500.0));
        for text in ["", "-", "+1", ".5", "5.", "5.e1", "01", "inf", "NaN", "1e999", "0x10", " 1", "1_000"] {
            assert_eq!(number_spelled(text), None, "{text:?}");
        }
    }

    #[test]
    fn empty_null_and_structures_are_no_key() {
        for value in [Value::Absent, Value::Null, Value::text(""), Value::Object, Value::List(vec![])] {
            assert_eq!(value.key_text(), None, "{value:?}");
        }
        assert_eq!(Value::Number(Number::Text("1")).key_text(), Value::text("1").key_text());
        assert_eq!(Value::Bool(true).key_text(), Value::text("true").key_text());
    }
}
