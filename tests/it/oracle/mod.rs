//! An oracle for detection: the definitions of the rule language, applied literally to every event there ever was.
//!
//! Written from the language's description alone and sharing nothing with the engine but text, so that the two can
//! only agree by both being right. Not fast, and not bounded: limits are raised out of the way in its runs.
//!
//! `model` spells rules and events, `naive` tells the stream in the `terms` of the language, `windows` asks each type
//! whether it fires: `counts`, `temporal`, `numeric`, `anomalies`. The cases of `boundaries`, worked by hand, prove it.
//! `strategies` make rules and streams that collide, and `compare` holds the `engine` against the oracle over them.
//!
//! # Readings
//! Where the description leaves a choice, the oracle reads it so:
//! - "Within W" of a neighbour is less than W, as two matches exactly W apart are never in one window.
//! - An alert's window is (t - W, t] at its firing time t for every type but `absence`, for `spike` too.
//! - The empty text is no group, but it is a value: only a group-by counts it as absent.
//! - A group's equal elements are one group; elements that count as absent are none; the first 16 tuples are taken
//!   after that, the last field of the group-by varying fastest. Distinct values of several fields are every tuple.
//! - With aliases an event can stand in two groups, in each with the labels that put it there.
//! - A firing is a match like any other, so that two firings of one rule with one event, time and outer group are
//!   duplicates, even if their inner groups differ.
//! - A firing carries the fields of the event that arrived, with the group of the rule that fired; what rules further
//!   down set is gone.
//! - Firings reach the rules above by depth, name and group, each with its own place in the order of arrival.
//! - Due decisions of `absence` fall by their firing time, and each raises its alerts, those of the rules above it
//!   included, before the next falls. One that is due when its match arrives falls then and there.
//! - An event that itself matches `without` is accompanied. An event that does not match `of` is not in a `ratio`'s S.
//! - The first match of `new_value` and the earliest time of a group are those since it was last forgotten.
//! - Groups are looked through at each arrival, late ones included; what a group had suppressed goes with it.
//! - A single-event rule that is quieted without a group-by is one group; late events neither pass its quiet.

mod anomalies;
pub(crate) mod compare;
mod counts;
pub(crate) mod engine;
pub(crate) mod model;
pub(crate) mod naive;
mod notation;
mod numeric;
mod properties;
mod rule_strategies;
pub(crate) mod strategies;
mod temporal;
mod terms;
mod values;
mod windows;

pub(crate) use notation::{MINUTE, WHO, ann, told, with_detections};

/// Compares each type with the oracle, a test for each.
macro_rules! engine_types {
    ($($kind:ident),* $(,)?) => {
        pub(crate) const ENGINE_TYPES: &[&str] = &[$(stringify!($kind)),*];

        mod agreement {
            $(
                #[test]
                fn $kind() {
                    super::compare::agrees(super::strategies::single(stringify!($kind)));
                }
            )*
        }
    };
}

engine_types! {
    event, event_count, value_count, temporal, temporal_ordered, value_sum, value_avg, value_percentile, value_change,
    geo_velocity, new_value, absence, ratio, spike,
}
