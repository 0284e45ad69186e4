//! Proves what the other tests stand on: a harness that cannot fail a test proves nothing.

mod kafka;
mod process;
mod prometheus;
