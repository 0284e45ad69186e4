//! The first side's errands besides deciding: to which partition a match goes, and when the second side is told how far a
//! source has come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::detect::Timestamp;
use crate::pipeline::Part;
use crate::route::Mark;
use crate::route::wire::{KEY_BYTES, encode_mark};

use super::output::Output;
use super::transport::PartitionId;

/// Between two marks of a source.
pub(super) const MARK_INTERVAL: Duration = Duration::from_millis(500);
/// For each mark of a round: there are as many as partitions on both sides of a route, multiplied.
pub(super) const MARK_PACE: Duration = Duration::from_micros(200);
/// Marks are repeated this often though there is no news, for those who have lost what they knew, and because nobody is
/// taken to be quiet for ever (`route/sources`).
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);
/// How long a source must have had nothing to read before it is called quiet.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// Which part of a record's way some workers go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// The part.
    pub part: Part,
    /// Where matches meet; nobody looks at it where none are sent.
    pub meeting: Meeting,
}

/// The topic in which matches meet, and the sources they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// How many partitions the topic has.
    pub partitions: i32,
    /// The topics with events, and how many partitions each has.
    pub sources: Arc<BTreeMap<String, i32>>,
}

impl Meeting {
    /// The partition of the groups with this key.
    pub(super) fn partition(&self, key: &[u8; KEY_BYTES]) -> i32 {
        let [head @ .., _, _, _, _, _, _, _, _] = key;
        let partitions = u64::from(self.partitions.unsigned_abs().max(1));
        i32::try_from(u64::from_be_bytes(*head) % partitions).expect("below a number of partitions")
    }
}

/// What the second side has been told of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    what: Option<(Option<Timestamp>, bool)>,
    /// When.
    at: Instant,
    /// When a record of it was last read.
    read: Instant,
}

impl Told {
    /// Nothing.
    pub(super) const fn nothing(now: Instant) -> Self {
        Self { what: None, at: now, read: now }
    }

    /// True once it has been told anything.
    pub(super) const fn is_anything(&self) -> bool {
        self.what.is_some()
    }

    /// A record has been read.
    pub(super) const fn read(&mut self, now: Instant) {
        self.read = now;
    }

    /// The marks for every partition of the meeting, if there is news. `left` is how many offsets are left to read,
    /// where that is known.
    pub(super) fn marks(
        &mut self,
        source: &PartitionId,
        (stream_time, left): (Option<Timestamp>, Option<i64>),
        meeting: &Meeting,
        now: Instant,
    ) -> Vec<Output> {
        let is_quiet = left == Some(0) && now - self.read >= QUIET_AFTER;
        let is_news = self.what.replace((stream_time, is_quiet)) != Some((stream_time, is_quiet));
        if !is_news && now - self.at < REPEAT_INTERVAL {
            return Vec::new();
        }
        self.at = now;
        let mark = Mark {
            topic: source.topic.to_string(),
            partition: source.number,
            stream_time: stream_time.map(Timestamp::millis),
            is_quiet,
            sources: (*meeting.sources).clone(),
        };
        let payload = encode_mark(&mark);
        (0..meeting.partitions).map(|partition| Output::mark(partition, payload.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting() -> Meeting {
        Meeting { partitions: 3, sources: Arc::new(BTreeMap::from([("audit".to_owned(), 2)])) }
    }

    /// How many marks there are after each step: seconds, stream time in seconds, offsets left.
    fn marks(steps: &[(u64, i64, Option<i64>)]) -> Vec<usize> {
        let (start, source) = (Instant::now(), PartitionId { topic: "audit".into(), number: 1 });
        let mut told = Told::nothing(start);
        let step = |(after_s, time_s, left): &(u64, i64, Option<i64>)| {
            let time = Some(Timestamp::from_millis(time_s * 1_000));
            told.marks(&source, (time, *left), &meeting(), start + Duration::from_secs(*after_s)).len()
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn every_partition_is_told_once() {
        assert_eq!(marks(&[(0, 5, Some(9)), (0, 5, Some(7)), (0, 6, Some(7))]), [3, 0, 3]);
    }

    #[test]
    fn a_source_is_quiet_when_there_has_been_nothing_to_read_for_a_while() {
        assert_eq!(marks(&[(0, 5, Some(0)), (0, 5, Some(0)), (1, 5, Some(0)), (2, 5, Some(0))]), [3, 0, 3, 0]);
        assert_eq!(marks(&[(0, 5, Some(1)), (9, 5, Some(1)), (9, 5, None), (9, 5, Some(0))]), [3, 0, 0, 3]);
    }

    #[test]
    fn what_is_no_news_is_repeated() {
        assert_eq!(marks(&[(0, 5, None), (9, 5, None), (10, 5, None), (19, 5, None), (20, 5, None)]), [3, 0, 3, 0, 3]);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut hits = [0; 3];
        for key in 0u64..300 {
            let mut bytes = [0; KEY_BYTES];
            bytes[..8].copy_from_slice(&key.to_be_bytes());
            hits[usize::try_from(meeting().partition(&bytes)).expect("positive")] += 1;
        }
        assert_eq!(hits, [100; 3]);
    }
}
