//! A cursor over JSON text that checks the whole grammar of RFC 8259, whether or not anybody wants the value.

use std::ops::Range;

use crate::detect::value::{Number, Value};

use super::marks::Marks;
use super::text::RawText;

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

/// The cursor has met a fault and keeps it; results stay a register wide, because every value comes through them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Halt;

/// A position in a text. Nesting is bounded, so recursion over it is too.
#[derive(Debug)]
pub(super) struct Cursor<'a, 'm> {
    text: &'a str,
    marks: &'m Marks,
    at: usize,
    depth_left: usize,
    fault: Fault,
}

/// A string between its quotes.
#[derive(Clone, Debug)]
pub(super) struct Span {
    inside: Range<usize>,
    pub(super) escaped: bool,
}

impl<'a, 'm> Cursor<'a, 'm> {
    /// A cursor before a text whose marks have been read.
    pub(super) const fn new(text: &'a str, marks: &'m Marks, depth_max: usize) -> Self {
        Self { text, marks, at: 0, depth_left: depth_max, fault: Fault::TooDeep }
    }

    /// What made it halt.
    pub(super) const fn fault(&self) -> Fault {
        self.fault
    }

    #[cold]
    const fn halt<T>(&mut self, problem: &'static str) -> Result<T, Halt> {
        self.fault = Fault::Syntax { problem, at: self.at };
        Err(Halt)
    }

    const fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte after white space, not consumed.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        match self.bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_beyond_space(),
        }
    }

    fn peek_beyond_space(&mut self) -> Option<u8> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Consumes `wanted` after white space.
    #[inline]
    fn expect(&mut self, wanted: u8, problem: &'static str) -> Result<(), Halt> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        self.halt(problem)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Halt> {
        if self.peek().is_none() { Ok(()) } else { self.halt("nothing may follow the value") }
    }

    /// Walks the members of an object whose `{` is next; `member` consumes each value.
    #[inline]
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &Span) -> Result<(), Halt>) -> Result<(), Halt> {
        self.open()?;
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return self.halt("expected a member name");
                }
                let name = self.string()?;
                self.expect(b':', "expected a colon")?;
                member(self, &name)?;
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
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Halt>) -> Result<(), Halt> {
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

    fn open(&mut self) -> Result<(), Halt> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            self.fault = Fault::TooDeep;
            return Err(Halt);
        };
        self.depth_left = depth_left;
        self.at += 1;
        Ok(())
    }

    /// Consumes any value, checking it.
    pub(super) fn skip(&mut self) -> Result<(), Halt> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(|cursor, _| cursor.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => self.scalar().map(drop),
        }
    }

    /// Consumes a value that is neither object nor array.
    pub(super) fn scalar(&mut self) -> Result<Value<'a>, Halt> {
        match self.peek() {
            Some(b'"') => {
                let span = self.string()?;
                Ok(Value::Text(self.text(&span).decoded()))
            }
            Some(b'-' | b'0'..=b'9') => {
                let span = self.number()?;
                Ok(Value::Number(Number::Text(&self.text[span])))
            }
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => self.halt("expected a value"),
            None => self.halt("the text ends where a value should be"),
        }
    }

    fn literal(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, Halt> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        self.halt("expected a value")
    }

    /// Consumes a string whose opening quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Span, Halt> {
        let start = self.at + 1;
        self.at = self.marks.next(start);
        if self.bytes().get(self.at) == Some(&b'"') {
            let inside = start..self.at;
            self.at += 1;
            return Ok(Span { inside, escaped: false });
        }
        self.string_with_escapes(start)
    }

    /// The rest of a string that starts at `start`, from its first mark on, which is no quote.
    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Result<Span, Halt> {
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    let inside = start..self.at;
                    self.at += 1;
                    return Ok(Span { inside, escaped: true });
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return self.halt("a control character in a string must be escaped"),
                None => return self.halt("the text ends inside a string"),
            }
            self.at = self.marks.next(self.at);
        }
    }

    fn escape(&mut self) -> Result<(), Halt> {
        let bytes = &self.bytes()[self.at..];
        match bytes.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if bytes.len() >= 6 && bytes[2..6].iter().all(u8::is_ascii_hexdigit) => self.at += 6,
            _ => return self.halt("not an escape that JSON has"),
        }
        Ok(())
    }

    /// The text of a string that was consumed.
    #[inline]
    pub(super) fn text(&self, span: &Span) -> RawText<'a> {
        RawText { inside: &self.text[span.inside.clone()], escaped: span.escaped }
    }

    /// The bytes of a string that was consumed, escapes and all, and up to eight from its start on as a number, the
    /// first the lowest; what lies beyond the string is zero.
    #[inline]
    pub(super) fn raw(&self, span: &Span) -> (&'a [u8], u64) {
        let inside = &self.bytes()[span.inside.clone()];
        let word = match self.bytes().get(span.inside.start..span.inside.start + 8) {
            Some(first) => u64::from_le_bytes(first.try_into().expect("eight bytes")),
            None => return (inside, first_word(inside)),
        };
        let mask = if inside.len() >= 8 { u64::MAX } else { (1 << (inside.len() * 8)) - 1 };
        (inside, word & mask)
    }

    /// Consumes a number whose first byte, a minus sign or a digit, is next.
    fn number(&mut self) -> Result<Range<usize>, Halt> {
        let bytes = self.bytes();
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
        Ok(start..self.at)
    }

    /// One digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), Halt> {
        let start = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { self.halt("expected a digit") } else { Ok(()) }
    }
}

/// The first eight bytes or fewer as a number, the first the lowest.
pub(super) fn first_word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
