//! Sigma's texts: wildcards, escapes, placeholders and encodings, down to the pieces of patterns.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::detect::matcher::{DASHES, Piece, TextRelation};
use crate::detect::rule::document::{Encoding, MatchPlan, suggest};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Node;

/// Most texts that one value stands for.
const EXPANSION_MAX: usize = 100_000;

/// The patterns that a text stands for, any of which may match: several with placeholders or `base64offset`.
pub(super) fn patterns(
    text: &str,
    relation: TextRelation,
    plan: &MatchPlan,
    lists: &BTreeMap<String, Vec<String>>,
    node: &Node,
) -> Result<Vec<Vec<Piece>>, Fault> {
    let texts = if plan.expand { expand(text, lists, node)? } else { vec![vec![text.to_owned()]] };
    let mut patterns = Vec::with_capacity(texts.len());
    for parts in texts {
        let read = parts.iter().flat_map(|part| pieces(part)).collect();
        let (encoded, relation) = encode(read, relation, &plan.encodings, node)?;
        patterns.extend(encoded.into_iter().map(|pieces| anchored(pieces, relation)));
    }
    Ok(patterns)
}

/// Wildcards at the ends where the relation leaves them open.
fn anchored(pieces: Vec<Piece>, relation: TextRelation) -> Vec<Piece> {
    let open_start = matches!(relation, TextRelation::Contains | TextRelation::EndsWith);
    let open_end = matches!(relation, TextRelation::Contains | TextRelation::StartsWith);
    let start = open_start.then_some(Piece::AnyMany);
    let end = open_end.then_some(Piece::AnyMany);
    start.into_iter().chain(pieces).chain(end).collect()
}

/// A text with Sigma's wildcards; a backslash keeps `*`, `?` and itself from being special, and is a plain character
/// before any other.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let wildcard = match letter {
            '\\' => {
                plain.push(letters.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'));
                continue;
            }
            '*' => Piece::AnyMany,
            '?' => Piece::AnyOne,
            _ => {
                plain.push(letter);
                continue;
            }
        };
        pieces.push(Piece::Text(std::mem::take(&mut plain)));
        pieces.push(wildcard);
    }
    pieces.push(Piece::Text(plain));
    pieces
}

/// The texts that a text with placeholders stands for, each in its parts: a value of a list is one by itself, so that a
/// backslash at its end escapes nothing behind it. `\%` is a plain percent sign.
pub(super) fn expand(
    text: &str,
    lists: &BTreeMap<String, Vec<String>>,
    node: &Node,
) -> Result<Vec<Vec<String>>, Fault> {
    let mut texts = vec![Vec::new()];
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '%']) {
        let (before, special) = rest.split_at(at);
        plain.push_str(before);
        rest = special;
        if let Some(behind) = special.strip_prefix("\\%") {
            plain.push('%');
            rest = behind;
            continue;
        }
        // Another backslash stays, with what it may escape, for whoever reads wildcards.
        let escaped = special.strip_prefix('\\').map(|behind| if behind.starts_with('\\') { 2 } else { 1 });
        if let Some(bytes) = escaped {
            plain.push_str(&special[..bytes]);
            rest = &special[bytes..];
            continue;
        }
        let Some((name, behind)) = special[1..].split_once('%') else { break };
        let values = lists.get(name).ok_or_else(|| {
            let hint = suggest(name, lists.keys().map(String::as_str));
            Fault::new(Code::UnknownList, node.at, format!("there is no list for %{name}%")).hint(format!(
                "put its values into lists/{name}.txt beside the rules, or a folder of rules.lists ({hint})"
            ))
        })?;
        append(&mut texts, &[std::mem::take(&mut plain)], node)?;
        append(&mut texts, values, node)?;
        rest = behind;
    }
    plain.push_str(rest);
    append(&mut texts, &[plain], node)?;
    Ok(texts)
}

/// Every text with every ending.
fn append(texts: &mut Vec<Vec<String>>, endings: &[String], node: &Node) -> Result<(), Fault> {
    if texts.len().saturating_mul(endings.len()) > EXPANSION_MAX {
        let message = format!("the placeholders make more than {EXPANSION_MAX} values");
        return Err(Fault::new(Code::ExpansionTooLarge, node.at, message));
    }
    let with = |text: &Vec<String>, ending: &String| text.iter().chain([ending]).cloned().collect();
    *texts = texts.iter().flat_map(|text| endings.iter().map(move |ending| with(text, ending))).collect();
    Ok(())
}

/// What a text is between two encodings.
enum Stage {
    Pieces(Vec<Piece>),
    Bytes(Vec<u8>),
}

/// Carries out the encodings in order. `base64offset` makes three texts and looks for them anywhere.
fn encode(
    pieces: Vec<Piece>,
    relation: TextRelation,
    encodings: &[Encoding],
    node: &Node,
) -> Result<(Vec<Vec<Piece>>, TextRelation), Fault> {
    let mut stage = Stage::Pieces(pieces);
    for (index, encoding) in encodings.iter().enumerate() {
        stage = match encoding {
            Encoding::Windash => windash(stage, node)?,
            Encoding::Utf16Le => Stage::Bytes(utf16(stage, u16::to_le_bytes, node)?),
            Encoding::Utf16Be => Stage::Bytes(utf16(stage, u16::to_be_bytes, node)?),
            Encoding::Utf16 => {
                let encoded = utf16(stage, u16::to_le_bytes, node)?;
                Stage::Bytes([&[0xff, 0xfe], encoded.as_slice()].concat())
            }
            Encoding::Base64 => Stage::Pieces(vec![Piece::Text(STANDARD.encode(bytes(stage, node)?))]),
            Encoding::Base64Offset if index + 1 == encodings.len() => {
                return Ok((base64_anywhere(&bytes(stage, node)?, node)?, TextRelation::Contains));
            }
            Encoding::Base64Offset => {
                return Err(Fault::new(Code::ModifierConflict, node.at, "nothing can be encoded after base64offset"));
            }
        };
    }
    let pieces = match stage {
        Stage::Pieces(pieces) => pieces,
        Stage::Bytes(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| {
                Fault::new(Code::BadValue, node.at, "the encoded value is not text, and no field can hold it")
                    .hint("encode it further, as in \"utf16|base64offset\"")
            })?;
            vec![Piece::Text(text)]
        }
    };
    Ok((vec![pieces], relation))
}

fn windash(stage: Stage, node: &Node) -> Result<Stage, Fault> {
    let Stage::Pieces(pieces) = stage else {
        return Err(Fault::new(Code::ModifierConflict, node.at, "windash must come before any encoding"));
    };
    let mut dashed = Vec::new();
    for piece in pieces {
        let Piece::Text(text) = piece else {
            dashed.push(piece);
            continue;
        };
        for (index, part) in text.split(DASHES).enumerate() {
            if index > 0 {
                dashed.push(Piece::Dash);
            }
            dashed.push(Piece::Text(part.to_owned()));
        }
    }
    Ok(Stage::Pieces(dashed))
}

/// The bytes of a text without wildcards.
fn bytes(stage: Stage, node: &Node) -> Result<Vec<u8>, Fault> {
    let pieces = match stage {
        Stage::Bytes(bytes) => return Ok(bytes),
        Stage::Pieces(pieces) => pieces,
    };
    let texts = pieces.into_iter().map(|piece| match piece {
        Piece::Text(text) => Ok(text),
        Piece::AnyOne | Piece::AnyMany | Piece::Dash => {
            Err(Fault::new(Code::BadValue, node.at, "a value with wildcards or dashes of any kind cannot be encoded")
                .hint("write \\* for a plain *, and leave windash out"))
        }
    });
    Ok(texts.collect::<Result<String, Fault>>()?.into_bytes())
}

fn utf16(stage: Stage, to_bytes: fn(u16) -> [u8; 2], node: &Node) -> Result<Vec<u8>, Fault> {
    let bytes = bytes(stage, node)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::new(Code::ModifierConflict, node.at, "a value can be encoded as UTF-16 only once"))?;
    Ok(text.encode_utf16().flat_map(to_bytes).collect())
}

/// The texts, one of which some bytes leave in the Base64 of anything that they stand in. At some offsets a short value
/// leaves nothing to look for.
fn base64_anywhere(bytes: &[u8], node: &Node) -> Result<Vec<Vec<Piece>>, Fault> {
    let texts = (0..3).map(|offset| base64_at(bytes, offset)).filter(|text| !text.is_empty());
    let texts: Vec<Vec<Piece>> = texts.map(|text| vec![Piece::Text(text)]).collect();
    if texts.is_empty() {
        let message = "nothing of an empty value can be found in Base64";
        return Err(Fault::new(Code::BadValue, node.at, message).hint("write what is to be found"));
    }
    Ok(texts)
}

/// What stays the same of some bytes in Base64, whatever stands before and behind them, if they begin `offset` bytes
/// into a group of three.
fn base64_at(bytes: &[u8], offset: usize) -> String {
    let padded = [&[0; 2][..offset], bytes].concat();
    let encoded = STANDARD.encode(&padded);
    // Characters that also hold bits of the neighbours: two or three at the start, and the last ones of a cut group.
    let start = [0, 2, 3][offset];
    let end = encoded.len() - [0, 3, 2][padded.len() % 3];
    encoded.get(start..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_escape_wildcards_and_themselves() {
        use Piece::{AnyMany, AnyOne};
        let text = |text: &str| Piece::Text(text.to_owned());
        let joined = |source: &str| {
            let joined: Vec<Piece> = pieces(source).into_iter().filter(|piece| *piece != text("")).collect();
            joined
        };
        assert_eq!(joined(r"a*b?c"), [text("a"), AnyMany, text("b"), AnyOne, text("c")]);
        assert_eq!(joined(r"C:\x"), [text(r"C:\x")]);
        assert_eq!(joined(r"C:\\x"), [text(r"C:\x")]);
        assert_eq!(joined(r"a\*b\?"), [text("a*b?")]);
        assert_eq!(joined(r"a\\*"), [text(r"a\"), AnyMany]);
        assert_eq!(joined(r"a\\\*"), [text(r"a\*")]);
        assert_eq!(joined(r"\\\x"), [text(r"\\x")]);
        assert_eq!(joined(r"\\\\"), [text(r"\\")]);
        assert_eq!(joined("a\\"), [text("a\\")]);
    }

    #[test]
    fn base64_pieces_are_found_at_every_offset() {
        for needle in ["f", "fo", "foo", "foob", "http://"] {
            for before in 0..6 {
                for behind in ["", "x", "yz", "abc"] {
                    let whole = STANDARD.encode(format!("{}{needle}{behind}", "#".repeat(before)));
                    let piece = base64_at(needle.as_bytes(), before % 3);
                    assert!(whole.contains(&piece), "{needle} at {before}: {piece} in {whole}");
                }
            }
        }
        assert_eq!(base64_at(b"http://", 0), "aHR0cDovL");
        assert_eq!(base64_at(b"http://", 1), "h0dHA6Ly");
        assert_eq!(base64_at(b"http://", 2), "odHRwOi8v");
    }
}
