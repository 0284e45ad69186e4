//! Work for the moment at which the test process ends: Rust drops no statics, but the shared broker must not outlive
//! the tests.
//!
//! Runs on a normal end and on failed tests, not on a signal or an abort; there the kernel ends the children
//! (see `children`) and the next run sweeps the files (see `scratch`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

type Task = Box<dyn FnOnce() + Send>;

static TASKS: Mutex<Vec<Task>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// Runs `task` when the process ends; the last one registered is the first to run.
pub fn at_exit(task: impl FnOnce() + Send + 'static) {
    TASKS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(task));
    HOOK.call_once(|| {
        // SAFETY: `run_tasks` is a plain function that does not unwind.
        let refused = unsafe { libc::atexit(run_tasks) };
        assert_eq!(refused, 0, "the C library takes no more exit handlers");
    });
}

extern "C" fn run_tasks() {
    loop {
        // The lock is not held while a task runs, so a task may register another.
        let task = TASKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(task) = task else { break };
        // A panic must not cross into C, and must not keep the tasks after it from running; it has been printed.
        let _ = catch_unwind(AssertUnwindSafe(task));
    }
}
