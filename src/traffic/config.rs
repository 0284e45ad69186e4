//! What a stream of traffic is made from, and which requests cannot be met.

use super::label::AttackKind;
use super::script::SERVICES_MIN;

const SUBJECTS_MIN: u32 = 50;
const SUBJECTS_MAX: u32 = 2_000_000;
const SERVICES_MAX: u16 = 1_000;
/// Beyond this an attack would no longer fit well into the shortest window of a shipped rule, 5 minutes.
const ATTACK_SPAN_MS_MAX: u32 = 120_000;
const SHARE_MAX: f64 = 0.9;

/// The settings of a stream. Whatever is equal here gives equal bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Event time of the first event, epoch milliseconds.
    pub start_ms: i64,
    /// People; service accounts come on top, one for every 50.
    pub subjects: u32,
    /// API services, 20 to 1,000; the identity provider comes on top.
    pub services: u16,
    /// The pace of [`next_event`](super::Traffic::next_event). [`emit`](super::Traffic::emit) goes at its caller's.
    pub events_per_second: u32,
    /// Taken in turn. None: no attacks.
    pub attacks: Vec<AttackKind>,
    /// Event time between the beginnings of two attacks.
    pub attack_every_ms: u32,
    /// Event time from the first to the last event of an attack, about.
    pub attack_span_ms: u32,
    /// None by default.
    pub disorder: Disorder,
}

/// How the order of arrival differs from that of event time. Events of attacks, and those of their victims just
/// before, always arrive in order and once, so that each label keeps exactly one firing point.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Disorder {
    /// Share of the events that arrive late, 0 to 0.9.
    pub late_share: f64,
    /// The most that an event is late by, in event time.
    pub late_ms_max: u32,
    /// Share of the events that arrive a second time, byte for byte, 0 to 0.9.
    pub duplicate_share: f64,
}

impl Default for TrafficConfig {
    /// 4,000 people, 40 services, 1,000 events a second from 2026-01-01, an attack of the next kind every 5 seconds.
    fn default() -> Self {
        Self {
            seed: 1,
            start_ms: 1_767_225_600_000,
            subjects: 4_000,
            services: 40,
            events_per_second: 1_000,
            attacks: AttackKind::ALL.to_vec(),
            attack_every_ms: 5_000,
            attack_span_ms: 15_000,
            disorder: Disorder::default(),
        }
    }
}

/// A setting lies outside what can be made; the caller has to change it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{setting} is {given}, but must be between {min} and {max}")]
pub struct TrafficError {
    /// The field of [`TrafficConfig`].
    pub setting: &'static str,
    /// What it was set to.
    pub given: String,
    /// The least that is possible.
    pub min: String,
    /// The most that is possible.
    pub max: String,
}

impl TrafficConfig {
    pub(super) fn check(&self) -> Result<(), TrafficError> {
        between("subjects", self.subjects, SUBJECTS_MIN, SUBJECTS_MAX)?;
        between("services", self.services, SERVICES_MIN, SERVICES_MAX)?;
        between("events_per_second", self.events_per_second, 1, 1_000_000_000)?;
        between("attack_every_ms", self.attack_every_ms, 1, u32::MAX)?;
        between("attack_span_ms", self.attack_span_ms, 100, ATTACK_SPAN_MS_MAX)?;
        between("disorder.late_share", self.disorder.late_share, 0.0, SHARE_MAX)?;
        between("disorder.duplicate_share", self.disorder.duplicate_share, 0.0, SHARE_MAX)
    }
}

fn between<T: PartialOrd + ToString + Copy>(
    setting: &'static str,
    given: T,
    min: T,
    max: T,
) -> Result<(), TrafficError> {
    if given >= min && given <= max {
        return Ok(());
    }
    Err(TrafficError { setting, given: given.to_string(), min: min.to_string(), max: max.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_on_both_sides() {
        let with = |change: fn(&mut TrafficConfig)| {
            let mut config = TrafficConfig::default();
            change(&mut config);
            config.check()
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|config| config.subjects = SUBJECTS_MIN), Ok(()));
        assert_eq!(
            with(|config| config.subjects = SUBJECTS_MIN - 1).expect_err("too few").to_string(),
            "subjects is 49, but must be between 50 and 2000000"
        );
        assert_eq!(with(|config| config.services = SERVICES_MIN), Ok(()));
        assert!(with(|config| config.services = SERVICES_MIN - 1).is_err());
        assert!(with(|config| config.attack_span_ms = ATTACK_SPAN_MS_MAX + 1).is_err());
        assert_eq!(with(|config| config.disorder.late_share = SHARE_MAX), Ok(()));
        assert!(with(|config| config.disorder.late_share = f64::NAN).is_err());
    }
}
