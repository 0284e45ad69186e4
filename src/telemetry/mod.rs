//! What an operator sees of a running service: metrics and logs.
//!
//! Metrics are derived from the outcome of a batch, once per batch, at the rim; nothing inside counts. No label ever
//! holds a subject, an address or a token id: labels are topics, rules and words of fixed sets.

pub mod log;
pub mod metrics;
pub mod names;
mod partitions;
mod recorder;

pub use metrics::{Failed, Metrics, ReadBack, Reload};
pub use partitions::PartitionState;
pub use recorder::{Dispositions, Recorder};
