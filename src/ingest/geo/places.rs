//! The databases in force.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::database::{Database, Kind};

/// At most one database of each kind. Cheap to clone: a new file replaces one database and shares the other.
#[derive(Clone, Debug, Default)]
pub struct Places {
    city: Option<Arc<Database>>,
    asn: Option<Arc<Database>>,
}

impl Places {
    /// The same with another database of its kind.
    #[must_use]
    pub fn with(self, database: Database) -> Self {
        let database = Some(Arc::new(database));
        match database.as_deref().map(Database::kind) {
            Some(Kind::City) => Self { city: database, ..self },
            Some(Kind::Asn) => Self { asn: database, ..self },
            None => self,
        }
    }

    /// The database of a kind, if there is one.
    #[must_use]
    pub fn database(&self, kind: Kind) -> Option<&Database> {
        match kind {
            Kind::City => self.city.as_deref(),
            Kind::Asn => self.asn.as_deref(),
        }
    }
}

/// The address that a text spells, if one place can have it. IPv4 mapped into IPv6 is IPv4.
///
/// Private, shared, loopback and link-local addresses are in many places at once; a database that has them would put
/// everybody behind one router into one place. Addresses for documentation are left to the database.
pub(super) fn placeable(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    let is_anywhere = match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || is_shared(v4)
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => is_local(v6) || v6.is_loopback() || v6.is_unspecified() || v6.is_multicast(),
    };
    (!is_anywhere).then_some(address)
}

/// `100.64.0.0/10`, between a carrier and its customers (RFC 6598).
const fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..128, ..])
}

const fn is_local(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_many_places_has_none() {
        let here = [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
        ];
        let not_an_address =
            ["", "-", "ann", "1.2.3", "1.2.3.4:443", "[2001:db8::1]", "fe80::1%eth0", " 1.2.3.4", "1.2.3.256"];
        for text in here.into_iter().chain(not_an_address) {
            assert_eq!(placeable(text), None, "{text:?}");
        }
    }

    #[test]
    fn their_neighbours_may_have_one() {
        let elsewhere = [
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.0",
            "169.253.255.255",
            "223.255.255.255",
            "203.0.113.9",
            "2001:db8::1",
            "fbff::1",
            "fe00::1",
            "fec0::1",
        ];
        for text in elsewhere {
            assert_eq!(placeable(text).map(|address| address.to_string()).as_deref(), Some(text));
        }
        assert_eq!(placeable("::ffff:203.0.113.9"), placeable("203.0.113.9"));
    }
}
