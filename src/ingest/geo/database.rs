//! One database: checked as a whole before it is believed, asked in place afterwards.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;

use crate::detect::time::Timestamp;

use super::record::{AsnRecord, CityRecord};

/// What a database is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where an address is: GeoIP2 and GeoLite2 City, and Enterprise, which has the same and more.
    City,
    /// Whose network an address is in: GeoLite2 ASN, and GeoIP2 ISP, which has the same and more.
    Asn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::City => "City",
            Self::Asn => "ASN",
        })
    }
}

/// Why bytes are no database that can be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// They are something else, or only a part of a database.
    #[error("is no MaxMind database, or not a whole one: {0}")]
    Foreign(MaxMindDbError),
    /// They are a database about something else.
    #[error("is a {database_type} database, not {} {wanted} database", if *.wanted == Kind::City { "a" } else { "an" })]
    OtherKind {
        /// Its own word for what it is about.
        database_type: String,
        /// What it should be about.
        wanted: Kind,
        /// What it can be asked about; none if that is neither.
        named: Option<Kind>,
    },
    /// Something in them cannot be read.
    #[error("is damaged: {0}")]
    Damaged(MaxMindDbError),
    /// Its tree of networks leads in circles.
    #[error("is damaged: more than {networks_max} networks in a tree of {nodes} nodes")]
    Circular {
        /// Nodes, as the database says.
        nodes: u32,
        /// More than these cannot be.
        networks_max: usize,
    },
}

/// What a `database_type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It can be asked about this.
    Holds(Kind),
    /// It is about something else.
    Other,
    /// Nothing that is known.
    Unknown,
}

/// MaxMind's words for what databases are about. A type that has several of them is what the first one says.
const WORDS: [(&str, Claim); 14] = [
    ("enterprise", Claim::Holds(Kind::City)),
    ("city", Claim::Holds(Kind::City)),
    ("asn", Claim::Holds(Kind::Asn)),
    ("isp", Claim::Holds(Kind::Asn)),
    ("country", Claim::Other),
    ("connection", Claim::Other),
    ("domain", Claim::Other),
    ("anonymous", Claim::Other),
    ("residential", Claim::Other),
    ("static-ip", Claim::Other),
    ("user-count", Claim::Other),
    ("user-context", Claim::Other),
    ("risk", Claim::Other),
    ("densityincome", Claim::Other),
];

impl Claim {
    /// `DBIP-ISP (compat=Enterprise)` says itself what it can stand for.
    fn of(database_type: &str) -> Self {
        let name = database_type.to_ascii_lowercase();
        let name = name.split_once("compat=").map_or(name.as_str(), |(_, compatible)| compatible);
        WORDS.iter().find(|(word, _)| name.contains(word)).map_or(Self::Unknown, |(_, claim)| *claim)
    }

    /// Nothing in it speaks against `kind`.
    fn allows(self, kind: Kind) -> bool {
        matches!(self, Self::Unknown) || self == Self::Holds(kind)
    }
}

/// A database that has been read once from end to end.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    reader: Reader<Bytes>,
}

impl Database {
    /// Takes the bytes of a whole file.
    ///
    /// Every record is read, so that damage shows now and not as places that are missing: some ms a megabyte.
    /// A `database_type` that names none of MaxMind's kinds is taken for what it is said to be.
    pub fn new(kind: Kind, bytes: Bytes) -> Result<Self, Unusable> {
        let reader = Reader::from_source(bytes).map_err(Unusable::Foreign)?;
        let database_type = &reader.metadata().database_type;
        let claim = Claim::of(database_type);
        if !claim.allows(kind) {
            let named = if let Claim::Holds(named) = claim { Some(named) } else { None };
            return Err(Unusable::OtherKind { database_type: database_type.clone(), wanted: kind, named });
        }
        match kind {
            Kind::City => read_all::<CityRecord<'_>>(&reader)?,
            Kind::Asn => read_all::<AsnRecord<'_>>(&reader)?,
        }
        Ok(Self { kind, reader })
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its own word for what it is about, such as `GeoLite2-City`.
    #[must_use]
    pub fn database_type(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// When it was made.
    #[must_use]
    pub fn built(&self) -> Timestamp {
        let seconds = i64::try_from(self.reader.metadata().build_epoch).unwrap_or(i64::MAX);
        Timestamp::from_millis(seconds.saturating_mul(1_000))
    }

    /// The record of the longest prefix that holds an address.
    pub(super) fn find<'p, R: Deserialize<'p>>(&'p self, address: IpAddr) -> Option<R> {
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return None;
        }
        // Neither can fail: every record has been read before.
        self.reader.lookup(address).ok()?.decode().ok()?
    }
}

/// Reads every record once.
fn read_all<'p, R: Deserialize<'p>>(reader: &'p Reader<Bytes>) -> Result<(), Unusable> {
    let nodes = reader.metadata().node_count;
    // Each node has two sides, and each network ends one of them; there is slack for subtrees that are used twice.
    let networks_max = 3 * nodes as usize;
    let mut seen = Seen::default();
    // Empty networks are counted too, or circles without data would never be noticed.
    let options = WithinOptions::default().include_networks_without_data();
    let networks = reader.networks(options).map_err(Unusable::Damaged)?;
    for (count, network) in networks.enumerate() {
        if count >= networks_max {
            return Err(Unusable::Circular { nodes, networks_max });
        }
        let network = network.map_err(Unusable::Damaged)?;
        if network.offset().is_some_and(|offset| seen.is_new(offset)) {
            network.decode::<R>().map_err(Unusable::Damaged)?;
        }
    }
    Ok(())
}

/// Offsets that were met, a bit each.
#[derive(Debug, Default)]
struct Seen {
    words: Vec<u64>,
}

impl Seen {
    fn is_new(&mut self, offset: usize) -> bool {
        let (word, bit) = (offset / 64, 1 << (offset % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_what_its_type_names() {
        for (database_type, claim) in [
            ("GeoLite2-City", Claim::Holds(Kind::City)),
            ("GeoIP2-City-North-America", Claim::Holds(Kind::City)),
            ("GeoIP2-Precision-Enterprise", Claim::Holds(Kind::City)),
            ("GeoLite2-ASN", Claim::Holds(Kind::Asn)),
            ("GeoIP2-ISP", Claim::Holds(Kind::Asn)),
            ("DBIP-City-Lite", Claim::Holds(Kind::City)),
            ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", Claim::Holds(Kind::Asn)),
            ("DBIP-ISP (compat=Enterprise)", Claim::Holds(Kind::City)),
            ("GeoLite2-Country", Claim::Other),
            ("GeoIP2-Anonymous-IP", Claim::Other),
            ("Our-Offices", Claim::Unknown),
        ] {
            assert_eq!(Claim::of(database_type), claim, "{database_type}");
        }
    }

    #[test]
    fn an_offset_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!([0, 63, 64, 63, 64, 65].map(|offset| seen.is_new(offset)), [true, true, true, false, false, true]);
    }
}
