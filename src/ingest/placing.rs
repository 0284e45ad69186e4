//! Where producers place records of a key, by the partitioners that clients come with.
//!
//! A key decides the partition, but not alone: clients of different libraries that write to one topic may place one key
//! in two partitions. Not a verdict on records, and silent about partitioners of somebody's own.

/// The partitioners, as people know them.
pub const PARTITIONERS: [&str; 3] =
    ["murmur2 (Java and most clients)", "crc32 (the default of the library in C)", "fnv-1a (sarama's default)"];

/// Of each of [`PARTITIONERS`], whether it places a record of this key there.
#[must_use]
pub fn explained(key: &[u8], partition: i32, partitions: i32) -> [bool; PARTITIONERS.len()] {
    let among = |hash: u32| i32::try_from(hash % partitions.unsigned_abs().max(1)).ok();
    let fnv = fnv1a(key).cast_signed() % partitions.max(1);
    [among(murmur2(key) & 0x7fff_ffff), among(crc32fast::hash(key)), Some(fnv.abs())].map(|at| at == Some(partition))
}

/// Austin Appleby's `MurmurHash2` with the seed of Kafka's `Utils.murmur2`.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // Kafka counts in 32 bits, and no key is longer.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = SEED ^ length;
    for word in words {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (mixed ^ (mixed >> 24)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Fowler, Noll and Vo's hash of 32 bits, variant 1a.
fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest`.
    #[test]
    fn murmur2_is_kafkas() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn fnv1a_is_that_of_its_authors() {
        assert_eq!([fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")], [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    }

    #[test]
    fn each_partitioner_explains_where_it_places_a_key() {
        // 0x7fffffff & -790332482 = 1357151166; the check value of CRC-32; 0xbf9cf968 is -1080231576.
        assert!(explained(b"foobar", 1_357_151_166 % 7, 7)[0]);
        assert!(!explained(b"foobar", (1_357_151_166 + 1) % 7, 7)[0]);
        assert!(explained(b"123456789", i32::try_from(0xcbf4_3926_u32 % 7).expect("small"), 7)[1]);
        assert!(explained(b"foobar", 1_080_231_576 % 7, 7)[2]);
        assert_eq!(explained(b"whatever", 0, 1), [true; 3]);
    }
}
