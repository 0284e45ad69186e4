//! Whether the service does its work, and what it waits for if not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What a service still waits for; ready when that is nothing.
#[derive(Debug)]
pub struct Readiness {
    missing: Mutex<BTreeMap<String, String>>,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True if nothing is missing.
    pub ready: bool,
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
}

impl Default for Readiness {
    /// Not ready: a service that says nothing has not started.
    fn default() -> Self {
        let starting = ("start".to_owned(), "the service is starting".to_owned());
        Self { missing: Mutex::new(BTreeMap::from([starting])) }
    }
}

impl Readiness {
    /// The start is over. What else is missing must have been said before.
    pub fn started(&self) {
        self.found("start");
    }

    /// The service waits for `what`, because of `why`: `("partition audit/3", "its state is being restored")`.
    pub fn missing(&self, what: &str, why: impl Into<String>) {
        self.lock().insert(what.to_owned(), why.into());
    }

    /// The service no longer waits for `what`.
    pub fn found(&self, what: &str) {
        self.lock().remove(what);
    }

    /// What is missing now.
    #[must_use]
    pub fn report(&self) -> Report {
        let missing = self.lock().clone();
        Report { ready: missing.is_empty(), missing }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
