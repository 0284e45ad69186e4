//! When a partition is saved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{batch, partition};
use crate::http::Views;
use crate::service::batch::Restored;
use crate::service::transport::Position;

const HOUR: Duration = Duration::from_hours(1);

/// The numbers of the partitions due at a time, of some saved up to 0 and standing at these offsets; they are to be saved
/// an hour from `now`.
fn due(offsets: &[i64], now: Instant, at: Instant) -> Vec<i32> {
    let mut batch = batch(&Arc::new(Views::default()));
    for (number, offset) in (0_i32..).zip(offsets) {
        let restored = Restored { state: batch.unknown(), saved: Some(0), stale: Vec::new() };
        batch.add(Position::new(partition(number), *offset), restored, (now, now + HOUR));
    }
    batch.due(at).into_iter().map(|partition| partition.number).collect()
}

#[test]
fn a_partition_is_saved_when_it_is_time_and_there_is_news() {
    let now = Instant::now();
    assert!(due(&[0, 1], now, now + Duration::from_secs(3_599)).is_empty());
    assert_eq!(due(&[0, 1], now, now + HOUR), [1_i32]);
}

#[test]
fn a_partition_is_saved_before_it_is_time_where_records_change_no_group() {
    let now = Instant::now();
    assert!(due(&[999], now, now).is_empty());
    assert_eq!(due(&[999, 1_000, 1_001], now, now), [1_i32, 2]);
}
