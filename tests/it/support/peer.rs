//! What a test does when the peer that it needs is not installed: say so where nobody can overlook it, or fail.
//!
//! Lines go straight to standard error, because the test runner swallows what a passing test prints.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};
use std::{env, io, thread};

use super::exit::at_exit;

static SKIPPED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static SUMMARY: Once = Once::new();

/// Something that the tests run against and that a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Apache Kafka, which takes Java and, the first time, Maven.
    Kafka,
    /// The Prometheus server.
    Prometheus,
    /// A checkout of the public collection of Sigma rules.
    SigmaRules,
}

impl Peer {
    /// The environment variable that, set to `1`, turns a skipped test into a failed one.
    pub fn require_variable(self) -> &'static str {
        match self {
            Self::Kafka => "TOKENWATCH_REQUIRE_KAFKA",
            Self::Prometheus => "TOKENWATCH_REQUIRE_PROMETHEUS",
            Self::SigmaRules => "TOKENWATCH_REQUIRE_SIGMA_RULES",
        }
    }

    /// Notes that the calling test cannot run without this peer, or fails it where the peer is required.
    #[track_caller]
    pub fn skip(self, reason: &str) {
        let variable = self.require_variable();
        let required = env::var_os(variable).is_some_and(|value| value == "1");
        assert!(!required, "{variable}=1 asks for {self:?}, but {reason}");
        let test = thread::current().name().unwrap_or("a test").to_owned();
        say(&format!("SKIPPED {test}: no {self:?}: {reason} ({variable}=1 makes this a failure)"));
        SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).insert(test);
        SUMMARY.call_once(|| at_exit(summarise));
    }
}

/// The program of this name, where a shell would find it.
pub fn program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Writes a line to standard error past the test runner, which shows only what failing tests print.
pub fn say(line: &str) {
    // Nothing useful can be done where standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

fn summarise() {
    let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    say(&format!("\nWARNING: {} test(s) that count as passed above were SKIPPED, see the lines before", skipped.len()));
}
