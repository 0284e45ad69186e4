//! How a snapshot is spelled in bytes: whole numbers in as few as they need, everything else with its length before it,
//! and a seal around it all.
//!
//! Not what the bytes mean. Reading believes nothing: no length makes it reserve more than the bytes at hand can fill.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::detect::time::{Span, Timestamp};

use super::error::SnapshotError;
use super::format::Format;

/// Room for most of what is written, so that it need not be moved while it grows.
const USUAL_BYTES: usize = 256;
const CHECKSUM_BYTES: usize = size_of::<u64>();

/// What a sealed unit is. With the key that it belongs to, it goes into the checksum, so that no unit is ever read in
/// another's place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A whole partition.
    Whole = 1,
    /// What is not of any group.
    Head = 2,
    /// One group's entry.
    Group = 3,
}

impl Kind {
    fn checksum(self, key: &[u8], bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
        xxh3_64_with_seed(bytes, xxh3_64_with_seed(key, self as u64)).to_le_bytes()
    }

    /// Writes a unit: the format, the content, and a checksum over both.
    pub(super) fn seal(self, format: Format, key: &[u8], content: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer { bytes: Vec::with_capacity(USUAL_BYTES) };
        writer.byte(format.number());
        content(&mut writer);
        let checksum = self.checksum(key, &writer.bytes);
        writer.fixed(checksum);
        writer.bytes
    }

    /// Opens what [`Self::seal`] wrote and reads all of it.
    pub(super) fn open<'a, T>(
        self,
        key: &[u8],
        bytes: &'a [u8],
        content: impl FnOnce(&mut Reader<'a>) -> Result<T, SnapshotError>,
    ) -> Result<T, SnapshotError> {
        let mut reader = Reader::new(bytes);
        let found = reader.byte()?;
        if found > Format::NEWEST.number() {
            return Err(SnapshotError::UnknownFormat { found, known_max: Format::NEWEST.number() });
        }
        let Some((covered, checksum)) = bytes.split_last_chunk().filter(|_| found >= Format::OLDEST.number()) else {
            return Err(reader.damage("it is no snapshot"));
        };
        if self.checksum(key, covered) != *checksum {
            return Err(reader.damage("the checksum does not match"));
        }
        reader.end = covered.len();
        let read = content(&mut reader)?;
        reader.finish()?;
        Ok(read)
    }
}

/// Appends to bytes.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Seven bits a byte, lowest first; all but the last byte have the eighth bit set (LEB128).
    #[expect(clippy::cast_possible_truncation, reason = "the lowest seven bits are meant")]
    pub(super) fn uint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Small magnitudes of either sign are short: 0, -1, 1, -2, 2, …
    #[expect(clippy::cast_sign_loss, reason = "the sign moves to the lowest bit")]
    pub(super) fn int(&mut self, number: i64) {
        self.uint((number << 1 ^ number >> 63) as u64);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.uint(count as u64);
    }

    pub(super) fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes.extend_from_slice(&bytes);
    }

    pub(super) fn double(&mut self, number: f64) {
        self.fixed(number.to_bits().to_le_bytes());
    }

    /// An event's time, or none ([`Timestamp::BEFORE_ALL`]).
    pub(super) fn time(&mut self, time: Timestamp) {
        self.option((time != Timestamp::BEFORE_ALL).then(|| time.since(Timestamp::EVENT_MIN).millis()));
    }

    /// A length of time.
    pub(super) fn span(&mut self, span: Span) {
        self.uint(span.millis().unsigned_abs());
    }

    /// A number that is not negative, or none.
    #[expect(clippy::cast_sign_loss, reason = "the caller vouches for the sign")]
    pub(super) fn option(&mut self, number: Option<i64>) {
        self.uint(number.map_or(0, |number| number as u64 + 1));
    }

    pub(super) fn block(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.block(text.as_bytes());
    }

    /// A part that a reader can skip.
    pub(super) fn part(&mut self, content: impl FnOnce(&mut Self)) {
        self.block(&Self::bytes(content));
    }

    /// The bytes of a content that needs no seal.
    pub(super) fn bytes(content: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self { bytes: Vec::with_capacity(USUAL_BYTES) };
        content(&mut writer);
        writer.bytes
    }
}

/// Takes from bytes; positions in its errors count from the first byte of the unit.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Over bytes that something else vouches for.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// The error of what was read last.
    pub(super) const fn damage(&self, problem: &'static str) -> SnapshotError {
        SnapshotError::Damaged { at: self.at, length: self.bytes.len(), problem }
    }

    const fn left(&self) -> usize {
        self.end - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SnapshotError> {
        if count > self.left() {
            return Err(self.damage("it ends too early"));
        }
        self.at += count;
        Ok(&self.bytes[self.at - count..self.at])
    }

    pub(super) fn byte(&mut self) -> Result<u8, SnapshotError> {
        if self.at == self.end {
            return Err(self.damage("it ends too early"));
        }
        self.at += 1;
        Ok(self.bytes[self.at - 1])
    }

    pub(super) fn uint(&mut self) -> Result<u64, SnapshotError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damage("a number has more than 64 bits"))
    }

    #[expect(clippy::cast_possible_wrap, reason = "the lowest bit is the sign, the others fit")]
    pub(super) fn int(&mut self) -> Result<i64, SnapshotError> {
        let number = self.uint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of things of which each takes at least `bytes_min` bytes (at least one) of what is left.
    pub(super) fn count(&mut self, bytes_min: usize) -> Result<usize, SnapshotError> {
        let count = self.uint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / bytes_min => Ok(count),
            _ => Err(self.damage("it counts more than it holds")),
        }
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        Ok(*self.take(N)?.first_chunk().expect("as many were taken"))
    }

    /// A number, never infinite and never none.
    pub(super) fn double(&mut self) -> Result<f64, SnapshotError> {
        let number = f64::from_bits(u64::from_le_bytes(self.fixed()?));
        if number.is_finite() { Ok(number) } else { Err(self.damage("a number is not finite")) }
    }

    /// An event's time, or none ([`Timestamp::BEFORE_ALL`]).
    pub(super) fn time(&mut self) -> Result<Timestamp, SnapshotError> {
        let Some(millis) = self.option()? else { return Ok(Timestamp::BEFORE_ALL) };
        let time = Timestamp::from_millis(millis);
        if time.is_event_time() { Ok(time) } else { Err(self.damage("a time is after all events")) }
    }

    /// The time a length of time after `start`, if events can have it.
    pub(super) fn time_after(&mut self, start: Timestamp) -> Result<Timestamp, SnapshotError> {
        let span = self.uint()?;
        let time = start.millis().checked_add_unsigned(span).map(Timestamp::from_millis);
        time.filter(|time| time.is_event_time()).ok_or_else(|| self.damage("a time is after all events"))
    }

    /// The time a length of time before `end`, if events can have it.
    pub(super) fn time_before(&mut self, end: Timestamp) -> Result<Timestamp, SnapshotError> {
        let span = self.uint()?;
        let time = end.millis().checked_sub_unsigned(span).map(Timestamp::from_millis);
        time.filter(|time| time.is_event_time()).ok_or_else(|| self.damage("a time is before all events"))
    }

    /// A number that is not negative, or none.
    pub(super) fn option(&mut self) -> Result<Option<i64>, SnapshotError> {
        let Some(number) = self.uint()?.checked_sub(1) else { return Ok(None) };
        i64::try_from(number).map(Some).map_err(|_| self.damage("a number has more than 63 bits"))
    }

    /// A number of 32 bits.
    pub(super) fn short(&mut self) -> Result<u32, SnapshotError> {
        u32::try_from(self.uint()?).map_err(|_| self.damage("a number has more than 32 bits"))
    }

    pub(super) fn block(&mut self) -> Result<&'a [u8], SnapshotError> {
        let count = self.count(1)?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, SnapshotError> {
        let bytes = self.block()?;
        simdutf8::basic::from_utf8(bytes).map_err(|_| self.damage("a text is not UTF-8"))
    }

    /// A reader of what [`Writer::part`] wrote; this one is behind it then.
    pub(super) fn part(&mut self) -> Result<Self, SnapshotError> {
        let content = self.block()?;
        Ok(Self { bytes: self.bytes, at: self.at - content.len(), end: self.at })
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..self.end];
        self.at = self.end;
        rest
    }

    /// An error unless everything was read.
    pub(super) const fn finish(&self) -> Result<(), SnapshotError> {
        if self.at == self.end { Ok(()) } else { Err(self.damage("there is more than there should be")) }
    }
}
