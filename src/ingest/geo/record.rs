//! What tokenwatch reads of a database's records; the names are MaxMind's.
//!
//! Texts are borrowed from the database. Numbers are taken in whatever type the database has them: MaxMind's own types
//! are fixed, those of databases that others build are not.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A record of a City database, and of an Enterprise one.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct CityRecord<'p> {
    #[serde(borrow)]
    pub(super) city: City<'p>,
    #[serde(borrow)]
    pub(super) country: Country<'p>,
    pub(super) location: Location,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct City<'p> {
    #[serde(borrow)]
    pub(super) names: Names<'p>,
}

/// The English name: one name for one city, whatever the language of its reader.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Names<'p> {
    pub(super) en: Option<&'p str>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Country<'p> {
    pub(super) iso_code: Option<&'p str>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Location {
    /// Degrees.
    pub(super) latitude: Option<Figure>,
    /// Degrees.
    pub(super) longitude: Option<Figure>,
    /// Kilometres.
    pub(super) accuracy_radius: Option<Figure>,
}

/// A record of an ASN database, and of an ISP one.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct AsnRecord<'p> {
    pub(super) autonomous_system_number: Option<Figure>,
    pub(super) autonomous_system_organization: Option<&'p str>,
}

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure(pub(super) f64);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAnyType;
        impl Visitor<'_> for OfAnyType {
            type Value = Figure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number")
            }

            #[expect(clippy::cast_precision_loss, reason = "degrees, kilometres and numbers of 32 bits")]
            fn visit_u64<E: Error>(self, number: u64) -> Result<Figure, E> {
                Ok(Figure(number as f64))
            }

            fn visit_i32<E: Error>(self, number: i32) -> Result<Figure, E> {
                Ok(Figure(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Figure, E> {
                if number.is_finite() { Ok(Figure(number)) } else { Err(E::custom("a number is not finite")) }
            }
        }
        deserializer.deserialize_any(OfAnyType)
    }
}
