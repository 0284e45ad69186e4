//! What readers of committed records may see: at every commit exactly what the committed offsets stand for.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::{Identity, Stream};

/// Holds each commit against one undisturbed run.
pub(super) struct Verdict<'a> {
    stream: &'a Stream,
    public: BTreeSet<Identity>,
    /// The first thing that must not be.
    pub(super) wrong: Option<String>,
}

impl<'a> Verdict<'a> {
    pub(super) const fn new(stream: &'a Stream) -> Self {
        Self { stream, public: BTreeSet::new(), wrong: None }
    }

    pub(super) fn committed(
        &mut self,
        outputs: Vec<(Identity, Vec<u8>)>,
        offsets: &[(i32, i64)],
        group: &mut BTreeMap<i32, i64>,
    ) {
        for (partition, offset) in offsets {
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
        for (partition, offset) in offsets {
            let is_owed = |caused: &super::reference::Caused| caused.partition == *partition && caused.offset < *offset;
            let missing =
                self.stream.expected.iter().find(|(identity, by)| is_owed(by) && !self.public.contains(*identity));
            if let Some((identity, by)) = missing {
                self.blame(format!("{partition} is committed up to {offset} without {identity:?} of {by:?}"));
            }
        }
    }

    fn blame(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }
}
