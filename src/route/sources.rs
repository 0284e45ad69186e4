//! Stream time behind the route: the smallest of the sources' stream times.
//!
//! A source is a partition of a topic with events. Its stream time comes with each of its matches, and in marks that
//! are written now and then for sources whose events match nothing. As long as one source has not been heard of,
//! nothing is known; one that is quiet, with nothing left to read, is no brake on the others.
//!
//! No clock: which source is quiet stands in its marks, so that the same records always give the same times.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::time::Timestamp;

/// How far one source has come, as a record of the internal topic says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The source's topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The greatest time of its events so far, in milliseconds since the epoch; none before the first.
    pub stream_time: Option<i64>,
    /// True if there was nothing left to read.
    pub is_quiet: bool,
    /// All topics with events, and how many partitions each has.
    pub sources: BTreeMap<String, i32>,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    stream_time: Option<i64>,
    is_quiet: bool,
}

/// What a partition of the internal topic has heard of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTimes {
    sources: BTreeMap<String, i32>,
    heard: BTreeMap<String, BTreeMap<i32, Heard>>,
    /// Worked out from the rest.
    #[serde(skip)]
    together: Option<i64>,
}

impl SourceTimes {
    /// A mark arrives.
    pub fn mark(&mut self, mark: Mark) {
        let Mark { topic, partition, stream_time, is_quiet, sources } = mark;
        if self.sources != sources {
            self.sources = sources;
            self.heard.retain(|topic, _| self.sources.contains_key(topic));
            for (topic, partitions) in &mut self.heard {
                partitions.retain(|number, _| *number < self.sources[topic]);
            }
        }
        self.heard(&topic, partition, Heard { stream_time, is_quiet });
    }

    /// A match of a source arrives, which had come to `stream_time` with it.
    pub fn matched(&mut self, topic: &str, partition: i32, stream_time: Timestamp) {
        self.heard(topic, partition, Heard { stream_time: Some(stream_time.millis()), is_quiet: false });
    }

    /// The time to which all sources have come together; none while one has not been heard of, or has no event and may
    /// still bring one.
    #[must_use]
    pub fn stream_time(&self) -> Option<Timestamp> {
        self.together.map(Timestamp::from_millis)
    }

    /// What [`Self::from_bytes`] takes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers always serialize")
    }

    /// What was known when [`Self::to_bytes`] wrote this; none if nothing did.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut times: Self = serde_json::from_slice(bytes).ok()?;
        times.together = times.work_out();
        Some(times)
    }

    fn heard(&mut self, topic: &str, partition: i32, heard: Heard) {
        let before = match self.heard.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, heard),
            None => self.heard.entry(topic.to_owned()).or_default().insert(partition, heard),
        };
        // Most matches bring one source on that is not the last: nothing changes for all of them together.
        let is_beside = |before: Heard| {
            before.is_quiet == heard.is_quiet
                && self.together.is_some_and(|together| before.stream_time > Some(together))
                && heard.stream_time >= before.stream_time
        };
        if !before.is_some_and(is_beside) {
            self.together = self.work_out();
        }
    }

    fn work_out(&self) -> Option<i64> {
        let heard = |topic: &String| self.heard.get(topic).map_or(0, BTreeMap::len);
        let is_complete = |(topic, partitions): (&String, &i32)| usize::try_from(*partitions) == Ok(heard(topic));
        if self.sources.is_empty() || !self.sources.iter().all(is_complete) {
            return None;
        }
        let sources =
            || self.heard.iter().filter(|(topic, _)| self.sources.contains_key(*topic)).flat_map(|(_, p)| p.values());
        let mut awake = sources().filter(|source| !source.is_quiet).map(|source| source.stream_time).peekable();
        if awake.peek().is_some() {
            return awake.min().flatten();
        }
        sources().filter_map(|source| source.stream_time).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(partition: i32, stream_time: impl Into<Option<i64>>, is_quiet: bool) -> Mark {
        let sources = BTreeMap::from([("audit".to_owned(), 2)]);
        Mark { topic: "audit".to_owned(), partition, stream_time: stream_time.into(), is_quiet, sources }
    }

    /// The time after each mark.
    fn times(marks: impl IntoIterator<Item = Mark>) -> Vec<Option<i64>> {
        let mut times = SourceTimes::default();
        let time = |mark| {
            times.mark(mark);
            assert_eq!(SourceTimes::from_bytes(&times.to_bytes()).as_ref(), Some(&times), "it is kept whole");
            times.stream_time().map(Timestamp::millis)
        };
        marks.into_iter().map(time).collect()
    }

    #[test]
    fn nothing_is_known_before_every_source_has_been_heard_of() {
        assert_eq!(times([mark(0, 5, false), mark(1, 7, false)]), [None, Some(5)]);
        assert_eq!(times([mark(0, 5, false), mark(1, None, false)]), [None, None], "it may still bring one");
    }

    #[test]
    fn the_last_source_decides() {
        let marks = [mark(0, 5, false), mark(1, 7, false), mark(1, 9, false), mark(0, 8, false), mark(0, 10, false)];
        assert_eq!(times(marks), [None, Some(5), Some(5), Some(8), Some(9)]);
    }

    #[test]
    fn a_quiet_source_is_no_brake() {
        let marks = [mark(0, 5, false), mark(1, 7, false), mark(0, 5, true), mark(1, 9, false), mark(0, 6, false)];
        assert_eq!(times(marks), [None, Some(5), Some(7), Some(9), Some(6)]);
        assert_eq!(times([mark(0, None, true), mark(1, 7, false)]), [None, Some(7)]);
    }

    #[test]
    fn where_all_are_quiet_the_first_decides() {
        assert_eq!(times([mark(0, 5, true), mark(1, 7, true)]), [None, Some(7)]);
        assert_eq!(times([mark(0, None, true), mark(1, None, true)]), [None, None]);
    }

    #[test]
    fn matches_tell_the_time_of_their_source() {
        let mut times = SourceTimes::default();
        times.mark(mark(0, 5, false));
        times.mark(mark(1, 7, true));
        times.matched("audit", 1, Timestamp::from_millis(8));
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(5)));
        times.matched("audit", 0, Timestamp::from_millis(20));
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(8)));
    }

    #[test]
    fn a_topic_that_is_no_source_any_more_is_forgotten() {
        let mut times = SourceTimes::default();
        let old = |topic: &str| Mark {
            topic: topic.to_owned(),
            sources: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]),
            ..mark(0, 5, false)
        };
        times.mark(old("a"));
        times.mark(old("b"));
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(5)));
        times.mark(Mark { topic: "a".to_owned(), sources: BTreeMap::from([("a".to_owned(), 1)]), ..mark(0, 9, false) });
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(9)));
    }
}
