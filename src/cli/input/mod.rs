//! Events from files and standard input, plain or compressed, line by line.
//!
//! Compression is told by the first bytes, not by the name, so that it works on standard input and under any name.

pub(in crate::cli) mod lines;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::cli::Failure;
use crate::detect::Origin;
use lines::Lines;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// As many bytes as the longest of the two.
const MAGIC_BYTES: u64 = 4;

/// The inputs in order, each known to exist.
#[derive(Debug)]
pub(in crate::cli) struct Inputs {
    sources: Vec<Source>,
    /// Bytes of all inputs as they lie on disk; none if one of them has no size.
    pub(in crate::cli) bytes_total: Option<u64>,
    read: Rc<Cell<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Standard,
    File(PathBuf),
}

/// An opened input.
pub(in crate::cli) struct Input {
    /// What its records' origins and all messages call it.
    pub(in crate::cli) name: Arc<str>,
    /// Its bytes, decompressed.
    pub(in crate::cli) reader: Box<dyn Read>,
}

impl Inputs {
    /// The inputs that were named, `-` and none at all being standard input. Looks at each, so that a slip in the last
    /// name does not come out after an hour.
    pub(in crate::cli) fn find(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut sources: Vec<_> = paths
            .iter()
            .map(|path| if path == Path::new("-") { Source::Standard } else { Source::File(path.clone()) })
            .collect();
        if sources.is_empty() {
            sources.push(Source::Standard);
        }
        if sources.iter().filter(|source| **source == Source::Standard).count() > 1 {
            return Err(Failure::wrong("standard input (-) can be read only once"));
        }
        let mut bytes_total = Some(0);
        for source in &sources {
            let size = source.size()?;
            bytes_total = bytes_total.zip(size).map(|(sum, size)| sum + size);
        }
        Ok(Self { sources, bytes_total, read: Rc::default() })
    }

    /// Bytes read so far, as they lie on disk.
    pub(in crate::cli) fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// How many there are.
    pub(in crate::cli) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Opens one by its position.
    pub(in crate::cli) fn open(&self, index: usize) -> Result<Input, Failure> {
        let source = &self.sources[index];
        let unreadable = |error| Failure::unavailable(format!("{} cannot be read: {error}", source.name()));
        let plain: Box<dyn Read> = match source {
            Source::Standard => Box::new(io::stdin().lock()),
            Source::File(path) => Box::new(File::open(path).map_err(unreadable)?),
        };
        let counted = Counted { inner: plain, read: Rc::clone(&self.read) };
        let reader = decompress(counted).map_err(unreadable)?;
        Ok(Input { name: source.name().into(), reader })
    }

    /// Hands every line that is not blank to `take`, with where it stands; of a line longer than `line_bytes_max`, one
    /// byte more than that.
    pub(in crate::cli) fn each_line(
        &self,
        line_bytes_max: usize,
        mut take: impl FnMut(&Origin, &[u8]),
    ) -> Result<(), Failure> {
        for index in 0..self.len() {
            let input = self.open(index)?;
            let mut origin = Origin { topic: input.name, partition: 0, offset: 0 };
            let mut lines = Lines::new(input.reader, line_bytes_max);
            loop {
                let more = lines.read_batch(|line| {
                    origin.offset = line.number.cast_signed();
                    if !line.is_blank() {
                        take(&origin, line.bytes);
                    }
                });
                match more {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        let message = format!("{} cannot be read to its end: {error}", origin.topic);
                        return Err(Failure::unavailable(message));
                    }
                }
            }
        }
        Ok(())
    }

    /// True if one of them can be read only once.
    pub(in crate::cli) fn has_standard(&self) -> bool {
        self.sources.contains(&Source::Standard)
    }
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Standard => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn size(&self) -> Result<Option<u64>, Failure> {
        let Self::File(path) = self else { return Ok(None) };
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => Err(Failure::unavailable(format!("{} is a folder, not a file", self.name()))),
            Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
            Err(error) => Err(Failure::unavailable(format!("{} cannot be read: {error}", self.name()))),
        }
    }
}

fn decompress(mut input: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut head = Vec::new();
    input.by_ref().take(MAGIC_BYTES).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(GZIP_MAGIC), head.starts_with(ZSTD_MAGIC));
    let whole = Cursor::new(head).chain(input);
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// Counts the bytes that are read, before they are decompressed.
struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("a vector takes all");
        encoder.finish().expect("a vector takes all")
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decompress(Cursor::new(bytes))?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn plain_and_compressed_inputs_read_the_same() {
        let (first, second) = TEXT.split_at(8);
        let zstd = |bytes| zstd::encode_all(bytes, 1).expect("compresses");
        assert_eq!(read(TEXT.to_vec()).expect("plain"), TEXT);
        assert_eq!(read(gzip(TEXT)).expect("gzip"), TEXT);
        assert_eq!(read([gzip(first), gzip(second)].concat()).expect("members"), TEXT);
        assert_eq!(read(zstd(TEXT)).expect("zstd"), TEXT);
        assert_eq!(read([zstd(first), zstd(second)].concat()).expect("frames"), TEXT);
        assert_eq!(read(Vec::new()).expect("empty"), b"");
        assert_eq!(read(b"{}".to_vec()).expect("shorter than a magic"), b"{}");
    }

    #[test]
    fn a_cut_off_archive_is_an_error_and_not_an_end() {
        let mut cut = gzip(TEXT);
        cut.truncate(cut.len() - 5);
        assert!(read(cut).is_err());
        let mut cut = zstd::encode_all(TEXT, 1).expect("compresses");
        cut.truncate(cut.len() - 5);
        assert!(read(cut).is_err());
    }
}
