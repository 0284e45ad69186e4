//! Writes one JSON object straight into a byte buffer, with nested objects or with dotted keys.
//!
//! The event format treats `{"jwt":{"sub":"a"}}` and `{"jwt.sub":"a"}` as the same, and real sources send both, so
//! the generator does too. `serde` derives can say only one of the two for a type, hence this small writer. Values
//! still go through `serde_json`, which knows about escapes.

use serde::Serialize;

const DEPTH_MAX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyForm {
    Nested,
    Dotted,
}

pub(super) struct ObjectWriter<'b> {
    buffer: &'b mut Vec<u8>,
    form: KeyForm,
    /// The names of the groups that are open, used in the dotted form.
    path: [&'static str; DEPTH_MAX],
    depth: usize,
}

impl<'b> ObjectWriter<'b> {
    pub(super) fn new(buffer: &'b mut Vec<u8>, form: KeyForm) -> Self {
        buffer.push(b'{');
        Self { buffer, form, path: [""; DEPTH_MAX], depth: 0 }
    }

    pub(super) fn field(&mut self, name: &'static str, value: impl Serialize) {
        self.key(name);
        serde_json::to_writer(&mut *self.buffer, &value).expect("plain values go into memory without an error");
    }

    /// A string made of `parts` that need no escape, without joining them first.
    pub(super) fn plain(&mut self, name: &'static str, parts: std::fmt::Arguments<'_>) {
        use std::io::Write as _;
        self.key(name);
        self.buffer.push(b'"');
        self.buffer.write_fmt(parts).expect("a Vec takes every byte");
        self.buffer.push(b'"');
    }

    pub(super) fn optional(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// Everything that `fill` writes stands under `name`.
    pub(super) fn group(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) {
        if self.form == KeyForm::Nested {
            self.key(name);
            self.buffer.push(b'{');
        }
        self.path[self.depth] = name;
        self.depth += 1;
        fill(self);
        self.depth -= 1;
        if self.form == KeyForm::Nested {
            self.buffer.push(b'}');
        }
    }

    pub(super) fn finish(self) {
        self.buffer.push(b'}');
    }

    fn key(&mut self, name: &'static str) {
        if self.buffer.last() != Some(&b'{') {
            self.buffer.push(b',');
        }
        self.buffer.push(b'"');
        if self.form == KeyForm::Dotted {
            for group in &self.path[..self.depth] {
                self.buffer.extend_from_slice(group.as_bytes());
                self.buffer.push(b'.');
            }
        }
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(form: KeyForm) -> String {
        let mut buffer = Vec::new();
        let mut object = ObjectWriter::new(&mut buffer, form);
        object.field("@timestamp", 1);
        object.group("source", |source| {
            source.field("ip", "::1");
            source.group("geo", |geo| geo.optional("city_name", Some("a\"b")));
            source.optional("none", None::<u8>);
        });
        object.plain("id", format_args!("{:02x}", 10));
        object.finish();
        String::from_utf8(buffer).expect("text")
    }

    #[test]
    fn both_forms_say_the_same() {
        assert_eq!(
            write(KeyForm::Nested),
            r#"{"@timestamp":1,"source":{"ip":"::1","geo":{"city_name":"a\"b"}},"id":"0a"}"#
        );
        assert_eq!(
            write(KeyForm::Dotted),
            r#"{"@timestamp":1,"source.ip":"::1","source.geo.city_name":"a\"b","id":"0a"}"#
        );
    }
}
