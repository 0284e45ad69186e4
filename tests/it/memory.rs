//! `tokenwatch_state_bytes` against the allocator's own figure: within a fifth of it, whatever the state is made of.
//!
//! What it weighs towards `limits.state_bytes` never is much less: else the limit would be none.

use std::sync::Arc;

use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::{Limits, Origin};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};
use tokenwatch::traffic::{Traffic, TrafficConfig};

use crate::support::allocations::held;
use crate::support::shipped::shipped;

fn rules(text: &str) -> Arc<RuleSet> {
    let used = "
---
title: Used
name: used
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: token.validated}, condition: selection}
";
    let text = format!("{text}{used}");
    Arc::new(compile(&[Source { path: "memory.yml", text: &text }], &Options::default()).expect("a valid rule").rules)
}

/// Decides events and compares what the state says of itself with what was allocated for it.
fn check(name: &str, rules: &Arc<RuleSet>, events: impl Iterator<Item = String>) {
    let mut pipeline = Pipeline::new(Arc::clone(rules), &Settings::default());
    let mut outcome = BatchOutcome::new(rules);
    let mut origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let mut own = 0;
    let mut around = |work: &mut dyn FnMut()| {
        let before = held();
        work();
        own += held() - before;
    };
    let mut partition = None;
    around(&mut || partition = Some(pipeline.partition([1, 2, 3, 4])));
    let mut partition = partition.expect("just made");
    for payload in events {
        origin.offset += 1;
        let record = Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) };
        around(&mut || {
            pipeline.decide(&mut partition, 0, &record, &mut outcome);
            // Alerts are the batch's, not the state's.
            outcome.clear();
        });
        assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    }
    let counted = i64::try_from(partition.state_bytes()).expect("below 2^63");
    let allocated = i64::try_from(own).expect("it fits");
    let groups = partition.groups();
    println!("{name}: {groups} groups, {counted} bytes counted, {allocated} allocated");
    assert!(allocated > 100_000, "{name}: so small a state proves nothing: {allocated} bytes");
    let off_percent = (counted - allocated) * 100 / allocated;
    assert!(
        off_percent.abs() < 20,
        "{name}: {counted} bytes counted in {groups} groups, {allocated} allocated: {off_percent} % off"
    );
    let weight = i64::try_from(partition.state_weight()).expect("below 2^63");
    println!("{name}: weighs {weight}");
    assert!(weight * 100 / allocated >= 85, "{name}: weighs {weight}, while {allocated} bytes are allocated");
}

fn used(count: usize, subjects: usize, value: impl Fn(usize) -> String) -> impl Iterator<Item = String> {
    (0..count).map(move |number| {
        let (subject, value) = (number % subjects, value(number));
        format!(
            r#"{{"@timestamp":{},"event":{{"action":"token.validated","outcome":"success"}},"jwt":{{"sub":"subject-{subject}"}},"service":{{"name":"orders"}},"source":{{"ip":"192.0.2.1","geo":{{"country_iso_code":"PT"}}}},"value":"{value}"}}"#,
            1_700_000_000 + number / 100,
        )
    })
}

#[test]
fn the_shipped_rules_over_generated_traffic() {
    let mut traffic = Traffic::new(TrafficConfig::default()).expect("the defaults are valid");
    let events = (0..30_000).map(|_| {
        let mut event = Vec::new();
        traffic.next_event(&mut event);
        String::from_utf8(event).expect("JSON is UTF-8")
    });
    check("traffic", &shipped(), events.collect::<Vec<_>>().into_iter());
}

#[test]
fn many_quiet_groups_under_the_shipped_rules() {
    check("just seen", &shipped(), used(20_000, 20_000, |_| String::new()));
    // Fifty minutes later they lie dormant, and some wake again.
    let later = used(1_000, 1_000, |_| String::new()).map(|event| event.replace(":1700000", ":1700003"));
    check("quiet", &shipped(), used(20_000, 20_000, |_| String::new()).chain(later));
}

/// A table doubles when it is nearly full, and is half empty then.
#[test]
fn quiet_groups_while_their_table_grows() {
    for groups in [14_000, 16_000] {
        let later = used(1, 1, |_| String::new()).map(|event| event.replace(":1700000", ":1700003"));
        let name = format!("{groups} quiet");
        check(&name, &shipped(), used(groups, groups, |_| String::new()).chain(later));
    }
}

/// Everything is new, and as large as it may be: subjects, values, ids.
#[test]
fn whatever_arrives_stays_within_the_limit() {
    const STATE_BYTES: usize = 2 << 20;
    let rules = rules(
        "
title: Values
name: values
correlation: {type: value_count, rules: [used], group-by: [jwt.sub], timespan: 30d, condition: {field: value, gte: 2}}
---
title: Alone
anomaly: {type: absence, rules: [used], without: [values], group-by: [jwt.sub], timespan: 30d}
---
title: Once
correlation: {type: event_count, rules: [used], group-by: [value], timespan: 30d, condition: {gte: 1}}
tokenwatch: {suppress: 30d}
",
    );
    let limits = Limits { state_bytes: STATE_BYTES, ..Limits::default() };
    let mut pipeline = Pipeline::new(Arc::clone(&rules), &Settings { limits, ..Settings::default() });
    let mut outcome = BatchOutcome::new(&rules);
    let mut origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let (mut own, mut most, mut hits) = (0, 0, 0);
    for number in 0..6_000 {
        let long = "long".repeat(if number % 100 == 0 { 50_000 } else { 100 });
        let payload = format!(
            r#"{{"@timestamp":{},"event":{{"id":"{number}-{long}","action":"token.validated"}},"jwt":{{"sub":"{long}-{}"}},"value":"{number}-{long}"}}"#,
            1_700_000_000 + number / 100,
            number / 3,
        );
        origin.offset += 1;
        let record = Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) };
        let before = held();
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
        hits +=
            outcome.detected.limit_hits().find(|(limit, _)| limit.name() == "state_bytes").map_or(0, |(_, hits)| hits);
        outcome.clear();
        own += held() - before;
        most = most.max(own);
        assert!(partition.state_weight() <= STATE_BYTES, "weighs {} after {number}", partition.state_weight());
    }
    let most = usize::try_from(most).expect("not below nothing");
    println!("{most} bytes allocated at most, {hits} groups evicted");
    assert!(most > STATE_BYTES / 2 && most < STATE_BYTES * 5 / 4, "{most} bytes for a limit of {STATE_BYTES}");
    assert!(hits > 3_000, "{hits}");
}

#[test]
fn few_groups_with_long_windows() {
    let rules = rules(
        "
title: Count
correlation: {type: event_count, rules: [used], group-by: [jwt.sub], timespan: 1h, condition: {gte: 1000000}}
",
    );
    check("long windows", &rules, used(60_000, 20, |_| String::new()));
}

#[test]
fn values_short_and_long() {
    let rules = rules(
        "
title: Count
correlation: {type: value_count, rules: [used], group-by: [jwt.sub], timespan: 1h, condition: {field: value, gte: 1000000}}
",
    );
    check("short values", &rules, used(30_000, 20, |number| format!("v{number}")));
    check("long values", &rules, used(30_000, 20, |number| format!("{number}-{}", "long".repeat(20))));
    check("few values", &rules, used(30_000, 10_000, |number| format!("v{}", number % 7)));
}
