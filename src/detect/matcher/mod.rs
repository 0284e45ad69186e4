//! Which detections an event satisfies.
//!
//! Not what follows from it: windows are elsewhere, and a match here has no memory. Not Sigma's notation either: the
//! rule compiler has turned it into expressions before.

mod date;
mod expr;
mod index;
mod labels;
mod logsource;
mod pattern;
mod plan;
mod predicate;
#[cfg(test)]
mod tests;

use crate::detect::fields::FieldTable;
use crate::detect::value::Value;

pub use date::DatePart;
pub use expr::Expr;
pub use labels::LabelSet;
pub use logsource::LogSource;
pub use pattern::{DASHES, Pattern, Piece, fold};
pub use predicate::{Comparison, NumberLiteral, OneOf, Test, TextRelation};

use index::Index;
use plan::{Builder, NodeId, Plan};

/// One detection as the matcher takes it.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The events that it is for.
    pub logsource: LogSource,
    /// What it asks of them, filters included.
    pub expr: Expr,
}

/// The compiled detections of a rule set.
#[derive(Debug, Default)]
pub struct Matcher {
    plan: Plan,
    /// By label.
    detections: Vec<Detection>,
    /// By label.
    roots: Vec<NodeId>,
    native: Scope,
}

/// The detections that apply to the events of one source.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    index: Index,
}

impl Matcher {
    /// A matcher for detections whose labels are their positions.
    #[must_use]
    pub fn new(detections: Vec<Detection>, fields: &FieldTable) -> Self {
        let mut builder = Builder::default();
        let roots = detections.iter().map(|detection| builder.add(&detection.expr, fields)).collect();
        let mut matcher = Self { plan: builder.finish(), detections, roots, native: Scope::default() };
        matcher.native = matcher.scope(&LogSource::native());
        matcher
    }

    /// The detections that apply to events which declare `source`. Worth keeping: it is the same for all of them.
    #[must_use]
    pub fn scope(&self, source: &LogSource) -> Scope {
        let labelled = self.detections.iter().enumerate();
        let applying = labelled.filter(|(_, detection)| detection.logsource.admits(source));
        Scope { index: Index::new(applying.map(|(label, detection)| (label, &detection.expr))) }
    }

    /// The detection with a label.
    #[must_use]
    pub fn detection(&self, label: usize) -> &Detection {
        &self.detections[label]
    }

    /// Writes the labels of every detection that a native event satisfies, filters applied, into `labels`.
    pub fn labels(&self, values: &[Value<'_>], labels: &mut LabelSet) {
        self.labels_in(&self.native, values, labels);
    }

    /// The same for an event of another source.
    pub fn labels_in(&self, scope: &Scope, values: &[Value<'_>], labels: &mut LabelSet) {
        labels.reset(self.detections.len());
        labels.memo.reset(self.plan.len());
        scope.index.candidates(values, |label| {
            if self.plan.holds(self.roots[label], values, &mut labels.memo) {
                labels.insert(label);
            }
        });
    }

    /// The same without the index: each detection is tried on its own. Slow; for tests of the rest.
    #[cfg(test)]
    fn labels_naively(&self, source: &LogSource, values: &[Value<'_>]) -> LabelSet {
        let mut labels = LabelSet::default();
        labels.reset(self.detections.len());
        for (label, detection) in self.detections.iter().enumerate() {
            if detection.logsource.admits(source) && detection.expr.holds(values) {
                labels.insert(label);
            }
        }
        labels
    }
}
