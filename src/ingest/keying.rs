//! Whether a record's key is what the configuration says that it is: the text of one field.
//!
//! A rule grouped by that field is right only if the key is the field's value, because the key decides the partition.
//! Not a verdict on events: one that contradicts is decided like any other, and counted.

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::Value;

/// What records are said to be keyed by.
#[derive(Clone, Debug)]
pub struct Keying {
    field: Slot,
    /// Values that make no group, so that their events may lie anywhere.
    placeholders: Vec<String>,
}

impl Keying {
    /// Records are keyed by the field `path`, which gets a slot.
    #[must_use]
    pub fn new(path: &str, placeholders: &[String], fields: &mut FieldTable) -> Self {
        let placeholders = placeholders.iter().map(|text| text.to_lowercase()).collect();
        Self { field: fields.slot(path), placeholders }
    }

    /// True if an event of these values makes a group, or several, and its record's key is not the plain text of it.
    #[must_use]
    pub fn is_contradicted(&self, key: Option<&[u8]>, values: &[Value<'_>]) -> bool {
        let elements = values[self.field.index()].elements();
        let mut texts = elements.iter().filter_map(Value::key_text);
        // A record without a group may lie anywhere; one with several cannot lie where all of them do.
        texts.any(|text| {
            Some(text.as_bytes()) != key && !self.placeholders.iter().any(|known| *known == text.to_lowercase())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::value::Number;

    use super::*;

    fn is_contradicted(key: Option<&str>, value: Value<'_>) -> bool {
        let mut fields = FieldTable::default();
        let keying = Keying::new("jwt.sub", &["Anonymous".to_owned()], &mut fields);
        let mut values = vec![Value::Absent; fields.len()];
        values[fields.slot("jwt.sub").index()] = value;
        keying.is_contradicted(key.map(str::as_bytes), &values)
    }

    #[test]
    fn the_key_is_the_plain_text_of_the_value() {
        assert!(!is_contradicted(Some("ann"), Value::text("ann")));
        assert!(!is_contradicted(Some("7"), Value::Number(Number::Text("7.0"))));
        assert!(!is_contradicted(Some("ann"), Value::List(vec![Value::text("ann")])));
        for other in [None, Some(""), Some("Ann"), Some("\"ann\""), Some("bob")] {
            assert!(is_contradicted(other, Value::text("ann")), "{other:?}");
        }
        assert!(is_contradicted(Some("ann"), Value::List(vec![Value::text("ann"), Value::text("bob")])));
    }

    #[test]
    fn an_event_that_makes_no_group_may_lie_anywhere() {
        for value in [Value::Absent, Value::Null, Value::text(""), Value::text("ANONYMOUS"), Value::Object] {
            assert!(!is_contradicted(Some("x"), value.clone()), "{value:?}");
            assert!(!is_contradicted(None, value.clone()), "{value:?}");
        }
    }
}
