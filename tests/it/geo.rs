//! Places and networks of addresses, looked up in databases that the tests build.

mod files;
mod lookup;
mod prefixes;
mod replay;
mod service;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokenwatch::detect::{FieldTable, Limits, Origin, Span, Value};
use tokenwatch::ingest::geo::{Database, Kind, Places};
use tokenwatch::ingest::{Reader, Record};

use crate::support::mmdb;

/// Every field that is looked up.
const FIELDS: [&str; 7] = [
    "source.geo.country_iso_code",
    "source.geo.city_name",
    "source.geo.location.lat",
    "source.geo.location.lon",
    "source.geo.accuracy_km",
    "source.as.number",
    "source.as.organization.name",
];

fn opened(kind: Kind, database: &mmdb::Database) -> Database {
    Database::new(kind, Bytes::from(database.bytes())).expect("a database")
}

/// Two towns, one of them in both kinds of address, and two networks.
fn towns() -> mmdb::Database {
    mmdb::Database::city()
        .place("203.0.113.0/24", ("SE", "Linköping"), (58.4167, 15.6167), 76)
        .place("2001:db8:1::/48", ("SE", "Linköping"), (58.4167, 15.6167), 76)
        .place("198.51.100.0/25", ("PT", "Porto"), (41.1496, -8.611), 5)
}

fn systems() -> mmdb::Database {
    mmdb::Database::asn().system("203.0.113.0/24", 29518, "Bredband2 AB").system("2001:db8::/32", 396_982, "Cloud LLC")
}

fn places() -> Arc<Places> {
    let places = Places::default().with(opened(Kind::City, &towns())).with(opened(Kind::Asn, &systems()));
    Arc::new(places)
}

/// What `fields` hold of an event, as rules compare it; none for what they have not, `{}` for an object.
fn read_with(places: &Arc<Places>, fields: &[&str], event: &str) -> Vec<Option<String>> {
    let mut table = FieldTable::default();
    let slots: Vec<_> = fields.iter().map(|field| table.slot(field)).collect();
    let mut reader = Reader::new(&table, &Limits::default(), Span::ZERO, places);
    let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let record = Record { origin: &origin, timestamp: None, payload: Some(event.as_bytes()) };
    let mut values = Vec::new();
    reader.read(&record, places, &mut values).unwrap_or_else(|rejection| panic!("{rejection:?}: {event}"));
    let shown = |value: &Value<'_>| match value {
        Value::Object => Some("{}".to_owned()),
        value => value.scalar_text().map(std::borrow::Cow::into_owned),
    };
    slots.iter().map(|slot| shown(&values[slot.index()])).collect()
}

/// An event with these members besides the required ones.
fn event(members: &str) -> String {
    format!(r#"{{"@timestamp":1,"event.action":"request",{members}}}"#)
}

fn from_address(address: &str) -> String {
    event(&format!(r#""source.ip":"{address}""#))
}

fn from_ip(address: IpAddr) -> String {
    from_address(&address.to_string())
}

/// The values of all [`FIELDS`].
fn read(event: &str) -> Vec<Option<String>> {
    read_with(&places(), &FIELDS, event)
}

fn some(texts: [&str; 7]) -> Vec<Option<String>> {
    texts.map(|text| (!text.is_empty()).then(|| text.to_owned())).to_vec()
}

const TOWN: [&str; 5] = ["SE", "Linköping", "58.4167", "15.6167", "76"];

/// The town, and a network.
fn in_town(number: &str, organization: &str) -> Vec<Option<String>> {
    let [country, city, lat, lon, km] = TOWN;
    some([country, city, lat, lon, km, number, organization])
}
