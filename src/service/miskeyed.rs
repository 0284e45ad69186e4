//! A word about records whose key is not what `kafka.keyed_by` says: now and then, because they come in floods.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::detect::Origin;
use crate::pipeline::Settings;

/// Between two words.
const WARN_INTERVAL: Duration = Duration::from_mins(1);

/// Those that have not been spoken of.
#[derive(Debug, Default)]
pub(super) struct Miskeyed {
    records: u64,
    /// Where the first of them stands.
    first: Option<Origin>,
    said: Option<Instant>,
}

impl Miskeyed {
    pub(super) fn add(&mut self, origin: &Origin) {
        self.records += 1;
        self.first.get_or_insert_with(|| origin.clone());
    }

    /// Warns of them if it is time. Says where one is, never what its key is: that names a subject.
    pub(super) fn mention(&mut self, settings: &Settings, now: Instant) {
        if self.said.is_some_and(|said| now - said < WARN_INTERVAL) {
            return;
        }
        let Some(first) = self.first.take() else { return };
        warn!(
            records = self.records,
            first = first.stand_in(),
            "kafka.keyed_by: records have other keys than the text of {}, so rules grouped by it may miss alerts",
            settings.keyed_by.as_deref().unwrap_or_default()
        );
        (self.records, self.said) = (0, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_spoken_of_once_a_minute() {
        let (mut miskeyed, start, settings) = (Miskeyed::default(), Instant::now(), Settings::default());
        let mut left_after = |records: i64, after_s: u64| {
            for offset in 0..records {
                miskeyed.add(&Origin { topic: "audit".into(), partition: 0, offset });
            }
            miskeyed.mention(&settings, start + Duration::from_secs(after_s));
            miskeyed.records
        };
        assert_eq!([left_after(3, 0), left_after(4, 59), left_after(1, 60), left_after(2, 61)], [0, 4, 0, 2]);
    }
}
