//! What readers of committed records may see: at every commit exactly what the committed offsets stand for.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::Timestamp;
use crate::route::Mark;

use super::broker::Place;
use super::reference::{Caused, Identity, Stream};

/// Holds each commit against one undisturbed run.
pub(super) struct Verdict<'a> {
    stream: &'a Stream,
    public: BTreeSet<Identity>,
    /// The stream time of each source that was last told to each partition in which matches meet.
    marked: BTreeMap<(i32, i32), Option<i64>>,
    /// The first thing that must not be.
    pub(super) wrong: Option<String>,
}

impl<'a> Verdict<'a> {
    pub(super) const fn new(stream: &'a Stream) -> Self {
        Self { stream, public: BTreeSet::new(), marked: BTreeMap::new(), wrong: None }
    }

    pub(super) fn committed(
        &mut self,
        outputs: Vec<(Identity, Vec<u8>)>,
        offsets: &[Place],
        group: &mut BTreeMap<i32, i64>,
    ) {
        for Place { partition, offset, .. } in offsets {
            let before = group.insert(*partition, *offset);
            if before.is_some_and(|before| before > *offset) {
                self.blame(format!("the offset of {partition} went back from {before:?} to {offset}"));
            }
        }
        for (identity, payload) in outputs {
            match self.stream.expected.get(&identity) {
                None => self.blame(format!("{identity:?} is invented: {}", String::from_utf8_lossy(&payload))),
                Some(caused) => {
                    if group.get(&caused.partition).is_none_or(|offset| caused.offset >= *offset) {
                        self.blame(format!("{identity:?} of {caused:?} is public before its offset, {group:?}"));
                    }
                    if !payload.is_empty() && !caused.payload.starts_with(&payload) {
                        self.blame(format!(
                            "{identity:?} is not as it should be: {}",
                            String::from_utf8_lossy(&payload)
                        ));
                    }
                }
            }
            if !self.public.insert(identity.clone()) {
                self.blame(format!("{identity:?} is public twice"));
            }
        }
        for Place { partition, offset, .. } in offsets {
            let is_owed = |caused: &Caused| caused.partition == *partition && caused.offset < *offset;
            let missing =
                self.stream.expected.iter().find(|(identity, by)| is_owed(by) && !self.public.contains(*identity));
            if let Some((identity, by)) = missing {
                self.blame(format!("{partition} is committed up to {offset} without {identity:?} of {by:?}"));
            }
        }
    }

    /// A mark must tell neither of records that are still to be decided, nor of a past that is over.
    pub(super) fn marked(&mut self, meeting: i32, mark: &Mark, group: &BTreeMap<i32, i64>) {
        let offset = group.get(&mark.partition).copied().unwrap_or(0);
        let decided = usize::try_from(mark.partition).ok().and_then(|source| self.stream.time_before(source, offset));
        if mark.stream_time > decided.map(Timestamp::millis) {
            self.blame(format!("{mark:?} is ahead of what is decided up to {offset}, {decided:?}"));
        }
        let before = self.marked.insert((meeting, mark.partition), mark.stream_time);
        if before.is_some_and(|before| before > mark.stream_time) {
            self.blame(format!("{mark:?} goes back behind {before:?}"));
        }
    }

    fn blame(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }
}
