//! What was planted: the truth that alerts are compared with, one JSON line an attack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::footprint::{GRACE_MS, LOGIN_WAIT_MS};

/// The ways of misusing a token that the generator can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// A stolen token is used from another country within minutes.
    GeoChange,
    /// One token, one service after another.
    ServiceFanOut,
    /// A client renews its token over and over.
    ReissueLoop,
    /// A stolen token is used from a city of the same country that nobody reaches in that time.
    ImpossibleTravel,
    /// A revoked token still opens doors.
    RevokedTokenAccepted,
    /// Tokens with altered claims, their signatures wrong.
    InvalidSignature,
    /// Tokens that claim to need no signature; the last one is accepted.
    AlgNone,
    /// A token appears for which nobody logged in.
    IssuedWithoutLogin,
    /// Somebody tries doors that stay shut.
    DeniedBurst,
    /// One address, one wrong password for each of many people.
    PasswordSpraying,
    /// A refresh token comes back after it was exchanged.
    RefreshTokenReuse,
    /// A service accepts a token after its time.
    ExpiredTokenAccepted,
    /// A service account's token in a browser.
    ServiceAccountBrowser,
}

impl AttackKind {
    /// Every kind; those that take more than a minute to show last.
    pub const ALL: [Self; 13] = [
        Self::GeoChange,
        Self::ServiceFanOut,
        Self::ReissueLoop,
        Self::ImpossibleTravel,
        Self::InvalidSignature,
        Self::AlgNone,
        Self::DeniedBurst,
        Self::PasswordSpraying,
        Self::RefreshTokenReuse,
        Self::ServiceAccountBrowser,
        Self::RevokedTokenAccepted,
        Self::ExpiredTokenAccepted,
        Self::IssuedWithoutLogin,
    ];

    /// The kinds in which the victim's own past counts too, so that the point of firing is reckoned from it.
    pub const COUNTED: [Self; 3] = [Self::GeoChange, Self::ServiceFanOut, Self::ReissueLoop];

    /// As in labels: `geo_change`, `service_fan_out`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GeoChange => "geo_change",
            Self::ServiceFanOut => "service_fan_out",
            Self::ReissueLoop => "reissue_loop",
            Self::ImpossibleTravel => "impossible_travel",
            Self::RevokedTokenAccepted => "revoked_token_accepted",
            Self::InvalidSignature => "invalid_signature",
            Self::AlgNone => "alg_none",
            Self::IssuedWithoutLogin => "issued_without_login",
            Self::DeniedBurst => "denied_burst",
            Self::PasswordSpraying => "password_spraying",
            Self::RefreshTokenReuse => "refresh_token_reuse",
            Self::ExpiredTokenAccepted => "expired_token_accepted",
            Self::ServiceAccountBrowser => "service_account_browser",
        }
    }

    /// The name of the shipped rule against it.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::GeoChange => "geo_change",
            Self::ServiceFanOut => "cross_service_fan_out",
            Self::ReissueLoop => "token_reissue_rate",
            Self::ImpossibleTravel => "impossible_travel",
            Self::RevokedTokenAccepted => "revoked_token_used",
            Self::InvalidSignature => "tampered_tokens",
            Self::AlgNone => "alg_none",
            Self::IssuedWithoutLogin => "token_issued_without_login",
            Self::DeniedBurst => "denied_burst_per_subject",
            Self::PasswordSpraying => "password_spraying",
            Self::RefreshTokenReuse => "refresh_token_reuse",
            Self::ExpiredTokenAccepted => "expired_token_accepted",
            Self::ServiceAccountBrowser => "service_account_in_browser",
        }
    }

    /// Other shipped rules that the same events can satisfy: their alerts are right too.
    #[must_use]
    pub fn other_rules(self) -> &'static [&'static str] {
        match self {
            Self::GeoChange => &["impossible_travel", "token_on_two_networks", "token_on_two_devices"],
            Self::ServiceFanOut => &["token_fan_out", "token_on_two_devices"],
            Self::InvalidSignature => &["denied_burst_per_subject"],
            Self::AlgNone => &["alg_none_accepted", "token_on_two_networks", "token_on_two_devices"],
            Self::ImpossibleTravel
            | Self::RevokedTokenAccepted
            | Self::ExpiredTokenAccepted
            | Self::ServiceAccountBrowser => &["token_on_two_networks", "token_on_two_devices"],
            Self::ReissueLoop
            | Self::IssuedWithoutLogin
            | Self::DeniedBurst
            | Self::PasswordSpraying
            | Self::RefreshTokenReuse => &[],
        }
    }

    /// The field that tells one attack of this kind from another.
    #[must_use]
    pub fn group_field(self) -> &'static str {
        match self {
            Self::RevokedTokenAccepted => "jwt.jti",
            Self::InvalidSignature | Self::AlgNone | Self::PasswordSpraying => "source.ip",
            _ => "jwt.sub",
        }
    }

    /// How long the attacker waits in the midst of it: longer than the grace that the rule allows.
    pub(super) fn pause_ms(self) -> i64 {
        match self {
            Self::RevokedTokenAccepted | Self::ExpiredTokenAccepted => GRACE_MS + 1_000,
            _ => 0,
        }
    }

    /// How long after the firing event the rule still waits for what would excuse it.
    #[must_use]
    pub fn decided_after_ms(self) -> i64 {
        if self == Self::IssuedWithoutLogin { LOGIN_WAIT_MS } else { 0 }
    }
}

/// The event at whose arrival the rule against an attack holds for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// `event.id`.
    pub event_id: String,
    /// Event time in epoch milliseconds; in JSON RFC 3339 in UTC with three digits, as in alerts.
    #[serde(rename = "time", with = "as_rfc3339")]
    pub time_ms: i64,
}

/// One planted attack.
///
/// Times are event times, epoch milliseconds here and RFC 3339 (UTC, three digits, as in alerts) in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Counts from 1 in the order in which the attacks were begun.
    pub id: u64,
    /// What was played.
    pub kind: AttackKind,
    /// The name of the shipped rule against it.
    pub rule: String,
    /// Field and value, such as `{"jwt.sub": "ada.ito"}`.
    pub group: BTreeMap<String, String>,
    /// Time of the first event.
    #[serde(rename = "start", with = "as_rfc3339")]
    pub start_ms: i64,
    /// Time of the last event.
    #[serde(rename = "end", with = "as_rfc3339")]
    pub end_ms: i64,
    /// `event.id` of each event of the attack, in order of event time and arrival.
    pub event_ids: Vec<String>,
    /// `None` if the stream ended before the attack got there: then no alert is due.
    pub fires_at: Option<Firing>,
    /// Names of shipped rules that the same events can satisfy besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

mod as_rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&super::super::event::rfc3339(*time_ms))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_back_from_its_line() {
        let label = Label {
            id: 1,
            kind: AttackKind::GeoChange,
            rule: "geo_change".to_owned(),
            group: BTreeMap::from([("jwt.sub".to_owned(), "ada.ito".to_owned())]),
            start_ms: 1_767_225_600_000,
            end_ms: 1_767_225_604_007,
            event_ids: vec!["a".to_owned(), "b".to_owned()],
            fires_at: Some(Firing { event_id: "b".to_owned(), time_ms: 1_767_225_604_007 }),
            also: vec!["impossible_travel".to_owned()],
        };
        let line = serde_json::to_string(&label).expect("a label is JSON");
        assert_eq!(
            line,
            r#"{"id":1,"kind":"geo_change","rule":"geo_change","group":{"jwt.sub":"ada.ito"},"start":"2026-01-01T00:00:00.000Z","end":"2026-01-01T00:00:04.007Z","event_ids":["a","b"],"fires_at":{"event_id":"b","time":"2026-01-01T00:00:04.007Z"},"also":["impossible_travel"]}"#
        );
        assert_eq!(serde_json::from_str::<Label>(&line).expect("a label"), label);
    }

    #[test]
    fn names_are_those_of_the_labels() {
        for kind in AttackKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
    }
}
