//! Projection decode: one pass over a record's bytes fills the slots somebody reads and skips the rest.
//!
//! This is the one place where the project has a JSON scanner of its own. Two things ask for it: which records are
//! accepted must not depend on which fields the rules happen to read (a library that skips a value checks less of it
//! than one that reads it), and the text of records is the cost that bounds the whole program. Its accept-or-refuse
//! decision is held against `serde_json` by property tests and a fuzz target.
//!
//! Not a tree of values, and not a schema: types are judged by who reads the slot.

mod keywords;
mod marks;
mod names;
mod projection;
mod scan;
mod text;

pub use projection::Projection;
pub use scan::Fault;
