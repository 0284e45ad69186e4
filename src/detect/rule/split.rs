//! Which rules partitions make wrong, because they split the rules' groups.
//!
//! Windows are kept per partition, so a rule is only right where all events of a group meet in one. Not a judgement of
//! the data: what is said here follows from the rules and from what the producers are said to do.

use crate::detect::fields::Slot;

use super::compiled::{Input, LabelledInput, Rule, RuleSet};
use super::logic::Logic;

/// How records are spread over partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<'a> {
    /// How many topics are read.
    pub topics: usize,
    /// The field whose text is the records' key; none if nobody says so.
    pub keyed_by: Option<&'a str>,
}

/// Why a rule's groups are not each in one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Each topic has partitions of its own.
    SeveralTopics,
    /// Nothing is known of the records' keys.
    NotKeyed,
    /// The records' key is no part of the group.
    KeyedOtherwise,
    /// This rule, whose firings it counts, is split.
    Inner(String),
}

/// A rule that counts right only within a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Index in [`RuleSet::rules`].
    pub rule: usize,
    /// Why.
    pub cause: Cause,
}

/// The rules that are wrong under this spread, in the order of the set. A rule that remembers nothing is right anywhere;
/// one whose group-by contains the key is right too, since its groups are parts of those of the key.
#[must_use]
pub fn split_rules(rules: &RuleSet, spread: &Spread<'_>) -> Vec<Split> {
    // A field that no rule reads is in no group.
    let key = spread.keyed_by.and_then(|path| rules.fields.find(path));
    let mut split: Vec<Split> = Vec::new();
    for (index, rule) in rules.rules.iter().enumerate().filter(|(_, rule)| remembers(rule)) {
        let inner = rule.inputs.iter().find_map(|input| match input.input {
            // Rules are in order of depth, so the inner one is judged already.
            Input::Firing(inner) => split.iter().find(|split| split.rule == inner),
            Input::Detection(_) => None,
        });
        let cause = if spread.topics > 1 {
            Some(Cause::SeveralTopics)
        } else if spread.keyed_by.is_none() {
            Some(Cause::NotKeyed)
        } else if !key.is_some_and(|key| keeps_together(rules, &rule.inputs, key)) {
            Some(Cause::KeyedOtherwise)
        } else {
            inner.map(|inner| Cause::Inner(rules.rules[inner.rule].header.name.clone()))
        };
        split.extend(cause.map(|cause| Split { rule: index, cause }));
    }
    split
}

/// The group-by of a rule as people read it: `jwt.sub + source.ip`, or `nothing`.
#[must_use]
pub fn group_by(rules: &RuleSet, rule: &Rule) -> String {
    match rules.keyspaces.get(rule.keyspace).map(Vec::as_slice) {
        None | Some([]) => "nothing".to_owned(),
        Some(fields) => fields.join(" + "),
    }
}

/// True for a rule that holds anything about its groups.
pub(super) fn remembers(rule: &Rule) -> bool {
    rule.logic != Logic::Event || rule.suppress.millis() > 0
}

/// True if events of one group have the same value in the key's field. With `aliases`, labels may take a name from
/// different fields: the key must then stand in the same place for all of them.
fn keeps_together(rules: &RuleSet, inputs: &[LabelledInput], key: Slot) -> bool {
    let slots = |input: &LabelledInput| rules.groupings[input.grouping].slots.as_slice();
    let Some(first) = inputs.first() else { return false };
    let is_key = |place: usize| inputs.iter().all(|input| slots(input).get(place) == Some(&key));
    (0..slots(first).len()).any(is_key)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::detect::rule::{Options, Source, compile};

    use super::*;

    const DETECTIONS: &str = "title: T\nname: t\nlogsource: {product: jwt}\ndetection: {s: {event.action: login}, condition: s}\n\
                              ---\ntitle: U\nname: u\nlogsource: {product: jwt}\n\
                              detection: {s: {event.action: logout}, condition: s}\n";

    /// A correlation `name` of these rules, with more keys.
    fn count(name: &str, of: &str, more: &str) -> String {
        format!(
            "---\ntitle: {name}\nname: {name}\ncorrelation: {{type: event_count, rules: [{of}], {more}timespan: 5m, \
             condition: {{gte: 3}}}}\n"
        )
    }

    /// The rules that are split, each with its group-by and the cause.
    fn found(text: &str, topics: usize, keyed_by: Option<&str>) -> String {
        let text = [DETECTIONS, text].concat();
        let compiled = compile(&[Source { path: "rules.yml", text: &text }], &Options::default()).expect("valid rules");
        let rules = compiled.rules;
        let mut found = String::new();
        for Split { rule, cause } in split_rules(&rules, &Spread { topics, keyed_by }) {
            let rule = &rules.rules[rule];
            writeln!(found, "{} by {}: {cause:?}", rule.header.name, group_by(&rules, rule)).expect("a text");
        }
        found
    }

    #[test]
    fn a_group_by_with_the_key_in_it_is_whole() {
        let by_subject = count("a", "t", "group-by: [jwt.sub], ");
        let by_both = count("b", "t", "group-by: [source.ip, jwt.sub], ");
        assert_eq!(found(&[by_subject, by_both].concat(), 1, Some("jwt.sub")), "");
    }

    #[test]
    fn any_other_group_by_is_split() {
        let rules = [count("a", "t", "group-by: [jwt.sub], "), count("b", "t", "group-by: [source.ip], ")].concat();
        assert_eq!(found(&rules, 1, Some("jwt.sub")), "b by source.ip: KeyedOtherwise\n");
        assert_eq!(found(&count("a", "t", ""), 1, Some("jwt.sub")), "a by nothing: KeyedOtherwise\n");
        assert_eq!(found(&rules, 1, None), "a by jwt.sub: NotKeyed\nb by source.ip: NotKeyed\n");
        assert_eq!(found(&rules, 1, Some("jwt.sid")), "a by jwt.sub: KeyedOtherwise\nb by source.ip: KeyedOtherwise\n");
        assert_eq!(found(&rules, 2, Some("jwt.sub")), "a by jwt.sub: SeveralTopics\nb by source.ip: SeveralTopics\n");
    }

    #[test]
    fn a_rule_that_remembers_nothing_is_right_anywhere() {
        assert_eq!(found("", 2, None), "");
        let quieted = "---\ntitle: Q\nname: q\nlogsource: {product: jwt}\ndetection: {s: {event.action: a}, condition: s}\n\
                       tokenwatch: {group-by: [source.ip], suppress: 1h}\n";
        assert_eq!(found(quieted, 1, Some("jwt.sub")), "q by source.ip: KeyedOtherwise\n");
        assert_eq!(found(quieted, 1, Some("source.ip")), "");
    }

    #[test]
    fn a_chain_is_as_right_as_what_is_under_it() {
        let inner = count("inner", "t", "group-by: [source.ip], ");
        let outer = count("outer", "inner", "group-by: [jwt.sub], ");
        let split = found(&[inner.clone(), outer.clone()].concat(), 1, Some("jwt.sub"));
        assert_eq!(split, "inner by source.ip: KeyedOtherwise\nouter by jwt.sub: Inner(\"inner\")\n");
        let split = found(&[inner, outer].concat(), 1, Some("source.ip"));
        assert_eq!(split, "outer by jwt.sub: KeyedOtherwise\n");
    }

    #[test]
    fn aliases_must_agree_on_where_the_key_stands() {
        let aliases = |u: &str| format!("group-by: [who], aliases: {{who: {{t: jwt.sub, u: {u}}}}}, ");
        assert_eq!(found(&count("a", "t, u", &aliases("jwt.sub")), 1, Some("jwt.sub")), "");
        assert_eq!(found(&count("a", "t, u", &aliases("user.id")), 1, Some("jwt.sub")), "a by who: KeyedOtherwise\n");
    }
}
