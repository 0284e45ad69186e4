//! Group keys: the values of a match's group-by fields as one sequence of bytes that sorts as the values do.
//!
//! Layout: the keyspace's number (big-endian, 2 bytes), then each value with a NUL behind it; a NUL inside a value is
//! followed by 0xFF, a byte that UTF-8 does not have, so no two tuples share a key.

use std::borrow::Cow;
use std::sync::Arc;

use crate::detect::limits::Limit;
use crate::detect::outcome::Outcome;

/// The bytes that name a group in its partition.
pub(in crate::detect) type GroupKey = Arc<[u8]>;

const NUL_INSIDE: u8 = 0xFF;
const KEYSPACE_BYTES: usize = size_of::<u16>();

/// Starts the key of a group in a keyspace.
pub(in crate::detect) fn begin(key: &mut Vec<u8>, keyspace: usize) {
    key.clear();
    let keyspace = u16::try_from(keyspace).expect("a rule set has fewer keyspaces than fields");
    key.extend_from_slice(&keyspace.to_be_bytes());
}

/// Appends a value.
pub(in crate::detect) fn push(key: &mut Vec<u8>, value: &str) {
    if value.as_bytes().contains(&0) {
        for byte in value.bytes() {
            key.push(byte);
            if byte == 0 {
                key.push(NUL_INSIDE);
            }
        }
    } else {
        key.extend_from_slice(value.as_bytes());
    }
    key.push(0);
}

/// A value as [`push`] appends it, without the NUL behind it.
pub(in crate::detect) fn spell(value: &str) -> Vec<u8> {
    let mut spelled = Vec::with_capacity(value.len() + 1);
    push(&mut spelled, value);
    spelled.pop();
    spelled
}

/// The values in a key, in group-by order, each as [`spell`] spells it.
pub(in crate::detect) fn spelled(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &key[KEYSPACE_BYTES..];
    std::iter::from_fn(move || {
        let mut ends = memchr::memchr_iter(0, rest).filter(|at| rest.get(at + 1) != Some(&NUL_INSIDE));
        let end = ends.next()?;
        let value = &rest[..end];
        rest = &rest[end + 1..];
        Some(value)
    })
}

/// The values in a key, in group-by order.
pub(in crate::detect) fn values(key: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = Vec::new();
    let mut rest = key[KEYSPACE_BYTES..].iter().peekable();
    while let Some(byte) = rest.next() {
        if *byte != 0 {
            value.push(*byte);
        } else if rest.next_if(|next| **next == NUL_INSIDE).is_some() {
            value.push(0);
        } else {
            values.push(String::from_utf8_lossy(&value).into_owned());
            value.clear();
        }
    }
    values
}

/// The keyspace's number and the values that make up a key.
pub(in crate::detect) fn split(key: &[u8]) -> (usize, &[u8]) {
    let (keyspace, values) = key.split_first_chunk().expect("a key begins with its keyspace");
    (usize::from(u16::from_be_bytes(*keyspace)), values)
}

/// The key of a keyspace and values.
pub(in crate::detect) fn join(keyspace: usize, values: &[u8]) -> GroupKey {
    let mut key = Vec::with_capacity(KEYSPACE_BYTES + values.len());
    begin(&mut key, keyspace);
    key.extend_from_slice(values);
    key.into()
}

/// True if the bytes behind the keyspace's number can be that many values.
pub(in crate::detect) fn are_values(bytes: &[u8], count: usize) -> bool {
    let ends = memchr::memchr_iter(0, bytes).filter(|at| bytes.get(at + 1) != Some(&NUL_INSIDE));
    ends.count() == count && bytes.last().is_none_or(|last| *last == 0)
}

/// A value cut to `bytes_max` and marked with a hash of the whole, so that two long values never become one.
pub(in crate::detect) fn bounded<'a>(value: Cow<'a, str>, bytes_max: usize, outcome: &mut Outcome) -> Cow<'a, str> {
    use sha2::{Digest, Sha256};
    if value.len() <= bytes_max {
        return value;
    }
    outcome.hit(Limit::LabelBytes);
    let cut = (0..=bytes_max).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    let digest = Sha256::digest(value.as_bytes());
    let mark = u64::from_be_bytes(*digest.first_chunk().expect("a digest is longer"));
    format!("{}…sha256:{mark:016x}", &value[..cut]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(texts: &[String]) -> Vec<u8> {
        let mut key = Vec::new();
        begin(&mut key, 7);
        for text in texts {
            push(&mut key, text);
        }
        key
    }

    proptest! {
        #[test]
        fn keys_read_back_and_sort_as_their_values(
            a in prop::collection::vec("[\0ab\u{ff}中]{0,4}", 2), b in prop::collection::vec("[\0ab\u{ff}中]{0,4}", 2),
        ) {
            prop_assert_eq!(&values(&key(&a)), &a);
            let spelled_again: Vec<_> = a.iter().map(|value| spell(value)).collect();
            prop_assert_eq!(spelled(&key(&a)).map(<[u8]>::to_vec).collect::<Vec<_>>(), spelled_again);
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }
    }
}
