//! What keeps an event, or a match, from counting.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::detect::event::Origin;

use super::report::{Excluded, Place};

/// Examples that are kept of each reason.
const EXAMPLES_MAX: usize = 3;

/// Why something does not count; in the order in which an event passes the hurdles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The record is no event.
    NotAnEvent,
    /// No detection under the rule is satisfied.
    NoMatch,
    /// A filter excludes it.
    Filtered,
    /// It is older than the allowed lateness.
    Late,
    /// Of a `ratio`: it matches `rules`, but not `of`.
    OutsideWhole,
    /// A group-by field is lacking.
    MissingKey,
    /// The field that is counted, compared or added is lacking.
    MissingField,
    /// It repeats a match that counts already.
    Duplicate,
    /// A limit kept it out.
    Limit,
}

impl Reason {
    /// What it means, for people.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::NotAnEvent => "are no events",
            Self::NoMatch => "do not match",
            Self::Filtered => "are filtered out",
            Self::Late => "are late",
            Self::OutsideWhole => "are outside the whole",
            Self::MissingKey => "have no group",
            Self::MissingField => "lack what is counted",
            Self::Duplicate => "are duplicates",
            Self::Limit => "were kept out by a limit",
        }
    }
}

/// How many were excluded, by reason and what exactly it was.
#[derive(Debug, Default)]
pub(super) struct Exclusions(BTreeMap<(Reason, String), (u64, Vec<Place>)>);

impl Exclusions {
    pub(super) fn add(&mut self, reason: Reason, detail: String, origin: &Origin) {
        let (count, examples) = self.0.entry((reason, detail)).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(Place::of(origin));
        }
    }

    /// By reason; the most frequent detail of each first.
    pub(super) fn report(self) -> Vec<Excluded> {
        let mut excluded: Vec<Excluded> = self
            .0
            .into_iter()
            .map(|((reason, detail), (count, examples))| Excluded { reason, detail, count, examples })
            .collect();
        excluded.sort_by(|a, b| (a.reason, b.count, &a.detail).cmp(&(b.reason, a.count, &b.detail)));
        excluded
    }
}
