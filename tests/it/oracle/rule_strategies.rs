//! Rules of every type with the parameters that matter to short streams.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::model::{Alias, Condition, Logic, Rule, SECOND};

/// A condition over a count.
fn count_condition() -> impl Strategy<Value = Condition> {
    let bound = (1..=4_u8).prop_map(f64::from);
    prop_oneof![
        6 => bound.clone().prop_map(Condition::gte),
        1 => (0..=3_u8).prop_map(|bound| Condition(vec![("gt", f64::from(bound))])),
        1 => (8..=16_u8).prop_map(|bound| Condition::gte(f64::from(bound))),
        1 => (select(vec!["lt", "lte", "eq", "neq"]), bound).prop_map(|(word, bound)| Condition(vec![(word, bound)])),
        1 => (1..=2_u8, 2..=4_u8).prop_map(|(from, to)| Condition(vec![("gte", f64::from(from)), ("lte", f64::from(to))])),
    ]
}

/// A condition over a sum, a mean or a percentile.
fn number_condition() -> impl Strategy<Value = Condition> {
    let words = select(vec!["gt", "gte", "lt", "lte", "eq", "neq"]);
    (words, select(vec![-3.0, 0.0, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0]))
        .prop_map(|(word, bound)| Condition(vec![(word, bound)]))
}

fn share_condition() -> impl Strategy<Value = Condition> {
    (select(vec!["gt", "gte", "lt", "lte"]), select(vec![0.0, 0.25, 0.5, 1.0]))
        .prop_map(|(word, bound)| Condition(vec![(word, bound)]))
}

fn speed_condition() -> impl Strategy<Value = Condition> {
    (select(vec!["gt", "gte", "lt"]), select(vec![0.5, 100.0, 900.0, 100_000.0]))
        .prop_map(|(word, bound)| Condition(vec![(word, bound)]))
}

/// A field that values are taken from; `who.name` is one that firings overwrite.
fn value_field() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("value"), 1 => Just("other"), 1 => Just("who.name")].prop_map(str::to_owned)
}

fn value_count_fields() -> impl Strategy<Value = Vec<String>> {
    let tuple = vec!["value".to_owned(), "other".to_owned()];
    prop_oneof![4 => value_field().prop_map(|field| vec![field]), 1 => Just(tuple)]
}

fn some_of(pool: &[&'static str]) -> impl Strategy<Value = Vec<String>> + use<> {
    let count = 1..=pool.len().min(2);
    subsequence(pool.to_vec(), count).prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

/// What a rule of a type decides; `pool` are the rules that it may refer to beside its `rules`.
fn logic(kind: &'static str, pool: &[&'static str]) -> BoxedStrategy<Logic> {
    let field = Just("number".to_owned());
    let seconds = |choices: &[i64]| select(choices.iter().map(|seconds| seconds * SECOND).collect::<Vec<_>>());
    match kind {
        "event" => Just(Logic::Event).boxed(),
        "event_count" => count_condition().prop_map(Logic::EventCount).boxed(),
        "value_count" => (value_count_fields(), count_condition())
            .prop_map(|(fields, condition)| Logic::ValueCount { fields, condition })
            .boxed(),
        "temporal" => prop::option::weighted(0.4, count_condition()).prop_map(Logic::Temporal).boxed(),
        "temporal_ordered" => seconds(&[0, 0, 1, 2]).prop_map(|min_gap| Logic::TemporalOrdered { min_gap }).boxed(),
        "value_sum" => {
            (field, number_condition()).prop_map(|(field, condition)| Logic::ValueSum { field, condition }).boxed()
        }
        "value_avg" => {
            (field, number_condition()).prop_map(|(field, condition)| Logic::ValueAvg { field, condition }).boxed()
        }
        "value_percentile" => (field, select(vec![1, 25, 50, 67, 90, 100]), number_condition())
            .prop_map(|(field, percentile, condition)| Logic::ValuePercentile { field, percentile, condition })
            .boxed(),
        "value_change" => value_field().prop_map(|field| Logic::ValueChange { field }).boxed(),
        "geo_velocity" => (select(vec![0.0, 20.0, 100.0, 1_000.0]), speed_condition())
            .prop_map(|(min_distance_km, condition)| Logic::GeoVelocity { min_distance_km, condition })
            .boxed(),
        "new_value" => (value_field(), seconds(&[0, 0, 1, 5, 60]))
            .prop_map(|(field, learning)| Logic::NewValue { field, learning })
            .boxed(),
        "absence" => (some_of(pool), seconds(&[0, 1, 2, 10]))
            .prop_map(|(without, wait)| Logic::Absence { without, wait })
            .boxed(),
        "ratio" => (some_of(pool), 1..=4_usize, share_condition())
            .prop_map(|(of, min_count, condition)| Logic::Ratio { of, min_count, condition })
            .boxed(),
        "spike" => (1..=6_usize, select(vec![0.0, 0.5, 1.0, 4.0]), 1..=4_usize)
            .prop_map(|(history, sigma, min_count)| Logic::Spike { history, sigma, min_count })
            .boxed(),
        other => unreachable!("{other} is no type"),
    }
}

fn group_by() -> impl Strategy<Value = Vec<String>> {
    let named = |fields: &[&str]| fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>();
    prop_oneof![
        2 => Just(vec![]),
        6 => Just(named(&["who.name"])),
        1 => Just(named(&["app"])),
        1 => Just(named(&["who.name", "app"])),
        1 => Just(named(&["user"])),
    ]
}

/// `user` is who it is about for one rule and the application for another; the third keeps the field `user`.
fn user_alias() -> Alias {
    let fields = [("a", "who.name"), ("b", "app")];
    ("user".to_owned(), fields.map(|(rule, field)| (rule.to_owned(), field.to_owned())).to_vec())
}

/// A rule of a type that refers to some of `pool`.
pub(super) fn rule(kind: &'static str, name: &'static str, pool: &[&'static str]) -> BoxedStrategy<Rule> {
    if kind == "event" {
        return detection(pool);
    }
    let least = if kind.starts_with("temporal") { pool.len().min(2) } else { 1 };
    let referred = subsequence(pool.to_vec(), least..=pool.len().min(3)).prop_shuffle();
    let timespan = select(vec![1, 2, 5, 60, 86_400, 400 * 86_400]).prop_map(|seconds| seconds * SECOND);
    let suppress = prop::option::of(select(vec![0, 0, 1, 3, 60]).prop_map(|seconds| seconds * SECOND));
    (logic(kind, pool), referred, group_by(), timespan, suppress, prop::bool::weighted(0.3))
        .prop_map(move |(logic, referred, group_by, timespan, suppress, generate)| {
            let mut rule = Rule { group_by, suppress, generate, ..Rule::new(name, logic, &referred, timespan) };
            if rule.group_by == ["user"] {
                let (alias, mut fields) = user_alias();
                fields.retain(|(of, _)| rule.referred().any(|referred| referred == of));
                rule.aliases.extend((!fields.is_empty()).then_some((alias, fields)));
            }
            rule
        })
        .boxed()
}

/// A detection that alerts by itself, perhaps quietened per group.
fn detection(pool: &[&'static str]) -> BoxedStrategy<Rule> {
    let suppress = prop::option::of(select(vec![0, 1, 3, 60]).prop_map(|seconds| seconds * SECOND));
    let quieted =
        (group_by(), suppress).prop_map(|(group_by, suppress)| (suppress.filter(|_| !group_by.is_empty()), group_by));
    (select(pool.to_vec()), quieted)
        .prop_map(|(name, (suppress, group_by))| Rule { group_by, suppress, ..Rule::detection(name) })
        .boxed()
}

/// Up to four rules, each referring to the one before it or to detections; not every one of them need be reached.
pub(super) fn chained(kinds: &'static [&'static str]) -> impl Strategy<Value = Vec<Rule>> {
    let link = |name: &'static str, pool: &'static [&'static str]| {
        select(kinds).prop_flat_map(move |kind| rule(if kind == "event" { "event_count" } else { kind }, name, pool))
    };
    let links = (
        link("k1", &["a", "b", "c"]),
        link("k2", &["k1", "a"]),
        link("k3", &["k2", "k1", "b"]),
        link("k4", &["k3", "c"]),
    );
    (links, 2..=4_usize).prop_map(|((k1, k2, k3, k4), length)| {
        let mut rules = vec![k1, k2, k3, k4];
        rules.truncate(length);
        rules
    })
}
