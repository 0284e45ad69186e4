//! One file: its bytes in memory, and how to tell that another file has taken its name.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

/// Tells one content of a name from another without reading it. Symbolic links are followed, so that a link that is
/// turned to another folder, as orchestrators do, is another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same; also changes with the right to read, without which a file may have been refused.
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what stands under a name now; the error's kind if that cannot be told.
    pub(super) fn of(path: &Path) -> Result<Self, io::ErrorKind> {
        fs::metadata(path).map(|metadata| Self::new(&metadata)).map_err(|error| error.kind())
    }

    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Maps a file into memory, so that several processes share it and a start reads nothing twice.
pub(super) fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    // SAFETY: the mapping is only read. That nobody writes into the file or cuts it short while it is mapped cannot be
    // enforced; it is asked of operators where the setting is documented, and it is how such files are replaced anyway.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Bytes::from_owner(map))
}
