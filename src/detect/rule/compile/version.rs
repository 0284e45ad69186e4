//! A rule's version: a hash of what it detects.
//!
//! It covers the referred rules and filters, and nothing that is only for people: two rules of the same version fire
//! on the same events.

use sha2::{Digest, Sha256};

use crate::detect::fields::FieldTable;
use crate::detect::matcher::Detection;
use crate::detect::rule::compiled::{Grouping, LabelledInput, Logic};
use crate::detect::time::Span;

/// What makes a rule what it is.
pub(super) struct Essence<'a> {
    pub(super) logic: &'a Logic,
    pub(super) timespan: Span,
    pub(super) suppress: Span,
    /// The names of the group.
    pub(super) group: &'a [String],
    /// The inputs, and the canonical form of each.
    pub(super) inputs: &'a [(&'a LabelledInput, &'a str)],
    pub(super) groupings: &'a [Grouping],
}

impl Essence<'_> {
    /// The same rule has the same text, whatever the slots and indices of the set that it is in.
    pub(super) fn canonical(&self, fields: &FieldTable) -> String {
        let logic = self.logic.clone().map_fields(|slot| fields.path(slot).to_owned());
        let inputs: Vec<_> = self
            .inputs
            .iter()
            .map(|(input, canonical)| {
                let slots = &self.groupings[input.grouping].slots;
                let paths: Vec<&str> = slots.iter().map(|slot| fields.path(*slot)).collect();
                (input.role, paths, hash(canonical))
            })
            .collect();
        format!("{logic:?} {} {} {:?} {inputs:?}", self.timespan.millis(), self.suppress.millis(), self.group)
    }
}

/// The canonical form of a detection.
pub(super) fn of_detection(detection: &Detection, fields: &FieldTable) -> String {
    format!("{:?} {}", detection.logsource, detection.expr.canonical(fields))
}

/// The version that a canonical form has.
pub(super) fn of(canonical: &str) -> String {
    hash(canonical)[..12].to_owned()
}

fn hash(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
