//! The lines of an input, in large pieces, without copying or allocating any.
//!
//! A line is the bytes up to a line feed, or up to the end of the input. Not what the lines say.

use std::io::{self, Read};

use memchr::memchr;

/// Read at once; far above a line's usual size, so that few lines lie across two reads.
const READ_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Line<'a> {
    /// Counted from 0, empty lines included.
    pub(in crate::cli) number: u64,
    /// Its bytes without the line feed; of a line longer than `line_bytes_max`, one byte more than that.
    pub(in crate::cli) bytes: &'a [u8],
    /// How long it really is.
    pub(in crate::cli) length: usize,
}

impl Line<'_> {
    /// True if there is nothing on it.
    pub(in crate::cli) fn is_blank(&self) -> bool {
        self.bytes.len() == self.length && self.bytes.trim_ascii().is_empty()
    }
}

/// Splits an input into lines and holds at most a read and one line of it in memory.
#[derive(Debug)]
pub(in crate::cli) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What of the buffer is read, but not yet handed out.
    start: usize,
    end: usize,
    number: u64,
    line_bytes_max: usize,
    /// Bytes of the current line that were too many to keep.
    dropped: usize,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`; of a longer one than `line_bytes_max`, only its beginning and its length.
    pub(in crate::cli) fn new(input: R, line_bytes_max: usize) -> Self {
        let buffer = vec![0; 2 * READ_BYTES];
        Self { input, buffer, start: 0, end: 0, number: 0, line_bytes_max, dropped: 0, ended: false }
    }

    /// Reads once and hands every line that is complete now to `take`; false at the end of the input.
    pub(in crate::cli) fn read_batch(&mut self, mut take: impl FnMut(Line<'_>)) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.make_room();
        let searched = self.end;
        self.end += self.read_once()?;
        if self.end == searched {
            self.ended = true;
            if self.start < self.end || self.dropped > 0 {
                let end = self.end;
                self.hand_out(end, &mut take);
            }
            return Ok(true);
        }
        let mut from = searched;
        while let Some(length) = memchr(b'\n', &self.buffer[from..self.end]) {
            let line_end = from + length;
            self.hand_out(line_end, &mut take);
            from = line_end + 1;
            self.start = from;
        }
        Ok(true)
    }

    fn hand_out(&mut self, line_end: usize, take: &mut impl FnMut(Line<'_>)) {
        if self.number == 0 && self.buffer[self.start..line_end].starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        let length = line_end - self.start + self.dropped;
        let kept = (line_end - self.start).min(self.line_bytes_max.saturating_add(1));
        take(Line { number: self.number, bytes: &self.buffer[self.start..self.start + kept], length });
        self.number += 1;
        self.dropped = 0;
    }

    /// Moves the begun line to the front, cuts it where it is longer than anybody wants, and has room for a read.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let kept_max = self.line_bytes_max.saturating_add(1);
        if self.end > kept_max {
            self.dropped += self.end - kept_max;
            self.end = kept_max;
        }
        if self.buffer.len() - self.end < READ_BYTES {
            self.buffer.resize(self.end + READ_BYTES, 0);
        }
    }

    fn read_once(&mut self) -> io::Result<usize> {
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out an input in pieces of a given size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn lines(input: &[u8], piece: usize, line_bytes_max: usize) -> Vec<(u64, Vec<u8>, usize)> {
        let mut lines = Lines::new(Pieces(input, piece), line_bytes_max);
        let mut found = Vec::new();
        while lines.read_batch(|line| found.push((line.number, line.bytes.to_vec(), line.length))).expect("no error") {}
        found
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_a_longer_one_is_cut() {
        for piece in [1, 3, 100] {
            assert_eq!(
                lines(b"four\nfive5\nseven77\n", piece, 4),
                [(0, b"four".to_vec(), 4), (1, b"five5".to_vec(), 5), (2, b"seven".to_vec(), 7),]
            );
        }
    }

    #[test]
    fn a_huge_line_is_never_held() {
        let mut input = Lines::new(io::repeat(b'x').take(64 << 20), 1_000);
        let mut found = Vec::new();
        while input.read_batch(|line| found.push((line.bytes.len(), line.length))).expect("no error") {}
        assert_eq!(found, [(1_001, 64 << 20)]);
        assert!(input.buffer.len() <= 2 * READ_BYTES, "{}", input.buffer.len());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        for piece in [1, 100] {
            let found = lines(b"\xef\xbb\xbfa\n\xef\xbb\xbfb", piece, 9);
            assert_eq!(found, [(0, b"a".to_vec(), 1), (1, b"\xef\xbb\xbfb".to_vec(), 4)]);
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_whole_text(input in "[ab\n]{0,40}", piece in 1_usize..8) {
            let mut expected: Vec<_> = input.split('\n').map(str::as_bytes).collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let found = lines(input.as_bytes(), piece, 1_000);
            prop_assert_eq!(found.len(), expected.len());
            for (index, (number, bytes, length)) in found.iter().enumerate() {
                prop_assert_eq!(*number, index as u64);
                prop_assert_eq!(bytes.as_slice(), expected[index]);
                prop_assert_eq!(*length, expected[index].len());
            }
        }
    }
}
