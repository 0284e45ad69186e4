//! Says which rules need their matches routed, and why: partitions split their groups.

use std::collections::BTreeMap;

use tracing::{info, warn};

use crate::config::Config;
use crate::detect::rule::RuleSet;
use crate::detect::rule::route::Routes;
use crate::detect::rule::split::{Cause, Spread, group_by, split_rules};

/// Rules of one group-by that are split for one cause, by name.
type Splits = BTreeMap<(String, Cause), Vec<String>>;

/// A sentence for each group-by that partitions split; none for a configuration without topics.
pub(super) fn sentences(config: &Config, rules: &RuleSet) -> Vec<String> {
    if config.kafka.topics.is_empty() { Vec::new() } else { say(config, splits(config, rules)) }
}

/// True if matches must be routed, for one rule or for many: then all rules that remember something are counted behind the
/// route, so that one event arrives everywhere in one order.
pub(super) fn need_routing(config: &Config, rules: &RuleSet) -> bool {
    !splits(config, rules).is_empty()
}

/// Tells what is routed, and which rules no number of partitions makes faster.
pub(super) fn tell(config: &Config, rules: &RuleSet) {
    for sentence in sentences(config, rules) {
        info!("{sentence}");
    }
    let together = Routes::new(rules).together().map(|rule| rules.rules[rule].header.name.as_str()).collect::<Vec<_>>();
    if need_routing(config, rules) && !together.is_empty() {
        let names = together.join(", ");
        warn!("rules over rules whose groups have no field in common are counted in one partition: {names}");
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
    let topic = &config.kafka.matches_topic;
    let sentence = |((group_by, cause), names): ((String, Cause), Vec<String>)| {
        let (setting, why) = match cause {
            Cause::SeveralTopics => ("topics", "several topics are read".to_owned()),
            Cause::NotKeyed => ("keyed_by", "nothing says by what the records are keyed".to_owned()),
            Cause::KeyedOtherwise => ("keyed_by", format!("the records are keyed by {keyed_by}")),
            Cause::Inner(inner) => ("keyed_by", format!("they count firings of {inner}, whose groups are split")),
        };
        let names = names.join(", ");
        format!(
            "kafka.{setting}: matches of rules grouped by {group_by} go through the topic {topic:?}, because {why}: {names}"
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
        let routed = "go through the topic \"tokenwatch-matches\", because";
        let unknown = format!("{routed} nothing says by what the records are keyed");
        assert_eq!(
            said(&["audit"], None, &rules),
            [
                format!("kafka.keyed_by: matches of rules grouped by jwt.sub {unknown}: c0, c2"),
                format!("kafka.keyed_by: matches of rules grouped by source.ip {unknown}: c1"),
            ]
        );
        assert_eq!(
            said(&["audit"], Some("jwt.sub"), &rules),
            [format!(
                "kafka.keyed_by: matches of rules grouped by source.ip {routed} the records are keyed by jwt.sub: c1"
            )]
        );
        assert_eq!(
            said(&["audit", "logins"], Some("jwt.sub"), &rules[..1]),
            [format!("kafka.topics: matches of rules grouped by jwt.sub {routed} several topics are read: c0")]
        );
    }

    #[test]
    fn nothing_is_said_where_nothing_is_split_or_read() {
        assert!(said(&["audit"], Some("jwt.sub"), &["jwt.sub"]).is_empty());
        assert!(said(&[], None, &["jwt.sub"]).is_empty(), "a configuration for files");
    }
}
