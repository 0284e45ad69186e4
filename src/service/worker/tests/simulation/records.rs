//! What is read in the simulation: events, or the matches that routers make of them.

use std::sync::Arc;

use crate::detect::rule::RuleSet;
use crate::detect::{Origin, Timestamp};
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Part, Pipeline};
use crate::route::Mark;
use crate::route::wire::encode_mark;
use crate::service::route::Meeting;

use super::chance::Chance;
use super::reference::settings;

/// A record in its topic.
#[derive(Clone, Debug)]
pub(super) struct Produced {
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
}

/// A record's own time, which nothing here depends on.
pub(super) const UNTIMED: Option<Timestamp> = None;

/// Adds a record; offsets have gaps, as transactions of those who produce them leave.
fn append(records: &mut Vec<Produced>, key: Option<Vec<u8>>, payload: Vec<u8>, chance: &mut Chance) {
    let gap = if chance.one_in(10) { 3 } else { 1 };
    let offset = records.last().map_or(0, |last| last.offset + gap);
    records.push(Produced { offset, key, payload });
}

/// Events of a few subjects, some out of order, some late, some no events at all.
pub(super) fn events(count: usize, chance: &mut Chance) -> Vec<Produced> {
    let (mut second, mut records) = (100, Vec::with_capacity(count));
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
        append(&mut records, None, payload, chance);
    }
    records
}

/// What routers that read these sources in turns write, marks and all; and things that no router wrote.
pub(super) fn matches(
    rules: &Arc<RuleSet>,
    sources: &[Vec<Produced>],
    meeting: &Meeting,
    chance: &mut Chance,
) -> Vec<Vec<Produced>> {
    let mut pipeline = Pipeline::of_part(Part::Routing, Arc::clone(rules), &settings(), Arc::default());
    let mut states: Vec<_> = sources.iter().map(|_| pipeline.partition([1, 2, 3, 4])).collect();
    let mut outcome = BatchOutcome::new(rules);
    let mut written: Vec<Vec<Produced>> = (0..meeting.partitions).map(|_| Vec::new()).collect();
    let mut left: Vec<_> = sources.iter().map(|records| records.iter()).collect();
    let mut number = 0;
    while left.iter().any(|records| records.len() > 0) {
        if chance.one_in(3) {
            number = chance.below(sources.len());
        }
        let Some(Produced { offset, payload, .. }) = left[number].next() else {
            number = chance.below(sources.len());
            continue;
        };
        let partition = i32::try_from(number).expect("few");
        let origin = Origin { topic: "audit".into(), partition, offset: *offset };
        let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
        pipeline.decide(&mut states[number], 0, &record, &mut outcome);
        for sent in outcome.sent.drain(..) {
            let at = usize::try_from(meeting.partition(&sent.message.key)).expect("from 0");
            append(&mut written[at], Some(sent.message.key.to_vec()), sent.message.payload, chance);
        }
        outcome.clear();
        if chance.one_in(5) {
            let mark = Mark {
                topic: "audit".to_owned(),
                partition,
                stream_time: states[number].stream_time().map(Timestamp::millis),
                is_quiet: chance.one_in(8),
                sources: (*meeting.sources).clone(),
            };
            for partition in &mut written {
                append(partition, None, encode_mark(&mark), chance);
            }
        }
        if chance.one_in(20) {
            let at = chance.below(written.len());
            let key = chance.one_in(2).then(|| b"key".to_vec());
            append(&mut written[at], key, b"neither a match nor a mark".to_vec(), chance);
        }
    }
    written
}
