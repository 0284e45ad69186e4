//! Where records come from, as far as that decides how they are read.
//!
//! Not mappings, which turn a product's own records into audit events: these sources are taken as they are.

use crate::detect::matcher::LogSource;

/// A kind of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The audit event.
    #[default]
    Native,
    /// Any JSON object with a time. It declares no logsource, so that any rule can be tried on it.
    Raw {
        /// The path of the field that says when it happened.
        timestamp: Box<str>,
    },
}

impl Source {
    /// Every name by which one can be asked for.
    pub const NAMES: [&'static str; 2] = ["native", "raw"];
    /// Where the time stands in an audit event, and in a raw record unless the configuration names another field.
    pub const TIMESTAMP: &'static str = "@timestamp";

    /// What its events declare.
    #[must_use]
    pub fn logsource(&self) -> LogSource {
        match self {
            Self::Native => LogSource::native(),
            Self::Raw { .. } => LogSource::default(),
        }
    }

    /// The path of the field that says when it happened.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        match self {
            Self::Native => Self::TIMESTAMP,
            Self::Raw { timestamp } => timestamp,
        }
    }

    /// Whether an event of it must say what happened.
    pub(super) const fn needs_action(&self) -> bool {
        matches!(self, Self::Native)
    }
}
