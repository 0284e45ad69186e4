//! Which events are looked up, and what they get.

use std::sync::Arc;

use serde_json::json;
use tokenwatch::detect::rule::{Options, Source, compile};
use tokenwatch::detect::{FieldTable, Limits, Origin, Span};
use tokenwatch::ingest::geo::{Database, Kind, Places, Unusable};
use tokenwatch::ingest::{Reader, Record};
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};

use super::{FIELDS, event, from_address, in_town, opened, places, read, read_with, some, systems, towns};
use crate::support::mmdb;

const NOWHERE: [&str; 7] = [""; 7];

#[test]
fn an_address_has_a_place_and_a_network() {
    assert_eq!(read(&from_address("203.0.113.9")), in_town("29518", "Bredband2 AB"));
    assert_eq!(read(&event(r#""source":{"ip":"203.0.113.9"}"#)), in_town("29518", "Bredband2 AB"), "nested");
    assert_eq!(read(&event(r#""source.ip":["203.0.113.9"]"#)), in_town("29518", "Bredband2 AB"), "a list of one");
    assert_eq!(read(&from_address("198.51.100.1")), some(["PT", "Porto", "41.1496", "-8.611", "5", "", ""]));
}

#[test]
fn both_kinds_of_address_are_looked_up_and_mapped_ones_are_ipv4() {
    assert_eq!(read(&from_address("2001:db8:1::5")), in_town("396982", "Cloud LLC"));
    assert_eq!(read(&from_address("2001:0DB8:0001:0:0:0:0:5")), in_town("396982", "Cloud LLC"), "another spelling");
    assert_eq!(read(&from_address("2001:db8:2::5")), some(["", "", "", "", "", "396982", "Cloud LLC"]));
    assert_eq!(read(&from_address("::ffff:203.0.113.9")), in_town("29518", "Bredband2 AB"));
}

#[test]
fn networks_end_where_they_end() {
    assert_eq!(read(&from_address("198.51.100.127"))[0].as_deref(), Some("PT"));
    assert_eq!(read(&from_address("198.51.100.128")), some(NOWHERE));
    assert_eq!(read(&from_address("203.0.112.255")), some(NOWHERE));
    assert_eq!(read(&from_address("203.0.113.255")), in_town("29518", "Bredband2 AB"));
}

#[test]
fn an_address_that_is_unknown_or_none_at_all_has_no_place() {
    for address in ["192.0.2.1", "2001:db9::1", "", "-", "ann", "203.0.113", "203.0.113.9:443", "fe80::1%eth0"] {
        assert_eq!(read(&from_address(address)), some(NOWHERE), "{address:?}");
    }
    for members in
        [r#""jwt.sub":"ann""#, r#""source.ip":null"#, r#""source.ip":3"#, r#""source.ip":{"ip":"203.0.113.9"}"#]
    {
        assert_eq!(read(&event(members)), some(NOWHERE), "{members}");
    }
    let several = r#""source.ip":["203.0.113.9","198.51.100.1"]"#;
    assert_eq!(read(&event(several)), some(NOWHERE), "of two addresses neither is the place");
}

#[test]
fn a_private_address_has_no_place_even_where_a_database_names_one() {
    let offices = mmdb::Database::city()
        .place("10.0.0.0/8", ("DE", "Here"), (1.0, 2.0), 3)
        .place("fc00::/7", ("DE", "Here"), (1.0, 2.0), 3)
        .place("127.0.0.0/8", ("DE", "Here"), (1.0, 2.0), 3);
    let places = Arc::new(Places::default().with(opened(Kind::City, &offices)));
    for address in ["10.1.2.3", "127.0.0.1", "fd00::1", "::ffff:10.1.2.3"] {
        assert_eq!(read_with(&places, &FIELDS, &from_address(address)), some(NOWHERE), "{address}");
    }
}

#[test]
fn a_database_for_ipv4_knows_no_ipv6() {
    let towns = mmdb::Database::city().only_ipv4().place("203.0.113.0/24", ("SE", "Linköping"), (58.4167, 15.6167), 76);
    let places = Arc::new(Places::default().with(opened(Kind::City, &towns)));
    let read = |address| read_with(&places, &FIELDS, &from_address(address));
    assert_eq!(read("203.0.113.9"), in_town("", ""));
    assert_eq!(read("::ffff:203.0.113.9"), in_town("", ""));
    assert_eq!(read("2001:db8:1::5"), some(NOWHERE));
}

#[test]
fn an_event_that_knows_anything_of_its_place_keeps_it_whole() {
    let address = r#""source.ip":"203.0.113.9""#;
    let own = [
        ("country_iso_code", r#""PT""#, ["PT", "", "", "", "", "29518", "Bredband2 AB"]),
        ("city_name", r#""Porto""#, ["", "Porto", "", "", "", "29518", "Bredband2 AB"]),
        ("accuracy_km", "0", ["", "", "", "", "0", "29518", "Bredband2 AB"]),
        ("region_name", r#""Norte""#, ["", "", "", "", "", "29518", "Bredband2 AB"]),
        ("location", r#""41.1,-8.6""#, ["", "", "", "", "", "29518", "Bredband2 AB"]),
        ("location", "[-8.6,41.1]", ["", "", "", "", "", "29518", "Bredband2 AB"]),
        ("location", r#"{"lat":41.1}"#, ["", "", "41.1", "", "", "29518", "Bredband2 AB"]),
    ];
    for (name, value, expected) in own {
        for geo in [format!(r#""source.geo.{name}":{value}"#), format!(r#""source.geo":{{"{name}":{value}}}"#)] {
            assert_eq!(read(&event(&format!("{address},{geo}"))), some(expected), "{geo}");
        }
    }
}

#[test]
fn an_event_that_knows_its_network_keeps_that_and_gets_its_place() {
    let with = |own: &str| read(&event(&format!(r#""source":{{"ip":"203.0.113.9","as":{own}}}"#)));
    assert_eq!(with(r#"{"number":1}"#), in_town("1", ""));
    assert_eq!(with(r#"{"organization":{"name":"Ours"}}"#), in_town("", "Ours"));
    assert_eq!(with("{}"), in_town("29518", "Bredband2 AB"));
}

#[test]
fn a_place_that_says_nothing_is_none() {
    for geo in [
        r#""source.geo":null"#,
        r#""source.geo":{}"#,
        r#""source.geo":{"country_iso_code":null,"city_name":"","location":{"lat":null,"lon":null}}"#,
        r#""source.geo":{"location":{}}"#,
        r#""source.geo.country_iso_code":[]"#,
        r#""source.geo.country_iso_code":[null,""]"#,
    ] {
        let event = event(&format!(r#""source.ip":"203.0.113.9",{geo}"#));
        assert_eq!(read(&event), in_town("29518", "Bredband2 AB"), "{geo}");
    }
}

#[test]
fn what_a_record_lacks_an_event_lacks_too() {
    let bare = mmdb::Database::city()
        .network(
            "203.0.113.0/24",
            json!({"country": {"iso_code": "SE"}, "location": {"latitude": 58, "longitude": -15}}),
        )
        .network("198.51.100.0/24", json!({"city": {"names": {"de": "Köln"}}}))
        .network("192.0.2.0/24", json!({}));
    let places = Arc::new(Places::default().with(opened(Kind::City, &bare)));
    let read = |address| read_with(&places, &FIELDS, &from_address(address));
    assert_eq!(read("203.0.113.9"), some(["SE", "", "58", "-15", "", "", ""]), "numbers of other types count too");
    assert_eq!(read("198.51.100.1"), some(NOWHERE), "without an English name");
    assert_eq!(read("192.0.2.1"), some(NOWHERE));
}

#[test]
fn without_databases_and_without_readers_nothing_is_looked_up() {
    assert_eq!(read_with(&Arc::default(), &FIELDS, &from_address("203.0.113.9")), some(NOWHERE));
    let only_systems = Arc::new(Places::default().with(opened(Kind::Asn, &systems())));
    let read = read_with(&only_systems, &FIELDS, &from_address("203.0.113.9"));
    assert_eq!(read, some(["", "", "", "", "", "29518", "Bredband2 AB"]));

    let slots = |path: &str, places: &Arc<Places>| {
        let mut table = FieldTable::default();
        table.slot(path);
        let mut reader = Reader::new(&table, &Limits::default(), Span::ZERO, places);
        let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
        let text = from_address("203.0.113.9");
        let record = Record { origin: &origin, timestamp: None, payload: Some(text.as_bytes()) };
        let mut values = Vec::new();
        reader.read(&record, places, &mut values).expect("an event");
        values.len() - table.len()
    };
    assert_eq!(slots("jwt.sub", &places()), 0, "no rule reads a place, so nothing is decoded for one");
    assert_eq!(slots("source.geo.city_name", &Arc::default()), 0);
    assert!(slots("source.geo.city_name", &places()) > 0);
}

#[test]
fn other_databases_take_over_between_events() {
    let rules = "
title: Abroad
name: abroad
logsource: {product: jwt, category: audit}
detection: {selection: {source.geo.country_iso_code: FI}, condition: selection}
";
    let source = Source { path: "rule.yml", text: rules };
    let rules = Arc::new(compile(&[source], &Options::default()).expect("a valid rule").rules);
    let mut pipeline = Pipeline::with_places(Arc::clone(&rules), &Settings::default(), places());
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(&rules);
    let mut alerts = |pipeline: &mut Pipeline, offset| {
        let origin = Origin { topic: "audit".into(), partition: 0, offset };
        let text = from_address("203.0.113.9");
        let record = Record { origin: &origin, timestamp: None, payload: Some(text.as_bytes()) };
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
        outcome.detected.alerts.len()
    };
    assert_eq!(alerts(&mut pipeline, 0), 0);
    let moved = mmdb::Database::city().place("203.0.113.0/24", ("FI", "Oulu"), (65.0, 25.5), 20);
    pipeline.set_places(Arc::new(Places::clone(&places()).with(opened(Kind::City, &moved))));
    assert_eq!(alerts(&mut pipeline, 1), 1);
    pipeline.set_places(places());
    assert_eq!(alerts(&mut pipeline, 2), 1);
}

#[test]
fn what_is_no_database_of_the_kind_is_refused() {
    let new = |kind, bytes: Vec<u8>| Database::new(kind, bytes.into()).map(|database| database.built().millis());
    assert_eq!(new(Kind::City, towns().bytes()).expect("a database"), 1_767_225_600_000);
    let message = |kind, bytes| new(kind, bytes).expect_err("no such database").to_string();
    assert_eq!(message(Kind::Asn, towns().bytes()), "is a GeoLite2-City database, not an ASN database");
    assert_eq!(message(Kind::City, systems().bytes()), "is a GeoLite2-ASN database, not a City database");
    let country = mmdb::Database::new("GeoLite2-Country").network("203.0.113.0/24", json!({}));
    assert_eq!(message(Kind::City, country.bytes()), "is a GeoLite2-Country database, not a City database");
    let own = mmdb::Database::new("Our-Offices").place("203.0.113.0/24", ("SE", "Linköping"), (1.0, 2.0), 3);
    assert!(new(Kind::City, own.bytes()).is_ok(), "a type of one's own is taken for what it is said to be");
    for bytes in [vec![], b"not a database".to_vec()] {
        assert!(matches!(new(Kind::City, bytes), Err(Unusable::Foreign(_))));
    }
}

#[test]
fn damage_shows_when_a_database_is_opened() {
    let whole = towns().bytes();
    let open = |bytes: &[u8]| Database::new(Kind::City, bytes.to_vec().into());
    for length in 0..whole.len() {
        // The metadata is at the end, so nothing that was cut short has the whole of it.
        let cut = open(&whole[..length]);
        assert!(cut.is_err(), "{length} of {} bytes", whole.len());
    }
    let mut circular = whole.clone();
    // Both sides of the first node lead back to it.
    circular[..7].fill(0);
    assert!(matches!(open(&circular), Err(Unusable::Damaged(_) | Unusable::Circular { .. })));
    let mut far = whole.clone();
    far[..3].fill(0xff);
    assert!(matches!(open(&far), Err(Unusable::Damaged(_))), "a side leads behind the end");
    let text = whole.windows(9).rposition(|window| window == "Linköpin".as_bytes()).expect("the name is there");
    let mut garbled = whole;
    garbled[text] = 0xff;
    assert!(matches!(open(&garbled), Err(Unusable::Damaged(_))), "a name that is not UTF-8");
}

#[test]
fn no_byte_of_a_database_can_do_worse_than_be_refused() {
    let whole = towns().bytes();
    let mut refused = 0;
    for (at, byte) in (0..whole.len()).flat_map(|at| [0, 0x20, 0x7f, 0xff].map(|byte| (at, byte))) {
        let mut changed = whole.clone();
        changed[at] = byte;
        match Database::new(Kind::City, changed.into()) {
            Ok(database) => {
                let places = Arc::new(Places::default().with(database));
                let found = read_with(&places, &FIELDS, &from_address("203.0.113.9"));
                assert!(found[5..].iter().all(Option::is_none), "byte {at}: {found:?}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > whole.len(), "{refused} refused");
}
