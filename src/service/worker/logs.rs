//! What becomes of a partition whose log is not what it was: shortened, deleted or made anew.

use std::time::{Duration, Instant};

use tracing::warn;

use super::Worker;
use super::group::{BEGIN_RETRY, list};
use crate::service::transport::{Position, StartPosition, Transport};

/// How long a log must be found to end before the group's offset: longer than transactions usually take.
const SHORT_MAX: Duration = Duration::from_mins(1);
/// So many looks in a row, a second apart, must find a log too short: a new leader may not know all of it at first.
const LOOKS_MAX: u32 = 5;

impl<T: Transport> Worker<T> {
    /// A log may have lost what nobody has read yet, and may be another one than the group's offset is of. False if that
    /// is to be seen: a transaction that is not over hides the end of a log, and a leader that was replaced does not know it.
    pub(super) fn look_at_log(&mut self, start: &mut StartPosition, now: Instant) -> bool {
        let (Position { partition, offset, .. }, log) = (&start.position, &start.log);
        if start.committed && *offset > log.end {
            if self.arrivals.short_for(partition, now) < SHORT_MAX {
                self.arrivals.again(partition, now + BEGIN_RETRY);
                return false;
            }
            warn!(worker = self.number, %partition, offset, end = log.end,
                "the topic was made anew, or has lost records that were read already; it is read from its beginning, and its \
                 windows begin empty");
            start.position = Position::new(partition.clone(), log.start);
            start.committed = false;
            return true;
        }
        // An empty log may have ended in what ends a transaction.
        let is_marker = log.is_empty() && log.start - offset == 1;
        if start.committed && *offset < log.start && !is_marker {
            warn!(worker = self.number, %partition, offset, first = log.start, records = log.start - offset,
                "records were deleted before they were read; keep them for longer");
        }
        true
    }

    /// A partition whose log ends before what was read of it is looked up again: else what comes would pass for read.
    pub(super) fn look_for_lost_logs(&mut self) {
        let Self { transport, batch, .. } = self;
        let lost: Vec<_> = batch.overrun(|id| transport.end(id), LOOKS_MAX);
        if lost.is_empty() {
            return;
        }
        warn!(worker = self.number, partitions = %list(&lost), "partitions end before what was read of them");
        let now = self.transport.now();
        self.transport.halt(&lost);
        self.forget(&lost);
        self.arrivals.add(lost, now);
        self.show_readiness();
    }
}
