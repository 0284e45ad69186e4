//! Bytes that are not what was written are refused, and say why.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokenwatch::detect::state::SnapshotError;

use crate::oracle::compare::holds;
use crate::oracle::engine;
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};
use crate::oracle::{WHO, with_detections};
use crate::session::{Session, cases, compiled, settings, tight_limits};

/// What may happen to bytes under way.
#[derive(Clone, Debug)]
enum Mishap {
    Flipped(Index, u8),
    CutOff(Index),
    Inserted(Index, u8),
    Removed(Index),
    Swapped(Index, Index),
}

impl Mishap {
    fn befall(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            Self::Flipped(at, bits) => bytes[at.index(length)] ^= bits,
            Self::CutOff(at) => bytes.truncate(at.index(length)),
            Self::Inserted(at, byte) => bytes.insert(at.index(length + 1), *byte),
            Self::Removed(at) => drop(bytes.remove(at.index(length))),
            Self::Swapped(one, other) => bytes.swap(one.index(length), other.index(length)),
        }
    }
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1..=u8::MAX).prop_map(|(at, bits)| Mishap::Flipped(at, bits)),
        2 => at().prop_map(Mishap::CutOff),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Mishap::Inserted(at, byte)),
        1 => at().prop_map(Mishap::Removed),
        1 => (at(), at()).prop_map(|(one, other)| Mishap::Swapped(one, other)),
    ]
}

#[test]
fn no_damage_goes_unnoticed() {
    holds(&(cases(), tight_limits(), vec(mishap(), 48)), |(case, limits, mishaps)| {
        let mut session = Session::new(&compiled(&case), &settings(&case, limits));
        session.decide_all(&engine::records(&case.events));
        let snapshot = session.snapshot();
        for mishap in mishaps {
            let mut bytes = snapshot.clone();
            mishap.befall(&mut bytes);
            if bytes != snapshot {
                let restored = session.pipeline.restore(&bytes, [0; 4]);
                prop_assert!(restored.is_err(), "{:?} goes unnoticed", mishap);
            }
        }
        Ok(())
    });
}

/// A snapshot of one person's two events.
fn small() -> (Session, Vec<u8>) {
    let rule = Rule::new("r", Logic::EventCount(Condition::gte(3.0)), &["a"], 10 * SECOND).by(&[WHO]);
    let rules = engine::compiled(&with_detections(vec![rule])).expect("valid rules");
    let mut session = Session::new(&rules, &engine::settings(SECOND, SECOND));
    let events = [Event::new(0).mark("a").with(WHO, "ann"), Event::new(1).mark("a").with(WHO, "ann")];
    session.decide_all(&engine::records(&events));
    let snapshot = session.snapshot();
    (session, snapshot)
}

fn refusal(session: &Session, bytes: &[u8]) -> SnapshotError {
    session.pipeline.restore(bytes, [0; 4]).expect_err("these are not the bytes that were written")
}

#[test]
fn every_bit_counts() {
    let (session, snapshot) = small();
    for at in 0..snapshot.len() {
        for bit in 0..8 {
            let mut bytes = snapshot.clone();
            bytes[at] ^= 1 << bit;
            refusal(&session, &bytes);
        }
    }
}

#[test]
fn neither_more_nor_fewer_bytes_will_do() {
    let (session, snapshot) = small();
    for length in 0..snapshot.len() {
        let error = refusal(&session, &snapshot[..length]);
        assert!(matches!(error, SnapshotError::Damaged { length: told, .. } if told == length), "{error}");
    }
    refusal(&session, &[snapshot.as_slice(), &[0]].concat());
    refusal(&session, &[snapshot.as_slice(), &snapshot].concat());
}

#[test]
fn a_format_from_the_future_is_told_from_damage() {
    let (session, mut snapshot) = small();
    snapshot[0] += 1;
    let error = refusal(&session, &snapshot);
    assert_eq!(error, SnapshotError::UnknownFormat { found: 2, known_max: 1 });
    assert_eq!(
        error.to_string(),
        "the snapshot has format 2, and this version reads formats up to 1; use the version that wrote it, or a later \
         one"
    );
    snapshot[0] = 0;
    let error = refusal(&session, &snapshot).to_string();
    assert_eq!(error, format!("the snapshot is damaged at byte 1 of {}: it is no snapshot", snapshot.len()));
}

#[test]
fn damage_is_told_with_its_place() {
    let (session, mut snapshot) = small();
    snapshot[9] ^= 1;
    let error = refusal(&session, &snapshot).to_string();
    assert_eq!(error, format!("the snapshot is damaged at byte 1 of {}: the checksum does not match", snapshot.len()));
}
