//! One question to one field.
//!
//! Not how answers are joined: that is the plan's. On a list the answer is yes if it is for any element.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use regex::Regex;

use super::date::DatePart;
use super::pattern::{Pattern, fold};
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::{Number, Value, number_spelled};

/// A relation of a number to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// Equal; has no modifier.
    Equal,
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "numbers compare as doubles by definition")]
    /// True if a number is on the right side of a bound.
    pub(crate) fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
            Self::Equal => value == bound,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
        }
    }
}

/// A relation of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextRelation {
    /// The same.
    Equals,
    /// The second is somewhere in the first.
    Contains,
    /// The first begins with the second.
    StartsWith,
    /// The first ends with the second.
    EndsWith,
}

impl TextRelation {
    fn holds(self, text: &str, other: &str) -> bool {
        match self {
            Self::Equals => text == other,
            Self::Contains => text.contains(other),
            Self::StartsWith => text.starts_with(other),
            Self::EndsWith => text.ends_with(other),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::Contains => "contains",
            Self::StartsWith => "startswith",
            Self::EndsWith => "endswith",
        }
    }
}

/// A number that values are compared with for equality.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The text under which it compares, as [`Number::canonical`] gives it.
    pub canonical: Box<str>,
    /// Its value as a double.
    pub value: f64,
}

impl NumberLiteral {
    /// Beyond this, different whole numbers share a double.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

    fn equals(&self, number: Number<'_>) -> bool {
        // Up to there equal doubles are equal numbers.
        if self.value.abs() < Self::EXACT_MAX {
            return number.to_f64() == Some(self.value);
        }
        *number.canonical() == *self.canonical
    }
}

/// Many texts of which any will do.
#[derive(Clone, Debug)]
pub struct OneOf {
    /// Sorted and distinct; folded unless cased.
    literals: Box<[Box<str>]>,
    cased: bool,
}

impl OneOf {
    /// Any of these texts.
    #[must_use]
    pub fn new(literals: impl IntoIterator<Item = String>, cased: bool) -> Self {
        let prepare = |text: String| if cased { text.into() } else { fold(&text).into() };
        let mut literals: Vec<Box<str>> = literals.into_iter().map(prepare).collect();
        literals.sort_unstable();
        literals.dedup();
        Self { literals: literals.into(), cased }
    }

    fn contains(&self, text: &str) -> bool {
        /// Up to here comparing with each is faster than folding first.
        const FEW: usize = 6;
        if !self.cased && self.literals.len() <= FEW {
            if self.literals.iter().any(|literal| text.eq_ignore_ascii_case(literal)) {
                return true;
            }
            if text.is_ascii() {
                return false;
            }
        }
        let text = if self.cased { Cow::Borrowed(text) } else { fold(text) };
        self.literals.binary_search_by(|literal| (**literal).cmp(&*text)).is_ok()
    }

    /// The texts.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.literals.iter().map(AsRef::as_ref)
    }
}

/// A question to the value of one field.
#[derive(Clone, Debug)]
pub enum Test {
    /// Is the field there, whatever it holds?
    Exists,
    /// Is it absent or `null`?
    Null,
    /// Is it this boolean, or the word for it?
    Boolean(bool),
    /// Is it this number, or a text that spells it?
    Number(NumberLiteral),
    /// How does it compare, as a number or a text that spells one?
    Compare(Comparison, f64),
    /// Does its text match?
    Text(Pattern),
    /// Is its text among these?
    OneOf(OneOf),
    /// Is there a match in its text?
    Regex(Regex),
    /// Is it an address in this network?
    Network(IpNet),
    /// How does a part of its date compare?
    Date(DatePart, Comparison, f64),
    /// How does its text compare with that of another field?
    Field {
        /// The other field.
        other: Slot,
        /// How.
        relation: TextRelation,
        /// In exactly this case.
        cased: bool,
    },
}

impl Test {
    /// The answer for a value of an event; the others are there for tests of two fields.
    #[must_use]
    pub fn holds(&self, value: &Value<'_>, values: &[Value<'_>]) -> bool {
        match (self, value) {
            (Self::Exists, value) => !matches!(value, Value::Absent),
            (Self::Null, Value::Absent) => true,
            (_, Value::List(elements)) => elements.iter().any(|element| self.holds_for(element, values)),
            (_, value) => self.holds_for(value, values),
        }
    }

    fn holds_for(&self, value: &Value<'_>, values: &[Value<'_>]) -> bool {
        match self {
            Self::Exists => !matches!(value, Value::Absent),
            Self::Null => matches!(value, Value::Null),
            Self::Boolean(expected) => match value {
                Value::Bool(value) => value == expected,
                Value::Text(text) => text.eq_ignore_ascii_case(if *expected { "true" } else { "false" }),
                _ => false,
            },
            Self::Number(literal) => match value {
                Value::Number(number) => literal.equals(*number),
                Value::Text(text) => number_spelled(text).is_some() && literal.equals(Number::Text(text)),
                _ => false,
            },
            Self::Compare(comparison, bound) => {
                value.to_number().is_some_and(|number| comparison.holds(number, *bound))
            }
            Self::Text(pattern) => on_text(value, |text| pattern.matches(text)),
            Self::OneOf(texts) => on_text(value, |text| texts.contains(text)),
            Self::Regex(regex) => on_text(value, |text| regex.is_match(text)),
            Self::Network(network) => match value {
                Value::Text(text) => text.parse().is_ok_and(|address: IpAddr| contains(network, address)),
                _ => false,
            },
            Self::Date(part, comparison, bound) => {
                part.of(value).is_some_and(|number| comparison.holds(number, *bound))
            }
            Self::Field { other, relation, cased } => {
                let others = values[other.index()].elements();
                others.iter().any(|other| {
                    on_text(other, |other| {
                        on_text(value, |text| {
                            if *cased { relation.holds(text, other) } else { relation.holds(&fold(text), &fold(other)) }
                        })
                    })
                })
            }
        }
    }

    /// How much it costs roughly, for asking the cheap questions first.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Exists | Self::Null | Self::Boolean(_) => 1,
            Self::Text(pattern) => pattern.cost(),
            Self::OneOf(_) | Self::Number(_) | Self::Compare(..) => 4,
            Self::Network(_) => 6,
            Self::Field { .. } => 10,
            Self::Regex(_) => 20,
            Self::Date(..) => 30,
        }
    }

    /// The same test has the same text, and only it, whatever slots its fields have.
    #[must_use]
    pub fn canonical(&self, fields: &FieldTable) -> String {
        Canonical(self, fields).to_string()
    }
}

struct Canonical<'a>(&'a Test, &'a FieldTable);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Test::Exists => f.write_str("exists"),
            Test::Null => f.write_str("null"),
            Test::Boolean(value) => write!(f, "{value}"),
            Test::Number(literal) => write!(f, "= {}", literal.canonical),
            Test::Compare(comparison, bound) => write!(f, "{} {bound:?}", comparison.sign()),
            Test::Text(pattern) => write!(f, "matches {pattern}"),
            Test::OneOf(texts) => {
                write!(f, "{}one of {:?}", if texts.cased { "cased " } else { "" }, texts.literals)
            }
            Test::Regex(regex) => write!(f, "re {:?}", regex.as_str()),
            Test::Network(network) => write!(f, "in {network}"),
            Test::Date(part, comparison, bound) => write!(f, "{} {} {bound:?}", part.name(), comparison.sign()),
            Test::Field { other, relation, cased } => {
                let cased = if *cased { "cased " } else { "" };
                write!(f, "{cased}{} field {:?}", relation.name(), self.1.path(*other))
            }
        }
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address.
fn contains(network: &IpNet, address: IpAddr) -> bool {
    network.contains(&address) || network.contains(&address.to_canonical())
}

/// Asks of the text of a scalar; numbers and booleans have one, `null` and objects have none.
fn on_text(value: &Value<'_>, ask: impl FnOnce(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => ask(text),
        Value::Number(number) => ask(&number.canonical()),
        Value::Bool(value) => ask(if *value { "true" } else { "false" }),
        Value::Absent | Value::Null | Value::List(_) | Value::Object => false,
    }
}
