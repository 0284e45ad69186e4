//! The commands that need neither Kafka nor a network, as a user runs them.

mod check;
mod compare;
mod configuration;
mod explain;
pub mod fixture;
mod generate;
mod replay;
mod schema;
mod test;
mod usage;
