//! Which groups are whole only if the records are keyed for them: windows are kept per partition.

use std::collections::BTreeSet;

use tracing::warn;

use crate::detect::rule::{Logic, Rule, RuleSet};

/// Says which groups partitions may split.
pub(super) fn warn_of(topics: &[String], rules: &RuleSet) {
    say(topics, &windowed_groups(rules));
}

/// The same for groups that the rules before did not have.
pub(super) fn warn_of_new(topics: &[String], rules: &RuleSet, before: &RuleSet) {
    say(topics, &windowed_groups(rules).difference(&windowed_groups(before)).cloned().collect());
}

fn say(topics: &[String], groups: &BTreeSet<String>) {
    if groups.is_empty() {
        return;
    }
    let where_from = if topics.len() > 1 { "in only one of these topics and " } else { "" };
    let groups: Vec<_> = groups.iter().map(String::as_str).collect();
    warn!(
        topics = topics.join(" "),
        "kafka.topics: windows are kept per partition, so rules grouped by {} count right only where all records of a \
         group are {where_from}in one partition: key the records by it",
        groups.join(", by ")
    );
}

/// The group-bys of the rules that remember anything.
pub(super) fn windowed_groups(rules: &RuleSet) -> BTreeSet<String> {
    let remembers = |rule: &&Rule| !matches!(rule.logic, Logic::Event) || rule.suppress.millis() > 0;
    let group = |rule: &Rule| match rules.keyspaces.get(rule.keyspace).map(Vec::as_slice) {
        None | Some([]) => "nothing".to_owned(),
        Some(fields) => fields.join(" + "),
    };
    rules.rules.iter().filter(remembers).map(group).collect()
}

#[cfg(test)]
mod tests {
    use crate::detect::rule::{Options, Source, compile};

    use super::*;

    #[test]
    fn groups_that_partitions_may_split_are_named_once() {
        let detection = "title: T\nname: t\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01\nlogsource: {product: jwt}\n\
                         detection: {selection: {event.action: login}, condition: selection}\n";
        let count = |serial: u8, group_by: &str| {
            format!(
                "---\ntitle: C{serial}\nname: c{serial}\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c1{serial}\n\
                 correlation: {{type: event_count, rules: [t], {group_by}timespan: 5m, condition: {{gte: 3}}}}\n"
            )
        };
        let groups = |text: &str| {
            let compiled = compile(&[Source { path: "rules.yml", text }], &Options::default());
            windowed_groups(&compiled.expect("valid rules").rules).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(groups(detection), Vec::<String>::new(), "a rule that remembers nothing is right anywhere");
        let by_subject = count(1, "group-by: [jwt.sub], ");
        let text = [detection, &by_subject, &count(2, "group-by: [jwt.sub], "), &count(3, "")].concat();
        assert_eq!(groups(&text), ["jwt.sub", "nothing"]);
    }
}
