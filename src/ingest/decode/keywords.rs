//! Every scalar of a record, for rules that search for keywords.
//!
//! A pass of its own: records are decoded without it unless some rule asks, and then the extra pass is what it costs.

use crate::detect::value::Value;

use super::marks::Marks;
use super::scan::{Cursor, Fault, Halt};

/// The scalars in order, however deep; member names are not among them.
pub(super) fn scalars<'a>(text: &'a str, marks: &Marks, depth_max: usize) -> Result<Vec<Value<'a>>, Fault> {
    let mut scalars = Vec::new();
    let mut cursor = Cursor::new(text, marks, depth_max);
    collect(&mut cursor, &mut scalars).map_err(|Halt| cursor.fault())?;
    Ok(scalars)
}

fn collect<'a>(cursor: &mut Cursor<'a, '_>, scalars: &mut Vec<Value<'a>>) -> Result<(), Halt> {
    match cursor.peek() {
        Some(b'{') => cursor.object(|cursor, _| collect(cursor, scalars)),
        Some(b'[') => cursor.array(|cursor| collect(cursor, scalars)),
        _ => {
            scalars.push(cursor.scalar()?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fields::FieldTable;
    use crate::ingest::decode::Projection;

    #[test]
    fn a_keyword_rule_sees_every_scalar_and_nobody_else_pays() {
        let text = r#"{"a":"x","b":{"c":[1,true,{"d":null}]},"*":"star"}"#;
        let mut fields = FieldTable::default();
        let mut values = Vec::new();
        let slot = fields.slot(FieldTable::KEYWORDS);
        assert_eq!(Projection::new(&fields).decode(text, 8, &mut values), Ok(true));
        let Value::List(words) = &values[slot.index()] else { panic!("a list: {values:?}") };
        let shown: Vec<String> = words.iter().map(|word| word.key_text().unwrap_or_default().into_owned()).collect();
        assert_eq!(shown, ["x", "1", "true", "", "star"]);

        assert_eq!(Projection::new(&FieldTable::default()).decode(text, 8, &mut values), Ok(true));
        assert!(values.iter().all(|value| *value == Value::Absent), "{values:?}");
    }
}
