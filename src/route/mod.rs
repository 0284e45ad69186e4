//! Matches on their way from the partitions in which events lie to those in which their groups are counted.
//!
//! `wire` is what one looks like as a record, `sources` how the second half's stream time follows from those of all
//! sources. Not which matches go where (`detect::rule::route`), nor the deciding.

pub mod sources;
pub mod wire;

pub use sources::{Mark, SourceTimes};
