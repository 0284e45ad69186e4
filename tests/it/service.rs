//! `tokenwatch run` against a real Apache Kafka: what goes in must come out, whatever stands in the way.

mod begin;
mod crashes;
pub mod deployment;
mod everything;
mod expected;
mod faults;
mod keys;
mod obstacles;
mod pressure;
mod rebalance;
mod reload;
mod restore;
mod routed;
mod shadow;
mod state_topic;
mod storm;
mod torture;
