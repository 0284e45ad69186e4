use proptest::prelude::*;

use super::*;
use crate::detect::window::{Count, DistinctWindow, ValueHasher};

const TIMESPAN: Span = Span::from_millis(10);

fn bounds(entries_max: usize) -> Bounds {
    Bounds { timespan: TIMESPAN, expired: Timestamp::BEFORE_ALL, entries_max }
}

fn condition(threshold: f64) -> Condition {
    Condition { gte: Some(threshold), ..Condition::default() }
}

fn at_least(condition: &Condition) -> Demand<'_> {
    Demand { condition, bears_clipping: true }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Counts arrivals at `times`; the end and count of the window that fires for each at `threshold`.
fn count(times: &[i64], threshold: f64, entries_max: usize) -> Vec<Option<(i64, f64, bool)>> {
    let mut window = Sliding::new(Count::default());
    let arrivals =
        (0u64..).zip(times).map(|(id, time)| match window.place((at(*time), id), (), &bounds(entries_max), drop) {
            Placed::At(_) => window.first_changed(at(*time), TIMESPAN, &at_least(&condition(threshold))),
            _ => None,
        });
    arrivals
        .map(|firing| firing.map(|Firing { at, observed, truncated, .. }| (at.millis(), observed, truncated)))
        .collect()
}

#[test]
fn matches_exactly_one_window_apart_are_never_together() {
    assert_eq!(count(&[0, 10], 2.0, 99), [None, None]);
    assert_eq!(count(&[0, 9], 2.0, 99), [None, Some((9, 2.0, false))]);
    assert_eq!(count(&[10, 0], 2.0, 99), [None, None]);
    assert_eq!(count(&[9, 0], 2.0, 99), [None, Some((9, 2.0, false))]);
}

#[test]
fn a_late_arrival_fires_the_first_window_that_it_completes() {
    assert_eq!(count(&[5, 8, 0], 3.0, 99), [None, None, Some((8, 3.0, false))]);
    assert_eq!(count(&[5, 8, 20, 0], 2.0, 99)[3], Some((5, 2.0, false)));
    assert_eq!(count(&[5, 5, 5], 3.0, 99), [None, None, Some((5, 3.0, false))]);
}

#[test]
fn a_full_series_forgets_the_stalest_and_says_so() {
    assert_eq!(count(&[0, 1, 2], 2.0, 2)[2], Some((2, 2.0, true)));
    assert_eq!(count(&[0, 1, 11], 1.0, 2)[2], Some((11, 1.0, false)));
    assert_eq!(count(&[5, 6, 0], 1.0, 2)[2], None, "the late one is the stalest itself");
}

/// The definition, literally: every changed window in order of its end, recounted.
fn naive<V: Ord>(seen: &[(i64, V)], time: i64, threshold: usize) -> Option<(i64, usize)> {
    let mut ends: Vec<_> = seen.iter().map(|(end, _)| *end).filter(|end| (time..time + 10).contains(end)).collect();
    ends.sort_unstable();
    let distinct = |end: i64| {
        let inside = seen.iter().filter(|(time, _)| (end - 9..=end).contains(time));
        inside.map(|(_, value)| value).collect::<std::collections::BTreeSet<_>>().len()
    };
    ends.into_iter().map(|end| (end, distinct(end))).find(|(_, distinct)| *distinct >= threshold)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn counts_agree_with_the_definition(times in prop::collection::vec(0i64..60, 1..40), threshold in 1usize..6) {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let fired = count(&times, threshold as f64, 99);
        for (index, fired) in fired.into_iter().enumerate() {
            let seen: Vec<_> = times[..=index].iter().copied().zip(0..).collect();
            let expected = naive(&seen, times[index], threshold);
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let expected = expected.map(|(end, count)| (end, count as f64, false));
            prop_assert_eq!(fired, expected, "arrival {}", index);
        }
    }

    #[test]
    fn distinct_counts_agree_with_the_definition(
        arrivals in prop::collection::vec((0i64..60, 0u8..14), 1..60), threshold in 1usize..5, late in 60i64..90,
    ) {
        let hasher = ValueHasher::with_seeds(1, 2, 3, 4);
        let mut window = DistinctWindow::default();
        let mut seen = Vec::new();
        for (id, (time, value)) in (0u64..).zip(arrivals) {
            let text = format!("value-{value}");
            // Expiry as the engine does it, against a stream time that never lets these arrivals be late.
            let newest = seen.iter().map(|(time, _)| *time).max().unwrap_or(0).max(time);
            window.expire(at(newest - late - 10), &hasher);
            let (placed, evictions) = window.place((at(time), id), &[&text], (&bounds(99), 99), &hasher);
            prop_assert!(matches!(placed, Placed::At(_)) && evictions.values + evictions.entries == 0);
            seen.push((time, value));
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let firing = window.first_changed(at(time), TIMESPAN, &at_least(&condition(threshold as f64)));
            let expected = naive(&seen, time, threshold);
            prop_assert_eq!(firing.map(|firing| (firing.at.millis(), firing.observed)),
                expected.map(|(end, count)| (end, f64::from(u32::try_from(count).expect("small")))));
            if let Some(firing) = firing {
                let values = window.values(firing.at, TIMESPAN, 99).len();
                prop_assert_eq!(Some(values), expected.map(|(_, count)| count));
            }
        }
    }
}
