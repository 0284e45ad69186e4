//! The latest alerts, as they were published.
//!
//! Kept as published text, not as values: what may leave the process was decided before it came here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

/// Alerts kept at most.
const ALERTS_MAX: usize = 1_000;
/// Bytes of alerts kept at most: an alert's evidence can make it large.
const BYTES_MAX: usize = 8 << 20;

/// A bounded ring of published alerts.
#[derive(Debug, Default)]
pub struct RecentAlerts {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    alerts: VecDeque<Arc<RawValue>>,
    bytes: usize,
}

impl RecentAlerts {
    /// Adds an alert in its published JSON form; the oldest go where there are too many.
    pub fn push(&self, alert: Arc<RawValue>) {
        let mut ring = self.lock();
        ring.bytes += alert.get().len();
        ring.alerts.push_back(alert);
        while ring.alerts.len() > ALERTS_MAX || ring.bytes > BYTES_MAX {
            let Some(oldest) = ring.alerts.pop_front() else { break };
            ring.bytes -= oldest.get().len();
        }
    }

    /// The newest `count` alerts, newest first.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<Arc<RawValue>> {
        self.lock().alerts.iter().rev().take(count).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(json: String) -> Arc<RawValue> {
        RawValue::from_string(json).expect("JSON").into()
    }

    #[test]
    fn the_oldest_go_first() {
        let recent = RecentAlerts::default();
        for number in 0..=ALERTS_MAX {
            recent.push(alert(number.to_string()));
        }
        let all = recent.newest(usize::MAX);
        assert_eq!(all.len(), ALERTS_MAX);
        assert_eq!(all.first().map(|alert| alert.get()), Some("1000"));
        assert_eq!(all.last().map(|alert| alert.get()), Some("1"));
        assert_eq!(recent.newest(2).len(), 2);
    }

    #[test]
    fn large_alerts_are_bounded_in_bytes() {
        let recent = RecentAlerts::default();
        let large = alert(format!("\"{}\"", "x".repeat(BYTES_MAX / 2 - 2)));
        recent.push(Arc::clone(&large));
        recent.push(Arc::clone(&large));
        assert_eq!(recent.newest(usize::MAX).len(), 2, "exactly at the limit");
        recent.push(alert("1".to_owned()));
        assert_eq!(recent.newest(usize::MAX).len(), 2, "one byte over it");
    }
}
