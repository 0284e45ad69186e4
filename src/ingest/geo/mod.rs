//! Where an address is, and whose network it is in: MaxMind's City and ASN databases, asked for every event.
//!
//! `database` (bytes → a table that can be trusted) → `places` (the tables in force) → `lookup` (into which slots of an
//! event). Not here: files, and when a file has changed; whoever opens one passes its bytes.

mod database;
mod lookup;
mod places;
mod record;

pub use database::{Database, Kind, Unusable};
pub use places::Places;

pub(super) use lookup::Lookups;
