//! Says which rules partitions may make wrong, before that happens: windows are kept per partition.

use std::collections::BTreeMap;

use tracing::warn;

use crate::config::Config;
use crate::detect::rule::RuleSet;
use crate::detect::rule::split::{Cause, Spread, group_by, split_rules};

/// Rules of one group-by that are split for one cause, by name.
type Splits = BTreeMap<(String, Cause), Vec<String>>;

/// A sentence for each group-by that partitions may split; none for a configuration without topics.
pub(super) fn sentences(config: &Config, rules: &RuleSet) -> Vec<String> {
    if config.kafka.topics.is_empty() { Vec::new() } else { say(config, splits(config, rules)) }
}

/// Warns of groups that partitions may split.
pub(super) fn warn_of(config: &Config, rules: &RuleSet) {
    for sentence in sentences(config, rules) {
        warn!("{sentence}");
    }
}

/// The same for groups that the rules before did not have.
pub(super) fn warn_of_new(config: &Config, rules: &RuleSet, before: &RuleSet) {
    let known = splits(config, before);
    let mut new = splits(config, rules);
    new.retain(|split, _| !known.contains_key(split));
    for sentence in say(config, new) {
        warn!("{sentence}");
    }
}

fn splits(config: &Config, rules: &RuleSet) -> Splits {
    let spread = Spread { topics: config.kafka.topics.len(), keyed_by: config.pipeline.keyed_by.as_deref() };
    let mut splits = Splits::new();
    for split in split_rules(rules, &spread) {
        let rule = &rules.rules[split.rule];
        splits.entry((group_by(rules, rule), split.cause)).or_default().push(rule.header.name.clone());
    }
    splits
}

fn say(config: &Config, splits: Splits) -> Vec<String> {
    let keyed_by = config.pipeline.keyed_by.as_deref().unwrap_or_default();
    let sentence = |((group_by, cause), names): ((String, Cause), Vec<String>)| {
        let (setting, why) = match cause {
            Cause::SeveralTopics => ("topics", "but several topics are read".to_owned()),
            Cause::NotKeyed => ("keyed_by", "and nothing says by what the records are keyed".to_owned()),
            Cause::KeyedOtherwise => ("keyed_by", format!("but the records are keyed by {keyed_by}")),
            Cause::Inner(inner) => ("keyed_by", format!("but they count firings of {inner}, whose groups are split")),
        };
        let names = names.join(", ");
        format!(
            "kafka.{setting}: rules grouped by {group_by} count right only where all records of a group are in one \
             partition, {why}: {names}"
        )
    };
    splits.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::detect::rule::{Options, Source, compile};

    use super::*;

    fn said(topics: &[&str], keyed_by: Option<&str>, group_bys: &[&str]) -> Vec<String> {
        let mut text = "title: T\nname: t\ndetection: {s: {a: b}, condition: s}\n".to_owned();
        for (serial, group_by) in group_bys.iter().enumerate() {
            write!(
                text,
                "---\ntitle: C{serial}\nname: c{serial}\ncorrelation: {{type: event_count, rules: [t], group-by: \
                 [{group_by}], timespan: 5m, condition: {{gte: 3}}}}\n"
            )
            .expect("a text");
        }
        let compiled = compile(&[Source { path: "rules.yml", text: &text }], &Options::default());
        let mut config = Config::default();
        config.kafka.topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        config.pipeline.keyed_by = keyed_by.map(str::to_owned);
        sentences(&config, &compiled.expect("valid rules").rules)
    }

    #[test]
    fn rules_of_one_group_by_are_named_together() {
        let rules = ["jwt.sub", "source.ip", "jwt.sub"];
        let right = "count right only where all records of a group are in one partition";
        let unknown = format!("{right}, and nothing says by what the records are keyed");
        assert_eq!(
            said(&["audit"], None, &rules),
            [
                format!("kafka.keyed_by: rules grouped by jwt.sub {unknown}: c0, c2"),
                format!("kafka.keyed_by: rules grouped by source.ip {unknown}: c1"),
            ]
        );
        assert_eq!(
            said(&["audit"], Some("jwt.sub"), &rules),
            [format!("kafka.keyed_by: rules grouped by source.ip {right}, but the records are keyed by jwt.sub: c1")]
        );
        assert_eq!(
            said(&["audit", "logins"], Some("jwt.sub"), &rules[..1]),
            [format!("kafka.topics: rules grouped by jwt.sub {right}, but several topics are read: c0")]
        );
    }

    #[test]
    fn nothing_is_said_where_nothing_is_split_or_read() {
        assert!(said(&["audit"], Some("jwt.sub"), &["jwt.sub"]).is_empty());
        assert!(said(&[], None, &["jwt.sub"]).is_empty(), "a configuration for files");
    }
}
