//! The distinct values of one rule and group, each kept once and named by a small number.

use compact_str::CompactString;
use hashbrown::HashTable;

/// Hashes values; seeded, because attackers choose them. No result depends on the seed.
pub(in crate::detect) type ValueHasher = ahash::RandomState;

/// Below this many values a look at each is faster than a hash.
const SCAN_MAX: usize = 16;

/// Values by number, with how many matches hold each.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct ValueTable {
    slots: Vec<Slot>,
    /// The first of the free slots, each of which names the next; as many as `free_count`.
    free: u32,
    free_count: u32,
    index: Option<Box<HashTable<u32>>>,
    /// Of the texts too long to stand in their slots.
    text_bytes: usize,
}

/// One value; most texts fit inside, so that a look at a few values is a look at one place.
#[derive(Clone, Debug)]
struct Slot {
    text: CompactString,
    holders: u32,
    /// The next free slot, if this one is free.
    next: u32,
}

impl ValueTable {
    /// How many values are held.
    pub(in crate::detect) fn len(&self) -> usize {
        self.slots.len() - self.free_count as usize
    }

    /// Something that must be read to be known, near the first values.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.slots.first().map_or(0, |slot| u64::from(slot.holders))
    }

    /// The numbers ever given, free ones included.
    pub(in crate::detect) fn numbers(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::detect) fn text(&self, number: u32) -> &str {
        &self.slots[number as usize].text
    }

    /// The number of `text`, if it is held.
    pub(super) fn find(&self, text: &str, hasher: &ValueHasher) -> Option<u32> {
        if let Some(index) = &self.index {
            return index.find(hasher.hash_one(text), |number| self.text(*number) == text).copied();
        }
        let held = (0u32..).zip(&self.slots).find(|(_, slot)| slot.holders > 0 && slot.text == text);
        held.map(|(number, _)| number)
    }

    /// The number of `text`, a new one if it is not held; one holder more.
    pub(in crate::detect) fn hold(&mut self, text: &str, hasher: &ValueHasher) -> u32 {
        let number = self.find(text, hasher).unwrap_or_else(|| self.add(text, hasher));
        self.slots[number as usize].holders += 1;
        number
    }

    /// One holder more for a value that has some.
    pub(in crate::detect) fn hold_again(&mut self, number: u32) {
        self.slots[number as usize].holders += 1;
    }

    fn add(&mut self, text: &str, hasher: &ValueHasher) -> u32 {
        let text = CompactString::new(text);
        self.text_bytes += heap_bytes(&text);
        let slot = Slot { text, holders: 0, next: 0 };
        let number = if self.free_count > 0 {
            let number = self.free;
            let free = std::mem::replace(&mut self.slots[number as usize], slot);
            self.free = free.next;
            self.free_count -= 1;
            number
        } else {
            grow(&mut self.slots);
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("entries are bounded far below 2^32")
        };
        let Self { slots, index, .. } = self;
        let hash_of = |number: &u32| hasher.hash_one(&*slots[*number as usize].text);
        if let Some(index) = index {
            index.insert_unique(hash_of(&number), number, hash_of);
        } else if slots.len() > SCAN_MAX {
            let mut built = HashTable::with_capacity(slots.len());
            let is_held = |other: &u32| *other == number || slots[*other as usize].holders > 0;
            for held in (0u32..).take(slots.len()).filter(is_held) {
                built.insert_unique(hash_of(&held), held, hash_of);
            }
            *index = Some(Box::new(built));
        }
        number
    }

    /// One holder less; without holders the value is forgotten and its number given again.
    pub(super) fn release(&mut self, number: u32, hasher: &ValueHasher) {
        let slot = &mut self.slots[number as usize];
        slot.holders -= 1;
        if slot.holders > 0 {
            return;
        }
        slot.next = std::mem::replace(&mut self.free, number);
        self.free_count += 1;
        let text = std::mem::take(&mut slot.text);
        self.text_bytes -= heap_bytes(&text);
        if let Some(index) = &mut self.index
            && let Ok(entry) = index.find_entry(hasher.hash_one(&*text), |other| *other == number)
        {
            entry.remove();
        }
    }

    /// Bytes of the values held, whatever the room for them; each with its place in the index.
    pub(in crate::detect) fn weight(&self) -> usize {
        self.len() * (size_of::<Slot>() + 2 * size_of::<u32>()) + self.text_bytes
    }

    /// Bytes on the heap, the texts included.
    pub(super) fn heap_bytes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| size_of_val(&**index) + index.allocation_size());
        self.slots.capacity() * size_of::<Slot>() + index + self.text_bytes
    }
}

/// Makes room for one more: most groups hold one or two values, so the steps are small.
fn grow(slots: &mut Vec<Slot>) {
    if slots.len() == slots.capacity() {
        slots.reserve_exact((slots.len() / 4).max(1));
    }
}

fn heap_bytes(text: &CompactString) -> usize {
    if text.is_heap_allocated() { text.capacity() } else { 0 }
}
