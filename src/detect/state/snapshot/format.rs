//! Which form of what is saved is written, and which are read.
//!
//! A version that brings a new form reads it, and goes on writing the one before until it is told otherwise: so every
//! instance can be upgraded, or put back, while others of the older version may still become owners of what it saved.

use std::fmt;

/// The form of everything that is sealed, by its number, which stands in the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(u8);

impl Format {
    /// The oldest that is written and read.
    pub const OLDEST: Self = Self(1);
    /// The one that is written unless something else is asked for: the newest that the version before this one reads.
    pub const USUAL: Self = Self(1);
    /// The newest that is written and read. This project's own tests know one more, of which nothing but the number is
    /// new, so that the step from one to the next is tried before there is any.
    pub const NEWEST: Self = Self(if cfg!(test) { 2 } else { 1 });

    /// The format of this number, if it is written and read here.
    #[must_use]
    pub fn of_number(number: usize) -> Option<Self> {
        let format = Self(u8::try_from(number).ok()?);
        (Self::OLDEST..=Self::NEWEST).contains(&format).then_some(format)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::USUAL
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
