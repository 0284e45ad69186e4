//! What a detection asks of an event, as a tree.

use super::predicate::Test;
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::Value;

/// Tests joined by `and`, `or` and `not`.
#[derive(Clone, Debug)]
pub enum Expr {
    /// All hold; true if there is none.
    All(Vec<Self>),
    /// Any holds; false if there is none.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A field passes a test.
    Test(Slot, Test),
}

impl Expr {
    /// Holds for every event.
    pub const ALWAYS: Self = Self::All(Vec::new());
    /// Holds for no event.
    pub const NEVER: Self = Self::Any(Vec::new());

    /// True if it holds for every event, whatever the tests say.
    #[must_use]
    pub fn is_always(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// True if it holds for no event, whatever the tests say.
    #[must_use]
    pub fn is_never(&self) -> bool {
        matches!(self, Self::Any(parts) if parts.is_empty())
    }

    /// The definition of what it says of an event; the plan is a faster way to the same answer.
    #[must_use]
    pub fn holds(&self, values: &[Value<'_>]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(values)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(values)),
            Self::Not(part) => !part.holds(values),
            Self::Test(slot, test) => test.holds(&values[slot.index()], values),
        }
    }

    /// The same with nested equals flattened and constants carried out.
    #[must_use]
    pub fn simplified(self) -> Self {
        match self {
            Self::Test(..) => self,
            Self::Not(part) => match part.simplified() {
                Self::Not(inner) => *inner,
                part if part.is_always() => Self::NEVER,
                part if part.is_never() => Self::ALWAYS,
                part => Self::Not(Box::new(part)),
            },
            Self::All(parts) => join(parts, Self::is_never, Self::All, |part| match part {
                Self::All(inner) => Ok(inner),
                other => Err(other),
            }),
            Self::Any(parts) => join(parts, Self::is_always, Self::Any, |part| match part {
                Self::Any(inner) => Ok(inner),
                other => Err(other),
            }),
        }
    }

    /// Equal expressions have equal texts, whatever the order of their parts and the slots of their fields.
    #[must_use]
    pub fn canonical(&self, fields: &FieldTable) -> String {
        let joined = |parts: &[Self], sign: &str| {
            let mut texts: Vec<String> = parts.iter().map(|part| part.canonical(fields)).collect();
            texts.sort_unstable();
            texts.dedup();
            format!("({})", texts.join(sign))
        };
        match self {
            Self::All(parts) => joined(parts, " & "),
            Self::Any(parts) => joined(parts, " | "),
            Self::Not(part) => format!("!{}", part.canonical(fields)),
            Self::Test(slot, test) => format!("{:?} {}", fields.path(*slot), test.canonical(fields)),
        }
    }
}

/// Joins parts of which one like `decides` settles everything, and opens those of the same kind.
fn join(
    parts: Vec<Expr>,
    decides: impl Fn(&Expr) -> bool,
    kind: impl Fn(Vec<Expr>) -> Expr,
    open: impl Fn(Expr) -> Result<Vec<Expr>, Expr>,
) -> Expr {
    let mut joined = Vec::with_capacity(parts.len());
    for part in parts {
        let part = part.simplified();
        if decides(&part) {
            return part;
        }
        match open(part) {
            Ok(inner) => joined.extend(inner),
            Err(part) => joined.push(part),
        }
    }
    if joined.len() == 1 { joined.remove(0) } else { kind(joined) }
}
