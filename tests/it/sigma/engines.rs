//! The two engines behind one question: does this event satisfy that rule?

use rsigma_eval::{CompiledRule, JsonEvent, compile_rule, evaluate_rule};
use rsigma_parser::{Detections, SigmaRule, parse_sigma_yaml};
use serde_json::Value as Json;
use tokenwatch::detect::matcher::{LabelSet, LogSource, Scope};
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::ingest::decode::Projection;

/// Deepest nesting of an event here.
const DEPTH_MAX: usize = 64;

/// A rule as each engine compiled it.
pub(super) struct Engines {
    ours: Ours,
    theirs: CompiledRule,
    rule: SigmaRule,
}

/// What each engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdicts {
    pub(super) ours: bool,
    pub(super) theirs: bool,
}

impl Engines {
    /// A file of one rule, or what the engine that refuses it says, the engine's name first.
    pub(super) fn new(text: &str, options: &Options) -> Result<Self, String> {
        Self::restated(text, options, |_| ())
    }

    /// The same, with the rule's detections in other words for the other engine.
    pub(super) fn restated(
        text: &str,
        options: &Options,
        restate: impl FnOnce(&mut Detections),
    ) -> Result<Self, String> {
        let ours = Ours::new(text, options).map_err(|problems| format!("ours: {problems}"))?;
        let mut parsed = parse_sigma_yaml(text).map_err(|error| format!("theirs: {error}"))?;
        let rule = parsed.rules.pop().filter(|_| parsed.rules.is_empty());
        let rule = rule.ok_or_else(|| format!("theirs: not one rule: {:?}", parsed.errors))?;
        let mut restated = rule.clone();
        restate(&mut restated.detection);
        let theirs = compile_rule(&restated).map_err(|error| format!("theirs: {error}"))?;
        Ok(Self { ours, theirs, rule })
    }

    /// The rule's detections as their parser reads them.
    pub(super) const fn detections(&self) -> &Detections {
        &self.rule.detection
    }

    /// The rule's id, if it has one.
    pub(super) const fn id(&self) -> Option<&String> {
        self.rule.id.as_ref()
    }

    pub(super) fn ask(&mut self, event: &Json) -> Verdicts {
        let theirs = evaluate_rule(&self.theirs, &JsonEvent::borrow(event)).is_some();
        Verdicts { ours: self.ours.matches(&event.to_string()), theirs }
    }
}

/// The way of a record as far as the matcher, for a source that declares no logsource.
struct Ours {
    rules: RuleSet,
    scope: Scope,
    projection: Projection,
}

impl Ours {
    fn new(text: &str, options: &Options) -> Result<Self, String> {
        let compiled = compile(&[Source { path: "rule.yml", text }], options).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(|problem| format!("{problem} [{}]", problem.code)).collect();
            lines.join("\n")
        })?;
        let rules = compiled.rules;
        let scope = rules.matcher.scope(&LogSource::default());
        let projection = Projection::new(&rules.fields);
        Ok(Self { rules, scope, projection })
    }

    fn matches(&mut self, event: &str) -> bool {
        let mut values = Vec::new();
        let is_object = self.projection.decode(event, DEPTH_MAX, &mut values).expect("it was written as JSON");
        assert!(is_object, "an event is an object: {event}");
        let mut labels = LabelSet::default();
        self.rules.matcher.labels_in(&self.scope, &values, &mut labels);
        !labels.is_empty()
    }
}
