//! One Kafka process: its folder, its formatted storage, its log and its end.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::install::Installation;
use crate::support::{children, scratch};

const PROPERTIES: &str = "server.properties";
const LOG: &str = "kafka.log";
const LOG_TAIL_LINES: usize = 40;

/// A process that is ended, and its folder removed, when this is dropped.
pub(super) struct Node {
    installation: Installation,
    child: Mutex<Child>,
    folder: TempDir,
}

impl Node {
    /// Formats the storage for `cluster_id` and starts the process; it need not be ready, nor stay, when this returns.
    ///
    /// `properties` is given the folder for the records. The SCRAM users become part of the storage.
    pub(super) fn start(
        installation: &Installation,
        cluster_id: &str,
        scram_users: impl Iterator<Item = String>,
        properties: impl FnOnce(&Path) -> String,
    ) -> Result<Self, String> {
        let folder = scratch::dir("kafka");
        let text = properties(&folder.path().join("data"));
        fs::write(folder.path().join(PROPERTIES), text).expect("a new folder can be written to");
        format_storage(installation, folder.path(), cluster_id, scram_users)?;
        let child = Mutex::new(spawn(installation, folder.path())?);
        Ok(Self { installation: installation.clone(), child, folder })
    }

    /// How the process ended, if it has.
    pub(super) fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a started child can be waited for")
    }

    /// Ends the process as a crash does; its data stays.
    pub(super) fn kill(&self) {
        let mut child = self.child();
        // Both fail only where it has already ended.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts the process again, on the same data and ports.
    pub(super) fn restart(&self) -> Result<(), String> {
        self.kill();
        *self.child() = spawn(&self.installation, self.folder.path())?;
        Ok(())
    }

    /// The newest lines that the process has logged.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.folder.path().join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(installation: &Installation, folder: &Path) -> Result<Child, String> {
    let log = File::options().create(true).append(true).open(folder.join(LOG)).expect("a new folder can be written to");
    let mut command = installation.java("kafka.Kafka");
    command
        .current_dir(folder)
        .arg(PROPERTIES)
        .stdout(log.try_clone().expect("an open file can be shared"))
        .stderr(log);
    children::spawn(command).map_err(|error| format!("cannot start Java: {error}"))
}

fn format_storage(
    installation: &Installation,
    folder: &Path,
    cluster_id: &str,
    scram_users: impl Iterator<Item = String>,
) -> Result<(), String> {
    let mut command = installation.java("kafka.tools.StorageTool");
    command.current_dir(folder).args(["format", "--config", PROPERTIES, &format!("--cluster-id={cluster_id}")]);
    for user in scram_users {
        command.arg("--add-scram").arg(user);
    }
    let output = command.output().map_err(|error| format!("cannot start Java: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("Kafka could not format its storage:\n{out}{err}")) }
}
