//! Regular expressions as Sigma means them, those of PCRE, for an engine that is linear in time.
//!
//! Not what only backtracking can do: that is refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Node;

/// Largest compiled regular expression, in bytes.
const BYTES_MAX: usize = 10 << 20;

/// The expression in a text, with the flags `i`, `m` and `s`.
pub(super) fn compile(text: &str, flags: &str, node: &Node) -> Result<Regex, Fault> {
    let plain = without_own_operators(text);
    // As part of the expression the flags are part of what tells one test from another.
    let pattern = if flags.is_empty() { plain } else { format!("(?{flags}){plain}") };
    RegexBuilder::new(&pattern).size_limit(BYTES_MAX).build().map_err(|error| wrong(node, &error))
}

/// The same expression with what only the engine takes for operators as the plain characters that they are in PCRE:
/// `\<` and `\>`, and inside a class `&&`, `--`, `~~` and an opening bracket.
fn without_own_operators(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => escaped(&mut plain, &mut letters),
            '[' => class(&mut plain, &mut letters),
            _ => plain.push(letter),
        }
    }
    plain
}

fn escaped(plain: &mut String, letters: &mut Peekable<Chars<'_>>) {
    match letters.next() {
        Some(letter @ ('<' | '>')) => plain.push(letter),
        Some(letter) => plain.extend(['\\', letter]),
        None => plain.push('\\'),
    }
}

/// A class up to its closing bracket, its opening one passed.
fn class(plain: &mut String, letters: &mut Peekable<Chars<'_>>) {
    plain.push('[');
    plain.extend(letters.next_if_eq(&'^'));
    // First in its class a closing bracket is a character.
    if letters.next_if_eq(&']').is_some() {
        plain.push_str("\\]");
    }
    let mut last = None;
    while let Some(letter) = letters.next() {
        match letter {
            ']' => return plain.push(letter),
            '\\' => escaped(plain, letters),
            '[' if letters.peek() == Some(&':') => named(plain, letters),
            '[' => plain.push_str("\\["),
            '&' | '-' | '~' if last == Some(letter) => plain.extend(['\\', letter]),
            _ => plain.push(letter),
        }
        last = Some(letter);
    }
}

/// A class by name, `[:alpha:]`, its opening bracket passed.
fn named(plain: &mut String, letters: &mut Peekable<Chars<'_>>) {
    plain.push('[');
    for letter in letters.by_ref() {
        plain.push(letter);
        if letter == ']' {
            return;
        }
    }
}

fn wrong(node: &Node, error: &regex::Error) -> Fault {
    let (message, hint) = match error {
        regex::Error::CompiledTooBig(limit) => {
            (format!("the regular expression needs more than {limit} bytes"), "use fewer or smaller repetitions")
        }
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            (
                format!("not a regular expression: {reason}"),
                "matching is linear in time, so look-around and back-references do not exist",
            )
        }
    };
    Fault::new(Code::BadRegex, node.at, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pcre_takes_for_characters_are_characters() {
        for (pattern, yes, no) in [
            (r"2\>&1", "2>&1", "2"),
            (r"\<script\>", "a <script> here", "a script here"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[a~~b]$", "~", "c"),
            (r"^[!--]$", "#", "a"),
            (r"^[x[y]$", "[", "z"),
            (r"^[]x]$", "]", "y"),
            (r"^[^]x]$", "y", "]"),
            (r"^[[:digit:]x[]$", "[", ":"),
            (r"^[\]&&]$", "&", "a"),
            (r"\\<", r"\<", "<"),
            (r"^[a-c]$", "b", "-"),
            (r"^[\d-]$", "-", "x"),
        ] {
            let regex =
                Regex::new(&without_own_operators(pattern)).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(regex.is_match(yes), "{pattern} on {yes}");
            assert!(!regex.is_match(no), "{pattern} on {no}");
        }
    }

    #[test]
    fn what_is_not_closed_is_left_to_the_engine_to_tell_of() {
        for pattern in [r"[a", r"[[:digit:]", r"[", r"\"] {
            assert!(Regex::new(&without_own_operators(pattern)).is_err(), "{pattern}");
        }
    }
}
