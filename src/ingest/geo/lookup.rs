//! Which slots of an event are looked up, and for which events.
//!
//! Only what some rule reads is looked up: the field table says which. An event that says itself where it comes from is
//! believed and left whole, because half of its place and half of the database's would be a place that nobody named.

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::{Number, Value};

use super::database::Kind;
use super::places::{Places, placeable};
use super::record::{AsnRecord, CityRecord, Figure};

/// A field that a City record gives.
#[derive(Clone, Copy, Debug)]
enum CityFact {
    Country,
    City,
    Latitude,
    Longitude,
    AccuracyKm,
}

/// A field that an ASN record gives.
#[derive(Clone, Copy, Debug)]
enum AsnFact {
    Number,
    Organization,
}

const CITY_FACTS: [(&str, CityFact); 5] = [
    ("source.geo.country_iso_code", CityFact::Country),
    ("source.geo.city_name", CityFact::City),
    ("source.geo.location.lat", CityFact::Latitude),
    ("source.geo.location.lon", CityFact::Longitude),
    ("source.geo.accuracy_km", CityFact::AccuracyKm),
];

const ASN_FACTS: [(&str, AsnFact); 2] =
    [("source.as.number", AsnFact::Number), ("source.as.organization.name", AsnFact::Organization)];

/// What else of ECS's `geo` says that an event knows its place. `location` alone is a point written as a text or a list.
const OTHER_GEO_FIELDS: [&str; 9] = [
    "source.geo.continent_code",
    "source.geo.continent_name",
    "source.geo.country_name",
    "source.geo.location",
    "source.geo.name",
    "source.geo.postal_code",
    "source.geo.region_iso_code",
    "source.geo.region_name",
    "source.geo.timezone",
];

/// The lookups in one kind of database.
#[derive(Clone, Debug)]
struct Lookup<F> {
    /// An event that has one of these is left as it is.
    own: Vec<Slot>,
    /// What is read, and where it goes.
    facts: Vec<(Slot, F)>,
}

impl<F: Copy> Lookup<F> {
    /// None if no rule reads any of `facts`; else adds to the table what tells that an event has its own.
    fn new(facts: &[(&str, F)], others: &[&str], fields: &mut FieldTable) -> Option<Self> {
        let read: Vec<_> = facts.iter().filter_map(|(path, fact)| Some((fields.find(path)?, *fact))).collect();
        if read.is_empty() {
            return None;
        }
        let paths = facts.iter().map(|(path, _)| path).chain(others);
        Some(Self { own: paths.map(|path| fields.slot(path)).collect(), facts: read })
    }

    fn is_due(&self, values: &[Value<'_>]) -> bool {
        !self.own.iter().any(|slot| says_something(&values[slot.index()]))
    }

    fn fill<'a>(&self, values: &mut [Value<'a>], value: impl Fn(F) -> Value<'a>) {
        for (slot, fact) in &self.facts {
            values[slot.index()] = value(*fact);
        }
    }
}

/// The lookups that somebody reads the answers of.
#[derive(Clone, Debug)]
pub(in crate::ingest) struct Lookups {
    /// `source.ip`; none if nothing is looked up.
    address: Option<Slot>,
    city: Option<Lookup<CityFact>>,
    asn: Option<Lookup<AsnFact>>,
}

impl Lookups {
    /// What `fields` asks for and these databases, or later ones in their place, can answer; adds to the table the
    /// fields that this takes.
    pub(in crate::ingest) fn new(fields: &mut FieldTable, places: &Places) -> Self {
        let has = |kind| places.database(kind).is_some();
        let city = has(Kind::City).then(|| Lookup::new(&CITY_FACTS, &OTHER_GEO_FIELDS, fields)).flatten();
        let asn = has(Kind::Asn).then(|| Lookup::new(&ASN_FACTS, &[], fields)).flatten();
        let address = (city.is_some() || asn.is_some()).then(|| fields.slot("source.ip"));
        Self { address, city, asn }
    }

    /// Looks up what an event lacks. Texts are borrowed from the database.
    pub(in crate::ingest) fn apply<'a>(&self, places: &'a Places, values: &mut [Value<'a>]) {
        let Some(slot) = self.address else { return };
        let city = self.city.as_ref().filter(|lookup| lookup.is_due(values));
        let asn = self.asn.as_ref().filter(|lookup| lookup.is_due(values));
        if city.is_none() && asn.is_none() {
            return;
        }
        let [Value::Text(text)] = values[slot.index()].elements() else { return };
        let Some(address) = placeable(text) else { return };
        if let Some(lookup) = city
            && let Some(record) = places.database(Kind::City).and_then(|database| database.find(address))
        {
            lookup.fill(values, |fact| city_value(&record, fact));
        }
        if let Some(lookup) = asn
            && let Some(record) = places.database(Kind::Asn).and_then(|database| database.find(address))
        {
            lookup.fill(values, |fact| asn_value(&record, fact));
        }
    }
}

/// `null`, `""`, `[]` and `{}` are how sources write that they do not know.
fn says_something(value: &Value<'_>) -> bool {
    match value {
        Value::Absent | Value::Null | Value::Object => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::Text(text) => !text.is_empty(),
        Value::List(elements) => elements.iter().any(says_something),
    }
}

fn city_value<'a>(record: &CityRecord<'a>, fact: CityFact) -> Value<'a> {
    let location = &record.location;
    match fact {
        CityFact::Country => text(record.country.iso_code),
        CityFact::City => text(record.city.names.en),
        CityFact::Latitude => real(location.latitude),
        CityFact::Longitude => real(location.longitude),
        CityFact::AccuracyKm => real(location.accuracy_radius),
    }
}

fn asn_value<'a>(record: &AsnRecord<'a>, fact: AsnFact) -> Value<'a> {
    match fact {
        AsnFact::Number => real(record.autonomous_system_number),
        AsnFact::Organization => text(record.autonomous_system_organization),
    }
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Absent, Value::text)
}

fn real<'a>(figure: Option<Figure>) -> Value<'a> {
    figure.map_or(Value::Absent, |Figure(number)| Value::Number(Number::Real(number)))
}
