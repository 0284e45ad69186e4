//! The integration tests, all in one binary: linking librdkafka is slow, and one Kafka broker serves them all.
//!
//! Each area is a module here; what starts and questions the outside world (a real broker, a real Prometheus, the built
//! `tokenwatch`) is in `support`. Unit tests are beside the code they test, not here.
#![expect(unreachable_pub, reason = "a test binary has no outside; `pub` marks what a module offers to its neighbours")]

mod boundaries;
mod cli;
mod demo;
mod deploy;
mod determinism;
mod docs;
mod explain;
mod geo;
mod harness;
mod invariants;
mod limits;
mod memory;
mod oracle;
mod pack;
mod route;
mod rule_problems;
mod service;
mod session;
mod sigma;
mod snapshot;
mod support;

#[global_allocator]
static ALLOCATOR: support::allocations::Counting = support::allocations::Counting;
