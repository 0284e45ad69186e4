//! The records, the rules, and what one undisturbed run makes of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::detect::rule::{Options, RuleSet, Source, compile};
use crate::detect::{Origin, Span, Timestamp};
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Pipeline, Settings};
use crate::service::output::{Destination, Output};
use crate::service::transport::Outgoing;

use super::chance::Chance;

/// Count, distinct, sequence, absence and a lone detection: every way in which the past matters.
const RULES: &str = "
title: Seen
name: seen
logsource: {product: jwt, category: audit}
detection: {s: {event.action: login}, condition: s}
---
title: Gone
name: gone
logsource: {product: jwt, category: audit}
detection: {s: {event.action: logout}, condition: s}
level: low
tags: [attack.t1550.001]
---
title: Three
correlation: {type: event_count, rules: [seen], group-by: [jwt.sub], timespan: 1m, condition: {gte: 3}}
tokenwatch: {suppress: 10s}
---
title: Places
correlation: {type: value_count, rules: [seen], group-by: [jwt.sub], timespan: 5m, condition: {field: source.ip, gte: 3}}
---
title: Alone
anomaly: {type: absence, rules: [seen], without: [gone], group-by: [jwt.sub], timespan: 20s, wait: 15s}
---
title: Quieted
logsource: {product: jwt, category: audit}
detection: {s: {event.action: token.revoked}, condition: s}
tokenwatch: {group-by: [jwt.sub], suppress: 1m}
";

/// A rule that matches nothing: with it, the rules are others and the alerts are the same.
const UNMATCHED: &str = "
---
title: Never
correlation: {type: event_count, rules: [seen], group-by: [jwt.sub], timespan: 1m, condition: {gte: 1000}}
";

/// What is known of an output apart from its bytes: an alert's id, or the record that a dead letter shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Alert(String),
    DeadLetter { partition: i32, offset: i64 },
}

impl Identity {
    pub(super) fn of(outgoing: &Outgoing<'_>) -> Self {
        let header = |name: &str| {
            let (_, value) = outgoing.headers.iter().find(|(known, _)| *known == name).expect("a header");
            std::str::from_utf8(value).expect("text").parse::<i64>().expect("a number")
        };
        match outgoing.destination {
            // The id stands first.
            Destination::Alerts => {
                Self::Alert(String::from_utf8_lossy(&outgoing.payload.expect("an alert")[7..43]).into_owned())
            }
            _ => Self::DeadLetter {
                partition: i32::try_from(header("__connect.errors.partition")).expect("small"),
                offset: header("__connect.errors.offset"),
            },
        }
    }
}

/// The record that caused an output, and the output's bytes.
#[derive(Clone, Debug)]
pub(super) struct Caused {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) payload: Vec<u8>,
}

/// Both sets of rules.
pub(super) struct Rules(pub(super) [Arc<RuleSet>; 2]);

impl Rules {
    pub(super) fn new() -> Self {
        let texts = [RULES.to_owned(), format!("{RULES}{UNMATCHED}")];
        Self(texts.map(|text| {
            let compiled = compile(&[Source { path: "rules.yml", text: &text }], &Options::default());
            Arc::new(compiled.expect("the rules are valid").rules)
        }))
    }
}

pub(super) fn settings() -> Settings {
    Settings { lateness: Span::from_millis(30_000), ..Settings::default() }
}

/// Everything that is produced, by partition: offset and value.
pub(super) struct Stream {
    pub(super) records: Vec<Vec<(i64, Vec<u8>)>>,
    pub(super) expected: BTreeMap<Identity, Caused>,
    /// What each partition holds in the end.
    pub(super) known: Vec<Vec<u8>>,
}

impl Stream {
    pub(super) fn new(rules: &Rules, chance: &mut Chance) -> Self {
        let partitions = 1 + chance.below(3);
        let mut stream = Self { records: Vec::new(), expected: BTreeMap::new(), known: Vec::new() };
        for number in (0..).take(partitions) {
            let count = 10 + chance.below(30);
            let records = records(count, chance);
            stream.decide(rules, number, &records);
            stream.records.push(records);
        }
        stream
    }

    pub(super) fn partitions(&self) -> usize {
        self.records.len()
    }

    /// The offset after the last record.
    pub(super) fn end(&self, partition: usize) -> i64 {
        self.records[partition].last().map_or(0, |(offset, _)| offset + 1)
    }

    fn decide(&mut self, rules: &Rules, partition: i32, records: &[(i64, Vec<u8>)]) {
        let [rules, _] = &rules.0;
        let mut pipeline = Pipeline::new(Arc::clone(rules), &settings());
        let mut state = pipeline.partition([1, 2, 3, 4]);
        let mut outcome = BatchOutcome::new(rules);
        for (offset, payload) in records {
            let origin = Origin { topic: "audit".into(), partition, offset: *offset };
            let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
            pipeline.decide(&mut state, 0, &record, &mut outcome);
            let caused = |payload: &[u8]| Caused { partition, offset: *offset, payload: payload.to_vec() };
            for alert in outcome.detected.alerts.drain(..) {
                let output = Output::alert(alert, None);
                let outgoing = output.outgoing();
                let alone = self.expected.insert(Identity::of(&outgoing), caused(outgoing.payload.expect("an alert")));
                assert!(alone.is_none(), "every alert has an id of its own");
            }
            if outcome.rejected.pop().is_some() {
                self.expected.insert(Identity::DeadLetter { partition, offset: *offset }, caused(payload));
            }
            outcome.clear();
        }
        self.known.push(pipeline.snapshot(&state));
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (partition, records) in self.records.iter().enumerate() {
            for (offset, payload) in records {
                writeln!(f, "{partition}/{offset}: {}", String::from_utf8_lossy(payload))?;
            }
        }
        Ok(())
    }
}

/// Events of a few subjects, some out of order, some late, some no events at all; offsets have gaps, as transactions
/// of those who produce them leave.
fn records(count: usize, chance: &mut Chance) -> Vec<(i64, Vec<u8>)> {
    let (mut offset, mut second) = (0, 100);
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        second += chance.below(12);
        let late = if chance.one_in(5) { chance.below(60) } else { 0 };
        let at = second - late;
        let (hours, minutes, seconds) = (at / 3600, at / 60 % 60, at % 60);
        let subject = ["ann", "bob", "eve"][chance.below(3)];
        let action = ["login", "login", "login", "logout", "token.revoked"][chance.below(5)];
        let address = 1 + chance.below(4);
        let payload = match chance.below(12) {
            0 => b"no event".to_vec(),
            1 => vec![b'x'; 300],
            _ => format!(
                r#"{{"@timestamp":"2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z","event":{{"action":"{action}"}},"jwt":{{"sub":"{subject}"}},"source":{{"ip":"10.0.0.{address}"}}}}"#
            )
            .into_bytes(),
        };
        records.push((offset, payload));
        offset += if chance.one_in(10) { 3 } else { 1 };
    }
    records
}

/// A record's own time, which nothing here depends on.
pub(super) const UNTIMED: Option<Timestamp> = None;
