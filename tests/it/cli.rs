//! The commands beside the service, as a user runs them: only `topic` needs a broker.

mod check;
mod compare;
mod configuration;
mod coverage;
mod explain;
mod failed_test;
pub mod fixture;
mod generate;
mod replay;
mod schema;
mod test;
mod test_file;
mod topic;
mod usage;
mod version;
