//! The distinct values of one rule and group, each kept once and named by a small number.

use hashbrown::HashTable;

/// Hashes values; seeded, because attackers choose them. No result depends on the seed.
pub(in crate::detect) type ValueHasher = ahash::RandomState;

/// Below this many values a look at each is faster than a hash.
const SCAN_MAX: usize = 8;

/// Values by number, with how many matches hold each.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct ValueTable {
    texts: Vec<Box<str>>,
    holders: Vec<u32>,
    free: Vec<u32>,
    index: Option<Box<HashTable<u32>>>,
    text_bytes: usize,
}

impl ValueTable {
    /// How many values are held.
    pub(super) fn len(&self) -> usize {
        self.texts.len() - self.free.len()
    }

    /// The numbers ever given, free ones included.
    pub(in crate::detect) fn numbers(&self) -> usize {
        self.texts.len()
    }

    pub(in crate::detect) fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// The number of `text`, if it is held.
    pub(super) fn find(&self, text: &str, hasher: &ValueHasher) -> Option<u32> {
        if let Some(index) = &self.index {
            return index.find(hasher.hash_one(text), |number| self.text(*number) == text).copied();
        }
        let held = (0u32..).zip(&self.texts).zip(&self.holders);
        held.into_iter().find(|((_, known), holders)| **holders > 0 && ***known == *text).map(|((number, _), _)| number)
    }

    /// The number of `text`, a new one if it is not held; one holder more.
    pub(in crate::detect) fn hold(&mut self, text: &str, hasher: &ValueHasher) -> u32 {
        let number = self.find(text, hasher).unwrap_or_else(|| self.add(text, hasher));
        self.holders[number as usize] += 1;
        number
    }

    /// One holder more for a value that has some.
    pub(in crate::detect) fn hold_again(&mut self, number: u32) {
        self.holders[number as usize] += 1;
    }

    fn add(&mut self, text: &str, hasher: &ValueHasher) -> u32 {
        self.text_bytes += text.len();
        let number = if let Some(number) = self.free.pop() {
            self.texts[number as usize] = text.into();
            number
        } else {
            self.texts.push(text.into());
            self.holders.push(0);
            u32::try_from(self.texts.len() - 1).expect("entries are bounded far below 2^32")
        };
        let Self { texts, index, .. } = self;
        let hash_of = |number: &u32| hasher.hash_one(&*texts[*number as usize]);
        if let Some(index) = index {
            index.insert_unique(hash_of(&number), number, hash_of);
        } else if texts.len() > SCAN_MAX {
            let mut built = HashTable::with_capacity(texts.len());
            for number in (0u32..).take(texts.len()).filter(|other| !self.free.contains(other)) {
                built.insert_unique(hash_of(&number), number, hash_of);
            }
            *index = Some(Box::new(built));
        }
        number
    }

    /// One holder less; without holders the value is forgotten and its number given again.
    pub(super) fn release(&mut self, number: u32, hasher: &ValueHasher) {
        let place = number as usize;
        self.holders[place] -= 1;
        if self.holders[place] > 0 {
            return;
        }
        let text = std::mem::take(&mut self.texts[place]);
        self.text_bytes -= text.len();
        if let Some(index) = &mut self.index
            && let Ok(entry) = index.find_entry(hasher.hash_one(&*text), |other| *other == number)
        {
            entry.remove();
        }
        self.free.push(number);
    }

    /// Bytes on the heap, the texts included.
    pub(super) fn heap_bytes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| size_of_val(&**index) + index.allocation_size());
        self.texts.capacity() * size_of::<Box<str>>()
            + (self.holders.capacity() + self.free.capacity()) * size_of::<u32>()
            + index
            + self.text_bytes
    }
}
