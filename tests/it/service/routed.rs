//! Groups that lie across partitions: their matches meet in another topic, each once, and what follows from them there is
//! what the definitions say of the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::deployment::{Deployment, Instance, PATIENCE, STOP_MAX};
use crate::oracle::model::{BASE, Condition, Event, Logic, Rule, SECOND};
use crate::oracle::naive::Oracle;
use crate::support::kafka::{self, Broker, Received, Record};
use crate::support::wait;

const EVENTS: usize = 20_000;
const PARTITIONS: usize = 6;
const SUBJECTS: usize = 60;
const ADDRESSES: usize = 25;
/// Longer than the stream: how far each source is then decides nothing, and the order of arrival everything.
const LATENESS: &str = "[time]\nallowed_lateness = \"3000d\"\n";
const LATENESS_MS: i64 = 3_000 * 86_400 * SECOND;

/// By address, and a rule over rules whose groups have nothing in common.
fn rules() -> Vec<Rule> {
    let distinct = Logic::ValueCount { fields: vec!["jwt.sub".to_owned()], condition: Condition::gte(9.0) };
    vec![
        Rule::detection("a"),
        Rule::new("subjects", distinct, &["a"], 20 * SECOND).by(&["source.ip"]).suppress(15 * SECOND),
        Rule::new("burst", Logic::EventCount(Condition::gte(12.0)), &["a"], 20 * SECOND).by(&["source.ip"]),
        Rule::new("bursts", Logic::EventCount(Condition::gte(3.0)), &["burst"], 60 * SECOND).by(&["jwt.sub"]),
    ]
}

/// The rules that are counted together.
const SETS: [&[&str]; 2] = [&["a", "subjects"], &["a", "burst", "bursts"]];

fn scattered(number: usize, below: usize) -> usize {
    (number.wrapping_mul(2_654_435_761) >> 7) % below
}

/// Events that come a little out of order, of many subjects from few addresses. Each era has its own: what the definitions
/// say of one is known without the others.
pub(super) fn events(count: usize) -> Vec<(String, Event)> {
    let event = |number: usize| {
        let (era, jitter) = (number / EVENTS, i64::try_from(scattered(number, 3_000)).expect("small"));
        let subject = format!("subject-{era}-{}", scattered(number, SUBJECTS));
        let address = format!("192.0.{era}.{}", scattered(number / 3 + 17, ADDRESSES));
        let at = i64::try_from(number).expect("few") * 50 + jitter;
        let event = Event::new(at).mark("a").id(&format!("e{number}"));
        (subject.clone(), event.with("jwt.sub", subject).with("source.ip", address))
    };
    (0..count).map(event).collect()
}

/// The records of events that are numbered from `first`.
pub(super) fn records(events: &[(String, Event)], first: usize) -> impl Iterator<Item = Record> {
    let record = move |(number, (key, event)): (usize, &(String, Event))| {
        Record::new(event.to_json(first + number)).key(key.clone()).timestamp_ms(BASE + event.at)
    };
    events.iter().enumerate().map(record)
}

pub(super) fn deployment(broker: &Broker) -> Deployment<'_> {
    let deployment = Deployment::new(broker, 1, 6)
        .property("session.timeout.ms", "6000")
        .property("heartbeat.interval.ms", "500")
        .section("[state]\nsnapshot_interval = \"1s\"\n")
        .section(LATENESS)
        .rules("rules.yml");
    let documents: Vec<_> = rules().iter().map(Rule::to_yaml).collect();
    std::fs::write(deployment.at("rules.yml"), documents.join("---\n")).expect("the folder can be written");
    deployment
}

/// Rule, group, time, what was observed and how much was suppressed.
type Fact = (String, String, i64, String, u64);

fn alerted(alert: &Value) -> Fact {
    let time: jiff::Timestamp = alert["time"].as_str().expect("a time").parse().expect("RFC 3339");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let group = alert["group"].as_object().expect("a group").values().map(text).collect();
    let suppressed = alert["suppressed"].as_u64().expect("a count");
    let observed = alert["observed"].as_f64().expect("a number").to_string();
    (text(&alert["rule"]["name"]), group, time.as_millisecond(), observed, suppressed)
}

/// A match as it stands in the topic.
struct Met {
    partition: i32,
    id: String,
    rules: Vec<String>,
    at: i64,
    subject: String,
    address: String,
}

impl Met {
    fn new(received: &Received) -> Self {
        let found = received.json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let rule = |rule: &Value| text(rule).split('@').next().expect("a rule goes by its name").to_owned();
        let about = &found["@match"];
        Self {
            partition: received.partition,
            id: text(&about["id"]),
            rules: about["rules"].as_array().expect("rules").iter().map(rule).collect(),
            at: about["time"].as_i64().expect("a time") - BASE,
            subject: text(&found["jwt.sub"]),
            address: text(&found["source.ip"]),
        }
    }

    fn event(&self) -> Event {
        let event = Event::new(self.at).mark("a").id(&self.id);
        event.with("jwt.sub", self.subject.clone()).with("source.ip", self.address.clone())
    }

    fn era(&self) -> usize {
        self.id.strip_prefix('e').and_then(|number| number.parse::<usize>().ok()).expect("an id of ours") / EVENTS
    }
}

/// What the definitions say of each partition's matches in the order in which they stand there.
fn by_definition(matches: &[Met]) -> Vec<Fact> {
    let mut counted_together: BTreeMap<(i32, usize, usize), Vec<Event>> = BTreeMap::new();
    for met in matches {
        for (index, set) in SETS.iter().enumerate() {
            if met.rules.iter().any(|name| set.contains(&name.as_str())) {
                counted_together.entry((met.partition, index, met.era())).or_default().push(met.event());
            }
        }
    }
    let mut facts = Vec::new();
    for ((_, index, _), events) in counted_together {
        let rules: Vec<_> = rules().into_iter().filter(|rule| SETS[index].contains(&rule.name.as_str())).collect();
        let oracle = Oracle::run(&rules, LATENESS_MS, 300 * SECOND, &events);
        facts.extend(oracle.alerts.into_iter().map(|alert| {
            let group = alert.group.into_iter().map(|(_, value)| value).collect();
            let observed = alert.observed.expect("counts are told").to_string();
            (alert.rule, group, alert.time, observed, alert.suppressed)
        }));
    }
    facts.sort();
    facts
}

/// Each match stands there once, and the alerts are what the definitions say of the recorded order. How many there are.
#[track_caller]
pub(super) fn assert_exact(deployment: &Deployment<'_>, events: &[(String, Event)], patience: Duration) -> usize {
    let received = deployment.counted_matches(2 * events.len(), patience);
    let matches: Vec<_> = received.iter().filter(|found| found.key.is_some()).map(Met::new).collect();
    drop(received);
    let mut stands: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for met in &matches {
        for name in &met.rules {
            *stands.entry((&met.id, name)).or_default() += 1;
        }
    }
    let twice = stands.values().filter(|times| **times > 1).count();
    let expected = events.iter().enumerate().flat_map(|(number, _)| ["subjects", "burst"].map(|rule| (number, rule)));
    let missing = expected.filter(|(number, rule)| !stands.contains_key(&(format!("e{number}").as_str(), *rule)));
    assert_eq!((missing.count(), twice, stands.len()), (0, 0, 2 * events.len()), "missing, twice, all");
    let partitions: BTreeSet<_> = matches.iter().map(|met| met.partition).collect();
    assert!(partitions.len() > 3, "groups spread over the partitions");

    let expected = by_definition(&matches);
    // What stands behind the open transaction of a killed instance is seen when the broker ends it.
    let found = || deployment.alerts();
    let _ = wait::try_until(PATIENCE / 2, || if found().len() >= expected.len() { Ok(()) } else { Err(String::new()) });
    let found = found();
    let mut found: Vec<_> = found.iter().map(|alert| alerted(&alert.json())).collect();
    found.sort();
    assert!(expected.len() > 200, "{} alerts are too few to prove much", expected.len());
    for rule in ["subjects", "bursts"] {
        assert!(expected.iter().any(|(name, ..)| name == rule), "{rule} never fires");
    }
    let set = |facts: &[Fact]| facts.iter().cloned().collect::<BTreeSet<_>>();
    let (all, seen) = (set(&expected), set(&found));
    let only = |these: &BTreeSet<Fact>, those| these.difference(those).cloned().collect::<Vec<_>>();
    assert_eq!((only(&all, &seen), only(&seen, &all)), (vec![], vec![]), "missing, invented");
    assert_eq!(found.len(), expected.len(), "each once");
    found.len()
}

fn committed(deployment: &Deployment<'_>) -> usize {
    let committed: i64 = deployment.broker.committed(&deployment.group, &deployment.topics[0]).values().sum();
    usize::try_from(committed).expect("offsets are counts")
}

/// One instance is frozen until the others have all partitions, of the sources and of the matches, and then wakes.
fn sleep_through_a_takeover(instances: &mut [Instance]) {
    let (sleeper, others) = instances.split_first_mut().expect("there are instances");
    sleeper.running.freeze();
    wait::until("the others to take over its partitions", PATIENCE, || {
        let owned: usize = others.iter().map(|other| other.metrics().of("tokenwatch_consumer_lag").count()).sum();
        if owned == 2 * PARTITIONS { Ok(()) } else { Err(format!("{owned} partitions")) }
    });
    sleeper.running.wake();
}

#[test]
fn groups_by_address_over_a_topic_keyed_by_subject_are_exact_though_instances_are_killed_and_freeze() {
    const TROUBLES: usize = 4;
    const SLEEPS_AT: usize = 2;
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let events = events(EVENTS);
    let mut instances: Vec<Instance> = (0..3).map(|_| deployment.start()).collect();
    let mut produced = 0;
    for (step, chunk) in events.chunks(EVENTS.div_ceil(TROUBLES + 1)).enumerate() {
        deployment.produce(records(chunk, produced));
        let target = produced + scattered(step + 5, chunk.len());
        produced += chunk.len();
        if step == TROUBLES {
            break;
        }
        wait::until("the routers to get on", PATIENCE, || {
            let committed = committed(&deployment);
            if committed >= target { Ok(()) } else { Err(format!("{committed} of {target}")) }
        });
        if step == SLEEPS_AT {
            sleep_through_a_takeover(&mut instances);
            continue;
        }
        let mut killed = std::mem::replace(&mut instances[step % 3], deployment.start());
        killed.running.kill();
        drop(killed);
    }
    assert_exact(&deployment, &events, PATIENCE);
    for instance in instances {
        let is_emptied =
            |line: &&str| ["windows begin empty", "is judged from here on"].iter().any(|say| line.contains(say));
        let emptied = instance.running.stderr().lines().filter(is_emptied).count();
        assert_eq!(emptied, 0, "what was saved is of use: {}", instance.running.stderr());
        instance.stop();
    }
}

#[test]
fn roles_can_run_apart() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let events = events(EVENTS);
    let route = deployment.start_role("route");
    deployment.produce(records(&events, 0));
    deployment.wait_until_all_is_committed();
    assert!(deployment.alerts().is_empty(), "nobody counts yet");
    let detect = deployment.start_role("detect");
    assert_exact(&deployment, &events, PATIENCE);
    let known = detect.metrics().sum("tokenwatch_unknown_matches_total", &[]);
    assert!(known < 0.5, "{known} matches of rules that nobody knows");
    assert!(route.metrics().sum("tokenwatch_alerts_total", &[]) < 0.5, "routers count nothing");
    // Matches end in what ends a transaction, which nobody reads.
    wait::until("nothing to be left to read", PATIENCE, || {
        let lags = [&route, &detect].map(|side| side.metrics().sum("tokenwatch_consumer_lag", &[]));
        if lags.iter().all(|lag| *lag < 0.5) { Ok(()) } else { Err(format!("{lags:?}")) }
    });
    let counted = detect.metrics().sum("tokenwatch_records_total", &[]);
    assert_eq!(counted.to_string(), (2 * EVENTS).to_string(), "matches, and not what tells how far routers are");
    for instance in [route, detect] {
        instance.stop();
    }
}

#[test]
fn a_stop_of_both_sides_under_load_is_quick_and_exact() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    let events = events(EVENTS);
    deployment.produce(records(&events, 0));
    let first = deployment.start();
    wait::until("both sides to be at work", PATIENCE, || {
        let topics = [&deployment.topics[0], &deployment.matches];
        let read = topics.map(|topic| first.metrics().sum("tokenwatch_records_total", &[("topic", topic)]));
        if read.iter().all(|read| *read > 0.0) { Ok(()) } else { Err(format!("{read:?}")) }
    });
    let begun = Instant::now();
    first.stop();
    assert!(begun.elapsed() < STOP_MAX, "took {:?}", begun.elapsed());
    let second = deployment.start();
    assert_exact(&deployment, &events, PATIENCE);
    second.stop();
}

/// A router keeps nothing but how far time has come, which stands beside the offsets of its group.
#[test]
fn a_successor_of_a_killed_router_knows_which_events_are_late() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 1).rules("rules.yml").property("session.timeout.ms", "6000");
    let documents: Vec<_> = rules().iter().map(Rule::to_yaml).collect();
    std::fs::write(deployment.at("rules.yml"), documents.join("---\n")).expect("the folder can be written");
    let lateness = 600 * SECOND;
    let events: Vec<_> = [lateness, 0, -1].map(|at| (String::new(), Event::new(at).mark("a"))).into();

    let mut first = deployment.start_role("route");
    deployment.produce(records(&events[..1], 0));
    deployment.wait_until_all_is_committed();
    first.running.kill();
    let second = deployment.start_role("route");
    deployment.produce(records(&events[1..], 1));
    deployment.wait_until_all_is_committed();
    let metrics = second.metrics();
    let count = |outcome| metrics.sum("tokenwatch_events_total", &[("outcome", outcome)]).to_string();
    assert_eq!(["accepted", "late"].map(count), ["1", "1"]);
    assert!(metrics.sum("tokenwatch_restore_records_total", &[]) < 0.5, "nothing was read back");
    let finished = second.stop();
    assert!(!finished.stderr().contains("is judged from here on"), "{}", finished.stderr());
}

#[test]
fn a_router_is_refused_where_nothing_is_routed() {
    let Some(broker) = kafka::shared() else { return };
    let finished = Deployment::new(broker, 1, 1).start_role("route").running.wait(PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("--role route: partitions keep the groups of all rules whole"));
}

#[test]
fn a_topic_of_matches_with_other_partitions_is_refused() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = deployment(broker);
    broker.create_topic(&deployment.matches, 4, &[]);
    let finished = deployment.start().running.wait(PATIENCE).expect_code(3);
    let said = "has 4 partitions, and the source topic with the most has 6";
    assert!(finished.stderr().contains("kafka.matches_topic") && finished.stderr().contains(said));
}
