//! Which rules a test puts to the proof: those that its events could have made alert.
//!
//! For coverage: a test in which a rule stays quiet says something of the rule only then.

use crate::detect::matcher::{Expr, LogSource, Test};
use crate::detect::observation::{Fate, Observation};
use crate::detect::rule::compiled::{Input, Role};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::value::Value;

/// Notes the rules of a set that some events concern.
pub(super) struct Concerns<'r> {
    rules: &'r RuleSet,
    /// What the single-event rules ask of the source's events, each with its position in the set.
    asked: Vec<(usize, Expr)>,
    /// By the rule's position in the set.
    concerned: Vec<bool>,
}

impl<'r> Concerns<'r> {
    /// For events of a source, of which there are none as yet.
    pub(super) fn new(rules: &'r RuleSet, source: &LogSource) -> Self {
        let singles = rules.rules.iter().enumerate().filter(|(_, rule)| rule.logic == Logic::Event);
        let asked = singles.flat_map(|(index, rule)| asked(rules, rule, source).map(move |asked| (index, asked)));
        Self { rules, asked: asked.collect(), concerned: vec![false; rules.rules.len()] }
    }

    /// An event: it concerns the single-event rules that it comes near.
    pub(super) fn event(&mut self, values: &[Value<'_>]) {
        for (index, asked) in &self.asked {
            self.concerned[*index] = self.concerned[*index] || is_near(asked, values);
        }
    }

    /// A match at a rule with a window: it concerns the rule if it is one of `rules` that counts.
    pub(super) fn observation(&mut self, seen: &Observation) {
        let inputs = self.rules.rules[seen.rule].inputs.iter().enumerate();
        let mut labels = inputs.filter(|(bit, _)| seen.labels >> bit & 1 == 1);
        if seen.fate == Fate::Counted && labels.any(|(_, input)| input.role == Role::Match) {
            self.concerned[seen.rule] = true;
        }
    }

    /// Which rules are concerned, by their positions: also those above one that is, however it kept quiet.
    pub(super) fn finish(self) -> Vec<bool> {
        let mut concerned = self.concerned;
        let is_below = |rule: &Rule, concerned: &[bool]| {
            let mut matches = rule.inputs.iter().filter(|input| input.role == Role::Match);
            matches.any(|input| matches!(input.input, Input::Firing(inner) if concerned[inner]))
        };
        loop {
            let rules = self.rules.rules.iter().enumerate();
            let above: Vec<usize> = rules
                .filter(|(index, rule)| !concerned[*index] && is_below(rule, &concerned))
                .map(|(index, _)| index)
                .collect();
            if above.is_empty() {
                return concerned;
            }
            for index in above {
                concerned[index] = true;
            }
        }
    }
}

/// What a single-event rule asks of events of a source, apart from filters; nothing if it is for others.
fn asked(rules: &RuleSet, rule: &Rule, source: &LogSource) -> impl Iterator<Item = Expr> {
    rule.inputs.iter().filter_map(move |input| {
        let Input::Detection(label) = input.input else { return None };
        let detection = rules.matcher.detection(label);
        let asked = rules.filtered.get(&label).map_or(&detection.expr, |filtered| &filtered.own);
        detection.logsource.admits(source).then(|| asked.clone().simplified())
    })
}

/// Of several things that are asked together, one is as asked; of one thing alone, the field is there.
fn is_near(asked: &Expr, values: &[Value<'_>]) -> bool {
    match asked {
        Expr::All(parts) => {
            let positive = || parts.iter().filter(|part| !matches!(part, Expr::Not(_)));
            // That a field is there is true of most events.
            let telling = || positive().filter(|part| !matches!(part, Expr::Test(_, Test::Exists)));
            if telling().next().is_some() {
                telling().any(|part| holds_in_part(part, values))
            } else if positive().next().is_some() {
                positive().any(|part| part.holds(values))
            } else {
                parts.iter().any(|part| is_near(part, values))
            }
        }
        Expr::Any(parts) => parts.iter().any(|part| is_near(part, values)),
        Expr::Not(part) => is_near(part, values),
        Expr::Test(slot, _) => !matches!(values[slot.index()], Value::Absent),
    }
}

/// True if one of the alternatives, or of what is asked together, is as asked.
fn holds_in_part(asked: &Expr, values: &[Value<'_>]) -> bool {
    match asked {
        Expr::All(_) => is_near(asked, values),
        Expr::Any(parts) => parts.iter().any(|part| holds_in_part(part, values)),
        Expr::Not(_) | Expr::Test(..) => asked.holds(values),
    }
}
