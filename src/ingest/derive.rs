//! Fields that tokenwatch computes; they replace what the event carried under their names.
//!
//! Only what some rule reads is computed: the field table says which. Nothing here looks at another event.

use std::borrow::Cow;

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::time::Timestamp;
use crate::detect::value::{Number, Value};

/// What one derived field is made of.
#[derive(Clone, Copy, Debug)]
enum Recipe {
    /// `jwt.scope`: a space-separated text becomes a list.
    SplitScope,
    /// `jwt.client_id` falls back to `jwt.azp`.
    ClientIdOr { azp: Slot },
    /// `url.path` without its query string, which may hold secrets.
    WithoutQuery,
    /// `jwt.expired`: the event's time is at or past `jwt.exp`.
    Expired { exp: Slot },
    /// `jwt.ttl_s`: `exp - iat` in whole seconds, rounded down.
    Lifetime { exp: Slot, iat: Slot },
    /// `jwt.age_s`: the event's time less `iat` in whole seconds, rounded down.
    Age { iat: Slot },
    /// `jwt.missing_scope`: required scopes that the token lacks; absent when empty.
    MissingScope { required: Slot, granted: Slot },
}

/// The derived fields that somebody reads, in an order in which each finds its ingredients ready.
#[derive(Clone, Debug)]
pub(super) struct Derivations {
    steps: Vec<(Slot, Recipe)>,
}

impl Derivations {
    /// Which fields of `fields` are derived; adds to it the fields that they are derived from.
    pub(super) fn new(fields: &mut FieldTable) -> Self {
        let mut steps = Vec::new();
        if let Some(slot) = fields.find("jwt.missing_scope") {
            let required = fields.slot("authz.required_scope");
            let granted = fields.slot("jwt.scope");
            steps.push((slot, Recipe::MissingScope { required, granted }));
        }
        if let Some(slot) = fields.find("jwt.expired") {
            steps.push((slot, Recipe::Expired { exp: fields.slot("jwt.exp") }));
        }
        if let Some(slot) = fields.find("jwt.ttl_s") {
            steps.push((slot, Recipe::Lifetime { exp: fields.slot("jwt.exp"), iat: fields.slot("jwt.iat") }));
        }
        if let Some(slot) = fields.find("jwt.age_s") {
            steps.push((slot, Recipe::Age { iat: fields.slot("jwt.iat") }));
        }
        if let Some(slot) = fields.find("jwt.client_id") {
            steps.push((slot, Recipe::ClientIdOr { azp: fields.slot("jwt.azp") }));
        }
        if let Some(slot) = fields.find("url.path") {
            steps.push((slot, Recipe::WithoutQuery));
        }
        if let Some(slot) = fields.find("jwt.scope") {
            steps.insert(0, (slot, Recipe::SplitScope));
        }
        Self { steps }
    }

    /// Computes every derived field of an event.
    pub(super) fn apply(&self, time: Timestamp, values: &mut [Value<'_>]) {
        for (slot, recipe) in &self.steps {
            let at = slot.index();
            let seconds = |slot: Slot| values[slot.index()].to_number();
            values[at] = match *recipe {
                Recipe::SplitScope => split_words(std::mem::take(&mut values[at])),
                Recipe::ClientIdOr { azp } if values[at].key_text().is_none() => values[azp.index()].clone(),
                Recipe::ClientIdOr { .. } => continue,
                Recipe::WithoutQuery => without_query(std::mem::take(&mut values[at])),
                Recipe::Expired { exp } => seconds(exp).map_or(Value::Absent, |exp| Value::Bool(expired(time, exp))),
                Recipe::Lifetime { exp, iat } => match (seconds(exp), seconds(iat)) {
                    (Some(exp), Some(iat)) => whole(exp - iat),
                    _ => Value::Absent,
                },
                Recipe::Age { iat } => seconds(iat).map_or(Value::Absent, |iat| whole(epoch_seconds(time) - iat)),
                Recipe::MissingScope { required, granted } => {
                    missing(&values[required.index()], &values[granted.index()])
                }
            };
        }
    }
}

/// Exact for every event time: below 2^53 milliseconds.
#[expect(clippy::cast_precision_loss, reason = "event times are below 2^48 milliseconds")]
fn epoch_seconds(time: Timestamp) -> f64 {
    time.millis() as f64 / 1_000.0
}

fn expired(time: Timestamp, exp: f64) -> bool {
    epoch_seconds(time) >= exp
}

fn whole<'a>(seconds: f64) -> Value<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float saturates")]
    let whole = seconds.floor() as i64;
    Value::Number(Number::Integer(whole))
}

fn split_words(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(Cow::Borrowed(text)) => Value::List(text.split_ascii_whitespace().map(Value::text).collect()),
        Value::Text(Cow::Owned(text)) => {
            Value::List(text.split_ascii_whitespace().map(|word| Value::Text(Cow::Owned(word.to_owned()))).collect())
        }
        other => other,
    }
}

fn without_query(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(Cow::Borrowed(text)) => Value::text(text.split('?').next().unwrap_or_default()),
        Value::Text(Cow::Owned(mut text)) => {
            text.truncate(text.find('?').unwrap_or(text.len()));
            Value::Text(Cow::Owned(text))
        }
        other => other,
    }
}

fn missing<'a>(required: &Value<'a>, granted: &Value<'_>) -> Value<'a> {
    let lacks = |scope: &&Value<'a>| {
        scope.as_str().is_some_and(|scope| granted.elements().iter().all(|held| held.as_str() != Some(scope)))
    };
    let missing: Vec<_> = required.elements().iter().filter(lacks).cloned().collect();
    if missing.is_empty() { Value::Absent } else { Value::List(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::decode::Projection;

    /// What `path` holds in the event `text` at `time_s` seconds.
    fn check(path: &str, text: &str, time_ms: i64, expected: &Value<'_>) {
        let mut fields = FieldTable::default();
        fields.slot(path);
        let derivations = Derivations::new(&mut fields);
        let mut values = Vec::new();
        assert_eq!(Projection::new(&fields).decode(text, 8, &mut values), Ok(true));
        derivations.apply(Timestamp::from_millis(time_ms), &mut values);
        assert_eq!(&values[fields.find(path).expect("asked for").index()], expected, "{path} of {text}");
    }

    fn integer<'a>(integer: i64) -> Value<'a> {
        Value::Number(Number::Integer(integer))
    }

    fn list<'a>(texts: &[&'a str]) -> Value<'a> {
        Value::List(texts.iter().map(|text| Value::text(text)).collect())
    }

    #[test]
    fn a_token_is_expired_from_exp_on() {
        check("jwt.expired", r#"{"jwt.exp":100}"#, 99_999, &Value::Bool(false));
        check("jwt.expired", r#"{"jwt.exp":100}"#, 100_000, &Value::Bool(true));
        check("jwt.expired", r#"{"jwt":{"exp":"100"}}"#, 100_000, &Value::Bool(true));
        check("jwt.expired", r#"{"jwt.expired":true}"#, 100_000, &Value::Absent);
    }

    #[test]
    fn lifetimes_are_rounded_down() {
        check("jwt.ttl_s", r#"{"jwt":{"exp":100.5,"iat":40}}"#, 0, &integer(60));
        check("jwt.ttl_s", r#"{"jwt":{"exp":40,"iat":40.5}}"#, 0, &integer(-1));
        check("jwt.ttl_s", r#"{"jwt":{"exp":40}}"#, 0, &Value::Absent);
        check("jwt.age_s", r#"{"jwt.iat":40}"#, 41_999, &integer(1));
        check("jwt.age_s", r#"{"jwt.iat":40}"#, 39_999, &integer(-1));
    }

    #[test]
    fn scopes_are_lists() {
        check("jwt.scope", r#"{"jwt.scope":" read  write "}"#, 0, &list(&["read", "write"]));
        check("jwt.scope", r#"{"jwt.scope":"re\u0061d write"}"#, 0, &list(&["read", "write"]));
        check("jwt.scope", r#"{"jwt.scope":["read write"]}"#, 0, &list(&["read write"]));
        let event = r#"{"jwt.scope":"read","authz.required_scope":["read","admin"]}"#;
        check("jwt.missing_scope", event, 0, &list(&["admin"]));
        check("jwt.missing_scope", r#"{"jwt.scope":"a","authz.required_scope":"a"}"#, 0, &Value::Absent);
        check("jwt.missing_scope", r#"{"authz.required_scope":"a"}"#, 0, &list(&["a"]));
        check("jwt.missing_scope", r#"{"jwt.missing_scope":"a"}"#, 0, &Value::Absent);
    }

    #[test]
    fn the_client_falls_back_to_azp_and_paths_lose_their_query() {
        check("jwt.client_id", r#"{"jwt":{"client_id":"web","azp":"x"}}"#, 0, &Value::text("web"));
        check("jwt.client_id", r#"{"jwt":{"client_id":"","azp":"x"}}"#, 0, &Value::text("x"));
        check("url.path", r#"{"url.path":"/a?code=secret"}"#, 0, &Value::text("/a"));
    }
}
