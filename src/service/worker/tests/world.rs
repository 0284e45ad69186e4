//! A scripted world: what comes is queued by the test, what the worker does is written down, time passes only while
//! the worker waits.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::detect::Timestamp;
use crate::detect::rule::{Options, RuleSet, Source, compile};
use crate::detect::state::Format;
use crate::http::Views;
use crate::pipeline::Settings;
use crate::service::Failure;
use crate::service::batch::Batch;
use crate::service::output::{Author, Destination};
use crate::service::route::Post;
use crate::service::threads::Workplace;
use crate::service::transport::{
    Event, Hindrance, Incoming, LookBack, Outgoing, PartitionId, Position, StartPosition, Stretch, Ticket, Transport,
    Undelivered,
};
use crate::service::worker::{Progress, Worker};

/// An audit event that no rule looks at.
pub(super) const GOOD: &[u8] = br#"{"@timestamp":"2026-01-01T00:00:00Z","event":{"action":"login"}}"#;
/// An audit event that raises an alert.
pub(super) const ALARM: &[u8] = br#"{"@timestamp":"2026-01-01T00:00:00Z","event":{"action":"alarm"}}"#;
/// A record that ends as a dead letter: the output of these tests.
pub(super) const BAD: &[u8] = b"no event";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Begin(i32, i64),
    Halt(Vec<i32>),
    Release(Vec<i32>),
    Send(u64),
    Commit(Vec<(i32, i64)>),
    Abort,
    Renew,
    Pause(bool),
    Leave,
    Rejoin,
}

pub(super) struct World {
    now: Instant,
    records: VecDeque<(i32, i64, Vec<u8>)>,
    events: Vec<Event>,
    pub(super) calls: Vec<Call>,
    /// Outputs in the order in which they were first sent; tests call them by their place here. State is not seen.
    tickets: Vec<Ticket>,
    /// What was sent last of each.
    pub(super) sent: Vec<Vec<u8>>,
    /// Answers of `find`, before it succeeds.
    pub(super) find_fails: VecDeque<Hindrance>,
    /// Answers of `begin`, before it succeeds.
    pub(super) begin_fails: VecDeque<Hindrance>,
    pub(super) group_has_offsets: bool,
    /// Where partitions begin; 0 for others.
    pub(super) starts: BTreeMap<i32, i64>,
    pub(super) records_max_seen: usize,
    /// The offsets that every partition holds.
    pub(super) log: Range<i64>,
    /// How often a restore finds that there is more to read.
    pub(super) restore_steps: usize,
    /// Commits succeed at once; otherwise the test answers them.
    pub(super) answers_commits: bool,
    /// Outputs are not taken, because their transaction has failed.
    pub(super) dooms: bool,
}

impl World {
    fn ticket(&self, place: u64) -> Ticket {
        let known = usize::try_from(place).ok().and_then(|place| self.tickets.get(place).copied());
        known.unwrap_or(Ticket(place))
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

pub(super) struct FakeTransport(Rc<RefCell<World>>);

/// The worker under test and its world.
pub(super) struct Stage {
    pub(super) worker: Worker<FakeTransport>,
    world: Rc<RefCell<World>>,
    pub(super) views: Arc<Views>,
    stop: Arc<AtomicBool>,
}

pub(super) fn partition(number: i32) -> PartitionId {
    PartitionId { topic: "audit".into(), number }
}

fn one_rule() -> Arc<RuleSet> {
    let text = "title: Alarm\nlogsource: {product: jwt}\ndetection: {s: {event.action: alarm}, condition: s}\n";
    let compiled = compile(&[Source { path: "rules.yml", text }], &Options::default());
    Arc::new(compiled.expect("a valid rule").rules)
}

/// A batch with one rule, of partitions that are saved once an hour.
pub(super) fn batch(views: &Arc<Views>) -> Batch {
    let author = Author { group_id: "watch".to_owned(), worker: 0 };
    let workplace = Workplace {
        rules: Arc::new(one_rule().into()),
        settings: Settings::default(),
        places: Arc::default(),
        post: Post::default(),
        group_id: author.group_id.clone(),
        save_interval: Duration::from_hours(1),
        format: Format::USUAL,
        views: Arc::clone(views),
    };
    Batch::new(&workplace, author)
}

impl Stage {
    pub(super) fn new() -> Self {
        let stage = Self::unready();
        stage.event(Event::Ready);
        stage
    }

    /// A stage whose producer is not ready.
    pub(super) fn unready() -> Self {
        let world = Rc::new(RefCell::new(World {
            now: Instant::now(),
            records: VecDeque::new(),
            events: Vec::new(),
            calls: Vec::new(),
            tickets: Vec::new(),
            sent: Vec::new(),
            find_fails: VecDeque::new(),
            begin_fails: VecDeque::new(),
            group_has_offsets: true,
            starts: BTreeMap::new(),
            records_max_seen: 0,
            log: 0..i64::MAX,
            restore_steps: 0,
            answers_commits: false,
            dooms: false,
        }));
        let views = Arc::new(Views::default());
        let stop = Arc::new(AtomicBool::new(false));
        let batch = batch(&views);
        let transport = FakeTransport(Rc::clone(&world));
        let worker = Worker::new(0, transport, batch, Arc::clone(&views), Arc::clone(&stop));
        Self { worker, world, views, stop }
    }

    /// A stage whose worker owns these partitions.
    pub(super) fn owning(partitions: &[i32]) -> Self {
        let mut stage = Self::new();
        stage.event(Event::Assigned(partitions.iter().copied().map(partition).collect()));
        // One to ask where they begin, and one to restore each of them.
        stage.steps(1 + partitions.len());
        stage.calls();
        stage
    }

    pub(super) fn world(&self) -> std::cell::RefMut<'_, World> {
        self.world.borrow_mut()
    }

    pub(super) fn record(&self, partition: i32, offset: i64, payload: &[u8]) {
        self.world().records.push_back((partition, offset, payload.to_vec()));
    }

    pub(super) fn event(&self, event: Event) {
        self.world().events.push(event);
    }

    /// An event that comes before those on their way.
    pub(super) fn event_first(&self, event: Event) {
        self.world().events.insert(0, event);
    }

    pub(super) fn deliver(&self, ticket: u64) {
        let ticket = self.world().ticket(ticket);
        self.event(Event::Delivered(ticket));
    }

    pub(super) fn fail(&self, ticket: u64, why: Undelivered) {
        let ticket = self.world().ticket(ticket);
        self.event(Event::Undelivered(ticket, why));
    }

    pub(super) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.worker.step(), Ok(Progress::Continue));
        }
    }

    /// Steps until the worker ends or `time` has passed in its world.
    pub(super) fn run_for(&mut self, time: Duration) -> Result<Progress, Failure> {
        let end = self.world().now + time;
        while self.world().now < end {
            match self.worker.step() {
                Ok(Progress::Continue) => {}
                ended => return ended,
            }
        }
        Ok(Progress::Continue)
    }

    /// What the worker has done since the last look.
    pub(super) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.world().calls)
    }

    /// The commits among [`Self::calls`].
    pub(super) fn commits(&self) -> Vec<Vec<(i32, i64)>> {
        let commit = |call| if let Call::Commit(positions) = call { Some(positions) } else { None };
        self.calls().into_iter().filter_map(commit).collect()
    }

    pub(super) fn metric(&self, series: &str) -> Option<String> {
        let text = self.views.metrics.render(Timestamp::default());
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
    }
}

fn numbers(partitions: &[PartitionId]) -> Vec<i32> {
    partitions.iter().map(|id| id.number).collect()
}

impl Transport for FakeTransport {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn poll(
        &mut self,
        wait: Duration,
        records_max: usize,
        events: &mut Vec<Event>,
        each: &mut dyn FnMut(Incoming<'_>),
    ) {
        let mut world = self.0.borrow_mut();
        world.records_max_seen = records_max;
        let ready = world.records.len().min(records_max);
        if ready == 0 && world.events.is_empty() {
            world.now += wait;
        }
        for (partition, offset, payload) in world.records.drain(..ready).collect::<Vec<_>>() {
            let payload = Some(payload.as_slice());
            each(Incoming { topic: "audit", partition, offset, timestamp: None, key: None, payload });
        }
        events.append(&mut world.events);
    }

    fn find(&mut self, question: u64, partitions: &[PartitionId]) {
        let mut world = self.0.borrow_mut();
        if let Some(hindrance) = world.find_fails.pop_front() {
            world.events.push(Event::NotFound(question, hindrance));
            return;
        }
        let committed = world.group_has_offsets;
        let start = |id: &PartitionId| world.starts.get(&id.number).copied().unwrap_or(0);
        let position = |id: &PartitionId| Position::new(id.clone(), start(id));
        let starts = partitions
            .iter()
            .map(|id| StartPosition { position: position(id), committed, log: world.log.clone() })
            .collect();
        world.events.push(Event::Found(question, starts));
    }

    fn look_back(&mut self, _stretch: &Stretch) -> Result<(), Hindrance> {
        Ok(())
    }

    fn read_back(&mut self, _records_max: usize, _each: &mut dyn FnMut(Incoming<'_>)) -> Result<LookBack, Hindrance> {
        let mut world = self.0.borrow_mut();
        let is_at_end = world.restore_steps == 0;
        world.restore_steps = world.restore_steps.saturating_sub(1);
        Ok(if is_at_end { LookBack::End } else { LookBack::More })
    }

    fn begin(&mut self, position: &Position) -> Result<(), Hindrance> {
        let mut world = self.0.borrow_mut();
        if let Some(hindrance) = world.begin_fails.pop_front() {
            return Err(hindrance);
        }
        world.calls.push(Call::Begin(position.partition.number, position.offset));
        Ok(())
    }

    fn halt(&mut self, partitions: &[PartitionId]) {
        self.0.borrow_mut().calls.push(Call::Halt(numbers(partitions)));
    }

    fn release(&mut self, partitions: &[PartitionId]) {
        self.0.borrow_mut().calls.push(Call::Release(numbers(partitions)));
    }

    fn rejoin(&mut self) -> Result<(), Failure> {
        self.0.borrow_mut().calls.push(Call::Rejoin);
        Ok(())
    }

    fn pause(&mut self, paused: bool) {
        self.0.borrow_mut().calls.push(Call::Pause(paused));
    }

    fn send(&mut self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        let mut world = self.0.borrow_mut();
        if outgoing.destination == Destination::State {
            world.events.push(Event::Delivered(ticket));
            return Ok(());
        }
        if world.dooms {
            return Err(Undelivered::Doomed("erroneous state".to_owned()));
        }
        let place = world.tickets.iter().position(|known| *known == ticket).unwrap_or_else(|| {
            world.tickets.push(ticket);
            world.sent.push(Vec::new());
            world.tickets.len() - 1
        });
        world.sent[place] = outgoing.payload.unwrap_or_default().to_vec();
        world.calls.push(Call::Send(place as u64));
        Ok(())
    }

    fn commit(&mut self, positions: &[Position]) {
        let positions = positions.iter().map(|position| (position.partition.number, position.offset)).collect();
        let mut world = self.0.borrow_mut();
        world.calls.push(Call::Commit(positions));
        if world.answers_commits {
            world.events.push(Event::Committed);
        }
    }

    fn abort(&mut self) {
        self.0.borrow_mut().calls.push(Call::Abort);
    }

    fn renew(&mut self) {
        self.0.borrow_mut().calls.push(Call::Renew);
    }

    fn end(&self, _partition: &PartitionId) -> Option<i64> {
        Some(self.0.borrow().log.end)
    }

    fn left(&mut self, _partition: &PartitionId, next: i64) -> Option<i64> {
        Some(100 - next)
    }

    fn leave(self) {
        self.0.borrow_mut().calls.push(Call::Leave);
    }
}
