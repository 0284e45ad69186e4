//! The inside of JSON strings: taking escapes away.

use std::borrow::Cow;

/// A string between its quotes, already checked against the grammar.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawText<'a> {
    pub(super) inside: &'a str,
    pub(super) escaped: bool,
}

impl<'a> RawText<'a> {
    /// The text without escapes. A surrogate without its partner becomes U+FFFD, as Unicode recommends for
    /// ill-formed text, so that whether a record is accepted does not depend on who reads the field.
    #[inline]
    pub(super) fn decoded(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.inside)) } else { Cow::Borrowed(self.inside) }
    }
}

fn unescape(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(plain) = rest.find('\\') {
        text.push_str(&rest[..plain]);
        let escape = &rest[plain + 1..];
        let (character, length) = match escape.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b't') => ('\t', 1),
            Some(b'r') => ('\r', 1),
            Some(b'b') => ('\u{8}', 1),
            Some(b'f') => ('\u{c}', 1),
            Some(b'u') => unicode_escape(escape),
            Some(other) => (char::from(*other), 1),
            None => break,
        };
        text.push(character);
        rest = &escape[length..];
    }
    text.push_str(rest);
    text
}

/// The character of `uXXXX`, or of `uXXXX\uXXXX` where the two make one, and the length of what was used.
fn unicode_escape(escape: &str) -> (char, usize) {
    let unit = |text: Option<&str>| text.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let Some(first) = unit(escape.get(1..5)) else { return (char::REPLACEMENT_CHARACTER, 1) };
    if let Some(character) = char::from_u32(u32::from(first)) {
        return (character, 5);
    }
    let second = escape.get(5..7).filter(|mark| *mark == "\\u").and_then(|_| unit(escape.get(7..11)));
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    pair.map_or((char::REPLACEMENT_CHARACTER, 5), |character| (character, 11))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_become_characters() {
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(unescape(r"\u0041\u00e9\u4e2d\ud83d\ude00\u0000"), "Aé中😀\0");
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        assert_eq!(unescape(r"\ud83d"), "\u{fffd}");
        assert_eq!(unescape(r"\ude00x"), "\u{fffd}x");
        assert_eq!(unescape(r"\ud83d\u0041"), "\u{fffd}A");
        assert_eq!(unescape(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
        assert_eq!(unescape(r"\ud83dé"), "\u{fffd}é");
    }

    proptest! {
        #[test]
        fn unescaping_agrees_with_serde_json(text: String) {
            let quoted = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text);
        }
    }
}
