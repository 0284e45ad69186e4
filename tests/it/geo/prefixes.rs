//! The whole way to a record held against a naive search of all prefixes: writer, reader, and what lies between.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tokenwatch::ingest::geo::{Kind, Places};

use super::{from_ip, opened, read_with};
use crate::support::mmdb;

/// What is in many places at once.
const NOWHERE: [&str; 14] = [
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// Few first bits, so that networks lie in one another. IPv6 begins behind its first three, `2000::/3`: a shorter prefix
/// can hold `::/96`, below which such a database has IPv4.
fn address() -> impl Strategy<Value = IpAddr> {
    let low = any::<u32>().prop_map(|bits| IpAddr::from(((bits & 0x0303_0fff) | 0x0900_0000).to_be_bytes()));
    let v4 = any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes()));
    let v6 = any::<(u8, u16)>().prop_map(|(high, low)| {
        IpAddr::from((0x2000_u128 << 112 | u128::from(high) << 96 | u128::from(low)).to_be_bytes())
    });
    prop_oneof![4 => low, 1 => v4, 3 => v6]
}

fn network() -> impl Strategy<Value = IpNet> {
    (address(), any::<u8>()).prop_map(|(address, length)| match address {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, 1 + length % 32).trunc()),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, 3 + length % 126).trunc()),
    })
}

/// The position of the network that counts: of those that hold the address the longest, of equals the last.
fn naive(networks: &[IpNet], address: IpAddr) -> Option<usize> {
    let in_any =
        |networks: &[&str]| networks.iter().any(|net| net.parse::<IpNet>().expect("a network").contains(&address));
    if in_any(&NOWHERE) {
        return None;
    }
    let holders = networks.iter().enumerate().filter(|(_, network)| network.contains(&address));
    holders.max_by_key(|(position, network)| (network.prefix_len(), *position)).map(|(position, _)| position)
}

proptest! {
    #[test]
    fn a_lookup_is_a_search_for_the_longest_prefix(
        networks in vec(network(), 1..20),
        others in vec(address(), 0..20),
        record_bits in prop_oneof![Just(24_u8), Just(28), Just(32)],
    ) {
        let mut database = mmdb::Database::asn().record_bits(record_bits);
        for (number, network) in networks.iter().enumerate() {
            database = database.network(&network.to_string(), json!({"autonomous_system_number": number}));
        }
        let places = Arc::new(Places::default().with(opened(Kind::Asn, &database)));
        let edges = networks.iter().flat_map(|network| [network.network(), network.broadcast()]);
        for address in edges.chain(others) {
            let found = read_with(&places, &["source.as.number"], &from_ip(address));
            let expected = naive(&networks, address).map(|position| position.to_string());
            prop_assert_eq!(&found[0], &expected, "{} in {:?}", address, &networks);
            if let IpAddr::V4(v4) = address {
                let mapped = read_with(&places, &["source.as.number"], &from_ip(v4.to_ipv6_mapped().into()));
                prop_assert_eq!(&mapped[0], &expected, "{} mapped", address);
            }
        }
    }
}
