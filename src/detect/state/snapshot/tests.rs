//! What only this side of the seal can try: damage that no checksum gives away, and entries that are not written again
//! while nothing happens to their groups.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::wire::{Reader, Writer};
use super::*;
use crate::detect::engine::{Engine, EngineSettings};
use crate::detect::event::{Event, Origin};
use crate::detect::limits::Limits;
use crate::detect::outcome::Outcome;
use crate::detect::rule::{Options, Source, compile};
use crate::detect::state::{RuleState, wait};
use crate::detect::time::{Span, Timestamp};
use crate::detect::value::{Number, Value};

/// One rule of each type, over two kinds of groups, and one over an `absence` that waits.
const RULES: &str = include_str!("tests/every_type.yml");

const BASE: i64 = 1_700_000_000_000;
const LATENESS: Span = Span::from_millis(60_000);

fn rules() -> Arc<RuleSet> {
    let source = Source { path: "every_type.yml", text: RULES };
    Arc::new(compile(&[source], &Options::default()).expect("valid rules").rules)
}

#[derive(Clone, Debug)]
struct Step {
    /// After the step before, in milliseconds.
    gap: i64,
    delay: i64,
    mark: &'static str,
    who: &'static str,
    app: &'static str,
    number: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let gap = select(vec![0, 1, 400, 5_000, 30_000, 61_000, 300_000]);
    let delay = select(vec![0, 0, 0, 300, 59_000]);
    let names = select(vec!["ann", "bob", "cid", "dan\0"]);
    (gap, delay, select(vec!["a", "b", "ab"]), names, select(vec!["web", "app"]), -3..30_i64)
        .prop_map(|(gap, delay, mark, who, app, number)| Step { gap, delay, mark, who, app, number })
}

struct World {
    rules: Arc<RuleSet>,
    engine: Engine,
    state: PartitionState,
    outcome: Outcome,
    now: i64,
    offset: i64,
}

impl World {
    fn new(groups: usize) -> Self {
        let rules = rules();
        let limits = Limits { groups, window_entries: 6, set_values: 3, waiting: 3, ..Limits::default() };
        let settings = EngineSettings { lateness: LATENESS, limits, evidence_max: 3, placeholders: vec![] };
        let engine = Engine::new(Arc::clone(&rules), settings);
        let (state, outcome) = (PartitionState::new([1, 2, 3, 4]), Outcome::new(&rules));
        Self { rules, engine, state, outcome, now: BASE, offset: 0 }
    }

    fn take(&mut self, step: &Step) {
        self.now += step.gap;
        let time = Timestamp::from_millis(self.now - step.delay);
        let value = |path: &str| match path {
            "mark" => Value::List(step.mark.split("").filter(|mark| !mark.is_empty()).map(Value::text).collect()),
            "who" => Value::text(step.who),
            "app" => Value::text(step.app),
            "number" | "source.geo.location.lat" => Value::Number(Number::Integer(step.number)),
            "source.geo.location.lon" => Value::Text(Cow::Borrowed("13.5")),
            _ => Value::Absent,
        };
        let values: Vec<_> = self.rules.fields.paths().map(value).collect();
        let origin = Origin { topic: "audit".into(), partition: 3, offset: self.offset };
        let id = format!("e{}", self.offset);
        let event = Event { time, id: &id, origin: &origin, values: &values };
        self.engine.process(&mut self.state, &event, &mut self.outcome);
        self.offset += 1;
    }

    fn take_all(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(step);
        }
    }

    /// The entries of all groups, as they would be written now.
    fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let names = Names::new(&self.rules);
        let waiting = self.state.waiting_by_group();
        let mut entries = BTreeMap::new();
        let mut add = |key: &GroupKey, entry: &Lent<'_>| {
            let spelled = names.spell(key);
            let value = entry::seal((Format::USUAL, &spelled), entry, &self.state.sources, &self.rules, &names);
            entries.insert(spelled, value);
        };
        for group in &self.state.groups {
            let waiting = waiting.get(&**group.key()).map_or(&[] as &[_], Vec::as_slice);
            add(group.key(), &Entry::Held(&group.awake(&self.rules.rules, &self.state.hasher), waiting));
        }
        for (key, memories) in self.state.evictions.remembered() {
            add(key, &Entry::Remains(memories));
        }
        entries
    }

    /// For each group, what counts as a change of it: not its place in the wheel, nor that a wait is over.
    fn touches(&self) -> BTreeMap<Vec<u8>, String> {
        let names = Names::new(&self.rules);
        let waiting = self.state.waiting_by_group();
        let held = self.state.groups.iter().map(|group| {
            let waiting = waiting.get(&**group.key());
            let waiting: Vec<_> = waiting.into_iter().flatten().filter(|waiting| !self.is_over(waiting)).collect();
            (
                names.spell(group.key()),
                format!("{:?} {waiting:?}", group.awake(&self.rules.rules, &self.state.hasher).states()),
            )
        });
        let remains = self.state.evictions.remembered();
        held.chain(remains.map(|(key, memories)| (names.spell(key), format!("{memories:?}")))).collect()
    }

    fn is_over(&self, waiting: &Waiting) -> bool {
        waiting.time + wait(&self.rules.rules[waiting.rule]) < self.state.stream_time
    }

    fn restored(&self, entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<PartitionState, SnapshotError> {
        let mut restoration = Restoration::new(&self.rules, ([5, 6, 7, 8], StreamTime::Own), 0);
        for (spelled, value) in entries {
            restoration.entry(spelled, value)?;
        }
        restoration.finish(&self.state.head(Format::USUAL)).map(|(state, _)| state)
    }
}

proptest! {
    /// A store that keeps the latest entry of each group, gets the entries of the groups that an event changed, and is
    /// told of evictions only: what it holds and the head of now are the state of now.
    #[test]
    fn an_entry_stays_right_while_nothing_happens_to_its_group(
        steps in vec(step(), 1..60), groups in select(vec![2_usize, 4, 100]),
    ) {
        let mut world = World::new(groups);
        let mut store = BTreeMap::new();
        let mut known = BTreeMap::new();
        for step in &steps {
            world.take(step);
            let (entries, touches) = (world.entries(), world.touches());
            for (spelled, touch) in &touches {
                if known.get(spelled) != Some(touch) {
                    store.insert(spelled.clone(), entries[spelled].clone());
                }
            }
            let was_evicted = world.outcome.limit_hits().any(|(limit, hits)| limit.name() == "groups" && hits > 0);
            if was_evicted {
                store.retain(|spelled, _| touches.contains_key(spelled));
                world.outcome.clear();
            }
            known = touches;
            let restored = world.restored(&store).expect("what was written can be read");
            prop_assert_eq!(restored.snapshot(&world.rules), world.state.snapshot(&world.rules), "after {:?}", step);
        }
    }

    /// Whatever a sealed entry says, it is refused or makes a state that works.
    #[test]
    fn no_entry_makes_a_state_that_panics(
        steps in vec(step(), 1..40), later in vec(step(), 1..20),
        changes in vec((any::<Index>(), any::<Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut world = World::new(100);
        world.take_all(&steps);
        let mut entries = world.entries();
        for (entry, at, byte, change) in changes {
            let count = entries.len();
            let Some((spelled, value)) = (count > 0).then(|| entries.iter_mut().nth(entry.index(count))).flatten() else { break };
            let mut content = value[1..value.len() - 8].to_vec();
            let at = at.index(content.len());
            match change {
                0 => content[at] = byte,
                1 => content[at] = content[at].wrapping_add(1),
                2 => content.insert(at, byte),
                _ => drop(content.remove(at)),
            }
            *value = Kind::Group.seal(Format::USUAL, spelled, |writer| content.iter().for_each(|byte| writer.byte(*byte)));
        }
        if let Ok(state) = world.restored(&entries) {
            world.state = state;
            world.take_all(&later);
            world.engine.finish(&mut world.state, &mut world.outcome);
            prop_assert!(!world.state.snapshot(&world.rules).is_empty());
        }
    }

    /// The same of a head.
    #[test]
    fn no_head_makes_a_state_that_panics(
        steps in vec(step(), 1..20), later in vec(step(), 1..20), content in vec(any::<u8>(), 0..12),
    ) {
        let mut world = World::new(100);
        world.take_all(&steps);
        let mut restoration = Restoration::new(&world.rules, ([0; 4], StreamTime::Own), 0);
        for (spelled, value) in world.entries() {
            restoration.entry(&spelled, &value).expect("what was written can be read");
        }
        let head = Kind::Head.seal(Format::USUAL, &[], |writer| content.iter().for_each(|byte| writer.byte(*byte)));
        if let Ok((state, _)) = restoration.finish(&head) {
            world.state = state;
            world.take_all(&later);
        }
    }
}

/// A partition in which every type of rule holds something, a match waits, and an evicted group left something behind.
fn every_type() -> World {
    let mut world = World::new(5);
    for number in 0..40_usize {
        let pick = |few: &[&'static str], stride: usize| few[number / stride % few.len()];
        let who = pick(&["ann", "bob", "cid", "dan\0"], 3);
        world.take(&Step {
            // At last a wait ends.
            gap: if number == 36 { 60_000 } else { [400, 0, 15_000, 1][number % 4] },
            delay: [0, 0, 300][number % 3],
            // Dan never has company.
            mark: if who == "dan\0" { "a" } else { pick(&["a", "ab", "b"], 2) },
            who,
            app: pick(&["web", "app"], 5),
            number: i64::try_from(number % 7).expect("few"),
        });
    }
    world
}

/// What was written by a release must be read by the next. If this fails, either the format changed (bring
/// a new [`Format`] and go on reading this one), or the versions of rules did, which forgets their windows at an upgrade.
#[test]
fn the_first_format_is_still_written_and_read() {
    let world = every_type();
    let (known, written) = (include_bytes!("tests/format_1.snapshot"), world.state.snapshot(&world.rules));
    let state = PartitionState::restore(known, &world.rules, ([5, 6, 7, 8], StreamTime::Own))
        .expect("a snapshot of a known format");
    assert_eq!(state.groups(), world.state.groups());
    assert!(state.snapshot(&world.rules) == known, "what was read is not what is written");
    assert!(written == known, "the same events make another snapshot than they did");
    let is_waiting = state.waiting.iter().next().is_some();
    assert!(is_waiting && state.evictions.remembered().next().is_some(), "the snapshot holds something of everything");
    let held = state.groups.iter().flat_map(|group| {
        group.awake(&world.rules.rules, &state.hasher).states().iter().map(RuleState::rule).collect::<Vec<_>>()
    });
    let rules: BTreeSet<_> = held.collect();
    assert_eq!(rules.len(), world.rules.rules.len(), "every rule holds something");
}

/// What an upgrade is: the new version writes the old format until it is told to write the new one, reads a store in
/// which both stand, and never touches what it need not.
#[test]
fn the_old_format_is_written_until_another_is_asked_for_and_both_are_read() {
    assert!(Format::OLDEST <= Format::USUAL && Format::USUAL < Format::NEWEST);
    let mut world = World::new(100);
    world.state.keep_changes();
    let (mut store, mut head) = (BTreeMap::new(), Vec::new());
    let mut save = |world: &mut World, format: Format| {
        let delta = world.state.changes(&world.rules, format);
        let values = delta.entries.iter().filter_map(|(_, value)| value.as_ref()).chain([&delta.head]);
        assert!(values.clone().count() > 1 && values.into_iter().all(|value| value[0] == format.number()));
        store.extend(delta.entries.into_iter().map(|(spelled, value)| (spelled, value.expect("held"))));
        head = delta.head;
    };
    for (who, format) in [("ann", Format::USUAL), ("bob", Format::USUAL), ("bob", Format::NEWEST)] {
        world.take(&Step { gap: 1, delay: 0, mark: "a", who, app: "web", number: 1 });
        save(&mut world, format);
    }
    let formats: BTreeSet<u8> = store.values().map(|value| value[0]).collect();
    assert_eq!(formats, BTreeSet::from([Format::USUAL.number(), Format::NEWEST.number()]));
    let entries = store.iter().map(|(spelled, value)| (spelled.as_slice(), value.as_slice()));
    let mut restoration = Restoration::new(&world.rules, ([5, 6, 7, 8], StreamTime::Own), entries.len());
    let taken = entries.into_iter().try_for_each(|(spelled, value)| restoration.entry(spelled, value));
    let restored = taken.and_then(|()| restoration.finish(&head));
    let (restored, unused) = restored.expect("both formats are known");
    assert!(unused.is_empty() && restored.snapshot(&world.rules) == world.state.snapshot(&world.rules));
}

#[test]
fn an_entry_is_no_other_group_s_and_no_head() {
    let mut world = World::new(100);
    for who in ["ann", "bob"] {
        world.take(&Step { gap: 1, delay: 0, mark: "a", who, app: "web", number: 1 });
    }
    let mut restoration = Restoration::new(&world.rules, ([0; 4], StreamTime::Own), 0);
    let entries: Vec<_> = world.entries().into_iter().collect();
    let [(one, its), .., (other, others)] = entries.as_slice() else { panic!("two groups or more") };
    let mismatch = |error: SnapshotError| error.to_string().contains("checksum does not match");
    assert!(restoration.entry(one, others).is_err_and(mismatch));
    assert!(restoration.entry(other, its).is_err_and(mismatch));
    assert!(restoration.entry(one, &world.state.head(Format::USUAL)).is_err_and(mismatch));
    assert!(restoration.entry(one, its).is_ok());
    assert!(restoration.finish(its).is_err_and(mismatch));
}

#[test]
fn a_group_cannot_be_ahead_of_its_partition() {
    let mut world = World::new(100);
    let step = |gap| Step { gap, delay: 0, mark: "a", who: "ann", app: "web", number: 1 };
    world.take(&step(1));
    let head = world.state.head(Format::USUAL);
    let finish = |world: &World| {
        let mut restoration = Restoration::new(&world.rules, ([0; 4], StreamTime::Own), 0);
        for (spelled, value) in world.entries() {
            restoration.entry(&spelled, &value).expect("what was written can be read");
        }
        restoration.finish(&head)
    };
    assert!(finish(&world).is_ok());
    world.take(&step(1));
    let error = finish(&world).expect_err("the head is older than the groups").to_string();
    assert!(error.contains("seen later events than the partition"), "{error}");
}

#[test]
fn absurd_lengths_reserve_nothing() {
    let huge = Writer::bytes(|writer| writer.uint(u64::MAX));
    let mut reader = Reader::new(&huge);
    assert!(reader.count(1).is_err());
    assert!(Reader::new(&huge).block().is_err());
    assert!(Reader::new(&huge).part().is_err());
    let more = Writer::bytes(|writer| {
        writer.count(3);
        writer.fixed([0; 5]);
    });
    assert!(Reader::new(&more).count(2).is_err() && Reader::new(&more).count(1) == Ok(3));
}

proptest! {
    #[test]
    fn numbers_and_texts_read_back(uint in any::<u64>(), int in any::<i64>(), text in ".*", millis in 0_i64..1 << 47) {
        let time = Timestamp::from_millis(millis);
        let bytes = Writer::bytes(|writer| {
            writer.uint(uint);
            writer.int(int);
            writer.text(&text);
            writer.time(time);
            writer.time(Timestamp::BEFORE_ALL);
        });
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.uint(), Ok(uint));
        prop_assert_eq!(reader.int(), Ok(int));
        prop_assert_eq!(reader.text(), Ok(text.as_str()));
        prop_assert_eq!(reader.time(), Ok(time));
        prop_assert_eq!(reader.time(), Ok(Timestamp::BEFORE_ALL));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_number_is_read_or_refused(bytes in vec(any::<u8>(), 0..12)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(number) = reader.uint() {
            prop_assert!(Writer::bytes(|writer| writer.uint(number)).len() <= bytes.len());
        }
    }
}
