//! Detection across partitions: events are taken apart into matches, which are put together where their groups are.

mod equivalence;
pub mod relay;
