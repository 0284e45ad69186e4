//! Alerts against what was planted: detected, missed, and alerts that no attack explains.

use std::collections::{BTreeMap, HashMap};

use crate::detect::rule::RuleSet;
use crate::traffic::{AttackKind, Label};

use super::watcher::SeenAlert;

/// The score of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) alerts: usize,
    /// Attacks that the rule is against.
    pub(super) injected: usize,
    pub(super) detected: usize,
    /// Alerts that no attack explains.
    pub(super) unexplained: usize,
}

impl Score {
    pub(super) const fn missed(&self) -> usize {
        self.injected - self.detected
    }
}

/// The score of every rule, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scoreboard {
    pub(super) rules: BTreeMap<String, Score>,
    /// Attacks that the end cut short before their rule could fire.
    pub(super) cut_short: usize,
}

impl Scoreboard {
    /// `end_ms` is the time of the last event.
    pub(super) fn new(rules: &RuleSet, labels: &[Label], alerts: &[SeenAlert], end_ms: i64) -> Self {
        let names = rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.clone());
        Self::of(names.collect(), labels, alerts, end_ms)
    }

    fn of(names: Vec<String>, labels: &[Label], alerts: &[SeenAlert], end_ms: i64) -> Self {
        let mut board = Self { rules: names.into_iter().map(|name| (name, Score::default())).collect(), cut_short: 0 };
        let attacks: HashMap<&str, usize> = (0..)
            .zip(labels)
            .flat_map(|(index, label)| label.event_ids.iter().map(move |id| (id.as_str(), index)))
            .collect();
        let mut detected = vec![false; labels.len()];
        for alert in alerts {
            let rule = alert.rule.name.as_str();
            let score = board.rules.entry(rule.to_owned()).or_default();
            score.alerts += 1;
            let mut is_explained = false;
            for &index in alert.evidence.iter().filter_map(|event| attacks.get(event.id.as_str())) {
                is_explained |= explains(&labels[index], rule);
                detected[index] |= labels[index].rule == rule;
            }
            score.unexplained += usize::from(!is_explained);
        }
        for (label, detected) in labels.iter().zip(detected) {
            let Some(score) = board.rules.get_mut(&label.rule) else { continue };
            let decided_ms = label.fires_at.as_ref().map(|firing| firing.time_ms + label.kind.decided_after_ms());
            if !detected && decided_ms.is_none_or(|decided_ms| decided_ms >= end_ms) {
                board.cut_short += 1;
                continue;
            }
            score.injected += 1;
            score.detected += usize::from(detected);
        }
        board
    }
}

/// True if an alert of a rule about events of this attack is right. Of rules that are not shipped nothing is known, and
/// an attack is as good a reason as any.
fn explains(label: &Label, rule: &str) -> bool {
    let is_shipped = || AttackKind::ALL.iter().any(|kind| kind.rule() == rule || kind.other_rules().contains(&rule));
    label.rule == rule || label.also.iter().any(|also| also == rule) || !is_shipped()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::watcher::{SeenEvidence, SeenRule};
    use crate::traffic::Firing;

    fn label(kind: AttackKind, fires_at_ms: Option<i64>) -> Label {
        Label {
            id: 1,
            kind,
            rule: kind.rule().to_owned(),
            group: BTreeMap::from([("jwt.sub".to_owned(), "ann".to_owned())]),
            start_ms: 10_000,
            end_ms: 15_000,
            event_ids: vec!["a".to_owned(), "b".to_owned()],
            fires_at: fires_at_ms.map(|time_ms| Firing { event_id: "b".to_owned(), time_ms }),
            also: kind.other_rules().iter().map(|&rule| rule.to_owned()).collect(),
        }
    }

    fn alert(rule: &str, evidence: &[&str]) -> SeenAlert {
        SeenAlert {
            time: "1970-01-01T00:00:14Z".to_owned(),
            rule: SeenRule { name: rule.to_owned(), level: "high".to_owned() },
            summary: String::new(),
            evidence: evidence.iter().map(|&id| SeenEvidence { id: id.to_owned() }).collect(),
        }
    }

    fn score(label: Label, alerts: &[SeenAlert], end_ms: i64) -> Scoreboard {
        let names = AttackKind::ALL.map(|kind| kind.rule().to_owned()).to_vec();
        Scoreboard::of(names, &[label], alerts, end_ms)
    }

    #[test]
    fn an_alert_counts_for_the_attack_of_its_rule_and_events() {
        let check = |alert: SeenAlert, expected: Score| {
            let rule = alert.rule.name.clone();
            let board = score(label(AttackKind::ServiceFanOut, Some(14_000)), &[alert], 60_000);
            assert_eq!(board.rules[&rule], expected, "{rule}");
            assert_eq!(board.rules["cross_service_fan_out"].injected, 1);
        };
        let right = Score { alerts: 1, injected: 1, detected: 1, unexplained: 0 };
        check(alert("cross_service_fan_out", &["x", "b"]), right);
        check(alert("cross_service_fan_out", &["x"]), Score { detected: 0, unexplained: 1, ..right });
        // Explained by the attack, but not what it was planted for.
        check(alert("token_fan_out", &["a"]), Score { injected: 0, detected: 0, ..right });
        check(alert("somebody_elses_rule", &["a"]), Score { injected: 0, detected: 0, ..right });
        check(alert("somebody_elses_rule", &["x"]), Score { alerts: 1, unexplained: 1, ..Score::default() });
        check(alert("geo_change", &["a"]), Score { alerts: 1, unexplained: 1, ..Score::default() });
    }

    #[test]
    fn an_attack_cut_short_is_neither_detected_nor_missed() {
        let check = |kind: AttackKind, fires_at_ms, end_ms, (injected, cut_short)| {
            let board = score(label(kind, fires_at_ms), &[], end_ms);
            assert_eq!((board.rules[kind.rule()].injected, board.cut_short), (injected, cut_short), "{kind:?}");
        };
        check(AttackKind::ServiceFanOut, None, 60_000, (0, 1));
        check(AttackKind::ServiceFanOut, Some(14_000), 60_000, (1, 0));
        // A rule that waits is done only when time has passed what it waits for.
        check(AttackKind::IssuedWithoutLogin, Some(14_000), 74_000, (0, 1));
        check(AttackKind::IssuedWithoutLogin, Some(14_000), 74_001, (1, 0));
    }
}
