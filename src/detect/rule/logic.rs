//! What each type of rule decides, with every parameter checked.
//!
//! Not the deciding: the engine reads this and keeps the windows.

use super::condition::Condition;
use crate::detect::fields::Slot;
use crate::detect::time::Span;

/// What a rule decides. Adding a kind here makes the compiler show every place that must know.
///
/// `F` is how it names fields: by path in a document, by slot once compiled.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic<F = Slot> {
    /// Alerts on each match of its only input, a detection.
    Event,
    /// `event_count`: the number of matches.
    EventCount {
        /// Over that number.
        condition: Condition,
    },
    /// `value_count`: the number of distinct values of the fields (several make a tuple).
    ValueCount {
        /// The counted fields, at least one.
        fields: Vec<F>,
        /// Over that number.
        condition: Condition,
    },
    /// `temporal`: how many of the rules have a match.
    Temporal {
        /// Over that number; none: all of them.
        condition: Option<Condition>,
    },
    /// `temporal_ordered`: distinct matches satisfy the rules in the order of the inputs.
    TemporalOrdered {
        /// The least time from each step to the next; zero if any order in time will do.
        gap_min: Span,
    },
    /// `value_sum`: the sum of a numeric field.
    ValueSum {
        /// The field.
        field: F,
        /// Over the sum.
        condition: Condition,
    },
    /// `value_avg`: the mean of a numeric field.
    ValueAverage {
        /// The field.
        field: F,
        /// Over the mean.
        condition: Condition,
    },
    /// `value_percentile`: a percentile of a numeric field, by nearest rank.
    ValuePercentile {
        /// The field.
        field: F,
        /// From 1 to 100.
        percentile: f64,
        /// Over the value at that rank.
        condition: Condition,
    },
    /// `value_change`: the nearest neighbour in time has another value.
    ValueChange {
        /// The compared field.
        field: F,
    },
    /// `geo_velocity`: the nearest neighbour in time is too far away for the time between.
    GeoVelocity {
        /// Where a match happened.
        place: Place<F>,
        /// Shortest distance that counts, in kilometres.
        distance_km_min: f64,
        /// Over the speed in km/h.
        condition: Condition,
    },
    /// `new_value`: a value that the group did not have during the timespan.
    NewValue {
        /// The field; of a list any element.
        field: F,
        /// How long after the group's earliest match nothing is new yet.
        learning: Span,
    },
    /// `absence`: a match without a companion around it.
    Absence {
        /// How long after a match its companion may come.
        wait: Span,
    },
    /// `ratio`: the share of the whole that matches `rules` too.
    Ratio {
        /// Fewest matches of the whole that make a share meaningful.
        count_min: u32,
        /// Over the share, from 0 to 1.
        condition: Condition,
    },
    /// `spike`: more matches in a bucket than the ones before it let expect.
    Spike {
        /// How many buckets before it are looked at.
        history: u32,
        /// How many deviations above the mean are too many.
        sigma: f64,
        /// Fewest matches in the bucket that make a spike.
        count_min: u32,
    },
}

/// The fields that say where a match happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<F = Slot> {
    /// Latitude in degrees.
    pub latitude: F,
    /// Longitude in degrees.
    pub longitude: F,
    /// Radius in kilometres around the point in which the place is.
    pub accuracy_km: F,
}

impl Place<String> {
    /// The place that enrichment gives the caller's address.
    #[must_use]
    pub fn of_source() -> Self {
        Self {
            latitude: "source.geo.location.lat".to_owned(),
            longitude: "source.geo.location.lon".to_owned(),
            accuracy_km: "source.geo.accuracy_km".to_owned(),
        }
    }
}

impl<F> Logic<F> {
    /// Its type as rules and alerts spell it; `event` for a single-event rule.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::EventCount { .. } => "event_count",
            Self::ValueCount { .. } => "value_count",
            Self::Temporal { .. } => "temporal",
            Self::TemporalOrdered { .. } => "temporal_ordered",
            Self::ValueSum { .. } => "value_sum",
            Self::ValueAverage { .. } => "value_avg",
            Self::ValuePercentile { .. } => "value_percentile",
            Self::ValueChange { .. } => "value_change",
            Self::GeoVelocity { .. } => "geo_velocity",
            Self::NewValue { .. } => "new_value",
            Self::Absence { .. } => "absence",
            Self::Ratio { .. } => "ratio",
            Self::Spike { .. } => "spike",
        }
    }

    /// The fields that it reads from a match, in a fixed order.
    #[must_use]
    pub fn fields(&self) -> Vec<&F> {
        match self {
            Self::ValueCount { fields, .. } => fields.iter().collect(),
            Self::ValueSum { field, .. }
            | Self::ValueAverage { field, .. }
            | Self::ValuePercentile { field, .. }
            | Self::ValueChange { field }
            | Self::NewValue { field, .. } => vec![field],
            Self::GeoVelocity { place, .. } => vec![&place.latitude, &place.longitude, &place.accuracy_km],
            Self::Event
            | Self::EventCount { .. }
            | Self::Temporal { .. }
            | Self::TemporalOrdered { .. }
            | Self::Absence { .. }
            | Self::Ratio { .. }
            | Self::Spike { .. } => Vec::new(),
        }
    }

    /// How long after its newest match a group still matters to a rule with this timespan.
    #[must_use]
    pub fn retention(&self, timespan: Span) -> Span {
        match self {
            Self::Event => Span::ZERO,
            Self::Spike { history, .. } => timespan.times(i64::from(*history) + 1),
            Self::Absence { wait } => timespan + *wait,
            _ => timespan,
        }
    }

    /// The bounds that an observed number must satisfy; none of them for types without such a number.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self {
            Self::EventCount { condition }
            | Self::ValueCount { condition, .. }
            | Self::ValueSum { condition, .. }
            | Self::ValueAverage { condition, .. }
            | Self::ValuePercentile { condition, .. }
            | Self::GeoVelocity { condition, .. }
            | Self::Ratio { condition, .. } => *condition,
            Self::Temporal { condition } => condition.unwrap_or_default(),
            Self::Event
            | Self::TemporalOrdered { .. }
            | Self::ValueChange { .. }
            | Self::NewValue { .. }
            | Self::Absence { .. }
            | Self::Spike { .. } => Condition::default(),
        }
    }

    /// The same with other names for its fields.
    #[must_use]
    pub fn map_fields<G>(self, mut name: impl FnMut(F) -> G) -> Logic<G> {
        match self {
            Self::Event => Logic::Event,
            Self::EventCount { condition } => Logic::EventCount { condition },
            Self::ValueCount { fields, condition } => {
                Logic::ValueCount { fields: fields.into_iter().map(name).collect(), condition }
            }
            Self::Temporal { condition } => Logic::Temporal { condition },
            Self::TemporalOrdered { gap_min } => Logic::TemporalOrdered { gap_min },
            Self::ValueSum { field, condition } => Logic::ValueSum { field: name(field), condition },
            Self::ValueAverage { field, condition } => Logic::ValueAverage { field: name(field), condition },
            Self::ValuePercentile { field, percentile, condition } => {
                Logic::ValuePercentile { field: name(field), percentile, condition }
            }
            Self::ValueChange { field } => Logic::ValueChange { field: name(field) },
            Self::GeoVelocity { place, distance_km_min, condition } => {
                let place = Place {
                    latitude: name(place.latitude),
                    longitude: name(place.longitude),
                    accuracy_km: name(place.accuracy_km),
                };
                Logic::GeoVelocity { place, distance_km_min, condition }
            }
            Self::NewValue { field, learning } => Logic::NewValue { field: name(field), learning },
            Self::Absence { wait } => Logic::Absence { wait },
            Self::Ratio { count_min, condition } => Logic::Ratio { count_min, condition },
            Self::Spike { history, sigma, count_min } => Logic::Spike { history, sigma, count_min },
        }
    }
}
