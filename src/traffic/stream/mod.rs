//! The stream itself: decides what happens at each moment, and keeps sessions, footprints and attacks in step.

mod background;
mod planting;

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use uuid::Uuid;

use super::attack::Attack;
use super::config::{TrafficConfig, TrafficError};
use super::disorder::HeldRecords;
use super::event::{Act, Detail, Event, Origin, Token, Writer};
use super::json::KeyForm;
use super::label::Label;
use super::population::Population;
use super::session::FollowUp;

/// How a record arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// When it happened.
    InOrder,
    /// After events with later times.
    Late,
    /// A second time, the same bytes.
    Repeated,
}

/// What is known of the event just written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted<'a> {
    /// Event time, epoch milliseconds.
    pub time_ms: i64,
    /// `jwt.sub`, the natural record key.
    pub subject: &'a str,
    /// The [`Label::id`] of the attack that it belongs to.
    pub attack: Option<u64>,
    /// Whether it comes when it happened.
    pub delivery: Delivery,
}

/// An endless stream of audit events. See the [module](super).
#[derive(Debug)]
pub struct Traffic {
    config: TrafficConfig,
    rng: Pcg64Mcg,
    population: Population,
    /// What is due, in the order of time, then of planning.
    agenda: BTreeMap<(i64, u64), Task>,
    planned: u64,
    /// Attacks under way, by id.
    attacks: BTreeMap<u64, Attack>,
    attacks_begun: u64,
    attacks_tried: usize,
    next_attack_ms: i64,
    labels: Vec<Label>,
    held: HeldRecords,
    paced_events: u64,
    now_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Task {
    FollowUp { subject: usize, device: usize, step: FollowUp },
    Shot { attack: u64 },
}

/// What an event says beyond what is known of its subject.
struct Deed {
    subject: usize,
    device: usize,
    act: Act,
    token: Token,
    origin: Origin,
    user_agent: &'static str,
    /// `None` for the issuer's own algorithm.
    alg: Option<&'static str>,
    /// The least that is written, whatever the service's habit.
    detail_min: Detail,
}

impl Traffic {
    /// Builds the population; fails if a setting is out of its range.
    pub fn new(config: TrafficConfig) -> Result<Self, TrafficError> {
        config.check()?;
        let mut rng = Pcg64Mcg::seed_from_u64(config.seed);
        let population = Population::new(config.subjects, config.services, config.start_ms, &mut rng);
        Ok(Self {
            rng,
            population,
            agenda: BTreeMap::new(),
            planned: 0,
            attacks: BTreeMap::new(),
            attacks_begun: 0,
            attacks_tried: 0,
            next_attack_ms: config.start_ms + i64::from(config.attack_every_ms),
            labels: Vec::new(),
            held: HeldRecords::default(),
            paced_events: 0,
            now_ms: config.start_ms,
            config,
        })
    }

    /// Appends the next event at the configured pace to `buffer`, as one JSON object without a line break.
    pub fn next_event(&mut self, buffer: &mut Vec<u8>) -> Emitted<'_> {
        let elapsed_ms = u128::from(self.paced_events) * 1_000 / u128::from(self.config.events_per_second);
        self.paced_events += 1;
        let elapsed_ms = i64::try_from(elapsed_ms).unwrap_or(i64::MAX);
        self.emit(self.config.start_ms.saturating_add(elapsed_ms), buffer)
    }

    /// Appends one event that happens at `at_ms` (or arrives then, see [`Delivery`]) to `buffer`, as one JSON object
    /// without a line break. A time before the last one counts as the last one.
    pub fn emit(&mut self, at_ms: i64, buffer: &mut Vec<u8>) -> Emitted<'_> {
        self.now_ms = self.now_ms.max(at_ms);
        let at = self.now_ms;
        if let Some(record) = self.held.release(at) {
            buffer.extend_from_slice(&record.bytes);
            let subject = &self.population.subjects[record.subject].name;
            return Emitted { time_ms: record.time_ms, subject, attack: None, delivery: record.delivery };
        }
        if at >= self.next_attack_ms {
            self.begin_attack(at);
        }
        loop {
            let mark = buffer.len();
            let (subject, attack) = self.happen(at, buffer);
            if attack.is_none() && self.hold_back(subject, at, mark, buffer) {
                continue;
            }
            let subject = &self.population.subjects[subject].name;
            return Emitted { time_ms: at, subject, attack, delivery: Delivery::InOrder };
        }
    }

    /// No further attack begins; those under way go on.
    pub fn stop_attacks(&mut self) {
        self.next_attack_ms = i64::MAX;
    }

    /// How many attacks have begun and not ended.
    #[must_use]
    pub fn attacks_under_way(&self) -> usize {
        self.attacks.len()
    }

    /// Labels of the attacks that have ended since the last call, in the order of their ends.
    pub fn drain_labels(&mut self) -> Vec<Label> {
        std::mem::take(&mut self.labels)
    }

    /// The remaining labels, those of attacks cut short included.
    #[must_use]
    pub fn finish(mut self) -> Vec<Label> {
        let mut labels = self.drain_labels();
        labels.extend(self.attacks.into_values().filter(Attack::has_begun).map(Attack::into_label));
        labels
    }

    /// Writes the event that comes first at `at`; its subject, and its attack if it belongs to one.
    fn happen(&mut self, at: i64, buffer: &mut Vec<u8>) -> (usize, Option<u64>) {
        if let Some(first) = self.agenda.first_entry()
            && first.key().0 <= at
        {
            return match first.remove() {
                Task::Shot { attack } => (self.fire_shot(attack, at, buffer), Some(attack)),
                Task::FollowUp { subject, device, step } => {
                    let device_of = &mut self.population.subjects[subject].devices[device];
                    let turn = device_of.session.follow_up(step, device_of.client, at, &mut self.rng);
                    self.take_turn(subject, device, &turn, at, buffer);
                    (subject, None)
                }
            };
        }
        let (subject, device, turn) = self.next_turn(at);
        self.take_turn(subject, device, &turn, at, buffer);
        (subject, None)
    }

    /// Appends the event and returns its id.
    fn write(&mut self, deed: &Deed, at: i64, buffer: &mut Vec<u8>) -> Uuid {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(at).unwrap_or(0), &random).into_uuid();
        let subject = &self.population.subjects[deed.subject];
        let device = &subject.devices[deed.device];
        let (service, detail, form) = match deed.act.writer {
            Writer::Identity => ("identity", Detail::Full, KeyForm::Nested),
            Writer::Service(index) => {
                let service = &self.population.services[usize::from(index)];
                (service.name.as_str(), service.detail, service.form)
            }
        };
        let event = Event {
            time_ms: at,
            id,
            act: deed.act,
            subject: &subject.name,
            client_id: subject.client_id(device),
            issuer: subject.issuer,
            alg: deed.alg.unwrap_or(subject.issuer.alg),
            scope: subject.role.scope(),
            role: subject.role.name(),
            token: deed.token,
            origin: deed.origin,
            user_agent: deed.user_agent,
            service,
            object: u32::from_be_bytes([0, random[0], random[1], random[2]]),
            detail: detail.max(deed.detail_min),
            form,
        };
        event.write(buffer);
        id
    }

    fn plan(&mut self, due_ms: i64, task: Task) {
        self.agenda.insert((due_ms, self.planned), task);
        self.planned += 1;
    }
}
