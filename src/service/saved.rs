//! What is known of a partition, as it outlives who owns it, and back: the records of the state topic, or what stands
//! beside a committed offset.
//!
//! A record's key says whose it is: the group, the source topic, and a group of events or, for the *head*, none. A head
//! says up to which offset the entries tell; it is written after them in one transaction. What an entry says is the
//! engine's business. Where a partition has no groups, as with routers, a head is all there is: it goes with the offset
//! that the group commits, as its metadata, and so is never older than that.

use std::sync::Arc;

use ahash::RandomState;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use indexmap::IndexMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::detect::state::{Delta, Format, SnapshotError};

use super::output::Output;
use super::transport::PartitionId;

/// The form of keys. It does not follow the format of what stands under them: under another key a group would stand
/// twice.
const KEY_FORMAT: u8 = 1;

const HEAD: u8 = 0;
const ENTRY: u8 = 1;

/// The keys of one source partition in the state topic, whose partition has the same number.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Form and owner; the kind and the group's own key follow.
    prefix: Arc<[u8]>,
}

impl Keys {
    /// Those of a consumer group and a source topic.
    #[must_use]
    pub fn new(group_id: &str, topic: &str) -> Self {
        let mut prefix = vec![KEY_FORMAT];
        for name in [group_id, topic] {
            let length = u32::try_from(name.len()).expect("names are short");
            prefix.extend_from_slice(&length.to_be_bytes());
            prefix.extend_from_slice(name.as_bytes());
        }
        Self { prefix: prefix.into() }
    }

    fn entry(&self, spelled: &[u8]) -> Vec<u8> {
        [&self.prefix, [ENTRY].as_slice(), spelled].concat()
    }

    fn head(&self) -> Vec<u8> {
        [&self.prefix, [HEAD].as_slice()].concat()
    }

    /// What a record of the state topic is to this partition; none if it is another's.
    fn kind<'a>(&self, key: &'a [u8]) -> Option<(u8, &'a [u8])> {
        key.strip_prefix(&*self.prefix)?.split_first().map(|(kind, spelled)| (*kind, spelled))
    }
}

/// The records that bring the state topic up to date: the entries, then the head, in this format.
pub fn records(
    keys: &Keys,
    partition: &PartitionId,
    offset: i64,
    (delta, format): (Delta, Format),
) -> impl Iterator<Item = Output> {
    let number = partition.number;
    let head = seal(format, offset, &delta.head);
    let (head_key, keys) = (keys.head(), keys.clone());
    let entries =
        delta.entries.into_iter().map(move |(spelled, value)| Output::state(number, keys.entry(&spelled), value));
    entries.chain(std::iter::once(Output::state(number, head_key, Some(head))))
}

/// Format, offset, the engine's head, and a checksum over all of it.
fn seal(format: Format, offset: i64, head: &[u8]) -> Vec<u8> {
    let mut bytes = vec![format.number()];
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// Takes apart what [`seal`] put together.
fn open(bytes: &[u8]) -> Result<(i64, &[u8]), SavedError> {
    if let Some(found) = bytes.first().copied().filter(|found| *found > Format::NEWEST.number()) {
        return Err(SavedError::UnknownFormat { found });
    }
    let Some((content, checksum)) = bytes.split_last_chunk() else {
        return Err(SavedError::Damaged("it is too short"));
    };
    if xxh3_64(content).to_le_bytes() != *checksum {
        return Err(SavedError::Damaged("the checksum does not match"));
    }
    let Some((offset, head)) = content.get(1..).and_then(<[u8]>::split_first_chunk) else {
        return Err(SavedError::Damaged("it is too short"));
    };
    Ok((i64::from_le_bytes(*offset), head))
}

/// What stands beside a committed offset of a partition without groups.
#[must_use]
pub fn metadata(format: Format, offset: i64, head: &[u8]) -> String {
    STANDARD_NO_PAD.encode(seal(format, offset, head))
}

/// The engine's head that stands beside a committed offset; none if nothing stands there.
pub fn head_beside(offset: i64, metadata: &str) -> Result<Option<Vec<u8>>, SavedError> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let bytes = STANDARD_NO_PAD.decode(metadata).map_err(|_| SavedError::Damaged("it is not of our making"))?;
    match open(&bytes)? {
        (of, head) if of == offset => Ok(Some(head.to_vec())),
        _ => Err(SavedError::Damaged("it tells of another offset")),
    }
}

/// Why what was saved cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Leave it as it is.
    #[error("it was written by a newer version: format {found}, and this version reads formats up to {newest}", newest = Format::NEWEST)]
    UnknownFormat {
        /// The format that it claims to have.
        found: u8,
    },
    /// Do without it.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl From<SnapshotError> for SavedError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::UnknownFormat { found, .. } => Self::UnknownFormat { found },
            SnapshotError::Damaged { problem, .. } => Self::Damaged(problem),
        }
    }
}

/// What has been read of a partition so far.
#[derive(Debug)]
pub struct Saved {
    /// By how their groups are spelled, about as they stand in the topic and so in memory.
    pub entries: IndexMap<Vec<u8>, Vec<u8>, RandomState>,
    head: Option<Vec<u8>>,
}

impl Default for Saved {
    fn default() -> Self {
        // Attackers choose how groups are spelled.
        let [first, second, third, fourth] = rand::random();
        Self { entries: IndexMap::with_hasher(RandomState::with_seeds(first, second, third, fourth)), head: None }
    }
}

impl Saved {
    /// Takes a record of the state topic, in the order of offsets.
    pub fn take(&mut self, keys: &Keys, key: &[u8], value: Option<&[u8]>) -> Result<(), SavedError> {
        if let Some(found) = key.first().copied().filter(|found| *found > KEY_FORMAT) {
            return Err(SavedError::UnknownFormat { found });
        }
        match (keys.kind(key), value) {
            (Some((HEAD, _)), value) => self.head = value.map(<[u8]>::to_vec),
            (Some((ENTRY, spelled)), Some(value)) => match self.entries.get_mut(spelled) {
                // Compaction is always behind: most groups stand in the topic more than once.
                Some(held) => {
                    held.clear();
                    held.extend_from_slice(value);
                }
                None => {
                    self.entries.insert(spelled.to_vec(), value.to_vec());
                }
            },
            (Some((ENTRY, spelled)), None) => {
                self.entries.swap_remove(spelled);
            }
            _ => {}
        }
        Ok(())
    }

    /// Hands over the entries from the one at place `from` on, at most `count`, and drops what they say. In the order in
    /// which they stand in memory: a million groups are not held twice if what some were made of makes room for the next,
    /// and an allocator can use a page for something else once nothing is left in it. How many there were.
    pub fn hand_over<E>(
        &mut self,
        from: usize,
        count: usize,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let until = self.entries.len().min(from.saturating_add(count));
        let Some(entries) = self.entries.get_range_mut(from..until) else { return Ok(0) };
        for (spelled, value) in entries {
            each(spelled, &std::mem::take(value))?;
        }
        Ok(until - from)
    }

    /// The offset up to which the entries tell, and the engine's head; none if nothing was saved.
    pub fn head(&self) -> Result<Option<(i64, &[u8])>, SavedError> {
        self.head.as_deref().map(open).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> PartitionId {
        PartitionId { topic: "audit".into(), number: 3 }
    }

    fn read(keys: &Keys, outputs: &[Output]) -> Saved {
        let mut saved = Saved::default();
        for output in outputs {
            let outgoing = output.outgoing();
            assert_eq!(outgoing.partition, Some(3));
            saved.take(keys, outgoing.key.expect("a key"), outgoing.payload).expect("of this version");
        }
        saved
    }

    #[test]
    fn the_latest_of_each_group_stands_and_what_is_forgotten_goes() {
        let keys = Keys::new("watch", "audit");
        let delta = |entries: &[(&str, Option<&str>)]| Delta {
            entries: entries
                .iter()
                .map(|(key, value)| (key.as_bytes().to_vec(), value.map(|v| v.as_bytes().to_vec())))
                .collect(),
            head: b"head".to_vec(),
        };
        let mut outputs: Vec<_> =
            records(&keys, &partition(), 7, (delta(&[("a", Some("1")), ("b", Some("1"))]), Format::USUAL)).collect();
        outputs.extend(records(&keys, &partition(), 9, (delta(&[("a", None), ("b", Some("2"))]), Format::NEWEST)));
        let saved = read(&keys, &outputs);
        let entries: Vec<_> = saved.entries.clone().into_iter().collect();
        assert_eq!(entries, [(b"b".to_vec(), b"2".to_vec())]);
        assert_eq!(saved.head(), Ok(Some((9, b"head".as_slice()))));
        for other in [Keys::new("watch", "audi"), Keys::new("watcha", "udit"), Keys::new("other", "audit")] {
            let saved = read(&other, &outputs);
            assert!(saved.entries.is_empty() && saved.head() == Ok(None), "another's");
        }
    }

    #[test]
    fn what_stands_beside_an_offset_tells_of_that_offset_alone() {
        let written = metadata(Format::USUAL, 7, b"head");
        assert_eq!(head_beside(7, &written), Ok(Some(b"head".to_vec())));
        assert_eq!(head_beside(8, &written), Err(SavedError::Damaged("it tells of another offset")));
        assert_eq!(head_beside(7, ""), Ok(None), "an offset that was set by hand");
        assert_eq!(head_beside(7, "note to self"), Err(SavedError::Damaged("it is not of our making")));
        let mut newer = seal(Format::USUAL, 7, b"head");
        newer[0] = Format::NEWEST.number() + 1;
        let found = newer[0];
        assert_eq!(head_beside(7, &STANDARD_NO_PAD.encode(newer)), Err(SavedError::UnknownFormat { found }));
    }

    #[test]
    fn what_a_newer_version_wrote_is_told_from_what_is_damaged() {
        let keys = Keys::new("watch", "audit");
        let mut saved = Saved::default();
        let found = KEY_FORMAT + 1;
        assert_eq!(saved.take(&keys, &[found, 0], None), Err(SavedError::UnknownFormat { found }));
        let good = seal(Format::USUAL, 7, b"head");
        let mut newer = good.clone();
        newer[0] = Format::NEWEST.number() + 1;
        saved.head = Some(newer);
        assert_eq!(saved.head(), Err(SavedError::UnknownFormat { found: Format::NEWEST.number() + 1 }));
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            saved.head = Some(damaged);
            assert!(saved.head().is_err(), "byte {at}");
        }
    }
}
