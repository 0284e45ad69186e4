//! Where strings end: one bit for each byte of a text that a string cannot simply contain.
//!
//! Found sixteen bytes at a time before anything is parsed, so that the parser jumps from quote to quote. Not a parse:
//! a marked byte may as well stand outside of a string.

use wide::u8x16;

/// Bytes whose bits share a word.
const WORD: usize = 64;
/// Bytes that are looked at together.
const LANES: usize = 16;

/// The quotes, backslashes and control characters of one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    bytes: usize,
}

impl Marks {
    /// Marks another text, in the memory of the last.
    pub(super) fn read(&mut self, text: &[u8]) {
        self.bytes = text.len();
        self.words.clear();
        let (blocks, rest) = text.as_chunks::<WORD>();
        self.words.extend(blocks.iter().map(marked));
        if !rest.is_empty() {
            // What stands behind the text is never asked for.
            let mut padded = [0; WORD];
            padded[..rest.len()].copy_from_slice(rest);
            self.words.push(marked(&padded));
        }
    }

    /// Position of the first mark at or after `at`; the end of the text if there is none.
    pub(super) fn next(&self, at: usize) -> usize {
        let mut index = at / WORD;
        let Some(word) = self.words.get(index) else { return self.bytes };
        let mut word = word & (u64::MAX << (at % WORD));
        while word == 0 {
            index += 1;
            match self.words.get(index) {
                Some(next) => word = *next,
                None => return self.bytes,
            }
        }
        (index * WORD + word.trailing_zeros() as usize).min(self.bytes)
    }
}

fn marked(block: &[u8; WORD]) -> u64 {
    let (quote, backslash, control) = (u8x16::splat(b'"'), u8x16::splat(b'\\'), u8x16::splat(0x1F));
    let mut word = 0;
    for (index, lanes) in block.as_chunks::<LANES>().0.iter().enumerate() {
        let lanes = u8x16::new(*lanes);
        let is_marked = lanes.simd_eq(quote) | lanes.simd_eq(backslash) | lanes.min(control).simd_eq(lanes);
        word |= u64::from(is_marked.to_bitmask()) << (index * LANES);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_next_mark_is_where_a_plain_loop_finds_it(
            bytes in prop::collection::vec(prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => 0x1Eu8..0x22], 0..200),
            at in 0usize..201,
        ) {
            let at = at.min(bytes.len());
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let expected = bytes[at..].iter().position(special).map_or(bytes.len(), |found| at + found);
            let mut marks = Marks::default();
            marks.read(b"\"what was read before leaves nothing behind, however long it was, and it was rather long\"");
            marks.read(&bytes);
            prop_assert_eq!(marks.next(at), expected);
        }
    }
}
