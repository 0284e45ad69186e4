//! tokenwatch: streaming anomaly detection for JWT access auditing.
//!
//! The data's way through the folders: [`ingest`] turns the bytes of a record into an event, [`detect`] decides what
//! the event means under the rules. Everything else is an edge around these two.

pub mod cli;
pub mod config;
pub mod detect;
pub mod explain;
pub mod geo;
pub mod http;
pub mod ingest;
pub mod kafka;
pub mod pipeline;
pub mod route;
pub mod rule_test;
pub mod service;
pub mod telemetry;
pub mod traffic;
