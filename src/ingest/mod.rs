//! From the bytes of a record to an event: decode into slots, map, enrich, derive.
//!
//! Not detection: nothing here remembers the record before. The same bans as in `detect` hold: tables are arguments.

pub mod decode;
mod derive;
pub mod geo;
pub mod keying;
pub mod placing;
pub mod reader;
pub mod rejection;
pub mod source;
mod timestamp;

pub use reader::{Reader, Record};
pub use rejection::{Disposition, Rejection};
pub use source::Source;
