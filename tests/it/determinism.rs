//! The same records in the same order per partition come to the same, byte for byte: in any batches, with any hash
//! seed, and whoever decides which partitions, in whichever turns.

mod memory;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use tokenwatch::detect::rule::RuleSet;
use tokenwatch::pipeline::Settings;

use crate::oracle::compare::holds;
use crate::oracle::engine::{self, Line};
use crate::oracle::strategies::Case;
use crate::session::{Session, Told, cases, compiled, settings, tight_limits};

const PARTITIONS: i32 = 8;

#[test]
fn neither_batching_nor_the_hash_seed_decides_anything() {
    let handled = (cases(), tight_limits(), vec(1..9_usize, 1..6), any::<[u64; 4]>());
    holds(&handled, |(case, limits, batches, hash_seed)| {
        let (rules, settings) = (compiled(&case), settings(&case, limits));
        let records = engine::records(&case.events);
        let mut at_once = Session::new(&rules, &settings);
        at_once.decide_all(&records);
        at_once.finish();
        let mut otherwise = Session::new(&rules, &settings);
        otherwise.partition = otherwise.pipeline.partition(hash_seed);
        let (mut told, mut rest, mut sizes) = (Told::default(), records.as_slice(), batches.iter().cycle());
        while let Some(size) = sizes.next().filter(|_| !rest.is_empty()) {
            let (batch, after) = rest.split_at(rest.len().min(*size));
            otherwise.decide_all(batch);
            told.extend(otherwise.tell());
            rest = after;
        }
        otherwise.finish();
        told.extend(otherwise.tell());
        prop_assert_eq!(told, at_once.tell());
        Ok(())
    });
}

/// The stream of each partition: that of the case without some of its events, each another.
fn partitions(case: &Case) -> Vec<Vec<Line>> {
    let stays = |partition: usize, place: usize| partition == 0 || !(place + partition).is_multiple_of(5);
    let stream = |partition| {
        let events = case.events.iter().enumerate().filter(|(place, _)| stays(partition, *place));
        engine::records(&events.map(|(_, event)| event.clone()).collect::<Vec<_>>())
    };
    (0..PARTITIONS.unsigned_abs() as usize).map(stream).collect()
}

/// Draws numbers that look like chance and are the same each time.
#[derive(Clone)]
struct Turns(u64);

impl Turns {
    fn next(&mut self, below: usize) -> usize {
        // The multiplier and increment are Knuth's, for MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

/// One thread's work: its partitions, taking turns.
fn decide(
    rules: &Arc<RuleSet>,
    settings: &Settings,
    streams: &[(i32, &[Line])],
    mut turns: Turns,
) -> BTreeMap<i32, Told> {
    let mut owned: Vec<_> = streams
        .iter()
        .map(|(number, stream)| (Session { number: *number, ..Session::new(rules, settings) }, stream.iter()))
        .collect();
    let mut told = BTreeMap::new();
    while !owned.is_empty() {
        let turn = turns.next(owned.len());
        let (session, stream) = &mut owned[turn];
        if let Some(line) = stream.next() {
            session.decide(line);
        } else {
            let (mut session, _) = owned.swap_remove(turn);
            session.finish();
            told.insert(session.number, session.tell());
        }
    }
    told
}

#[test]
fn threads_that_share_partitions_out_decide_as_one_does() {
    holds(&(cases(), tight_limits(), any::<u64>()), |(case, limits, seed)| {
        let (rules, settings) = (compiled(&case), settings(&case, limits));
        let streams = partitions(&case);
        let streams: Vec<_> = (0..).zip(streams.iter().map(Vec::as_slice)).collect();
        let by_one = decide(&rules, &settings, &streams, Turns(seed));
        for threads in [3, 8] {
            let shares: Vec<Vec<_>> =
                (0..threads).map(|thread| streams.iter().copied().skip(thread).step_by(threads).collect()).collect();
            let by_many = thread::scope(|scope| {
                let (rules, settings) = (&rules, &settings);
                let decide = |share: Vec<_>| scope.spawn(move || decide(rules, settings, &share, Turns(!seed)));
                let deciders: Vec<_> = shares.into_iter().map(decide).collect();
                deciders.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect::<BTreeMap<_, _>>()
            });
            prop_assert_eq!(&by_many, &by_one, "{} threads", threads);
        }
        Ok(())
    });
}
