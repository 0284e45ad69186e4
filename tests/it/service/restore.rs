//! How long a million groups take to be live again on a real broker, after each partition was saved ten times before: when
//! everything is saved, after a kill at the end of half a minute at full rate, and in the middle of it, with the rest to be
//! routed beside.
//!
//! Figures are only worth something from a release build, so bounds hold only there.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::deployment::{Deployment, Instance, PATIENCE, count};
use super::storm::number;
use crate::support::kafka::{self, Record};
use crate::support::wait;

const PARTITIONS: i32 = 2;
/// How often every group is touched, if `TOKENWATCH_RESTORE_ROUNDS` does not say otherwise. A partition is saved when 50,000
/// groups have changed, so each round is ten snapshots of each partition.
const ROUNDS: usize = 1;
const TAIL: Duration = Duration::from_secs(30);
/// How often each start is measured.
const STARTS: usize = 3;
/// It comes back as the same member of its group, with the same partitions.
const NAME: &str = "one";
const BASE_MS: i64 = 1_767_225_600_000;
/// Event time goes about as fast as the service.
const EVENTS_A_MILLISECOND: usize = 60;
const CHUNK: usize = 200_000;
const SETTLE: Duration = Duration::from_mins(15);

/// Uses of tokens by one subject after the other, each with a token of its own: two groups each. About 550 bytes.
fn records(subjects: usize, numbers: Range<usize>) -> impl Iterator<Item = Record> {
    numbers.map(move |number| {
        let (subject, round) = (number % subjects, number / subjects);
        let time_ms = BASE_MS + i64::try_from(number / EVENTS_A_MILLISECOND).expect("few");
        let (service, country) = ((subject + round) % 5, ["DE", "FR", "PT", "JP"][subject % 4]);
        let (second, third) = (subject / 250 % 250, subject % 250);
        let text = format!(
            r#"{{"@timestamp":{time_ms},"event":{{"id":"{subject:08x}-0000-4000-8000-{number:012x}","action":"token.validated","category":["authentication"],"outcome":"success","duration":1841000}},"jwt":{{"sub":"user-{subject:07}","jti":"{subject:032x}","iss":"https://login.example.com/","aud":["api"],"alg":"RS256","kid":"2026-01","scope":"openid profile api.read","client_id":"web"}},"service":{{"name":"svc-{service}"}},"source":{{"ip":"10.{second}.{third}.7","geo":{{"country_iso_code":"{country}"}},"as":{{"number":3320}}}},"user_agent":{{"original":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"}}}}"#
        );
        Record::new(text).key(format!("user-{subject:07}")).timestamp_ms(time_ms)
    })
}

fn produce(deployment: &Deployment<'_>, subjects: usize, numbers: Range<usize>) {
    for from in numbers.clone().step_by(CHUNK) {
        deployment.produce(records(subjects, from..(from + CHUNK).min(numbers.end)));
    }
}

fn wait_until_committed(deployment: &Deployment<'_>) {
    let topic = &deployment.topics[0];
    let ends = deployment.broker.end_offsets(topic);
    wait::until("the end of every partition to be committed", SETTLE, || {
        let committed = deployment.broker.committed(&deployment.group, topic);
        if committed == ends { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
    });
}

/// An instance reads what was just written, and is killed when it has read that many records of it.
fn kill_after(deployment: &Deployment<'_>, records: usize) {
    let mut instance = deployment.start_as(NAME);
    wait::until("records to be consumed", SETTLE, || {
        let labels = [("topic", deployment.topics[0].as_str())];
        let consumed = instance.metrics().sum("tokenwatch_records_total", &labels);
        if consumed >= count(records) { Ok(()) } else { Err(consumed.to_string()) }
    });
    let metrics = instance.metrics();
    let sum = |name| metrics.sum(name, &[]);
    println!(
        "killed after {} records, {} of state, {} transactions in {:.1} s",
        sum("tokenwatch_records_total"),
        sum("tokenwatch_state_records_total"),
        sum("tokenwatch_commit_seconds_count"),
        sum("tokenwatch_commit_seconds_sum"),
    );
    instance.running.kill();
}

/// What a process has had of the machine's processors; nothing where the system does not tell.
fn processor_time(process: u32) -> Duration {
    const TICKS_A_SECOND: u64 = 100;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND)
}

/// A start, measured: how long until it is ready, and the instance.
fn ready(deployment: &Deployment<'_>, what: &str) -> (Duration, Instance) {
    let begun = Instant::now();
    let instance = deployment.start_as(NAME);
    instance.wait_until_ready();
    let took = begun.elapsed();
    let metrics = instance.metrics();
    let read = |kind| metrics.sum("tokenwatch_restore_records_total", &[("kind", kind)]);
    println!(
        "{what}: ready in {:.2} s, {:.2} s of processors; {} records of state, {} decided again",
        took.as_secs_f64(),
        processor_time(instance.running.id()).as_secs_f64(),
        read("state"),
        read("replayed"),
    );
    (took, instance)
}

#[test]
#[ignore = "takes minutes and is a measurement: cargo test --release --test it a_million_groups -- --ignored --nocapture"]
fn a_million_groups_are_live_again_within_seconds() {
    let Some(broker) = kafka::shared() else { return };
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    let deployment = Deployment::new(broker, 1, PARTITIONS)
        .rules(shipped)
        .kafka("workers", "2")
        .property("session.timeout.ms", "6000");
    let groups = number("TOKENWATCH_RESTORE_GROUPS", 1_000_000);
    let (subjects, mut produced) = (groups / 2, groups / 2 * number("TOKENWATCH_RESTORE_ROUNDS", ROUNDS));
    produce(&deployment, subjects, 0..produced);

    let instance = deployment.start_as(NAME);
    instance.wait_until_ready();
    let begun = Instant::now();
    wait_until_committed(&deployment);
    let seconds = begun.elapsed().as_secs_f64();
    let metrics = instance.metrics();
    let saved = metrics.sum("tokenwatch_state_records_total", &[]);
    let rate = count(produced) / seconds;
    let busy = processor_time(instance.running.id()).as_secs_f64();
    println!(
        "full rate: {produced} records in {seconds:.1} s, {rate:.0}/s, {busy:.1} s of processors; {saved} of state"
    );
    wait::until("every group to be shown", PATIENCE, || match instance.metrics().sum("tokenwatch_groups", &[]) {
        held if held >= count(groups) => Ok(()),
        held => Err(format!("{held} groups")),
    });
    instance.stop();

    let mut slowest = [Duration::ZERO; 2];
    for _ in 0..STARTS {
        let (took, instance) = ready(&deployment, "without a tail");
        slowest[0] = slowest[0].max(took);
        instance.stop();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some millions")]
    let tail = (rate * TAIL.as_secs_f64()) as usize;
    for _ in 0..STARTS {
        produce(&deployment, subjects, produced..produced + tail);
        produced += tail;
        kill_after(&deployment, tail);
        let (took, instance) = ready(&deployment, "after a kill at the end of 30 s at full rate");
        slowest[1] = slowest[1].max(took);
        wait_until_committed(&deployment);
        instance.stop();
    }
    produce(&deployment, subjects, produced..produced + tail);
    kill_after(&deployment, tail / 2);
    let (_, instance) = ready(&deployment, "after a kill in the middle of it, the rest routed beside");
    wait_until_committed(&deployment);
    instance.stop();
    if !cfg!(debug_assertions) {
        assert!(slowest[0] < Duration::from_secs(5), "without a tail: {:?}", slowest[0]);
        assert!(slowest[1] < Duration::from_secs(10), "after a kill: {:?}", slowest[1]);
    }
}
