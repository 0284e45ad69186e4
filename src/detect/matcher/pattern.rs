//! Text patterns: plain texts and Sigma's wildcards, in any case or exactly.
//!
//! Not regular expressions: every shape here is decided without backtracking, the frequent ones without allocation.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// `?`: any one character.
    AnyOne,
    /// `*`: any characters, or none.
    AnyMany,
    /// One of the characters that stand for a dash on a command line.
    Dash,
}

/// The characters that `windash` takes for one another.
pub const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    shape: Shape,
    /// Without it the texts of the shape are folded, and so is what they are compared with.
    cased: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Anything,
    Equals(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    Glob(Vec<Piece>),
}

/// Lower case, one character for each: no letter's form depends on its neighbours, so that a part of a text stays a
/// part of it, and `?` counts the same letters in any case.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(text.chars().map(lower).collect());
    }
    // Without an early exit this is a few vector instructions, and most values have no capitals to exit at.
    let has_capitals = text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    if has_capitals { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) }
}

/// As Unicode's simple case folding has it: a final sigma is a sigma, and a letter whose lower case is two, `İ`, stays.
fn lower(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some('ς'), _) => 'σ',
        (Some(lower), None) => lower,
        _ => letter,
    }
}

impl Pattern {
    /// The pattern of some pieces, which must match the whole text.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Piece>, cased: bool) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&folded_unless(cased, &text)),
                (_, Piece::Text(text)) => joined.push(Piece::Text(folded_unless(cased, &text).into_owned())),
                (Some(Piece::AnyMany), Piece::AnyMany) => {}
                (_, piece) => joined.push(piece),
            }
        }
        let shape = match joined.as_slice() {
            [] => Shape::Equals("".into()),
            [Piece::AnyMany] => Shape::Anything,
            [Piece::Text(text)] => Shape::Equals(text.as_str().into()),
            [Piece::Text(text), Piece::AnyMany] => Shape::StartsWith(text.as_str().into()),
            [Piece::AnyMany, Piece::Text(text)] => Shape::EndsWith(text.as_str().into()),
            [Piece::AnyMany, Piece::Text(text), Piece::AnyMany] => Shape::Contains(text.as_str().into()),
            _ => Shape::Glob(joined),
        };
        Self { shape, cased }
    }

    /// True if the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.cased {
            return self.matches_exactly(text);
        }
        match &self.shape {
            Shape::Anything => true,
            Shape::Equals(literal) if text.eq_ignore_ascii_case(literal) => true,
            Shape::Equals(_) if text.is_ascii() => false,
            Shape::StartsWith(literal) if text.is_ascii() => {
                text.get(..literal.len()).is_some_and(|start| start.eq_ignore_ascii_case(literal))
            }
            Shape::EndsWith(literal) if text.is_ascii() => {
                let start = text.len().checked_sub(literal.len());
                start.is_some_and(|start| text[start..].eq_ignore_ascii_case(literal))
            }
            Shape::Contains(literal) if text.is_ascii() => contains_ascii(text.as_bytes(), literal.as_bytes()),
            _ => self.matches_exactly(&fold(text)),
        }
    }

    fn matches_exactly(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Anything => true,
            Shape::Equals(literal) => *text == **literal,
            Shape::StartsWith(literal) => text.starts_with(&**literal),
            Shape::EndsWith(literal) => text.ends_with(&**literal),
            Shape::Contains(literal) => memchr::memmem::find(text.as_bytes(), literal.as_bytes()).is_some(),
            Shape::Glob(pieces) => glob(pieces, text),
        }
    }

    /// The one text that matches, folded unless the pattern is cased; none if there are several.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &self.shape {
            Shape::Equals(literal) => Some(literal),
            _ => None,
        }
    }

    /// As a rule writes it, with its wildcards; folded unless it is cased.
    #[must_use]
    pub fn spelled(&self) -> String {
        match &self.shape {
            Shape::Anything => "*".to_owned(),
            Shape::Equals(text) => text.to_string(),
            Shape::StartsWith(text) => format!("{text}*"),
            Shape::EndsWith(text) => format!("*{text}"),
            Shape::Contains(text) => format!("*{text}*"),
            Shape::Glob(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.as_str(),
                    Piece::AnyOne => "?",
                    Piece::AnyMany => "*",
                    Piece::Dash => "-",
                })
                .collect(),
        }
    }

    /// The longest text that every match has in it, and whether it is the whole of it. Folded unless the pattern is
    /// cased; none if every text can match.
    pub(super) fn needle(&self) -> Option<(&str, bool)> {
        match &self.shape {
            Shape::Anything => None,
            Shape::Equals(text) => Some((text, true)),
            Shape::StartsWith(text) | Shape::EndsWith(text) | Shape::Contains(text) => Some((text, false)),
            Shape::Glob(pieces) => {
                let texts = pieces.iter().filter_map(|piece| match piece {
                    Piece::Text(text) => Some(text.as_str()),
                    Piece::AnyOne | Piece::AnyMany | Piece::Dash => None,
                });
                texts.max_by_key(|text| text.len()).map(|text| (text, false))
            }
        }
    }

    /// How much a match costs, for putting the cheap ones first.
    pub(super) fn cost(&self) -> u32 {
        match self.shape {
            Shape::Anything => 0,
            Shape::Equals(_) | Shape::StartsWith(_) | Shape::EndsWith(_) => 2,
            Shape::Contains(_) => 5,
            Shape::Glob(_) => 8,
        }
    }
}

/// Two patterns are the same if and only if this text is.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.cased { "cased " } else { "" })?;
        match &self.shape {
            Shape::Anything => f.write_char('*'),
            Shape::Equals(text) => write!(f, "{text:?}"),
            Shape::StartsWith(text) => write!(f, "{text:?} *"),
            Shape::EndsWith(text) => write!(f, "* {text:?}"),
            Shape::Contains(text) => write!(f, "* {text:?} *"),
            Shape::Glob(pieces) => {
                for (index, piece) in pieces.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { " " })?;
                    match piece {
                        Piece::Text(text) => write!(f, "{text:?}")?,
                        Piece::AnyOne => f.write_char('?')?,
                        Piece::AnyMany => f.write_char('*')?,
                        Piece::Dash => f.write_char('-')?,
                    }
                }
                Ok(())
            }
        }
    }
}

fn folded_unless(cased: bool, text: &str) -> Cow<'_, str> {
    if cased { Cow::Borrowed(text) } else { fold(text) }
}

/// Finds lower-case ASCII in ASCII of any case. The needle may hold anything else, and is then not found.
fn contains_ascii(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(&first) = needle.first() else { return true };
    let Some(last_start) = haystack.len().checked_sub(needle.len()) else { return false };
    let starts = memchr::memchr2_iter(first, first.to_ascii_uppercase(), &haystack[..=last_start]);
    starts.into_iter().any(|start| haystack[start..start + needle.len()].eq_ignore_ascii_case(needle))
}

/// Matches the whole text. Between two `*` the leftmost place is the best one, so nothing is ever tried again.
fn glob(pieces: &[Piece], text: &str) -> bool {
    let mut segments = pieces.split(|piece| *piece == Piece::AnyMany);
    let first = segments.next().unwrap_or_default();
    let Some(mut rest) = strip(first, text) else { return false };
    let Some(last) = segments.next_back() else { return rest.is_empty() };
    for segment in segments {
        match find(segment, rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    ends_with(last, rest)
}

/// What is left of the text behind a segment, which holds no `*`.
fn strip<'t>(segment: &[Piece], text: &'t str) -> Option<&'t str> {
    segment.iter().try_fold(text, |rest, piece| match piece {
        Piece::Text(literal) => rest.strip_prefix(literal.as_str()),
        Piece::AnyOne => skip(rest, |_| true),
        Piece::Dash => skip(rest, |letter| DASHES.contains(&letter)),
        Piece::AnyMany => Some(rest),
    })
}

fn skip(text: &str, accept: impl Fn(char) -> bool) -> Option<&str> {
    let letter = text.chars().next().filter(|letter| accept(*letter))?;
    Some(&text[letter.len_utf8()..])
}

/// What is left behind the leftmost place of a segment.
fn find<'t>(segment: &[Piece], text: &'t str) -> Option<&'t str> {
    let mut rest = text;
    loop {
        if let Some(Piece::Text(literal)) = segment.first() {
            rest = &rest[memchr::memmem::find(rest.as_bytes(), literal.as_bytes())?..];
        }
        if let Some(after) = strip(segment, rest) {
            return Some(after);
        }
        rest = skip(rest, |_| true)?;
    }
}

/// A segment has a fixed number of characters, so only one place at the end can be its own.
fn ends_with(segment: &[Piece], text: &str) -> bool {
    let letters: usize = segment
        .iter()
        .map(|piece| match piece {
            Piece::Text(literal) => literal.chars().count(),
            Piece::AnyOne | Piece::Dash => 1,
            Piece::AnyMany => 0,
        })
        .sum();
    let start = match letters {
        0 => Some(text.len()),
        _ => text.char_indices().rev().nth(letters - 1).map(|(start, _)| start),
    };
    start.is_some_and(|start| strip(segment, &text[start..]).is_some_and(str::is_empty))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let piece = prop_oneof![
            3 => "[abAB/é]{0,3}".prop_map(Piece::Text),
            1 => Just(Piece::AnyOne),
            2 => Just(Piece::AnyMany),
            1 => Just(Piece::Dash),
        ];
        proptest::collection::vec(piece, 0..6)
    }

    /// The definition: every way of cutting the text is tried.
    fn naive(pieces: &[Piece], text: &[char]) -> bool {
        match pieces.split_first() {
            None => text.is_empty(),
            Some((Piece::Text(literal), rest)) => {
                let literal: Vec<char> = literal.chars().collect();
                text.starts_with(&literal) && naive(rest, &text[literal.len()..])
            }
            Some((Piece::AnyOne, rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((Piece::Dash, rest)) => {
                text.first().is_some_and(|letter| DASHES.contains(letter)) && naive(rest, &text[1..])
            }
            Some((Piece::AnyMany, rest)) => (0..=text.len()).any(|cut| naive(rest, &text[cut..])),
        }
    }

    fn folded(pieces: &[Piece]) -> Vec<Piece> {
        let fold = |piece: &Piece| match piece {
            Piece::Text(text) => Piece::Text(fold(text).into_owned()),
            other => other.clone(),
        };
        pieces.iter().map(fold).collect()
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(pieces in pieces(), text in "[abAB/é-]{0,8}") {
            let letters: Vec<char> = text.chars().collect();
            prop_assert_eq!(Pattern::new(pieces.clone(), true).matches(&text), naive(&pieces, &letters));
            let letters: Vec<char> = fold(&text).chars().collect();
            prop_assert_eq!(Pattern::new(pieces.clone(), false).matches(&text), naive(&folded(&pieces), &letters));
        }
    }

    #[test]
    fn case_is_folded_beyond_ascii_and_letter_by_letter() {
        let equals = |literal: &str| Pattern::new([Piece::Text(literal.to_owned())], false);
        assert!(equals("ÄRGER").matches("ärger"));
        // The Kelvin sign is not ASCII, but its lower case is.
        assert!(equals("kelvin").matches("\u{212a}elvin"));
        assert!(equals("ΑΣ").matches("ασ"));
        assert!(equals("ΑΣ").matches("ας"));
        assert!(equals("ας").matches("ΑΣ"));
        assert!(Pattern::new([Piece::AnyOne], false).matches("İ"));
        assert!(!Pattern::new([Piece::AnyOne, Piece::AnyOne], false).matches("İ"));
        assert!(!equals("a").matches("ab"));
    }
}
