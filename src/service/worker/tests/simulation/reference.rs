//! The rules, and what one undisturbed run makes of the records.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::detect::rule::{Options, RuleSet, Source, compile};
use crate::detect::{Origin, Span, Timestamp};
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Part, Pipeline, Settings};
use crate::service::output::{Destination, Output};
use crate::service::route::{Meeting, Post};
use crate::service::transport::Outgoing;

use super::chance::Chance;
use super::records::{Produced, events, matches};

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
---
title: Noted
logsource: {product: jwt, category: audit}
detection: {s: {event.action: token.revoked, source.ip: 10.0.0.1}, condition: s}
";

/// A rule that never fires: with it, the rules are others and the alerts are the same.
const UNFIRED: &str = "
---
title: Never
correlation: {type: event_count, rules: [seen], group-by: [jwt.sub], timespan: 1m, condition: {gte: 1000}}
";

/// A rule that matches nothing, so that matches are the same, too.
const UNMATCHED: &str = "
---
title: Nothing
logsource: {product: jwt, category: audit}
detection: {s: {event.action: no.such.thing}, condition: s}
";

/// What is known of an output apart from its bytes: an alert's id, the record that a dead letter shows, or where a match
/// goes and all that it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Alert(String),
    DeadLetter { partition: i32, offset: i64 },
    Match { partition: i32, key: Vec<u8>, payload: Vec<u8> },
}

impl Identity {
    /// None for a mark.
    pub(super) fn of(outgoing: &Outgoing<'_>) -> Option<Self> {
        let header = |name: &str| {
            let (_, value) = outgoing.headers.iter().find(|(known, _)| *known == name).expect("a header");
            std::str::from_utf8(value).expect("text").parse::<i64>().expect("a number")
        };
        Some(match outgoing.destination {
            // The id stands first.
            Destination::Alerts => {
                Self::Alert(String::from_utf8_lossy(&outgoing.payload.expect("an alert")[7..43]).into_owned())
            }
            Destination::Matches => Self::Match {
                partition: outgoing.partition.expect("a match has a partition"),
                key: outgoing.key?.to_vec(),
                payload: outgoing.payload.expect("a match").to_vec(),
            },
            _ => Self::DeadLetter {
                partition: i32::try_from(header("__connect.errors.partition")).expect("small"),
                offset: header("__connect.errors.offset"),
            },
        })
    }
}

/// The record that caused an output, and the output's bytes.
#[derive(Clone, Debug)]
pub(super) struct Caused {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) payload: Vec<u8>,
}

/// Sets of rules that lead to the same.
pub(super) struct Rules {
    pub(super) usual: Arc<RuleSet>,
    unfired: Arc<RuleSet>,
    unmatched: Arc<RuleSet>,
}

impl Rules {
    pub(super) fn new() -> Self {
        let compile = |more: &str| {
            let text = format!("{RULES}{more}");
            let compiled = compile(&[Source { path: "rules.yml", text: &text }], &Options::default());
            Arc::new(compiled.expect("the rules are valid").rules)
        };
        Self { usual: compile(""), unfired: compile(UNFIRED), unmatched: compile(UNMATCHED) }
    }

    /// Others than usual, under which those who go this part of the way write the same.
    pub(super) const fn others(&self, part: Part) -> &Arc<RuleSet> {
        match part {
            Part::Routing => &self.unmatched,
            Part::Whole | Part::Windows => &self.unfired,
        }
    }
}

pub(super) fn settings() -> Settings {
    Settings { lateness: Span::from_millis(30_000), ..Settings::default() }
}

/// Everything that is produced, by partition, and what it leads to.
pub(super) struct Stream {
    /// Who reads it, and where what they route meets.
    pub(super) post: Post,
    pub(super) records: Vec<Vec<Produced>>,
    pub(super) expected: BTreeMap<Identity, Caused>,
    /// What each partition holds in the end.
    pub(super) known: Vec<Vec<u8>>,
    /// By partition and then by record, the stream time after it.
    pub(super) times: Vec<Vec<(i64, Option<Timestamp>)>>,
}

impl Stream {
    pub(super) fn new(rules: &Rules, chance: &mut Chance) -> Self {
        let part = [Part::Whole, Part::Whole, Part::Routing, Part::Windows][chance.below(4)];
        let sources: Vec<_> = (0..=chance.below(3)).map(|_| events(10 + chance.below(30), chance)).collect();
        let count = |length: usize| i32::try_from(length).expect("few");
        let meeting = Meeting {
            partitions: count(1 + chance.below(3)),
            sources: Arc::new(BTreeMap::from([("audit".to_owned(), count(sources.len()))])),
        };
        let records = match part {
            Part::Whole | Part::Routing => sources,
            Part::Windows => matches(&rules.usual, &sources, &meeting, chance),
        };
        let (expected, known, times) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut stream = Self { post: Post { part, meeting }, records, expected, known, times };
        for number in 0..stream.partitions() {
            stream.decide(rules, number);
        }
        stream
    }

    /// The stream time of a partition before the record at `offset`.
    pub(super) fn time_before(&self, partition: usize, offset: i64) -> Option<Timestamp> {
        self.times[partition].iter().take_while(|(at, _)| *at < offset).last().and_then(|(_, time)| *time)
    }

    pub(super) fn partitions(&self) -> usize {
        self.records.len()
    }

    /// The offset after the last record.
    pub(super) fn end(&self, partition: usize) -> i64 {
        self.records[partition].last().map_or(0, |record| record.offset + 1)
    }

    fn decide(&mut self, rules: &Rules, number: usize) {
        let partition = i32::try_from(number).expect("few");
        let mut pipeline = Pipeline::of_part(self.post.part, Arc::clone(&rules.usual), &settings(), Arc::default());
        let mut state = pipeline.partition([1, 2, 3, 4]);
        let mut outcome = BatchOutcome::new(&rules.usual);
        let mut times = Vec::new();
        for Produced { offset, key, payload } in &self.records[number] {
            let origin = Origin { topic: "audit".into(), partition, offset: *offset };
            let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
            pipeline.decide_keyed(&mut state, 0, (&record, key.as_deref()), &mut outcome);
            times.push((*offset, state.stream_time()));
            let alerts = outcome.detected.alerts.drain(..).map(|alert| Output::alert(alert, None));
            let meeting = &self.post.meeting;
            let sent = outcome
                .sent
                .drain(..)
                .map(|sent| Output::routed(meeting.partition(&sent.message.key), sent.message, None));
            for output in alerts.chain(sent) {
                let outgoing = output.outgoing();
                let caused =
                    Caused { partition, offset: *offset, payload: outgoing.payload.unwrap_or_default().to_vec() };
                let alone = self.expected.insert(Identity::of(&outgoing).expect("no mark"), caused);
                assert!(alone.is_none(), "every output has an identity of its own");
            }
            if outcome.rejected.pop().is_some() {
                let caused = Caused { partition, offset: *offset, payload: payload.clone() };
                self.expected.insert(Identity::DeadLetter { partition, offset: *offset }, caused);
            }
            outcome.clear();
        }
        self.known.push(pipeline.snapshot(&state));
        self.times.push(times);
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.post)?;
        for (partition, records) in self.records.iter().enumerate() {
            for Produced { offset, payload, .. } in records {
                writeln!(f, "{partition}/{offset}: {}", String::from_utf8_lossy(payload))?;
            }
        }
        Ok(())
    }
}
