//! A cursor over JSON text that checks the whole grammar of RFC 8259, whether or not anybody wants the value.

use crate::detect::value::{Number, Value};

use super::text::{RawText, end_of_plain};

/// Why the text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON: what was wrong, and at which byte.
    Syntax {
        /// What the grammar wanted.
        problem: &'static str,
        /// Byte offset.
        at: usize,
    },
    /// Nested deeper than allowed.
    TooDeep,
}

/// A position in a text. Nesting is bounded, so recursion over it is too.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth_left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str, depth_max: usize) -> Self {
        Self { text, at: 0, depth_left: depth_max }
    }

    pub(super) const fn fault<T>(&self, problem: &'static str) -> Result<T, Fault> {
        Err(Fault::Syntax { problem, at: self.at })
    }

    /// The next byte after white space, not consumed.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Consumes `wanted` after white space.
    fn expect(&mut self, wanted: u8, problem: &'static str) -> Result<(), Fault> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        self.fault(problem)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { self.fault("nothing may follow the value") }
    }

    /// Walks the members of an object whose `{` is next; `member` consumes each value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, RawText<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open()?;
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return self.fault("expected a member name");
                }
                let name = self.string()?;
                self.expect(b':', "expected a colon")?;
                member(self, name)?;
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(b'}', "expected a comma or the end of the object")?;
        self.depth_left += 1;
        Ok(())
    }

    /// Walks the elements of an array whose `[` is next; `element` consumes each.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.open()?;
        if self.peek() != Some(b']') {
            loop {
                element(self)?;
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(b']', "expected a comma or the end of the array")?;
        self.depth_left += 1;
        Ok(())
    }

    fn open(&mut self) -> Result<(), Fault> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Fault::TooDeep)?;
        self.at += 1;
        Ok(())
    }

    /// Consumes any value, checking it.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(|cursor, _| cursor.skip()),
            Some(b'[') => self.array(Self::skip),
            _ => self.scalar().map(drop),
        }
    }

    /// Consumes a value that is neither object nor array.
    pub(super) fn scalar(&mut self) -> Result<Value<'a>, Fault> {
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?.decoded())),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(Number::Text(self.number()?))),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => self.fault("expected a value"),
            None => self.fault("the text ends where a value should be"),
        }
    }

    fn literal(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        self.fault("expected a value")
    }

    /// Consumes a string whose opening quote is next.
    pub(super) fn string(&mut self) -> Result<RawText<'a>, Fault> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = end_of_plain(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    let inside = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(RawText { inside, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault("a control character in a string must be escaped"),
                None => return self.fault("the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let bytes = &self.text.as_bytes()[self.at..];
        match bytes.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if bytes.len() >= 6 && bytes[2..6].iter().all(u8::is_ascii_hexdigit) => self.at += 6,
            _ => return self.fault("not an escape that JSON has"),
        }
        Ok(())
    }

    /// Consumes a number whose first byte, a minus sign or a digit, is next.
    fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if bytes[self.at] == b'-' {
            self.at += 1;
        }
        if bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return self.fault("expected a digit");
        }
        self.at += count;
        Ok(())
    }
}
