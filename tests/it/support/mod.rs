//! What the integration tests stand on: real processes around the program, and patient ways to look at them.
//!
//! Everything here waits for something observable with a deadline and panics with what it last saw; nothing sleeps for a
//! fixed time and hopes. A peer that is not installed skips the test loudly (`peer`); a peer that is there but fails is
//! a failed test. Nothing here knows what tokenwatch should answer.

pub mod allocations;
pub mod children;
pub mod exit;
pub mod exposition;
pub mod kafka;
pub mod mmdb;
pub mod net;
pub mod peer;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod scratch;
pub mod shipped;
pub mod wait;
