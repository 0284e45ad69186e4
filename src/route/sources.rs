//! Stream time behind the route: the smallest of the sources' stream times.
//!
//! A source is a partition of a topic with events. Its stream time comes with each of its matches, and in marks that
//! are written now and then for sources whose events match nothing. As long as one source has not been heard of,
//! nothing is known; one that is quiet, with nothing left to read, is no brake on the others. Nobody is quiet for ever:
//! who reads a source says so again and again, and where that stops, as when everything stood still and sources went on,
//! the source is waited for again.
//!
//! No clock: which source is quiet stands in its marks, and when that is over follows from the timestamps of the records
//! that carry marks and matches, so that the same records always give the same times.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::time::{Span, Timestamp};

/// How long a mark's word that its source is quiet holds, in the time of the internal topic: six times as long as it takes
/// for the next one, so that brokers' clocks may differ.
pub const QUIET_MAX: Span = Span::from_millis(60_000);

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
    /// The timestamp of the record that said it is quiet.
    since: Option<i64>,
}

/// What a partition of the internal topic has heard of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTimes {
    sources: BTreeMap<String, i32>,
    heard: BTreeMap<String, BTreeMap<i32, Heard>>,
    /// Worked out from the rest.
    #[serde(skip)]
    together: Option<i64>,
    /// Likewise: the earliest time at which somebody is not quiet any more.
    #[serde(skip)]
    lapses_at: Option<i64>,
}

impl SourceTimes {
    /// A mark arrives, in a record with this timestamp.
    pub fn mark(&mut self, mark: Mark, recorded: Option<Timestamp>) {
        let Mark { topic, partition, stream_time, is_quiet, sources } = mark;
        if self.sources != sources {
            self.sources = sources;
            self.heard.retain(|topic, _| self.sources.contains_key(topic));
            for (topic, partitions) in &mut self.heard {
                partitions.retain(|number, _| *number < self.sources[topic]);
            }
        }
        let since = recorded.filter(|_| is_quiet).map(Timestamp::millis);
        self.heard((&topic, partition), Heard { stream_time, is_quiet, since }, recorded);
    }

    /// A match of a source arrives, which had come to `stream_time` with it, in a record with this timestamp.
    pub fn matched(&mut self, source: (&str, i32), stream_time: Timestamp, recorded: Option<Timestamp>) {
        self.heard(source, Heard { stream_time: Some(stream_time.millis()), is_quiet: false, since: None }, recorded);
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
        times.settle();
        Some(times)
    }

    fn heard(&mut self, (topic, partition): (&str, i32), heard: Heard, recorded: Option<Timestamp>) {
        if let Some(now) = recorded.filter(|now| self.lapses_at.is_some_and(|at| now.millis() >= at)) {
            self.lapse(now);
        }
        if self.sources.get(topic).is_some_and(|known| partition >= *known) {
            // Nobody waits for it, so it must not be waited for.
            return;
        }
        let before = match self.heard.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, heard),
            None => self.heard.entry(topic.to_owned()).or_default().insert(partition, heard),
        };
        // Most matches bring one source on that is not the last: nothing changes for all of them together.
        let is_beside = |before: Heard| {
            !before.is_quiet
                && !heard.is_quiet
                && self.together.is_some_and(|together| before.stream_time > Some(together))
                && heard.stream_time >= before.stream_time
        };
        if !before.is_some_and(is_beside) {
            self.settle();
        }
    }

    /// What was last said to be quiet too long before is waited for again.
    fn lapse(&mut self, now: Timestamp) {
        for heard in self.heard.values_mut().flat_map(BTreeMap::values_mut) {
            if heard.since.is_some_and(|since| now.millis() >= since + QUIET_MAX.millis()) {
                (heard.is_quiet, heard.since) = (false, None);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.together = self.work_out();
        let since = self.heard.values().flat_map(BTreeMap::values).filter_map(|heard| heard.since);
        self.lapses_at = since.min().map(|since| since + QUIET_MAX.millis());
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
            times.mark(mark, None);
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
        times.mark(mark(0, 5, false), None);
        times.mark(mark(1, 7, true), None);
        times.matched(("audit", 1), Timestamp::from_millis(8), None);
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(5)));
        times.matched(("audit", 0), Timestamp::from_millis(20), None);
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
        times.mark(old("a"), None);
        times.mark(old("b"), None);
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(5)));
        let new = Mark { topic: "a".to_owned(), sources: BTreeMap::from([("a".to_owned(), 1)]), ..mark(0, 9, false) };
        times.mark(new, None);
        assert_eq!(times.stream_time(), Some(Timestamp::from_millis(9)));
    }

    /// The time after a match of source 0 at 100, which stands there so many seconds after source 1 was called quiet at 7.
    fn after_silence(seconds: i64, marked_again: Option<i64>) -> Option<i64> {
        let second = |number: i64| Some(Timestamp::from_millis(1_000 * number));
        let mut times = SourceTimes::default();
        times.mark(mark(0, 5, false), second(0));
        times.mark(mark(1, 7, true), second(0));
        if let Some(again) = marked_again {
            times.mark(mark(1, 7, true), second(again));
        }
        times.matched(("audit", 0), Timestamp::from_millis(100), second(seconds));
        times.stream_time().map(Timestamp::millis)
    }

    #[test]
    fn nobody_is_quiet_for_ever() {
        assert_eq!(after_silence(59, None), Some(100));
        assert_eq!(after_silence(60, None), Some(7), "it may have brought something since");
        assert_eq!(after_silence(69, Some(10)), Some(100), "who reads it has said so again");
        assert_eq!(after_silence(70, Some(10)), Some(7));
    }

    #[test]
    fn a_partition_that_the_topic_did_not_have_is_not_waited_for() {
        let marks = [mark(0, 5, false), mark(1, 7, false), mark(2, 1, false), mark(0, 8, false)];
        assert_eq!(times(marks), [None, Some(5), Some(5), Some(7)]);
    }
}
