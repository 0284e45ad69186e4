//! Writes small databases in MaxMind's format, so that tests need none of MaxMind's.
//!
//! Written from the format's specification, <https://maxmind.github.io/MaxMind-DB/>, and kept naive: what it writes is
//! read by somebody else's reader. Like MaxMind's own writer it stores a map that occurs again as a pointer; unlike it,
//! it makes no second way to IPv4 below `::ffff:0:0/96`.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

/// A database to be.
#[derive(Clone, Debug)]
pub struct Database {
    kind: &'static str,
    ip_version: u8,
    record_bits: u8,
    networks: Vec<(IpNet, Value)>,
}

impl Database {
    /// One of this `database_type`, for both kinds of address, with records of 28 bits as MaxMind's have.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, ip_version: 6, record_bits: 28, networks: Vec::new() }
    }

    /// A City database without networks.
    pub fn city() -> Self {
        Self::new("GeoLite2-City")
    }

    /// An ASN database without networks.
    pub fn asn() -> Self {
        Self::new("GeoLite2-ASN")
    }

    /// For IPv4 alone.
    pub fn only_ipv4(self) -> Self {
        Self { ip_version: 4, ..self }
    }

    /// 24, 28 or 32 bits for each side of a node.
    pub fn record_bits(self, record_bits: u8) -> Self {
        Self { record_bits, ..self }
    }

    /// A network with its record; of several that hold an address the longest prefix counts, and of equals the last.
    #[track_caller]
    pub fn network(mut self, network: &str, record: Value) -> Self {
        self.networks.push((network.parse().expect("a network"), record));
        self
    }

    /// A network with a place in a City record: country, city, point and, unless it is 0, accuracy radius.
    #[track_caller]
    pub fn place(self, network: &str, (country, city): (&str, &str), point: (f64, f64), radius_km: u16) -> Self {
        self.network(network, place(country, city, point, radius_km))
    }

    /// A network with an ASN record.
    #[track_caller]
    pub fn system(self, network: &str, number: u32, organization: &str) -> Self {
        let record = json!({"autonomous_system_number": number, "autonomous_system_organization": organization});
        self.network(network, record)
    }

    /// The file's content.
    pub fn bytes(&self) -> Vec<u8> {
        let mut networks: Vec<_> = self.networks.iter().collect();
        networks.sort_by_key(|(network, _)| bits(network, self.ip_version).1);
        let (mut tree, mut data) = (Tree::default(), Data::default());
        for (network, record) in networks {
            let (prefix, length) = bits(network, self.ip_version);
            tree.insert(prefix, length, data.place(record));
        }
        let mut file = tree.bytes(self.record_bits);
        file.extend([0; 16]);
        file.extend(data.bytes);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        file.extend(self.metadata(tree.nodes.len()).bytes);
        file
    }

    /// The numbers in it have the types that the format gives them, whatever their size.
    fn metadata(&self, nodes: usize) -> Data {
        let nodes = u32::try_from(nodes).expect("a small database");
        let mut section = Data::default();
        section.head(MAP, 9);
        section.member("binary_format_major_version", |section| section.number(UINT16, &2_u16.to_be_bytes()));
        section.member("binary_format_minor_version", |section| section.number(UINT16, &0_u16.to_be_bytes()));
        section.member("build_epoch", |section| section.number(UINT64, &1_767_225_600_u64.to_be_bytes()));
        section.member("database_type", |section| section.write(&json!(self.kind)));
        section.member("description", |section| section.write(&json!({"en": "built by a test"})));
        section.member("ip_version", |section| section.number(UINT16, &u16::from(self.ip_version).to_be_bytes()));
        section.member("languages", |section| section.write(&json!(["en", "de"])));
        section.member("node_count", |section| section.number(UINT32, &nodes.to_be_bytes()));
        section.member("record_size", |section| section.number(UINT16, &u16::from(self.record_bits).to_be_bytes()));
        section
    }
}
/// A City record as MaxMind's have it, with names in two languages and what tokenwatch does not read.
pub fn place(country: &str, city: &str, (latitude, longitude): (f64, f64), radius_km: u16) -> Value {
    let mut record = json!({
        "city": {"geoname_id": 2_673_730, "names": {"de": format!("{city} auf Deutsch"), "en": city}},
        "continent": {"code": "EU", "names": {"de": "Europa", "en": "Europe"}},
        "country": {"iso_code": country, "is_in_european_union": true, "names": {"en": "Somewhere"}},
        "location": {"latitude": latitude, "longitude": longitude, "time_zone": "Europe/Stockholm"},
        "registered_country": {"iso_code": "XX", "names": {"en": "Elsewhere"}},
        "subdivisions": [{"iso_code": "AB", "names": {"en": "A part of it"}}],
    });
    if radius_km > 0 {
        record["location"]["accuracy_radius"] = radius_km.into();
    }
    record
}

/// The first bits of a network in a tree of this version, from the highest, and how many they are.
fn bits(network: &IpNet, ip_version: u8) -> (u128, u8) {
    match (network.network(), ip_version) {
        (IpAddr::V4(address), 4) => (u128::from(u32::from(address)) << 96, network.prefix_len()),
        (IpAddr::V4(address), _) => (u128::from(u32::from(address)), network.prefix_len() + 96),
        (IpAddr::V6(address), 6) => (u128::from(address), network.prefix_len()),
        (IpAddr::V6(_), _) => panic!("{network} in a database for IPv4"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Record {
    Nothing,
    Node(usize),
    /// An offset in the data section.
    Data(usize),
}

/// The binary tree of prefixes; shorter ones must come first.
#[derive(Debug)]
struct Tree {
    nodes: Vec<[Record; 2]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![[Record::Nothing; 2]] }
    }
}

impl Tree {
    fn insert(&mut self, prefix: u128, length: u8, data: usize) {
        let side = |depth: u8| usize::from((prefix >> (127 - depth)) & 1 == 1);
        assert!(length > 0, "a network of everything has no side");
        let mut node = 0;
        for depth in 0..length - 1 {
            let below = match self.nodes[node][side(depth)] {
                Record::Node(below) => below,
                // What held for the whole still holds for both halves.
                whole => {
                    self.nodes.push([whole; 2]);
                    self.nodes.len() - 1
                }
            };
            self.nodes[node][side(depth)] = Record::Node(below);
            node = below;
        }
        self.nodes[node][side(length - 1)] = Record::Data(data);
    }

    fn bytes(&self, record_bits: u8) -> Vec<u8> {
        let number = |record| match record {
            Record::Nothing => self.nodes.len(),
            Record::Node(node) => node,
            Record::Data(offset) => self.nodes.len() + 16 + offset,
        };
        let mut bytes = Vec::new();
        for node in &self.nodes {
            let [left, right] = node.map(|record| u32::try_from(number(record)).expect("a small database"));
            assert!(record_bits == 32 || left.max(right) >> record_bits == 0, "too large for {record_bits} bits");
            let ([a, left @ ..], [b, right @ ..]) = (left.to_be_bytes(), right.to_be_bytes());
            match record_bits {
                24 => bytes.extend([left, right].concat()),
                28 => bytes.extend([left.as_slice(), &[a << 4 | b], &right].concat()),
                32 => bytes.extend([[a].as_slice(), &left, &[b], &right].concat()),
                other => panic!("the format has no records of {other} bits"),
            }
        }
        bytes
    }
}

/// A data section; offsets of the maps in it by their JSON text.
#[derive(Debug, Default)]
struct Data {
    bytes: Vec<u8>,
    maps: HashMap<String, usize>,
}

/// A pointer that is followed by four bytes.
const POINTER: u8 = 0b0011_1000;
const STRING: u8 = 2;
const DOUBLE: u8 = 3;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

impl Data {
    /// The offset of a record, written now unless it has been.
    fn place(&mut self, record: &Value) -> usize {
        let text = record.to_string();
        if let Some(offset) = self.maps.get(&text) {
            return *offset;
        }
        let offset = self.bytes.len();
        self.maps.insert(text, offset);
        self.write(record);
        offset
    }

    /// A value; a whole number in the smallest type that holds it, as some writers do.
    fn write(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.head(STRING, text.len());
                self.bytes.extend(text.as_bytes());
            }
            Value::Number(number) => match (number.as_u64(), number.as_f64()) {
                (Some(number @ 0..=0xffff), _) => self.number(UINT16, &number.to_be_bytes()[6..]),
                (Some(number @ 0..=0xffff_ffff), _) => self.number(UINT32, &number.to_be_bytes()[4..]),
                (Some(number), _) => self.number(UINT64, &number.to_be_bytes()),
                (None, Some(number)) => self.number(DOUBLE, &number.to_be_bytes()),
                (None, None) => panic!("{number} has no type"),
            },
            Value::Bool(value) => self.head(BOOLEAN, usize::from(*value)),
            Value::Array(elements) => {
                self.head(ARRAY, elements.len());
                for element in elements {
                    self.write(element);
                }
            }
            Value::Object(members) => {
                self.head(MAP, members.len());
                for (name, value) in members {
                    self.member(name, |data| data.write_or_point(value));
                }
            }
            Value::Null => panic!("the format has no null"),
        }
    }

    fn member(&mut self, name: &str, write_value: impl FnOnce(&mut Self)) {
        self.write(&json!(name));
        write_value(self);
    }

    fn number(&mut self, kind: u8, bytes: &[u8]) {
        self.head(kind, bytes.len());
        self.bytes.extend(bytes);
    }

    fn write_or_point(&mut self, value: &Value) {
        let text = value.to_string();
        match (value, self.maps.get(&text)) {
            (Value::Object(_), Some(offset)) => {
                let offset = u32::try_from(*offset).expect("a small database");
                self.bytes.push(POINTER);
                self.bytes.extend(offset.to_be_bytes());
            }
            (Value::Object(_), None) => {
                self.maps.insert(text, self.bytes.len());
                self.write(value);
            }
            _ => self.write(value),
        }
    }

    /// The control byte, with the type's own byte where it needs one, and the size.
    fn head(&mut self, kind: u8, size: usize) {
        let (bits, more) = match size {
            0..29 => (size, vec![]),
            29..285 => (29, vec![size - 29]),
            _ => (30, vec![(size - 285) >> 8, (size - 285) & 0xff]),
        };
        let byte = |number: usize| u8::try_from(number).expect("a small record");
        self.bytes.push(if kind > 7 { byte(bits) } else { kind << 5 | byte(bits) });
        self.bytes.extend((kind > 7).then(|| kind - 7));
        self.bytes.extend(more.into_iter().map(byte));
    }
}
