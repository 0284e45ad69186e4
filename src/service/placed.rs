//! A word about producers that place one key in different partitions, so that its groups are split though every key is
//! as `kafka.keyed_by` says.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::ingest::placing::{PARTITIONERS, explained};

/// Of so many records one is looked at.
const SAMPLE: i64 = 8;
/// Records looked at that are enough to judge by.
const RECORDS_MIN: u64 = 500;
/// So many percent of the records must be explained by one partitioner and no other, of two…
const ALONE_PERCENT_MIN: u64 = 1;
/// …and no more may be explained by none: else producers have a way of their own, or partitions were added.
const NONE_PERCENT_MAX: u64 = 1;
/// Between two verdicts.
const INTERVAL: Duration = Duration::from_mins(1);

/// What partitioners explain of the records since the last verdict.
#[derive(Debug, Default)]
pub(super) struct Placed {
    records: u64,
    /// By partitioner: those that it explains and no other.
    alone: [u64; PARTITIONERS.len()],
    none: u64,
    judged: Option<Instant>,
}

impl Placed {
    /// A record with a key, in its partition among so many.
    pub(super) fn add(&mut self, key: &[u8], (partition, offset): (i32, i64), partitions: i32) {
        if offset % SAMPLE != 0 || partitions < 2 {
            return;
        }
        self.records += 1;
        let by = explained(key, partition, partitions);
        match by.iter().filter(|explains| **explains).count() {
            0 => self.none += 1,
            1 => {
                for (count, explains) in self.alone.iter_mut().zip(by) {
                    *count += u64::from(explains);
                }
            }
            _ => {}
        }
    }

    /// Warns if it is time and several partitioners are at work. How many of the records looked at are not placed as
    /// most are.
    pub(super) fn judge(&mut self, topic: &str, now: Instant) -> u64 {
        if self.records < RECORDS_MIN || self.judged.is_some_and(|judged| now - judged < INTERVAL) {
            return 0;
        }
        let Self { records, alone, none, .. } = std::mem::take(self);
        self.judged = Some(now);
        let share = |count: u64| count * 100 / records;
        let at_work: Vec<_> =
            PARTITIONERS.iter().zip(alone).filter(|(_, count)| share(*count) >= ALONE_PERCENT_MIN).collect();
        if at_work.len() < 2 || share(none) > NONE_PERCENT_MAX {
            return 0;
        }
        let names: Vec<_> = at_work.iter().map(|(name, count)| format!("{name}: {} %", share(*count))).collect();
        warn!(
            topic,
            records,
            "kafka.keyed_by: producers place one key in different partitions, so groups are split and alerts may be missed; \
             give all of them one partitioner ({})",
            names.join(", ")
        );
        alone.iter().sum::<u64>() - alone.iter().max().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges keys each placed by the partitioner of this number; 3 is one of somebody's own.
    fn judged(partitioners: impl Iterator<Item = usize>) -> u64 {
        let mut placed = Placed::default();
        for (number, partitioner) in partitioners.enumerate() {
            let key = format!("user-{number}");
            let is_there = |at: &i32| explained(key.as_bytes(), *at, 12).get(partitioner).copied().unwrap_or(*at == 5);
            let partition = (0..12).find(is_there).expect("somewhere");
            placed.add(key.as_bytes(), (partition, 0), 12);
        }
        placed.judge("audit", Instant::now())
    }

    #[test]
    fn two_partitioners_at_work_are_found() {
        let minority = judged((0..1_000).map(|number| usize::from(number % 10 == 0)));
        assert!(
            (70..=100).contains(&minority),
            "{minority} of the hundred that the other one does not explain by chance"
        );
        assert!(judged((0..1_000).map(|number| 2 * (number % 2))) > 300);
    }

    #[test]
    fn one_partitioner_is_none_of_our_business() {
        for partitioner in 0..=3 {
            assert_eq!(judged(std::iter::repeat_n(partitioner, 1_000)), 0, "{partitioner}");
        }
        assert_eq!(judged((0..1_000).map(|number| number % 4)), 0, "who knows what that is");
        assert_eq!(judged((0..499).map(|number| number % 2)), 0, "too few to judge by");
    }

    #[test]
    fn a_verdict_is_given_once_a_minute() {
        let (mut placed, start) = (Placed::default(), Instant::now());
        let mut after = |after_s: u64| {
            for number in 0..1_000 {
                let key = format!("user-{number}");
                let partition = (0..12).find(|at| explained(key.as_bytes(), *at, 12)[number % 2]).expect("somewhere");
                placed.add(key.as_bytes(), (partition, 0), 12);
            }
            placed.judge("audit", start + Duration::from_secs(after_s)) > 0
        };
        assert_eq!([after(0), after(59), after(60)], [true, false, true]);
    }

    #[test]
    fn one_of_eight_records_is_looked_at() {
        let mut placed = Placed::default();
        for offset in 0..80 {
            placed.add(b"ann", (0, offset), 12);
        }
        placed.add(b"ann", (0, 0), 1);
        assert_eq!(placed.records, 10);
    }
}
