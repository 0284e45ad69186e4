//! The transport against the embedded broker: what the worker relies on, without a worker.

use std::time::{Duration, Instant};

use crate::config::{KafkaSettings, Start};
use crate::detect::Timestamp;
use crate::service::output::Destination;
use crate::service::transport::{Event, Outgoing, PartitionId, Position, StartPosition, Ticket, Transport};

use super::{EmbeddedBroker, Feed, KafkaTransport, Patience, Probe, Tail};

const DEADLINE: Duration = Duration::from_secs(20);
const BLINK: Duration = Duration::from_millis(20);

fn broker() -> (EmbeddedBroker, KafkaSettings) {
    let broker = EmbeddedBroker::start(&[("audit", 2), ("alerts", 1), ("dead", 1)]).expect("a broker");
    let settings = KafkaSettings {
        bootstrap_servers: vec![broker.address().to_owned()],
        topics: vec!["audit".to_owned()],
        alerts_topic: "alerts".to_owned(),
        dead_letter_topic: "dead".to_owned(),
        ..KafkaSettings::default()
    };
    (broker, settings)
}

fn feed(settings: &KafkaSettings, records: i64) {
    let feed = Feed::new(&settings.bootstrap_servers[0]).expect("a producer");
    for number in 0..records {
        let key = format!("subject {number}");
        feed.send("audit", key.as_bytes(), number.to_string().as_bytes(), 1_000 + number).expect("written");
    }
    feed.finish(DEADLINE).expect("written");
}

/// Polls until `done` has seen enough of the events and record values so far.
fn poll_until(transport: &mut KafkaTransport, mut done: impl FnMut(&[Event], &[String]) -> bool) -> Vec<String> {
    let (mut events, mut values) = (Vec::new(), Vec::new());
    let end = Instant::now() + DEADLINE;
    while !done(&events, &values) {
        assert!(Instant::now() < end, "saw only {events:?} and {values:?}");
        transport.poll(BLINK, 100, &mut events, &mut |incoming| {
            values.push(String::from_utf8(incoming.payload.expect("a value").to_vec()).expect("a text"));
        });
    }
    values
}

fn assigned(transport: &mut KafkaTransport) -> Vec<PartitionId> {
    let mut partitions = Vec::new();
    poll_until(transport, |events, _| {
        let found = events.iter().find_map(|event| if let Event::Assigned(ids) = event { Some(ids) } else { None });
        partitions = found.cloned().unwrap_or_default();
        found.is_some()
    });
    partitions.sort();
    partitions
}

/// Where partitions begin, as the transport finds out.
fn found(transport: &mut KafkaTransport, partitions: &[PartitionId]) -> Vec<StartPosition> {
    let mut starts = Vec::new();
    transport.find(1, partitions);
    poll_until(transport, |events, _| {
        let found =
            events.iter().find_map(|event| if let Event::Found(1, starts) = event { Some(starts) } else { None });
        starts = found.cloned().unwrap_or_default();
        found.is_some()
    });
    starts
}

fn offsets(starts: &[StartPosition]) -> Vec<i64> {
    starts.iter().map(|start| start.position.offset).collect()
}

#[test]
fn records_outputs_and_commits_make_their_way() {
    let (_broker, settings) = broker();
    feed(&settings, 50);
    let mut transport = KafkaTransport::connect(&settings, 0).expect("a transport");
    let partitions = assigned(&mut transport);
    assert_eq!(partitions.len(), 2);
    let starts = found(&mut transport, &partitions);
    assert!(starts.iter().all(|start| !start.committed), "a new group has no offsets");
    assert_eq!(offsets(&starts), [0, 0]);
    for start in &starts {
        transport.begin(&start.position).expect("begun");
    }
    let values = poll_until(&mut transport, |_, values| values.len() == 50);
    assert!(values.contains(&"49".to_owned()));
    let deadline = Instant::now() + DEADLINE;
    while partitions.iter().any(|id| transport.left(id, 0) != Some(0)) {
        assert!(Instant::now() < deadline, "nothing is left once the ends were seen");
        transport.poll(Duration::from_millis(10), 10, &mut Vec::new(), &mut |_| panic!("all was read"));
    }
    assert_eq!(transport.left(&PartitionId { topic: "unheard".into(), number: 0 }, 0), None);

    let outgoing = Outgoing {
        destination: Destination::Alerts,
        partition: None,
        key: Some(b"ann"),
        payload: Some(b"alert"),
        headers: &[("name", b"value".to_vec())],
    };
    transport.send(Ticket(7), &outgoing).expect("taken");
    poll_until(&mut transport, |events, _| events.contains(&Event::Delivered(Ticket(7))));
    let tail = Tail::open(&settings.bootstrap_servers[0], "alerts").expect("a reader");
    assert_eq!(tail.next(DEADLINE, <[u8]>::to_vec), Some(b"alert".to_vec()));

    let positions: Vec<_> = partitions.iter().map(|id| Position::new(id.clone(), 3 + i64::from(id.number))).collect();
    transport.commit(&positions);
    poll_until(&mut transport, |events, _| events.contains(&Event::Committed));
    transport.leave();
}

#[test]
fn a_group_without_offsets_begins_where_it_is_told() {
    let (_broker, settings) = broker();
    feed(&settings, 50);
    let begin = |start, group_id: &str| {
        let settings = KafkaSettings { start, group_id: group_id.to_owned(), ..settings.clone() };
        let mut transport = KafkaTransport::connect(&settings, 0).expect("a transport");
        let partitions = assigned(&mut transport);
        let starts = found(&mut transport, &partitions);
        transport.leave();
        offsets(&starts).iter().sum::<i64>()
    };
    assert_eq!(begin(Start::Earliest, "a"), 0);
    assert_eq!(begin(Start::Latest, "b"), 50);
    assert_eq!(begin(Start::At(Timestamp::from_millis(99_999)), "c"), 50, "after the last record: the next one");
}

#[test]
fn a_group_that_is_left_without_an_answer_is_left_all_the_same() {
    let (_broker, settings) = broker();
    let mut transport = KafkaTransport::connect(&settings, 0).expect("a transport");
    assert_eq!(assigned(&mut transport).len(), 2);
    let begun = Instant::now();
    transport.leave();
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
}

#[test]
fn the_probe_finds_what_is_there_and_names_what_is_not() {
    let (_broker, settings) = broker();
    let patience = Patience { broker: Duration::from_millis(500), topics: Duration::from_millis(500) };
    let wait = |settings: &KafkaSettings| Probe::new(settings).expect("a client").wait(patience);
    assert_eq!(wait(&settings), Ok(()));
    let away = KafkaSettings { bootstrap_servers: vec!["127.0.0.1:1".to_owned()], ..settings };
    let failure = wait(&away).expect_err("nobody listens there");
    assert_eq!(failure.setting.as_deref(), Some("kafka.bootstrap_servers"));
    assert!(failure.problem.contains("no broker of 127.0.0.1:1 answers"), "{failure}");
}

#[test]
fn the_client_brings_what_clusters_ask_for() {
    let native = rdkafka::ClientConfig::new().create_native_config().expect("an empty configuration");
    let features = native.get("builtin.features").expect("a client knows its features");
    let features: Vec<_> = features.split(',').collect();
    for wanted in ["ssl", "sasl_plain", "sasl_scram", "sasl_oauthbearer", "gzip", "snappy", "lz4", "zstd"] {
        assert!(features.contains(&wanted), "no {wanted} among {features:?}");
    }
}
