//! Streams made so that things collide: small alphabets, and times that fall on the boundaries and beside them.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

use super::model::{Event, Rule, SECOND};
use super::notation::with_detections;
use super::rule_strategies::{chained, rule};

/// `time.max_future_skew` of every case.
pub(crate) const FUTURE_SKEW_MAX: i64 = 5 * SECOND;
const EVENTS_MAX: usize = 48;
/// Longer than any stream: 48 events, each at most 400 days after the one before.
const LATENESS_FOR_ANY_ORDER: i64 = 20_000 * 86_400 * SECOND;

/// Rules, a setting and a stream, printed as what one would type to try it.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rules: Vec<Rule>,
    pub(crate) lateness: i64,
    pub(crate) events: Vec<Event>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "\n# time.allowed_lateness = {}ms", self.lateness)?;
        let documents: Vec<_> = self.rules.iter().map(Rule::to_yaml).collect();
        writeln!(f, "{}", documents.join("---\n"))?;
        for (offset, event) in self.events.iter().enumerate() {
            let recorded = event.recorded_at.map(|at| format!(" recorded at {at}ms")).unwrap_or_default();
            writeln!(f, "# {offset}: at {}ms{recorded}\n{}", event.at, event.to_json(offset))?;
        }
        Ok(())
    }
}

/// A length of time that matters to the case.
#[derive(Clone, Copy, Debug)]
enum Unit {
    None,
    Millis(i64),
    HalfTimespan,
    Timespan,
    Lateness,
    Suppress,
    /// What a group survives: the window and the lateness together.
    Memory,
    Hours,
}

/// A length of time and how far off it is meant to be.
#[derive(Clone, Copy, Debug)]
struct Stretch(Unit, i64);

/// The lengths that a case's rules and settings name.
#[derive(Clone, Copy)]
struct Scales {
    timespan: i64,
    lateness: i64,
    suppress: i64,
}

impl Stretch {
    fn millis(self, scales: Scales) -> i64 {
        let unit = match self.0 {
            Unit::None => 0,
            Unit::Millis(millis) => millis,
            Unit::HalfTimespan => scales.timespan / 2,
            Unit::Timespan => scales.timespan,
            Unit::Lateness => scales.lateness,
            Unit::Suppress => scales.suppress,
            Unit::Memory => scales.timespan + scales.lateness,
            Unit::Hours => 5 * 3_600 * SECOND,
        };
        (unit + self.1).max(0)
    }
}

fn gap() -> impl Strategy<Value = Stretch> {
    let nudge = -1..=1_i64;
    prop_oneof![
        3 => Just(Stretch(Unit::None, 0)),
        4 => select(vec![1, 100, 250, 400]).prop_map(|millis| Stretch(Unit::Millis(millis), 0)),
        2 => Just(Stretch(Unit::HalfTimespan, 0)),
        3 => nudge.clone().prop_map(|nudge| Stretch(Unit::Timespan, nudge)),
        1 => nudge.clone().prop_map(|nudge| Stretch(Unit::Lateness, nudge)),
        1 => nudge.clone().prop_map(|nudge| Stretch(Unit::Suppress, nudge)),
        1 => nudge.prop_map(|nudge| Stretch(Unit::Memory, nudge)),
        1 => Just(Stretch(Unit::Hours, 0)),
    ]
}

/// How long a record is under way; one more than the lateness makes it arrive exactly that late.
fn delay() -> impl Strategy<Value = Stretch> {
    prop_oneof![
        8 => Just(Stretch(Unit::None, 0)),
        2 => select(vec![1, 300, 1_500]).prop_map(|millis| Stretch(Unit::Millis(millis), 0)),
        1 => (-1..=1_i64).prop_map(|nudge| Stretch(Unit::Timespan, nudge)),
        2 => (0..=2_i64).prop_map(|nudge| Stretch(Unit::Lateness, nudge)),
    ]
}

/// What tells an event from others.
#[derive(Clone, Debug)]
enum Identity {
    Unique,
    /// Shared with whatever else drew the same number.
    Shared(u8),
    /// The record's place in the stream.
    Place,
    /// The event some places before this one once more, perhaps with other content.
    Again {
        back: usize,
        altered: bool,
    },
}

#[derive(Clone, Debug)]
struct Seed {
    gap: Stretch,
    delay: Stretch,
    identity: Identity,
    marks: Vec<String>,
    fields: Vec<(&'static str, Json)>,
    /// How far past the allowed skew the event's clock runs before its record's, if the record has a time.
    ahead: Option<i64>,
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![
        6 => Just(Identity::Unique),
        1 => (0..3_u8).prop_map(Identity::Shared),
        1 => Just(Identity::Place),
        2 => (1..4_usize, prop::bool::weighted(0.3)).prop_map(|(back, altered)| Identity::Again { back, altered }),
    ]
}

fn one_of(values: Vec<Json>) -> impl Strategy<Value = Json> {
    select(values)
}

/// Who it is about: mostly few subjects, sometimes nobody or several.
fn group_value() -> impl Strategy<Value = Json> {
    let many: Vec<String> = (0..20).map(|n| format!("g{}", n % 18)).collect();
    prop_oneof![
        6 => Just(json!("ann")),
        3 => Just(json!("bob")),
        1 => one_of(vec![json!(1), json!("1"), json!(true), json!("true"), json!("Ann")]),
        1 => one_of(vec![json!(null), json!(""), json!("-"), json!("Unknown"), json!("ANONYMOUS"), json!([]), json!(["-", ""])]),
        1 => one_of(vec![json!(["ann", "bob"]), json!(["bob", "-", "bob"]), json!([1, "1", "cid"]), json!(many)]),
    ]
}

fn set_value() -> impl Strategy<Value = Json> {
    prop_oneof![
        6 => one_of(vec![json!("de"), json!("fr"), json!("us")]),
        2 => one_of(vec![json!(1), json!("1"), json!("DE"), json!(true), json!(1.5), json!("ann")]),
        1 => one_of(vec![json!(["de", "fr"]), json!(["fr", "de", "de"]), json!(["us"]), json!([null, "us"])]),
        1 => one_of(vec![json!(null), json!([]), json!([null])]),
    ]
}

fn number_value() -> impl Strategy<Value = Json> {
    prop_oneof![
        5 => one_of(vec![json!(0), json!(1), json!(2), json!(5), json!(-3)]),
        3 => one_of(vec![json!(0.1), json!(0.2), json!(0.7), json!(1e16), json!(-1e16), json!(2.5)]),
        1 => one_of(vec![json!("2"), json!("0.1"), json!("1e1")]),
        1 => one_of(vec![json!("two"), json!(true), json!(null), json!([1, 2]), json!("")]),
    ]
}

/// Berlin, Potsdam, Paris, New York, Sydney and the antimeridian, some of them vague; or nowhere.
fn place() -> impl Strategy<Value = Vec<(&'static str, Json)>> {
    let places = vec![
        (json!(52.52), json!(13.405)),
        (json!(52.39), json!(13.06)),
        (json!("48.8566"), json!("2.3522")),
        (json!(40.7128), json!(-74.006)),
        (json!(-33.8688), json!(151.2093)),
        (json!(0), json!(179.9)),
        (json!(0.5), json!(-179.9)),
    ];
    let accuracy = prop_oneof![3 => Just(None), 1 => select(vec![5, 50, 1_000]).prop_map(Some)];
    let somewhere = (select(places), accuracy).prop_map(|((lat, lon), accuracy)| {
        let accuracy = accuracy.map(|km| ("source.geo.accuracy_km", json!(km)));
        let point = [("source.geo.location.lat", lat), ("source.geo.location.lon", lon)];
        point.into_iter().chain(accuracy).collect()
    });
    prop_oneof![8 => somewhere, 1 => Just(vec![("source.geo.location.lat", json!(1))]), 1 => Just(vec![])]
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, Json)>> {
    let optional = |field: &'static str, value: BoxedStrategy<Json>| {
        prop::option::weighted(0.9, value).prop_map(move |value| value.map(|value| (field, value)))
    };
    let single = [
        optional("who.name", group_value().boxed()).boxed(),
        optional("app", prop_oneof![3 => Just(json!("web")), 1 => group_value()].boxed()).boxed(),
        optional("user", group_value().boxed()).boxed(),
        optional("value", set_value().boxed()).boxed(),
        optional("other", set_value().boxed()).boxed(),
        optional("number", number_value().boxed()).boxed(),
    ];
    (single, place()).prop_map(|(single, place)| single.into_iter().flatten().chain(place).collect())
}

fn seed() -> impl Strategy<Value = Seed> {
    let marks = prop_oneof![
        8 => subsequence(vec!["a", "b", "c"], 1),
        3 => subsequence(vec!["a", "b", "c"], 0..=3),
    ]
    .prop_map(|marks| marks.into_iter().map(str::to_owned).collect());
    let ahead = prop_oneof![12 => Just(None), 1 => (-1..=1_i64).prop_map(Some)];
    (gap(), delay(), identity(), marks, fields(), ahead).prop_map(|(gap, delay, identity, marks, fields, ahead)| Seed {
        gap,
        delay,
        identity,
        marks,
        fields,
        ahead,
    })
}

/// The stream that seeds describe, in order of arrival.
fn stream(seeds: &[Seed], scales: Scales) -> Vec<Event> {
    let mut at = 0;
    let mut events: Vec<(i64, Event)> = Vec::new();
    for (index, seed) in seeds.iter().enumerate() {
        at += seed.gap.millis(scales);
        let mut event = Event::new(at);
        event.marks.clone_from(&seed.marks);
        event.fields = seed.fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect();
        event.recorded_at = seed.ahead.map(|ahead| at - FUTURE_SKEW_MAX - ahead);
        match seed.identity {
            Identity::Unique => event.id = Some(format!("u{index}")),
            Identity::Shared(id) => event.id = Some(format!("s{id}")),
            Identity::Place => {}
            Identity::Again { back, altered } => {
                if let Some((_, earlier)) = index.checked_sub(back).map(|earlier| &events[earlier]) {
                    let content = if altered { event.fields } else { earlier.fields.clone() };
                    event = Event { fields: content, ..earlier.clone() };
                }
            }
        }
        events.push((event.at + seed.delay.millis(scales), event));
    }
    events.sort_by_key(|(arrival, _)| *arrival);
    events.into_iter().map(|(_, event)| event).collect()
}

fn scales_of(rules: &[Rule], lateness: i64) -> Scales {
    let longest = rules.iter().max_by_key(|rule| rule.timespan).expect("a case has rules");
    let suppress = rules.iter().find_map(|rule| rule.suppress).unwrap_or(longest.timespan);
    Scales { timespan: longest.timespan, lateness, suppress }
}

fn lateness() -> impl Strategy<Value = i64> {
    select(vec![0, 1, 700, SECOND, 2_500, 10 * SECOND, 600 * SECOND])
}

fn case(rules: impl Strategy<Value = Vec<Rule>>) -> impl Strategy<Value = Case> {
    (rules, lateness(), vec(seed(), 1..EVENTS_MAX)).prop_map(|(rules, lateness, seeds)| {
        let events = stream(&seeds, scales_of(&rules, lateness));
        Case { rules, lateness, events }
    })
}

/// One rule of a type, and the detections that it refers to.
pub(crate) fn single(kind: &'static str) -> impl Strategy<Value = Case> {
    case(rule(kind, "lone", &["a", "b", "c"]).prop_map(|rule| with_detections(vec![rule])))
}

/// Several rules of some types over the same detections.
pub(crate) fn several(kinds: &'static [&'static str]) -> impl Strategy<Value = Case> {
    let named = |name: &'static str| select(kinds).prop_flat_map(move |kind| rule(kind, name, &["a", "b", "c"]));
    let rules = (named("x"), named("y"), named("z"), 2..=3_usize).prop_map(|(x, y, z, count)| {
        let mut rules = vec![x, y, z];
        rules.truncate(count);
        rules.sort_by(|left, right| left.name.cmp(&right.name));
        rules.dedup_by(|left, right| left.name == right.name);
        with_detections(rules)
    });
    case(rules)
}

/// Rules of some types that refer to each other, up to four deep.
pub(crate) fn chains(kinds: &'static [&'static str]) -> impl Strategy<Value = Case> {
    case(chained(kinds).prop_map(with_detections))
}

/// The same events in two orders of arrival, none of them late in either: the lateness is longer than the stream.
pub(crate) fn two_orders(kind: &'static str) -> impl Strategy<Value = (Case, Vec<Event>)> {
    let rules = rule(kind, "lone", &["a", "b", "c"])
        .prop_filter("the claim is about gt and gte only", Rule::wants_more)
        .prop_map(|rule| with_detections(vec![rule.suppress(0)]));
    case(rules).prop_flat_map(move |mut case| {
        case.lateness = LATENESS_FOR_ANY_ORDER;
        let mut taken = BTreeSet::new();
        for event in &mut case.events {
            event.recorded_at = None;
            while kind == "temporal_ordered" && !taken.insert(event.at) {
                event.at += 1;
            }
            // Of a repeat with other content the first to arrive counts, and a place is no identity once the order
            // changes: the claim is about neither.
            event.id = Some(format!("{:?}", (event.at, &event.marks, &event.fields)));
        }
        (Just(case.clone()), Just(case.events).prop_shuffle())
    })
}
