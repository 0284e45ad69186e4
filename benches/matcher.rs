//! What matching costs per event: the shipped rules, 30 rules, 3,000 rules for the same kind of event.

#![expect(unreachable_pub, reason = "it shares a module with the tests")]

#[path = "../tests/it/support/shipped.rs"]
mod shipped;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use tokenwatch::detect::matcher::LabelSet;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::detect::value::{Number, Value};

/// Rules of the kinds that people write, each with literals of its own.
fn generated(count: usize) -> String {
    let one = |number: usize| {
        let search = match number % 6 {
            0 => format!("jwt.client_id: client-{number}"),
            1 => format!("service.name: [svc-{number}, svc-x{number}]"),
            2 => format!("url.path|startswith: /api/v{number}/"),
            3 => format!("user_agent.original|contains: 'bot-{number}/'"),
            4 => format!("jwt.scope: 'admin:{number}'"),
            _ => format!("event.reason: reason_{number}\n    source.ip|cidr: 10.{}.0.0/16", number % 256),
        };
        format!(
            "name: rule_{number}\nlogsource: {{product: jwt, category: audit}}\ndetection:\n  selection:\n    \
             event.action: [token.validated, request]\n    event.outcome: success\n    jwt.sub|exists: true\n    \
             {search}\n  filter:\n    source.ip|cidr: 192.168.0.0/16\n  condition: selection and not filter\n---\n"
        )
    };
    (0..count).map(one).collect()
}

fn rules(text: &str) -> Arc<RuleSet> {
    let sources = [Source { path: "bench.yml", text }];
    Arc::new(compile(&sources, &Options::default()).expect("the rules are right").rules)
}

/// Says how many times as much an event costs under a hundred times as many rules.
fn ratio(_: &mut Criterion) {
    const EVENTS: u32 = 100_000;
    let cost = |count| {
        let rules = rules(&generated(count));
        let values = event(&rules);
        let mut labels = LabelSet::default();
        let mut run = || {
            let started = Instant::now();
            (0..EVENTS).for_each(|_| rules.matcher.labels(black_box(&values), &mut labels));
            started.elapsed()
        };
        run();
        (0..5).map(|_| run()).min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(EVENTS)
    };
    let (few, many) = (cost(30), cost(3_000));
    println!(
        "30 rules {few:.0} ns, 3,000 rules {many:.0} ns an event: {:.1} times; at most 10 are allowed",
        many / few
    );
}

/// A usual request, as the slots of some rules.
fn event(rules: &RuleSet) -> Vec<Value<'static>> {
    let fields = [
        ("@timestamp", Value::text("2026-11-23T17:56:58.123Z")),
        ("event.id", Value::text("6f1c1a52-0000-4000-8000-000000000001")),
        ("event.action", Value::text("token.validated")),
        ("event.outcome", Value::text("success")),
        ("jwt.sub", Value::text("ann@example.org")),
        ("jwt.client_id", Value::text("client-6")),
        ("jwt.scope", Value::List(vec![Value::text("orders:read"), Value::text("orders:write")])),
        ("service.name", Value::text("orders")),
        ("url.path", Value::text("/api/v2/orders/4711")),
        ("user_agent.original", Value::text("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")),
        ("source.ip", Value::text("203.0.113.7")),
        ("source.geo.country_iso_code", Value::text("DE")),
        ("http.response.status_code", Value::Number(Number::Text("200"))),
    ];
    let mut values = vec![Value::Absent; rules.fields.len()];
    for (path, value) in fields {
        if let Some(slot) = rules.fields.find(path) {
            values[slot.index()] = value;
        }
    }
    values
}

fn matching(criterion: &mut Criterion) {
    let sets =
        [("shipped", shipped::shipped()), ("30 rules", rules(&generated(30))), ("3000 rules", rules(&generated(3000)))];
    for (name, rules) in sets {
        let values = event(&rules);
        let mut labels = LabelSet::default();
        criterion.bench_function(&format!("match/{name}"), |bencher| {
            bencher.iter(|| rules.matcher.labels(black_box(&values), &mut labels));
        });
    }
    let text = generated(3000);
    criterion.bench_function("compile/3000 rules", |bencher| bencher.iter(|| rules(black_box(&text))));
}

criterion_group!(benches, matching, ratio);
criterion_main!(benches);
