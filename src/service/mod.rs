//! The service: partitions are read, decided and accounted for, and nothing is forgotten on the way.
//!
//! A worker is a thread with a [`Transport`] of its own. It commits an offset only together with everything that the
//! records before it caused, and now and then with what is known of the partition (`saved`), from which the next owner
//! goes on. No rules and no Kafka client here: `pipeline` decides, `kafka` transports.

pub mod batch;
pub mod failure;
pub mod ledger;
mod miskeyed;
pub mod output;
mod owned;
mod placed;
pub mod route;
pub mod saved;
pub mod threads;
pub mod transport;
pub mod worker;

pub use failure::{Failure, Remedy};
pub use threads::{Service, Stop, Team, Workplace};
pub use transport::{Event, Incoming, PartitionId, Position, Transport};
