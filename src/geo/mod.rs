//! MaxMind's databases as files: opened, mapped into memory, and opened anew when they have been replaced.
//!
//! Not what is in them: [`crate::ingest::geo`] asks them. Workers never wait here: the
//! service's control plane looks for new files, and a worker takes what is in force at the first record of a
//! batch.

mod databases;
mod file;
mod problem;
mod watch;

pub use databases::{Change, Databases};
pub use problem::Problem;
pub use watch::watch;
