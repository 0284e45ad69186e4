//! The engine as a whole, bytes to outcome on one core, against what reading the same JSON costs.
//!
//! The peer is borrowed typed decoding with `serde_json`: the least that a program pays which looks at each event at
//! all. Both go over the same generated events in turns, so that the ratio holds where the machine's speed drifts.
//! `cargo bench --bench whole [EVENTS]` prints nanoseconds per event and the ratio of the medians.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::{Limits, Origin, Span};
use tokenwatch::ingest::geo::Places;
use tokenwatch::ingest::{Reader, Record};
use tokenwatch::pipeline::{BatchOutcome, Pipeline, Settings};
use tokenwatch::traffic::{Traffic, TrafficConfig};

/// The allocator of the shipped binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

/// An event as a typed program would read it: every field that the generator writes, borrowed.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct Typed<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    #[serde(borrow)]
    event: Option<TypedEvent<'a>>,
    #[serde(borrow)]
    jwt: Option<TypedToken<'a>>,
    #[serde(borrow)]
    authz: Option<TypedAuthz<'a>>,
    #[serde(borrow)]
    source: Option<TypedSource<'a>>,
    #[serde(borrow)]
    user_agent: Option<TypedAgent<'a>>,
    #[serde(borrow)]
    http: Option<TypedHttp<'a>>,
    #[serde(borrow)]
    url: Option<TypedUrl<'a>>,
    #[serde(borrow)]
    service: Option<TypedService<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedEvent<'a> {
    id: &'a str,
    action: &'a str,
    outcome: Option<&'a str>,
    reason: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedToken<'a> {
    sub: Option<&'a str>,
    iss: Option<&'a str>,
    jti: Option<&'a str>,
    client_id: Option<&'a str>,
    sid: Option<&'a str>,
    kid: Option<&'a str>,
    alg: Option<&'a str>,
    typ: Option<&'a str>,
    scope: Option<&'a str>,
    exp: Option<i64>,
    iat: Option<i64>,
    auth_time: Option<i64>,
    #[serde(borrow)]
    aud: Option<Vec<&'a str>>,
    #[serde(borrow)]
    roles: Option<Vec<&'a str>>,
    #[serde(borrow)]
    amr: Option<Vec<&'a str>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedAuthz<'a> {
    #[serde(borrow)]
    required_scope: Option<Vec<&'a str>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedSource<'a> {
    ip: Option<&'a str>,
    #[serde(borrow)]
    geo: Option<TypedGeo<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedGeo<'a> {
    country_iso_code: Option<&'a str>,
    city_name: Option<&'a str>,
    location: Option<TypedPoint>,
    accuracy_km: Option<f64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedPoint {
    lat: f64,
    lon: f64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedAgent<'a> {
    original: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedHttp<'a> {
    #[serde(borrow)]
    request: Option<TypedRequest<'a>>,
    response: Option<TypedResponse>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedRequest<'a> {
    method: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedResponse {
    status_code: Option<u16>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedUrl<'a> {
    path: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct TypedService<'a> {
    name: Option<&'a str>,
}

/// Reissue rate, fan-out, countries and denials, all by subject.
const RULES: &str = "
title: Reissue
correlation: {type: event_count, rules: [issued], group-by: [jwt.sub], timespan: 10m, condition: {gte: 10}}
---
title: Fan-out
correlation: {type: value_count, rules: [used], group-by: [jwt.sub], timespan: 5m, condition: {field: service.name, gte: 8}}
---
title: Countries
correlation: {type: value_count, rules: [used], group-by: [jwt.sub], timespan: 1h, condition: {field: source.geo.country_iso_code, gte: 2}}
---
title: Denied
correlation: {type: event_count, rules: [refused], group-by: [jwt.sub], timespan: 5m, condition: {gte: 10}}
---
title: Issued
name: issued
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: [token.issued, token.refreshed]}, condition: selection}
---
title: Used
name: used
logsource: {product: jwt, category: audit}
detection: {selection: {event.action: token.validated, event.outcome: success}, condition: selection}
---
title: Refused
name: refused
logsource: {product: jwt, category: audit}
detection: {selection: {http.response.status_code: [401, 403]}, condition: selection}
";

/// All events one behind the other, and where each ends.
struct Events {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Events {
    fn generate(count: usize) -> Self {
        let mut traffic = Traffic::new(TrafficConfig::default()).expect("the defaults are valid");
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(count));
        for _ in 0..count {
            traffic.next_event(&mut bytes);
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

fn typed(events: &Events) -> f64 {
    let begun = Instant::now();
    for event in events.iter() {
        black_box(serde_json::from_slice::<Typed<'_>>(event).expect("a generated event"));
    }
    begun.elapsed().as_secs_f64()
}

fn rules() -> Arc<RuleSet> {
    let source = Source { path: "bench.yml", text: RULES };
    Arc::new(compile(&[source], &Options::default()).expect("valid rules").rules)
}

/// The engine's own reading, without any decision.
fn projected(events: &Events) -> f64 {
    let places = Places::default();
    let mut reader = Reader::new(&rules().fields, &Limits::default(), Span::from_millis(300_000), &places);
    let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let mut values = Vec::new();
    let begun = Instant::now();
    for event in events.iter() {
        let record = Record { origin: &origin, timestamp: None, payload: Some(event) };
        let _ = black_box(reader.read(&record, &places, &mut values));
        black_box(&values);
    }
    begun.elapsed().as_secs_f64()
}

fn engine(events: &Events) -> (f64, usize) {
    let rules = rules();
    let mut pipeline = Pipeline::new(Arc::clone(&rules), &Settings::default());
    let mut partition = pipeline.partition([1, 2, 3, 4]);
    let mut outcome = BatchOutcome::new(&rules);
    let mut origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let mut alerts = 0;
    let begun = Instant::now();
    for (index, event) in events.iter().enumerate() {
        origin.offset += 1;
        let record = Record { origin: &origin, timestamp: None, payload: Some(event) };
        black_box(pipeline.decide(&mut partition, index, &record, &mut outcome));
        if index % 1_000 == 0 {
            alerts += outcome.detected.alerts.len();
            outcome.clear();
        }
    }
    (begun.elapsed().as_secs_f64(), alerts)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let events = Events::generate(count);
    let (mut peer, mut reading, mut deciding, mut alerts) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        peer.push(typed(&events));
        reading.push(projected(&events));
        let (seconds, raised) = engine(&events);
        deciding.push(seconds);
        alerts = raised;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let nanoseconds = |seconds| median(seconds) * 1e9 / count as f64;
    let (peer, reading, deciding) = (nanoseconds(peer), nanoseconds(reading), nanoseconds(deciding));
    println!("{count} events of {} bytes, {alerts} alerts, median of {ROUNDS} rounds", events.bytes.len() / count);
    println!("typed decoding  {peer:>7.0} ns per event");
    println!("bytes to values {reading:>7.0} ns per event");
    println!("bytes to alerts {deciding:>7.0} ns per event");
    println!("ratio           {:>7.2}", deciding / peer);
}
