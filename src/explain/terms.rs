//! A rule, and the words for what it asks.

use crate::detect::fields::Slot;
use crate::detect::rule::compiled::{Input, Role};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::time::Span;
use crate::detect::value::Value;

use super::shortfall::needs;

/// A rule and the names that its parts go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'r> {
    pub(super) rules: &'r RuleSet,
    pub(super) rule: &'r Rule,
}

impl Terms<'_> {
    /// The name of an input.
    pub(super) fn input(&self, bit: usize) -> &str {
        match self.rule.inputs[bit].input {
            Input::Detection(label) => &self.rules.detection_names[label],
            Input::Firing(inner) => &self.rules.rules[inner].header.name,
        }
    }

    /// How long after a match its companion may come.
    pub(super) const fn wait(&self) -> Span {
        match self.rule.logic {
            Logic::Absence { wait } => wait,
            _ => Span::ZERO,
        }
    }

    /// The inputs with a role, as bits.
    pub(super) fn labels(&self, role: Role) -> u32 {
        let inputs = self.rule.inputs.iter().enumerate();
        inputs.filter(|(_, input)| input.role == role).fold(0, |labels, (bit, _)| labels | 1 << bit)
    }

    /// The names of the inputs with a role, with a word between them.
    pub(super) fn names(&self, role: Role, between: &str) -> String {
        let bits = (0..self.rule.inputs.len()).filter(|bit| self.rule.inputs[*bit].role == role);
        bits.map(|bit| self.input(bit)).collect::<Vec<_>>().join(between)
    }

    /// What the rule asks, in one line.
    pub(super) fn asks(&self) -> String {
        let rule = self.rule;
        let fields = if rule.logic.fields().is_empty() { String::new() } else { format!(" of {}", self.fields()) };
        let over = if rule.timespan == Span::ZERO { String::new() } else { format!(" over {}", rule.timespan) };
        let names = &self.rules.keyspaces[rule.keyspace];
        let by = if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) };
        let bounded = rule.condition.as_ref().filter(|condition| condition.bounds.bounds().next().is_some());
        let condition = bounded.map(|condition| format!(", {}", needs(&condition.bounds)));
        let particulars = self.particulars().map(|told| format!(", {told}"));
        let (condition, particulars) = (condition.unwrap_or_default(), particulars.unwrap_or_default());
        format!("{}{fields}{over}{by}{particulars}{condition}", rule.header.kind)
    }

    /// What only rules of its type ask.
    fn particulars(&self) -> Option<String> {
        let matched = || self.names(Role::Match, " or ");
        let some = |span: Span, told: String| (span > Span::ZERO).then_some(told);
        match &self.rule.logic {
            Logic::Temporal { .. } => Some(self.names(Role::Match, " and ")),
            Logic::TemporalOrdered { gap_min } => {
                let apart = some(*gap_min, format!(", {gap_min} or more apart")).unwrap_or_default();
                Some(format!("{}{apart}", self.names(Role::Match, " then ")))
            }
            Logic::NewValue { learning, .. } => some(*learning, format!("after {learning} of learning")),
            Logic::Absence { wait } => {
                let after = some(*wait, format!(" or the {wait} after")).unwrap_or_default();
                let missed = self.names(Role::Companion, " or ");
                Some(format!("{} without {missed} in the {} before{after}", matched(), self.rule.timespan))
            }
            Logic::Ratio { count_min, .. } => {
                Some(format!("{} among {count_min} or more of {}", matched(), self.names(Role::Whole, " or ")))
            }
            Logic::GeoVelocity { distance_km_min, .. } => Some(format!("{distance_km_min} km or more apart")),
            Logic::Spike { history, sigma, count_min } => {
                Some(format!("{count_min} or more, {sigma} deviations above the mean of the {history} before"))
            }
            _ => None,
        }
    }

    /// The fields that a match must have to count, joined.
    pub(super) fn fields(&self) -> String {
        self.needed().map(|slot| self.rules.fields.path(slot)).collect::<Vec<_>>().join(", ")
    }

    /// Those of them that an event lacks, or has without a value of the kind that is needed.
    pub(super) fn lacking(&self, values: &[Value<'_>]) -> String {
        let of_logic = &self.rule.logic;
        let is_numeric = matches!(
            of_logic,
            Logic::ValueSum { .. }
                | Logic::ValueAverage { .. }
                | Logic::ValuePercentile { .. }
                | Logic::GeoVelocity { .. }
        );
        let lacking = self.needed().filter_map(|slot| {
            let path = self.rules.fields.path(slot);
            match &values[slot.index()] {
                Value::Absent | Value::Null => Some(path.to_owned()),
                value if is_numeric && value.to_number().is_none() => Some(format!("{path} as a number")),
                value if value.elements().iter().all(|element| element.scalar_text().is_none()) => {
                    Some(format!("a value in {path}"))
                }
                _ => None,
            }
        });
        let lacking: Vec<String> = lacking.collect();
        match of_logic {
            // Both numbers are there.
            Logic::GeoVelocity { .. } if lacking.is_empty() => "a place on Earth".to_owned(),
            _ if lacking.is_empty() => self.fields(),
            _ => lacking.join(", "),
        }
    }

    /// Of a place the accuracy is optional.
    fn needed(&self) -> impl Iterator<Item = Slot> {
        let optional = match &self.rule.logic {
            Logic::GeoVelocity { place, .. } => Some(place.accuracy_km),
            _ => None,
        };
        self.rule.logic.fields().into_iter().copied().filter(move |slot| Some(*slot) != optional)
    }
}
