//! Records that are no events, each wrong in one known way, for tests of dead letters.

use std::io::Write;

use super::event::rfc3339;

/// How a record is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Malformed {
    /// Text that breaks off in the middle of an object.
    NotJson,
    /// JSON, but an array.
    NotAnObject,
    /// An event without `@timestamp`.
    NoTimestamp,
    /// An event with an array in an array, 1,000 deep.
    NestedTooDeep,
    /// An event that is one byte larger than the limit.
    TooLarge,
    /// An event with a byte that UTF-8 does not know.
    InvalidUtf8,
}

const NESTING: usize = 1_000;

impl Malformed {
    /// Each once.
    pub const ALL: [Self; 6] =
        [Self::NotJson, Self::NotAnObject, Self::NoTimestamp, Self::NestedTooDeep, Self::TooLarge, Self::InvalidUtf8];

    /// `not_json`, `not_an_object`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoTimestamp => "no_timestamp",
            Self::NestedTooDeep => "nested_too_deep",
            Self::TooLarge => "too_large",
            Self::InvalidUtf8 => "invalid_utf8",
        }
    }

    /// Appends such a record to `buffer`. `serial` makes it unlike its neighbours; `event_bytes_max` is the limit
    /// that `TooLarge` exceeds by one byte (at least 200), the others stay below 4 KiB.
    pub fn write(self, serial: u64, at_ms: i64, event_bytes_max: usize, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        let head = format!(
            r#"{{"@timestamp":"{}","event":{{"id":"malformed-{serial}","action":"token.validated","outcome":"success"}}"#,
            rfc3339(at_ms)
        );
        let written = match self {
            Self::NotJson => write!(buffer, "{head},\"jwt\":{{\"sub\":"),
            Self::NotAnObject => write!(buffer, "[{head}}}]"),
            Self::NoTimestamp => {
                write!(buffer, r#"{{"event":{{"id":"malformed-{serial}","action":"token.validated"}}}}"#)
            }
            Self::NestedTooDeep => {
                write!(buffer, "{head},\"context\":{}{}}}", "[".repeat(NESTING), "]".repeat(NESTING))
            }
            Self::TooLarge => {
                let frame = head.len() + r#","note":""}"#.len();
                let note = "x".repeat((event_bytes_max + 1).saturating_sub(frame));
                write!(buffer, r#"{head},"note":"{note}"}}"#)
            }
            Self::InvalidUtf8 => write!(buffer, r#"{head},"user_agent":{{"original":"?"}}}}"#),
        };
        written.expect("a Vec takes every byte");
        if self == Self::InvalidUtf8
            && let Some(mark) = buffer[start..].iter().position(|&byte| byte == b'?')
        {
            buffer[start + mark] = 0xff;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn record(kind: Malformed) -> Vec<u8> {
        let mut buffer = b"before".to_vec();
        kind.write(7, 1_767_225_600_000, 64 * 1024, &mut buffer);
        buffer.split_off(6)
    }

    #[test]
    fn each_is_wrong_in_its_own_way_only() {
        assert!(serde_json::from_slice::<Value>(&record(Malformed::NotJson)).expect_err("cut").is_eof());
        assert!(serde_json::from_slice::<Value>(&record(Malformed::NotAnObject)).expect("JSON").is_array());

        let untimed = serde_json::from_slice::<Value>(&record(Malformed::NoTimestamp)).expect("JSON");
        assert!(untimed["@timestamp"].is_null() && untimed["event"]["action"].is_string());

        let deep = String::from_utf8(record(Malformed::NestedTooDeep)).expect("text");
        assert!(deep.contains(&format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))));

        let large = record(Malformed::TooLarge);
        assert_eq!(large.len(), 64 * 1024 + 1);
        assert!(serde_json::from_slice::<Value>(&large).expect("JSON")["@timestamp"].is_string());

        let mut broken = record(Malformed::InvalidUtf8);
        let at = std::str::from_utf8(&broken).expect_err("not UTF-8").valid_up_to();
        broken[at] = b'?';
        assert!(serde_json::from_slice::<Value>(&broken).is_ok());
    }
}
