//! How long a million groups take to be taken out and put back: two partitions, a thread each, under the rules that
//! the repository ships.
//!
//! Run with `cargo bench --bench restore [-- GROUPS]`.
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(unreachable_pub, reason = "it shares a module with the tests")]

#[path = "../tests/it/support/shipped.rs"]
mod shipped;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokenwatch::detect::rule::RuleSet;
use tokenwatch::detect::{Origin, Timestamp};
use tokenwatch::ingest::Record;
use tokenwatch::pipeline::{BatchOutcome, Partition, Pipeline, Settings};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: i32 = 2;
const EVENTS_A_GROUP: i64 = 3;
const BASE_MS: i64 = 1_767_225_600_000;

/// A use of a token by one of many subjects, as the shipped rules read it.
fn event(subject: i64, round: i64) -> String {
    let millis = BASE_MS + round * 1_000;
    format!(
        r#"{{"@timestamp":{millis},"event":{{"id":"{:08x}-0000-4000-8000-{round:012x}","action":"token.validated",
"outcome":"success"}},"jwt":{{"sub":"user-{subject:07}","jti":"{subject:032x}"}},"service":{{"name":"svc-{}"}},
"source":{{"geo":{{"country_iso_code":"DE"}}}}}}"#,
        subject,
        (subject + round) % 9,
    )
}

/// A snapshot of a partition with so many groups.
fn filled(rules: &Arc<RuleSet>, number: i32, groups: usize) -> Vec<u8> {
    let mut pipeline = Pipeline::new(Arc::clone(rules), &Settings::default());
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(rules);
    let mut origin = Origin { topic: "audit".into(), partition: number, offset: 0 };
    for round in 0..EVENTS_A_GROUP {
        for subject in 0..i64::try_from(groups).expect("fewer") {
            let payload = event(subject, round);
            let timestamp = Some(Timestamp::from_millis(BASE_MS + 10_000));
            let record = Record { origin: &origin, timestamp, payload: Some(payload.as_bytes()) };
            pipeline.decide(&mut partition, 0, &record, &mut outcome);
            outcome.clear();
            origin.offset += 1;
        }
    }
    let begun = Instant::now();
    let snapshot = pipeline.snapshot(&partition);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "partition {number}: {} groups, {} bytes of state each, {} of snapshot, written in {seconds:.2} s",
        partition.groups(),
        partition.state_bytes() / partition.groups(),
        snapshot.len() / partition.groups(),
    );
    snapshot
}

/// Does something for each item in a thread of its own.
fn each_in_a_thread<I: Send, O: Send>(items: impl IntoIterator<Item = I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn main() {
    let groups: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let rules = shipped::shipped();
    let snapshots =
        each_in_a_thread(0..PARTITIONS, |number| filled(&rules, number, groups / PARTITIONS.unsigned_abs() as usize));
    for _ in 0..3 {
        let begun = Instant::now();
        let restored = each_in_a_thread(&snapshots, |snapshot| {
            let pipeline = Pipeline::new(Arc::clone(&rules), &Settings::default());
            pipeline.restore(snapshot, [5, 6, 7, 8]).expect("what was written can be read")
        });
        let seconds = begun.elapsed().as_secs_f64();
        let groups: usize = restored.iter().map(Partition::groups).sum();
        println!("{groups} groups restored in {seconds:.2} s, {:.0} ns a group", seconds * 1e9 / groups as f64);
    }
}
