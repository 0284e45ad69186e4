//! `tokenwatch run` against a real Apache Kafka: what goes in must come out, whatever stands in the way.

mod begin;
mod crashes;
pub mod deployment;
mod everything;
mod expected;
mod keys;
mod obstacles;
mod rebalance;
mod reload;
mod restore;
mod shadow;
mod state_topic;
mod storm;
mod torture;
