//! A folder with rules and events, and a short way to run a command on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{self, Finished};
use crate::support::scratch;

/// Far longer than any of these commands takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three failed logins of one subject within five minutes alert, then an hour of quiet.
pub const RULES: &str = "\
title: Failed login
id: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01
name: failed_login
logsource: {product: jwt, category: audit}
detection:
  selection: {event.action: login, event.outcome: failure, jwt.sub|exists: true}
  condition: selection
---
title: Password guessing
id: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02
name: password_guessing
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [jwt.sub]
  timespan: 5m
  condition: {gte: 3}
level: high
tags: [attack.t1110.001]
tokenwatch: {suppress: 1h}
";

/// A folder of its own.
pub struct Folder(TempDir);

impl Folder {
    /// With `rules.yml` in it.
    pub fn new() -> Self {
        let folder = Self(scratch::dir("cli"));
        folder.write("rules.yml", RULES);
        folder
    }

    /// The path of a name in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a name in the folder")).expect("folders can be made");
        fs::write(&path, content).expect("the folder can be written");
        path
    }

    /// The command, to be run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = process::tokenwatch(arguments);
        command.current_dir(self.0.path());
        command
    }

    /// Runs the command in the folder.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        process::run(self.command(arguments), PATIENCE)
    }

    /// Runs the command in the folder with something on standard input.
    #[track_caller]
    pub fn run_with_input(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Finished {
        process::run_with_input(self.command(arguments), input, PATIENCE)
    }
}

/// A failed login of `subject` at a second of the day, with an id of its own.
pub fn failed_login(subject: &str, second: u32) -> String {
    let time = format!("2026-01-01T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60);
    let event = json!({
        "@timestamp": time,
        "event": {"id": format!("{subject}-{second}"), "action": "login", "outcome": "failure"},
        "jwt": {"sub": subject},
    });
    format!("{event}\n")
}

/// Each line as JSON.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
