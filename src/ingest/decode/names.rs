//! The member names that a decoder looks for at one place.

use super::scan::first_word;

/// Member names and the node each leads to; open addressing over a power of two of places.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    table: Vec<Option<Name>>,
}

#[derive(Clone, Debug)]
struct Name {
    text: Box<str>,
    /// The first eight bytes; most names are told apart, and many wholly known, by them.
    word: u64,
    node: usize,
}

impl Names {
    pub(super) fn new(entries: Vec<(String, usize)>) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let mut table = vec![None; (entries.len() * 4).next_power_of_two()];
        for (text, node) in entries {
            let word = first_word(text.as_bytes());
            let mut place = hash(text.as_bytes(), word) & (table.len() - 1);
            while table[place].is_some() {
                place = (place + 1) & (table.len() - 1);
            }
            table[place] = Some(Name { text: text.into_boxed_str(), word, node });
        }
        Self { table }
    }

    /// The node that a name leads to, given the name's bytes and the first eight of them as a number.
    #[inline]
    pub(super) fn find(&self, name: &[u8], word: u64) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut place = hash(name, word) & mask;
        while let Some(known) = &self.table[place] {
            let is_equal = known.word == word
                && known.text.len() == name.len()
                && (name.len() <= 8 || known.text.as_bytes()[8..] == name[8..]);
            if is_equal {
                return Some(known.node);
            }
            place = (place + 1) & mask;
        }
        None
    }

    /// The node that a name leads to.
    pub(super) fn find_text(&self, name: &str) -> Option<usize> {
        self.find(name.as_bytes(), first_word(name.as_bytes()))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// Mixes the length, the first and the last eight bytes. The table is small and fixed, so an attacker who chooses
/// member names gains no more than a short probe.
#[inline]
fn hash(name: &[u8], first: u64) -> usize {
    let last = if name.len() > 8 { name.last_chunk::<8>().map_or(0, |last| u64::from_le_bytes(*last)) } else { 0 };
    let mixed = (first ^ last.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize
}
