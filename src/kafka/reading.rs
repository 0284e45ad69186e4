//! The partitions that are being read, and which of them to their end.
//!
//! What a client knows of a log's end may be from before the partition was taken away and given back; only records, or
//! the end itself, show that it has been heard of anew.

use crate::service::transport::{PartitionId, Position};

/// A partition that is being read.
#[derive(Clone, Debug)]
struct Begun {
    id: PartitionId,
    /// Where that began.
    from: i64,
    /// True once its end was seen.
    heard: bool,
    /// Where the log ended when reading came to its end, if no record has come since.
    end: Option<i64>,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    begun: Vec<Begun>,
    /// The number of partitions none of which is at its end; records come in runs.
    under_way: Option<i32>,
}

impl Reading {
    pub(super) fn add(&mut self, position: &Position) {
        let Position { partition, offset, .. } = position;
        self.begun.push(Begun { id: partition.clone(), from: *offset, heard: false, end: None });
    }

    /// Takes away those that are among `partitions`.
    pub(super) fn remove(&mut self, partitions: &[PartitionId]) -> Vec<PartitionId> {
        let removed = self.begun.extract_if(.., |begun| partitions.contains(&begun.id));
        removed.map(|begun| begun.id).collect()
    }

    pub(super) fn clear(&mut self) {
        self.begun.clear();
    }

    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        self.begun.iter().map(|begun| begun.id.clone()).collect()
    }

    /// Which are at their end is to be seen anew.
    pub(super) fn forget_ends(&mut self) {
        for begun in &mut self.begun {
            (begun.heard, begun.end) = (false, None);
        }
    }

    /// A partition of this number is at its end: the client does not say of which topic. `end` knows where logs end.
    pub(super) fn came_to_the_end(&mut self, number: i32, end: impl Fn(&PartitionId) -> Option<i64>) {
        for begun in self.begun.iter_mut().filter(|begun| begun.id.number == number) {
            (begun.heard, begun.end) = (true, end(&begun.id));
        }
        self.under_way = None;
    }

    /// A record of a partition of this number is handed over.
    pub(super) fn record(&mut self, number: i32) {
        if self.under_way == Some(number) {
            return;
        }
        for begun in self.begun.iter_mut().filter(|begun| begun.id.number == number) {
            begun.end = None;
        }
        self.under_way = Some(number);
    }

    /// True if the end of a partition was seen since it was begun.
    pub(super) fn has_heard(&self, partition: &PartitionId) -> bool {
        self.begun.iter().any(|begun| begun.id == *partition && begun.heard)
    }

    /// How many offsets are left from `next` on in a log that ends at `end`, as last heard; none if that may be old.
    pub(super) fn left(&self, partition: &PartitionId, next: i64, end: i64) -> Option<i64> {
        let begun = self.begun.iter().find(|begun| begun.id == *partition)?;
        let is_alone = self.begun.iter().filter(|other| other.id.number == partition.number).count() == 1;
        // Of two partitions with one number, either is at its end: a transaction ends in one offset that nobody reads.
        if begun.end == Some(end) && (is_alone || end - next <= 1) {
            return Some(0);
        }
        let is_new = end > next || next > begun.from || begun.heard;
        is_new.then_some((end - next).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(topic: &str) -> PartitionId {
        PartitionId { topic: topic.into(), number: 3 }
    }

    fn reading(topics: &[&str]) -> Reading {
        let mut reading = Reading::default();
        for topic in topics {
            reading.add(&Position::new(partition(topic), 50));
        }
        reading
    }

    #[test]
    fn an_end_that_may_be_from_before_says_nothing() {
        let (mut reading, id) = (reading(&["audit"]), partition("audit"));
        assert_eq!(reading.left(&id, 50, 50), None);
        assert_eq!(reading.left(&id, 50, 40), None);
        assert_eq!(reading.left(&id, 50, 51), Some(1));
        assert_eq!(reading.left(&id, 51, 51), Some(0), "its last record was just read");
        assert!(!reading.has_heard(&id));
        reading.came_to_the_end(3, |_| Some(50));
        assert_eq!(reading.left(&id, 50, 50), Some(0));
        assert!(reading.has_heard(&id));
        reading.forget_ends();
        assert_eq!(reading.left(&id, 50, 50), None);
    }

    #[test]
    fn offsets_that_nobody_reads_are_not_left() {
        let (mut reading, id) = (reading(&["audit"]), partition("audit"));
        reading.came_to_the_end(3, |_| Some(57));
        assert_eq!(reading.left(&id, 50, 57), Some(0), "aborted records and the ends of transactions");
        assert_eq!(reading.left(&id, 50, 58), Some(8), "there is more since");
        reading.record(3);
        assert_eq!(reading.left(&id, 51, 57), Some(6), "what the client had heard of when it told of the end");
        reading.came_to_the_end(3, |_| Some(57));
        reading.record(4);
        assert_eq!(reading.left(&id, 51, 57), Some(0), "another's record");
    }

    #[test]
    fn of_two_partitions_with_one_number_either_is_at_its_end() {
        let (mut reading, id) = (reading(&["audit", "logins"]), partition("audit"));
        reading.came_to_the_end(3, |_| Some(57));
        assert_eq!(reading.left(&id, 56, 57), Some(0));
        assert_eq!(reading.left(&id, 55, 57), Some(2));
        assert_eq!(reading.remove(&[partition("logins")]), [partition("logins")]);
        assert_eq!(reading.left(&id, 55, 57), Some(0));
    }
}
