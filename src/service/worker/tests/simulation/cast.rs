//! The processes of one seed: they start, stop, die, freeze and come back, until the world calms down and everything
//! must be as if nothing had happened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::detect::Origin;
use crate::detect::rule::RuleSet;
use crate::detect::state::Format;
use crate::http::Views;
use crate::ingest::Record;
use crate::pipeline::{BatchOutcome, Part, Pipeline};
use crate::service::batch::Batch;
use crate::service::output::Author;
use crate::service::saved::{Keys, Saved, head_beside};
use crate::service::threads::Workplace;
use crate::service::transport::Transport;
use crate::service::worker::{Progress, Worker};

use super::broker::Broker;
use super::chance::{Chance, Fault};
use super::client::Client;
use super::reference::{Rules, Stream, settings};

/// Steps in which faults strike.
const TROUBLED_STEPS: usize = 400;
/// Steps after which a calm world must have decided everything.
const CALM_STEPS_MAX: usize = 20_000;
/// Processes at most.
const PROCESSES_MAX: usize = 3;

/// A running process.
struct Process<'a> {
    worker: Worker<Client<'a>>,
    member: Rc<Cell<Option<u64>>>,
    stop: Arc<AtomicBool>,
    frozen_until: Instant,
}

/// One seed's world.
pub(super) struct Cast<'a> {
    broker: Rc<RefCell<Broker<'a>>>,
    processes: Vec<Option<Process<'a>>>,
    rules: &'a Rules,
    workplace: Workplace,
    /// True if processes keep their names in the group, and for transactions, when they come back.
    named: bool,
    boots: u32,
}

impl<'a> Cast<'a> {
    pub(super) fn new(stream: &'a Stream, rules: &'a Rules, mut chance: Chance, views: &Arc<Views>) -> Self {
        let in_force: Arc<RuleSet> = Arc::clone(&rules.usual);
        let workplace = Workplace {
            rules: Arc::new(ArcSwap::new(in_force)),
            settings: settings(),
            places: Arc::default(),
            post: stream.post.clone(),
            group_id: "watch".to_owned(),
            save_interval: [Duration::from_millis(200), Duration::from_secs(2), Duration::from_hours(1)]
                [chance.below(3)],
            format: Format::USUAL,
            views: Arc::clone(views),
        };
        let named = chance.one_in(3);
        let broker = Rc::new(RefCell::new(Broker::new(stream, chance)));
        let processes = (0..PROCESSES_MAX).map(|_| None).collect();
        Self { broker, processes, rules, workplace, named, boots: 0 }
    }

    /// Everything from the first start to the last stop.
    pub(super) fn play(&mut self) -> Result<(), String> {
        self.start(0);
        for _ in 0..TROUBLED_STEPS {
            self.strike();
            self.go_on()?;
        }
        self.calm_down();
        for _ in 0..CALM_STEPS_MAX {
            if self.is_decided() {
                return self.finish();
            }
            self.go_on()?;
        }
        Err(format!("not everything is decided: the group stands at {:?}", self.broker.borrow().offsets))
    }

    pub(super) fn into_chance(self) -> Chance {
        drop(self.processes);
        Rc::into_inner(self.broker).expect("every process is gone").into_inner().chance
    }

    fn start(&mut self, place: usize) {
        self.boots += 1;
        let name = self.named.then(|| format!("process {place}"));
        let transactional_id = name.clone().unwrap_or_else(|| format!("watch/{}", self.boots));
        let member = Rc::new(Cell::new(None));
        let client = Client::new(&self.broker, name, transactional_id, Rc::clone(&member));
        let author = Author { group_id: "watch".to_owned(), worker: 0 };
        let stop = Arc::new(AtomicBool::new(false));
        // An upgrade is always under way: some write the new format, others still the old one.
        self.workplace.format = [Format::USUAL, Format::NEWEST][self.boots as usize % 2];
        let batch = Batch::new(&self.workplace, author);
        let worker = Worker::new(0, client, batch, Arc::clone(&self.workplace.views), Arc::clone(&stop));
        let frozen_until = self.broker.borrow().now;
        self.processes[place] = Some(Process { worker, member, stop, frozen_until });
    }

    /// Something may happen to processes or brokers, between any two steps.
    fn strike(&mut self) {
        let mut guard = self.broker.borrow_mut();
        let broker = &mut *guard;
        let place = broker.chance.below(PROCESSES_MAX);
        let lives = self.processes[place].is_some();
        if lives && broker.chance.strikes(Fault::Crash, 30) {
            drop(guard);
            let mut process = self.processes[place].take().expect("it lives");
            return process.worker.transport.vanish();
        }
        if !lives && broker.chance.one_in(20) {
            broker.chance.happened(Fault::Join);
            drop(guard);
            return self.start(place);
        }
        if broker.chance.strikes(Fault::BrokerAway, 5) {
            broker.away_until = broker.now + broker.chance.millis(100..25_000);
        }
        if broker.chance.strikes(Fault::Compaction, 30) {
            broker.compact();
        }
        if broker.chance.strikes(Fault::Reload, 20) {
            let sets = [&self.rules.usual, self.rules.others(self.workplace.post.part)];
            self.workplace.rules.store(Arc::clone(sets[broker.chance.below(2)]));
        }
        if let Some(process) = &mut self.processes[place] {
            if broker.chance.strikes(Fault::GracefulStop, 10) {
                process.stop.store(true, Ordering::Relaxed);
            } else if broker.chance.strikes(Fault::Freeze, 20) {
                process.frozen_until = broker.now + broker.chance.millis(100..20_000);
            }
        }
    }

    /// Time passes, and one process takes a step.
    fn go_on(&mut self) -> Result<(), String> {
        let place = {
            let broker = &mut *self.broker.borrow_mut();
            // In a calm world answers come fast enough for what must be sent one by one within a transaction's time.
            let paces = if broker.chance.troubled { 5 } else { 3 };
            let passed = [0..1, 1..2, 5..10, 20..60, 100..400][broker.chance.below(paces)].clone();
            broker.now += broker.chance.millis(passed);
            for process in self.processes.iter().flatten().filter(|process| process.frozen_until <= broker.now) {
                if let Some(id) = process.member.get().filter(|_| !broker.is_away()) {
                    broker.group.heard(id, broker.now);
                }
            }
            if broker.is_away() {
                // Nobody is blamed for silence that the broker is to blame for.
                for process in self.processes.iter().flatten() {
                    if let Some(id) = process.member.get() {
                        broker.group.heard(id, broker.now);
                    }
                }
            }
            broker.tick();
            for partition in 0..broker.produced.len() {
                let all = broker.stream.records[partition].len();
                broker.produced[partition] = (broker.produced[partition] + broker.chance.below(3)).min(all);
            }
            if let Some(wrong) = &broker.verdict.wrong {
                return Err(wrong.clone());
            }
            broker.chance.below(PROCESSES_MAX)
        };
        self.step(place);
        Ok(())
    }

    fn step(&mut self, place: usize) {
        let now = self.broker.borrow().now;
        let Some(process) = self.processes[place].as_mut().filter(|process| process.frozen_until <= now) else {
            return;
        };
        let ended = match process.worker.step() {
            Ok(Progress::Continue) => return,
            Ok(Progress::Done) => true,
            Err(failure) => {
                self.broker.borrow_mut().chance.tell(|| format!("process {place} ends: {failure}"));
                false
            }
        };
        let process = self.processes[place].take().expect("it took a step");
        if !ended {
            self.broker.borrow_mut().chance.happened(Fault::StopFailed);
        }
        process.worker.transport.leave();
    }

    fn calm_down(&mut self) {
        let broker = &mut *self.broker.borrow_mut();
        broker.chance.troubled = false;
        broker.away_until = broker.now;
        for process in self.processes.iter_mut().flatten() {
            process.frozen_until = process.frozen_until.min(broker.now + Duration::from_secs(8));
        }
    }

    fn is_decided(&mut self) -> bool {
        if self.processes.iter().all(Option::is_none) {
            self.start(0);
        }
        let broker = self.broker.borrow();
        let is_read = |partition: usize| {
            let number = i32::try_from(partition).expect("few");
            broker.offsets.get(&number).is_some_and(|offset| *offset == broker.stream.end(partition))
        };
        (0..broker.stream.partitions()).all(is_read)
    }

    /// Everybody stops; then all is public, and what is saved is what the undisturbed run knows.
    fn finish(&mut self) -> Result<(), String> {
        for process in self.processes.iter().flatten() {
            process.stop.store(true, Ordering::Relaxed);
        }
        for _ in 0..CALM_STEPS_MAX {
            if self.processes.iter().all(Option::is_none) {
                break;
            }
            self.go_on()?;
        }
        let mut broker = self.broker.borrow_mut();
        broker.now += Duration::from_mins(1);
        broker.tick();
        for partition in 0..broker.stream.partitions() {
            let number = i32::try_from(partition).expect("few");
            let compared = match self.workplace.post.part {
                Part::Routing => self.compare_beside(&broker, number),
                Part::Whole | Part::Windows => self.compare_saved(&broker, number),
            };
            compared.map_err(|why| format!("partition {number}: {why}"))?;
        }
        match &broker.verdict.wrong {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(()),
        }
    }

    fn pipeline(&self) -> Pipeline {
        Pipeline::of_part(self.workplace.post.part, Arc::clone(&self.rules.usual), &settings(), Arc::default())
    }

    /// What stands beside the last offset is all that a router knows, and nothing of it is in the state topic.
    fn compare_beside(&self, broker: &Broker<'_>, number: i32) -> Result<(), String> {
        let partition = usize::try_from(number).expect("from 0");
        if broker.saved_end(partition) > 0 {
            return Err("a router writes state".to_owned());
        }
        let (offset, metadata) = (broker.offsets[&number], &broker.metadata[&number]);
        let head = head_beside(offset, metadata).map_err(|why| why.to_string())?.ok_or("nothing stands there")?;
        let (pipeline, nothing) = (self.pipeline(), std::iter::empty::<(&[u8], &[u8])>());
        let (state, _) = pipeline.restore_from(nothing, &head, [1, 2, 3, 4]).map_err(|why| why.to_string())?;
        let same = pipeline.snapshot(&state) == broker.stream.known[partition];
        if same { Ok(()) } else { Err(format!("what stands beside {offset} is another state")) }
    }

    fn compare_saved(&self, broker: &Broker<'_>, number: i32) -> Result<(), String> {
        let partition = usize::try_from(number).expect("from 0");
        let (keys, mut saved) = (Keys::new("watch", "audit"), Saved::default());
        for (_, key, value) in broker.saved(partition, 0) {
            saved.take(&keys, key, value).map_err(|why| why.to_string())?;
        }
        let (offset, head) = saved.head().map_err(|why| why.to_string())?.ok_or("nothing is saved")?;
        if offset > broker.stream.end(partition) {
            return Err(format!("what is saved is ahead: {offset}"));
        }
        let mut pipeline = self.pipeline();
        let entries = saved.entries.iter().map(|(spelled, value)| (spelled.as_slice(), value.as_slice()));
        let (mut state, _) =
            pipeline.restore_from(entries, head, [1, 2, 3, 4]).map_err(|why| format!("it is damaged: {why}"))?;
        let mut muted = BatchOutcome::new(&self.rules.usual);
        for produced in broker.stream.records[partition].iter().filter(|record| record.offset >= offset) {
            let origin = Origin { topic: "audit".into(), partition: number, offset: produced.offset };
            let record = Record { origin: &origin, timestamp: None, payload: Some(&produced.payload) };
            pipeline.decide_keyed(&mut state, 0, (&record, produced.key.as_deref()), &mut muted);
        }
        // What a rule that came and went has left is nobody's business, but it makes other bytes.
        let reloaded = broker.chance.counts[Fault::Reload as usize] > 0;
        let same = pipeline.snapshot(&state) == broker.stream.known[partition];
        if same || reloaded { Ok(()) } else { Err(format!("what is saved up to {offset} leads to another state")) }
    }
}
