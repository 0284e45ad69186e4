//! Waiting for something observable, with a deadline: the only place in the tests that sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it gives a value, and panics at the deadline with `what` was awaited and why it was not there.
///
/// The error of a probe says what it saw instead; only the last one is shown.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, probe: impl FnMut() -> Result<T, String>) -> T {
    match try_until(patience, probe) {
        Ok(value) => value,
        Err(seen) => panic!("waited {patience:?} in vain for {what}; last seen: {seen}"),
    }
}

/// Like [`until`], for a caller that has more to tell than the last error. Probes at least once.
pub fn try_until<T>(patience: Duration, mut probe: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + patience;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => return Err(seen),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
