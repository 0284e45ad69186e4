//! `tokenwatch run` whose database is replaced while it runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::json;
use tokenwatch::detect::rule::{Options, Source, compile};
use tokenwatch::detect::state::Format;
use tokenwatch::ingest::geo::{Database, Kind, Places};
use tokenwatch::pipeline::Settings;
use tokenwatch::service::batch::{Batch, Restored};
use tokenwatch::service::ledger::Ledger;
use tokenwatch::service::output::Author;
use tokenwatch::service::route::Post;
use tokenwatch::service::{Incoming, PartitionId, Position, Workplace};

use crate::service::deployment::{Deployment, Instance, PATIENCE};
use crate::support::kafka::{self, Record};
use crate::support::mmdb;

/// Two addresses; the second is in this country.
fn towns(country: &str) -> Vec<u8> {
    mmdb::Database::city()
        .place("203.0.113.0/24", ("SE", "Linköping"), (58.4, 15.6), 76)
        .place("198.51.100.0/24", (country, "Somewhere"), (1.0, 2.0), 3)
        .bytes()
}

fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).expect("a file");
    fs::rename(beside, path).expect("renamed");
}

#[test]
fn one_batch_has_one_table_from_its_first_record_to_its_last() {
    let rule = "title: Abroad\nname: abroad\nlogsource: {product: jwt, category: audit}\n\
                detection: {selection: {source.geo.country_iso_code: PT}, condition: selection}\n";
    let compiled = compile(&[Source { path: "rule.yml", text: rule }], &Options::default()).expect("a valid rule");
    let places =
        |country| Arc::new(Places::default().with(Database::new(Kind::City, towns(country).into()).expect("whole")));
    let in_force = Arc::new(ArcSwap::new(places("SE")));
    let workplace = Workplace {
        rules: Arc::new(ArcSwap::new(Arc::new(compiled.rules))),
        settings: Settings::default(),
        places: Arc::clone(&in_force),
        post: Post::default(),
        group_id: "watch".to_owned(),
        save_interval: Duration::from_secs(30),
        format: Format::default(),
        views: Arc::default(),
    };
    let mut batch = Batch::new(&workplace, Author { group_id: "watch".to_owned(), worker: 0 });
    let mut ledger = Ledger::default();
    let restored = Restored { state: batch.unknown(), saved: None, stale: Vec::new() };
    let position = Position::new(PartitionId { topic: "audit".into(), number: 0 }, 0);
    batch.add(position, restored, (Instant::now(), Instant::now()));
    let mut offset = 0;
    let mut decide = |batch: &mut Batch| {
        let event = r#"{"@timestamp":1,"event.action":"request","source.ip":"198.51.100.9"}"#;
        let payload = Some(event.as_bytes());
        batch.decide(&Incoming { topic: "audit", partition: 0, offset, timestamp: None, key: None, payload });
        offset += 1;
    };
    decide(&mut batch);
    in_force.store(places("PT"));
    decide(&mut batch);
    batch.finish(&mut ledger, Instant::now());
    assert_eq!(ledger.outputs(), 0, "the batch had begun when the new table came");
    decide(&mut batch);
    in_force.store(places("SE"));
    decide(&mut batch);
    batch.finish(&mut ledger, Instant::now());
    assert_eq!(ledger.outputs(), 2, "the next batch had the new one, to its end");
}

/// A subject's accepted tokens from both addresses.
fn from_both(subject: &str, second: u32) -> Vec<Record> {
    let event = |second: u32, address: &str| {
        let text = json!({
            "@timestamp": format!("2026-01-01T00:00:{second:02}Z"),
            "event": {"action": "token.validated", "outcome": "success"},
            "jwt": {"sub": subject},
            "source": {"ip": address},
        });
        Record::new(text.to_string()).key(subject).timestamp_ms(1_767_225_600_000 + i64::from(second) * 1_000)
    };
    vec![event(second, "203.0.113.9"), event(second + 1, "198.51.100.9")]
}

fn subjects(deployment: &Deployment<'_>, count: usize) -> Vec<String> {
    let alerts = deployment.wait_for_alerts(count);
    let subject = |alert: &kafka::Received| {
        let alert = alert.json();
        assert_eq!(alert["rule"]["name"], "geo_change", "{alert}");
        alert["group"]["jwt.sub"].as_str().expect("a subject").to_owned()
    };
    alerts.iter().map(subject).collect()
}

#[track_caller]
fn wait_for_log(instance: &mut Instance, words: &str, times: usize) {
    let what = format!("{words:?}, {times} times");
    instance.running.wait_for_stderr(&what, PATIENCE, |text| (text.matches(words).count() >= times).then_some(()));
}

#[test]
fn a_database_is_replaced_between_batches_and_a_damaged_one_is_not_believed() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1).section("[geo]\ncity_db = \"city.mmdb\"\n");
    let path = deployment.at("city.mmdb");
    fs::write(&path, towns("SE")).expect("a file");
    let mut instance = deployment.start_ready();
    wait_for_log(&mut instance, "geo.city_db: GeoLite2-City of 2026-01-01 is in force", 1);
    deployment.produce(from_both("before", 0));
    instance.wait_until_consumed(2);

    replace(&path, &towns("PT"));
    wait_for_log(&mut instance, "is in force", 2);
    deployment.produce(from_both("after", 10));
    assert_eq!(subjects(&deployment, 1), ["after"], "before, both addresses were in one country");

    let whole = towns("SE");
    replace(&path, &whole[..whole.len() / 2]);
    wait_for_log(&mut instance, "the database that was in force before stays", 1);
    deployment.produce(from_both("kept", 20));
    assert_eq!(subjects(&deployment, 2), ["after", "kept"]);
    let finished = instance.stop();
    assert_eq!(
        finished.stderr().matches("no MaxMind database, or not a whole one").count(),
        1,
        "{}",
        finished.stderr()
    );
}

#[test]
fn a_wrong_database_ends_the_start() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::without_outputs(broker, 1, 1).section("[geo]\nasn_db = \"city.mmdb\"\n");
    fs::write(deployment.at("city.mmdb"), towns("SE")).expect("a file");
    let start = || {
        let command =
            crate::support::process::tokenwatch([Path::new("run"), "--config".as_ref(), &deployment.config()]);
        crate::support::process::run(command, PATIENCE)
    };
    let wrong = start().expect_code(2);
    assert!(wrong.stderr().contains("geo.asn_db: "), "{}", wrong.stderr());
    fs::remove_file(deployment.at("city.mmdb")).expect("removed");
    let missing = start().expect_code(3);
    assert!(missing.stderr().contains("geo.asn_db: "), "{}", missing.stderr());
}
