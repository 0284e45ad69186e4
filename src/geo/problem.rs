//! Why a database file cannot be used: which setting names it, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::ingest::geo::{Kind, Unusable};

/// The dotted key of the setting that names the file of a kind.
pub(super) const fn setting(kind: Kind) -> &'static str {
    match kind {
        Kind::City => "geo.city_db",
        Kind::Asn => "geo.asn_db",
    }
}

/// Why a database file cannot be used, by who has to change something.
#[derive(Debug)]
pub enum Problem {
    /// The file cannot be read: mend the file system.
    Unreadable {
        /// What the file should be about.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what the setting asks for: name another file, or fetch it again.
    Unusable {
        /// What the file should be about.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Unusable,
    },
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { kind, path, source } => {
                write!(f, "{}: {} cannot be read: {source}", setting(*kind), path.display())
            }
            Self::Unusable { kind, path, source } => {
                write!(f, "{}: {} {source}", setting(*kind), path.display())?;
                match source {
                    Unusable::OtherKind { named: Some(named), .. } => {
                        write!(f, "\n  hint: name it under {}", setting(*named))
                    }
                    Unusable::OtherKind { .. } => Ok(()),
                    _ => f.write_str("\n  hint: fetch it again, and replace files by renaming, never in place"),
                }
            }
        }
    }
}
