//! Regular expressions as Sigma means them, those of PCRE, for an engine that is linear in time.
//!
//! Not what only backtracking can do: that is refused.

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
/// `\<` and `\>`, a brace that repeats nothing, and inside a class `&&`, `--`, `~~` and an opening bracket. One that may
/// have comments stays as it is.
fn without_own_operators(text: &str) -> String {
    if has_comments(text) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => escaped(&mut plain, &mut letters),
            '[' => class(&mut plain, &mut letters),
            '{' if !repeats(letters.as_str()) => plain.push_str("\\{"),
            _ => plain.push(letter),
        }
    }
    plain
}

/// True if some flags turn on `x`, under which `#` begins a comment.
fn has_comments(text: &str) -> bool {
    let flags = text.match_indices("(?").map(|(at, opening)| &text[at + opening.len()..]);
    flags.into_iter().any(|rest| rest.chars().take_while(char::is_ascii_alphabetic).any(|flag| flag == 'x'))
}

/// True if what follows a brace makes it a repetition: `{3}`, `{3,}`, `{3,5}`.
fn repeats(rest: &str) -> bool {
    let inner = rest.split_once('}').map(|(inner, _)| inner);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner.is_some_and(|inner| match inner.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(inner),
    })
}

fn escaped(plain: &mut String, letters: &mut Chars<'_>) {
    match letters.next() {
        Some(letter @ ('<' | '>')) => plain.push(letter),
        Some(letter) => {
            plain.extend(['\\', letter]);
            // The name or number of a character: its braces are no text.
            if matches!(letter, 'p' | 'P' | 'x' | 'u' | 'U') && letters.as_str().starts_with('{') {
                plain.extend(letters.by_ref().take_while(|letter| *letter != '}'));
                plain.push('}');
            }
        }
        None => plain.push('\\'),
    }
}

/// A class up to its closing bracket, its opening one passed.
fn class(plain: &mut String, letters: &mut Chars<'_>) {
    plain.push('[');
    let mut take = |letters: &mut Chars<'_>, letter: char, as_it_is: &str| {
        let found = letters.as_str().starts_with(letter);
        if found {
            letters.next();
            plain.push_str(as_it_is);
        }
    };
    take(letters, '^', "^");
    // First in its class a closing bracket is a character, and so is a dash.
    take(letters, ']', "\\]");
    take(letters, '-', "\\-");
    let mut last = None;
    while let Some(letter) = letters.next() {
        match letter {
            ']' => return plain.push(letter),
            '\\' => escaped(plain, letters),
            '[' => match named(letters.as_str()) {
                Some(bytes) => {
                    plain.push('[');
                    plain.extend(letters.by_ref().take(bytes));
                }
                None => plain.push_str("\\["),
            },
            '&' | '-' | '~' if last == Some(letter) => plain.extend(['\\', letter]),
            _ => plain.push(letter),
        }
        last = Some(letter);
    }
}

/// How long a class by name, `[:alpha:]`, is behind its opening bracket, if that begins one.
fn named(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix(':')?;
    let name = inner.split_once(":]")?.0;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'^');
    is_name.then_some(name.len() + 3)
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
            let hint = if reason.contains("look-around") || reason.contains("backreference") {
                "matching is linear in time, so look-around and back-references do not exist"
            } else {
                "escape what is meant as it stands, as in \\* or \\{, or use contains, startswith or endswith"
            };
            (format!("not a regular expression: {reason}"), hint)
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
            (r"^[--/]$", ".", "0"),
            (r"^[-a]$", "-", "b"),
            (r"^[^[:]+$", "a", "["),
            (r"^[[:/]x$", "/x", "ax"),
            (r"^{foo}$", "{foo}", "foo"),
            (r"^a{2}$", "aa", "a{2}"),
            (r"^a{2,3}$", "aaa", "a"),
            (r"^\p{Lu}$", "A", "a"),
            (r"^\x{41}$", "A", "x"),
            ("(?x)^a # see [1\n[bc]$", "ab", "a"),
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
