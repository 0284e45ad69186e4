//! Rules on trial: their alerts are marked and kept apart, until they are trusted.

use std::fs;

use serde_json::Value;

use super::deployment::{Deployment, Instance, PATIENCE, ten_reissues};
use crate::support::kafka::{self, Isolation, Received};
use crate::support::net;

/// A rule on trial that fires at two refreshes and at each one more, and two that are trusted: one beside it, and one
/// over its firings, which lets it alert all the same.
fn rules(status: &str) -> String {
    format!(
        "title: Refreshed
name: refreshed
logsource: {{product: jwt, category: audit}}
detection: {{selection: {{event.action: token.refreshed}}, condition: selection}}
---
title: Trial
name: trial
status: {status}
correlation: {{type: event_count, rules: [refreshed], group-by: [jwt.sub], timespan: 10m, condition: {{gte: 2}}}}
tokenwatch: {{suppress: 0s}}
---
title: Trusted
name: trusted
status: stable
correlation: {{type: event_count, rules: [refreshed], group-by: [jwt.sub], timespan: 10m, condition: {{gte: 3}}}}
---
title: Over it
name: over_it
generate: true
correlation: {{type: event_count, rules: [trial], group-by: [jwt.sub], timespan: 10m, condition: {{gte: 2}}}}
"
    )
}

/// The rule of each alert, what it observed, and whether it is marked.
fn told(alerts: &[Received]) -> Vec<(String, String, bool)> {
    let one = |alert: &Received| {
        let alert = alert.json();
        let mark = alert.get("shadow").cloned();
        assert!(mark.is_none() || mark == Some(Value::Bool(true)), "the mark is there or not: {mark:?}");
        let name = alert["rule"]["name"].as_str().expect("a name").to_owned();
        (name, alert["observed"].to_string(), mark.is_some())
    };
    let mut told: Vec<_> = alerts.iter().map(one).collect();
    told.sort();
    told
}

fn expected(alerts: &[(&str, u32, bool)]) -> Vec<(String, String, bool)> {
    alerts.iter().map(|(name, observed, shadow)| ((*name).to_owned(), observed.to_string(), *shadow)).collect()
}

#[track_caller]
fn answer(instance: &Instance, path: &str) -> Value {
    serde_json::from_str(&net::get(&instance.url(path)).expect("an answer").body).expect("JSON")
}

#[track_caller]
fn recent(instance: &Instance, path: &str) -> Vec<Value> {
    answer(instance, path)["alerts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|alert| alert["rule"]["name"].clone())
        .collect()
}

#[test]
fn a_rule_on_trial_alerts_apart_and_goes_on_where_it_was_once_it_is_trusted() {
    let Some(broker) = kafka::shared() else { return };
    let shadow = kafka::unique("shadow");
    broker.create_topic(&shadow, 1, &[]);
    let deployment = Deployment::new(broker, 1, 1).rules("rules.yml").shadow(&shadow);
    fs::write(deployment.at("rules.yml"), rules("experimental")).expect("a file");
    let mut instance = deployment.start_ready();
    let refreshes = ten_reissues("ann", 0);
    deployment.produce(refreshes[..3].to_vec());
    let alerts = deployment.wait_for_alerts(2);
    assert_eq!(told(&alerts), expected(&[("over_it", 2, false), ("trusted", 3, false)]));
    deployment.wait_until_all_is_committed();
    let shadowed = broker.read(&shadow, Isolation::Committed);
    assert_eq!(told(&shadowed), expected(&[("trial", 2, true), ("trial", 3, true)]));
    assert_eq!(shadowed[0].key_text(), r#"{"jwt.sub":"ann"}"#);

    let metrics = instance.metrics();
    let on_trial = metrics.sum("tokenwatch_shadow_alerts_total", &[("rule", "trial")]);
    assert_eq!(
        (on_trial.to_string(), metrics.sum("tokenwatch_alerts_total", &[]).to_string()),
        ("2".into(), "2".into())
    );
    assert_eq!(metrics.sum("tokenwatch_rule_firings_total", &[("rule", "trial")]).to_string(), "2");
    let view = answer(&instance, "/api/v1/rules");
    let marks: Vec<_> =
        view["rules"].as_array().expect("rules").iter().map(|rule| (&rule["name"], &rule["shadow"])).collect();
    assert_eq!(marks[0], (&"trial".into(), &Value::Bool(true)), "{view}");
    assert!(marks[1..].iter().all(|(_, mark)| mark.is_null()), "{view}");
    assert_eq!(recent(&instance, "/api/v1/alerts?shadow=true"), ["trial", "trial"]);
    assert_eq!(recent(&instance, "/api/v1/alerts").len(), 2, "the others");

    fs::write(deployment.at("rules.new"), rules("stable")).expect("a file");
    fs::rename(deployment.at("rules.new"), deployment.at("rules.yml")).expect("renamed");
    instance.running.wait_for_stderr("the reload", PATIENCE, |text| text.contains("3 rules in force;").then_some(()));
    deployment.produce(refreshes[3..4].to_vec());
    let alerts = deployment.wait_for_alerts(3);
    assert!(
        told(&alerts).contains(&("trial".into(), "4".into(), false)),
        "three before and one after: {:?}",
        told(&alerts)
    );
    assert_eq!(broker.read(&shadow, Isolation::Committed).len(), 2);
    let log = instance.stop();
    assert!(log.stderr().contains("3 rules, 1 of them in shadow"), "{}", log.stderr());
}

#[test]
fn a_missing_shadow_topic_is_named_at_the_start() {
    let Some(broker) = kafka::shared() else { return };
    let topic = kafka::unique("shadow");
    let running = Deployment::new(broker, 1, 1).shadow(&topic).start().running;
    let log = running.wait(PATIENCE).expect_code(3);
    let named = format!("kafka.shadow_topic: there is no topic {topic:?}");
    assert!(log.stderr().contains(&named), "{}", log.stderr());
}
