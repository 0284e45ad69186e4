//! Folders for what brokers and tests write, under Cargo's target folder, gone when the test process ends.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fs, process};

use tempfile::TempDir;

use super::children;
use super::exit::at_exit;

const RUN_PREFIX: &str = "run-";

/// Where this build's tests may write; it lives as long as the target folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A new empty folder, removed when the handle is dropped and at the latest when the process ends.
pub fn dir(purpose: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("{purpose}-"))
        .tempdir_in(run_dir())
        .unwrap_or_else(|error| panic!("cannot make a folder in {}: {error}", run_dir().display()))
}

fn run_dir() -> &'static Path {
    static RUN_DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        sweep();
        let dir = root().join(format!("{RUN_PREFIX}{}", process::id()));
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("cannot make {}: {error}", dir.display()));
        let doomed = dir.clone();
        at_exit(move || drop(fs::remove_dir_all(doomed)));
        dir
    });
    &RUN_DIR
}

/// Removes what runs left behind that were killed before they could clean up.
fn sweep() {
    let Ok(entries) = fs::read_dir(root()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(RUN_PREFIX)).and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid| !children::is_running(pid)) {
            // Another process may be sweeping too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
