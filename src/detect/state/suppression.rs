//! How long an alert quiets its rule and group.

use crate::detect::time::{Span, Timestamp};

/// What is remembered of the alerts of one rule and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) struct AlertMemory {
    /// The greatest alert time; [`Timestamp::BEFORE_ALL`] before the first alert.
    last: Timestamp,
    suppressed: u32,
}

impl Default for AlertMemory {
    fn default() -> Self {
        Self { last: Timestamp::BEFORE_ALL, suppressed: 0 }
    }
}

impl AlertMemory {
    /// From the greatest alert time ([`Timestamp::BEFORE_ALL`] if there was no alert) and the firings kept quiet since.
    pub(in crate::detect) const fn resumed(last: Timestamp, suppressed: u32) -> Self {
        Self { last, suppressed }
    }

    /// The greatest alert time, and the firings kept quiet since.
    pub(in crate::detect) const fn parts(&self) -> (Timestamp, u32) {
        (self.last, self.suppressed)
    }

    /// A firing at `at`: how many firings were kept quiet before it if it raises an alert, nothing if it is kept quiet
    /// itself. A span of zero quiets nothing.
    pub(in crate::detect) fn fire(&mut self, at: Timestamp, suppress: Span) -> Option<u64> {
        if suppress > Span::ZERO && at < self.last + suppress {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = self.last.max(at);
        Some(u64::from(std::mem::take(&mut self.suppressed)))
    }

    /// When the last suppression ends; before all if there was none.
    pub(in crate::detect) fn ends(&self, suppress: Span) -> Timestamp {
        if self.last == Timestamp::BEFORE_ALL { self.last } else { self.last + suppress }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(firings_ms: &[i64], suppress_ms: i64, expected: &[Option<u64>]) {
        let mut memory = AlertMemory::default();
        let fire = |at: &i64| memory.fire(Timestamp::from_millis(*at), Span::from_millis(suppress_ms));
        assert_eq!(firings_ms.iter().map(fire).collect::<Vec<_>>(), expected, "{firings_ms:?}");
    }

    #[test]
    fn a_firing_before_the_end_is_counted_and_one_at_the_end_alerts() {
        check(&[100, 109, 110], 10, &[Some(0), None, Some(1)]);
        check(&[100, 101, 102, 200], 10, &[Some(0), None, None, Some(2)]);
    }

    #[test]
    fn a_late_firing_counts_as_before_the_end_of_the_greatest_alert() {
        check(&[100, 80, 110], 10, &[Some(0), None, Some(1)]);
    }

    #[test]
    fn zero_suppresses_nothing_even_out_of_order() {
        check(&[100, 100, 90], 0, &[Some(0), Some(0), Some(0)]);
    }
}
