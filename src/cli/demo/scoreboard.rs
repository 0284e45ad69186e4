//! Alerts against what was planted: detected, missed, and alerts that match no attack.

use std::collections::BTreeMap;

use crate::detect::rule::RuleSet;
use crate::traffic::{AttackKind, Label};

use super::watcher::SeenAlert;

/// How far from an attack's events an alert may lie and still be about it: a late batch shifts nothing in event time,
/// so hardly at all.
const SLACK_MS: i64 = 1_000;

/// The score of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) injected: usize,
    pub(super) detected: usize,
    /// Alerts that match no attack.
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

/// The shipped rule against an attack.
const fn rule_against(kind: AttackKind) -> Option<&'static str> {
    match kind {
        AttackKind::GeoChange => Some("geo_change"),
        AttackKind::ServiceFanOut => Some("cross_service_fan_out"),
        AttackKind::ReissueLoop => Some("token_reissue_rate"),
        _ => None,
    }
}

impl Scoreboard {
    pub(super) fn new(rules: &RuleSet, labels: &[Label], alerts: &[SeenAlert]) -> Self {
        let names = rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.clone());
        Self::of(names.collect(), labels, alerts)
    }

    fn of(names: Vec<String>, labels: &[Label], alerts: &[SeenAlert]) -> Self {
        let mut board = Self { rules: names.into_iter().map(|name| (name, Score::default())).collect(), cut_short: 0 };
        for label in labels {
            let Some(score) = rule_against(label.kind).and_then(|rule| board.rules.get_mut(rule)) else { continue };
            if label.fires_at.is_none() {
                board.cut_short += 1;
                continue;
            }
            score.injected += 1;
            score.detected += usize::from(alerts.iter().any(|alert| is_about(alert, label)));
        }
        for alert in alerts.iter().filter(|alert| !labels.iter().any(|label| is_about(alert, label))) {
            board.rules.entry(alert.rule.name.clone()).or_default().unexplained += 1;
        }
        board
    }
}

fn is_about(alert: &SeenAlert, label: &Label) -> bool {
    let span = label.start_ms - SLACK_MS..=label.end_ms + SLACK_MS;
    rule_against(label.kind) == Some(&*alert.rule.name)
        && alert.group == label.group
        && alert.time_ms().is_some_and(|time| span.contains(&time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::watcher::SeenRule;
    use crate::traffic::Firing;

    fn label(subject: &str, fires: bool) -> Label {
        Label {
            id: 1,
            kind: AttackKind::ServiceFanOut,
            group: BTreeMap::from([("jwt.sub".to_owned(), subject.to_owned())]),
            start_ms: 10_000,
            end_ms: 15_000,
            event_ids: Vec::new(),
            fires_at: fires.then(|| Firing { event_id: "e".to_owned(), time_ms: 14_000 }),
            also: Vec::new(),
        }
    }

    fn alert(subject: &str, time: &str) -> SeenAlert {
        SeenAlert {
            time: time.to_owned(),
            rule: SeenRule { name: "cross_service_fan_out".to_owned(), level: "high".to_owned() },
            group: BTreeMap::from([("jwt.sub".to_owned(), subject.to_owned())]),
            summary: String::new(),
        }
    }

    fn check(labels: &[Label], alerts: &[SeenAlert], (injected, detected, unexplained): (usize, usize, usize)) {
        let board = Scoreboard::of(vec!["cross_service_fan_out".to_owned()], labels, alerts);
        assert_eq!(board.rules["cross_service_fan_out"], Score { injected, detected, unexplained });
    }

    #[test]
    fn an_alert_counts_for_the_attack_of_its_rule_group_and_time() {
        check(&[label("ann", true)], &[alert("ann", "1970-01-01T00:00:14Z")], (1, 1, 0));
        check(&[label("ann", true)], &[], (1, 0, 0));
        check(&[label("ann", true)], &[alert("bob", "1970-01-01T00:00:14Z")], (1, 0, 1));
        check(&[label("ann", true)], &[alert("ann", "1970-01-01T00:00:17Z")], (1, 0, 1));
    }

    #[test]
    fn an_attack_cut_short_is_neither_detected_nor_missed() {
        check(&[label("ann", false)], &[], (0, 0, 0));
    }
}
