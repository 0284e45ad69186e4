//! The worker against a simulated Kafka, with a fault between any two steps: whatever happens, readers of committed
//! records see what one undisturbed run gives, and offsets never run ahead.
//!
//! A seed is a whole world. Time is simulated, so thousands of seeds take seconds. Not a test of Kafka's client: what
//! the client makes of errors is proved on real brokers.

mod broker;
mod cast;
mod chance;
mod client;
mod group;
mod records;
mod reference;
mod verdict;
mod writer;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::http::Views;

use cast::Cast;
use chance::{Chance, Coverage};
use reference::{Rules, Stream};

/// How many seeds are tried unless [`SEEDS`] says otherwise: seconds of work. CI asks for more.
const SEEDS_DEFAULT: u64 = 2_000;
/// The variable with the number of seeds.
const SEEDS: &str = "TOKENWATCH_SIMULATION_SEEDS";
/// The variable with the one seed that is to be run, and told.
const SEED: &str = "TOKENWATCH_SIMULATION_SEED";

/// What one seed led to.
fn simulate(seed: u64, rules: &Rules, views: &Arc<Views>, told: bool) -> (Result<(), String>, Chance) {
    let mut chance = Chance::new(seed, told);
    let stream = Stream::new(rules, &mut chance);
    chance.tell(|| stream.to_string());
    let mut cast = Cast::new(&stream, rules, chance, views);
    let verdict = catch_unwind(AssertUnwindSafe(|| cast.play())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a word")))
    });
    (verdict, cast.into_chance())
}

/// The seeds from a counter, until it reaches `end`; the first that fails, and why.
fn work(next: &AtomicU64, end: u64, coverage: &Coverage) -> Option<(u64, String)> {
    let (rules, views) = (Rules::new(), Arc::new(Views::default()));
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return None;
        }
        let (verdict, chance) = simulate(seed, &rules, &views, false);
        coverage.add(&chance.counts);
        if let Err(why) = verdict {
            next.store(end, Ordering::Relaxed);
            return Some((seed, why));
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn whatever_happens_readers_see_what_an_undisturbed_run_gives() {
    if let Some(seed) = number(SEED) {
        let (verdict, chance) = simulate(seed, &Rules::new(), &Arc::default(), true);
        println!("{}", chance.story.unwrap_or_default().join("\n"));
        return verdict.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let seeds = number(SEEDS).unwrap_or(SEEDS_DEFAULT);
    let (next, coverage) = (AtomicU64::new(0), Coverage::default());
    let failed = thread::scope(|scope| {
        let threads: Vec<_> = (0..thread::available_parallelism().map_or(1, Into::into))
            .map(|_| scope.spawn(|| work(&next, seeds, &coverage)))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("panics are caught")).min()
    });
    if let Some((seed, why)) = failed {
        panic!("seed {seed}: {why}\nrun it alone and told with {SEED}={seed}");
    }
    let by_fault = coverage.by_fault();
    println!("{seeds} seeds: {by_fault:?}");
    let missing: Vec<_> = by_fault.iter().filter(|(_, count)| *count == 0).collect();
    assert!(seeds < 1_000 || missing.is_empty(), "these never happened, so nothing is proved of them: {missing:?}");
}
