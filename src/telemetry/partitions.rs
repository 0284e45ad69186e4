//! What each partition of this process holds, kept as it was last told, and summed up when somebody looks.

use std::collections::BTreeMap;

use crate::detect::Timestamp;

/// What a partition holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Groups held.
    pub groups: usize,
    /// Bytes of state held.
    pub state_bytes: usize,
    /// Records not yet consumed, if the broker has said how many there are.
    pub lag_records: Option<i64>,
    /// The partition's stream time; none before its first event.
    pub stream_time: Option<Timestamp>,
}

/// The sums over all partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) groups: usize,
    pub(super) state_bytes: usize,
}

/// The partitions that this process owns.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    owned: BTreeMap<(Box<str>, i32), PartitionState>,
}

impl Partitions {
    pub(super) fn set(&mut self, topic: &str, partition: i32, state: PartitionState) {
        self.owned.insert((topic.into(), partition), state);
    }

    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        self.owned.remove(&(topic.into(), partition));
    }

    pub(super) fn totals(&self) -> Totals {
        self.owned.values().fold(Totals::default(), |sum, state| Totals {
            groups: sum.groups + state.groups,
            state_bytes: sum.state_bytes + state.state_bytes,
        })
    }

    pub(super) fn lags(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.owned.iter().filter_map(|((topic, partition), state)| Some((&**topic, *partition, state.lag_records?)))
    }

    /// Seconds from stream time to `now` per partition number, the greatest where several topics have that number:
    /// the metric has no topic label, and the one furthest behind is the one to look at.
    pub(super) fn stream_time_lags_s(&self, now: Timestamp) -> BTreeMap<i32, f64> {
        let mut by_partition = BTreeMap::new();
        for ((_, partition), state) in &self.owned {
            let Some(stream_time) = state.stream_time else { continue };
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact in a double")]
            let lag_s = now.since(stream_time).millis() as f64 / 1e3;
            let greatest = by_partition.entry(*partition).or_insert(lag_s);
            *greatest = lag_s.max(*greatest);
        }
        by_partition
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    use super::*;

    #[test]
    fn gauges_follow_what_is_owned() {
        let metrics = Metrics::new();
        let state = |groups, stream_time_ms| PartitionState {
            groups,
            state_bytes: groups * 100,
            lag_records: Some(7),
            stream_time: Some(Timestamp::from_millis(stream_time_ms)),
        };
        metrics.set_partition("a", 0, state(2, 9_000));
        metrics.set_partition("b", 0, state(3, 4_500));
        metrics.set_partition("b", 1, PartitionState::default());
        let text = metrics.render(Timestamp::from_millis(10_000));
        for line in [
            "tokenwatch_groups 5",
            "tokenwatch_state_bytes 500",
            "tokenwatch_consumer_lag{partition=\"0\",topic=\"a\"} 7",
            "tokenwatch_stream_time_lag_seconds{partition=\"0\"} 5.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("partition=\"1\""), "nothing is known of it yet");

        metrics.remove_partition("b", 0);
        let text = metrics.render(Timestamp::from_millis(10_000));
        assert!(text.contains("tokenwatch_groups 2\n") && !text.contains("topic=\"b\""), "{text}");
        assert!(text.contains("tokenwatch_stream_time_lag_seconds{partition=\"0\"} 1\n"), "{text}");
    }
}
