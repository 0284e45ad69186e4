//! Everything that speaks to Kafka: the only folder that imports rdkafka.
//!
//! Outside are settings (`config`) and the worker's view of the world ([`service::Transport`](crate::service)); no
//! type of the client passes this boundary, and no rule is known here.

mod begin;
mod clerk;
mod client;
mod context;
pub mod embedded;
mod error;
pub mod feed;
pub mod history;
mod lookback;
pub mod matches_topic;
pub mod preflight;
mod producer;
mod reading;
mod stable_end;
pub mod state_topic;
pub mod tail;
mod transport;

pub use embedded::EmbeddedBroker;
pub use feed::Feed;
pub use history::{History, Period, Progress};
pub use preflight::{Patience, Probe};
pub use tail::Tail;
pub use transport::KafkaTransport;

#[cfg(test)]
mod tests;
