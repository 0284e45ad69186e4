//! Why bytes are not taken as a snapshot.

/// What the caller can do next differs: other software for one, another snapshot or none for the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It may be all right, only not for us: leave it as it is.
    #[error(
        "the snapshot has format {found}, and this version reads formats up to {known_max}; \
         use the version that wrote it, or a later one"
    )]
    UnknownFormat {
        /// The format that it claims to have.
        found: u8,
        /// The latest one that can be read here.
        known_max: u8,
    },
    /// Nothing in it can be relied on: do without it, or take an older one.
    #[error("the snapshot is damaged at byte {at} of {length}: {problem}")]
    Damaged {
        /// Where it shows, from 0.
        at: usize,
        /// How many bytes there are.
        length: usize,
        /// What is wrong there.
        problem: &'static str,
    },
}
