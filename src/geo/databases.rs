//! The databases that the configuration names: opened at the start, and looked after from then on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::GeoSettings;
use crate::ingest::geo::{Database, Kind, Places};

use super::file::{self, Stamp};
use super::problem::{Problem, setting};

/// What a look at the files found.
#[derive(Debug)]
pub enum Change {
    /// A new file is in force; says which.
    Replaced(String),
    /// A new file cannot be used; what was there before stays in force.
    Kept(Problem),
}

/// What stands under a name: a content, or why there is none.
type Seen = Result<Stamp, io::ErrorKind>;

/// A file that a setting names.
#[derive(Debug)]
struct Watched {
    kind: Kind,
    path: PathBuf,
    /// What was opened or refused last.
    settled: Seen,
    /// What was seen last.
    seen: Seen,
}

/// The databases in force, and the files that they came from.
#[derive(Debug, Default)]
pub struct Databases {
    files: Vec<Watched>,
    places: Arc<Places>,
}

impl Databases {
    /// Opens what the configuration names; the error is every problem.
    pub fn open(settings: &GeoSettings) -> Result<Self, Vec<Problem>> {
        let mut files = Vec::new();
        let mut places = Places::default();
        let mut problems = Vec::new();
        for (kind, path) in [(Kind::City, &settings.city_db), (Kind::Asn, &settings.asn_db)] {
            let Some(path) = path else { continue };
            // Before the file is opened: what happens to it in between is then a change.
            let seen = Stamp::of(path);
            match open(kind, path) {
                Ok(database) => places = places.with(database),
                Err(problem) => problems.push(problem),
            }
            files.push(Watched { kind, path: path.clone(), settled: seen, seen });
        }
        if problems.is_empty() { Ok(Self { files, places: Arc::new(places) }) } else { Err(problems) }
    }

    /// The databases in force.
    #[must_use]
    pub const fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Each setting with what is in force for it, for the log.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let described = |watched: &Watched| self.places.database(watched.kind).map(describe);
        self.files.iter().filter_map(described).collect()
    }

    /// True if there is nothing to look after.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Looks whether files have changed, and puts new ones in force. A content is opened once, when two looks in a row
    /// have seen it, so that one still being copied is left alone. Reads whole files: not for a thread that must not
    /// wait.
    pub fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for watched in &mut self.files {
            let seen = Stamp::of(&watched.path);
            let is_settled = seen == watched.settled;
            let is_moving = seen != std::mem::replace(&mut watched.seen, seen);
            if is_settled || is_moving {
                continue;
            }
            watched.settled = seen;
            changes.push(match open(watched.kind, &watched.path) {
                Ok(database) => {
                    let described = describe(&database);
                    self.places = Arc::new(Places::clone(&self.places).with(database));
                    Change::Replaced(described)
                }
                Err(problem) => Change::Kept(problem),
            });
        }
        changes
    }
}

fn open(kind: Kind, path: &Path) -> Result<Database, Problem> {
    let bytes = file::map(path).map_err(|source| Problem::Unreadable { kind, path: path.to_owned(), source })?;
    Database::new(kind, bytes).map_err(|source| Problem::Unusable { kind, path: path.to_owned(), source })
}

fn describe(database: &Database) -> String {
    let built = jiff::Timestamp::from_millisecond(database.built().millis()).unwrap_or_default();
    format!("{}: {} of {}", setting(database.kind()), database.database_type(), built.strftime("%F"))
}
