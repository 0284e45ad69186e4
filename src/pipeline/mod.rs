//! The whole pure way of a record: read, decide, account for it.
//!
//! `run`, `demo`, `replay`, `test` and `explain` are this with other edges. Not a loop: who calls it owns the batches,
//! the partitions and the time.

mod parts;

use std::sync::Arc;

use crate::detect::engine::{Engine, EngineSettings, Lateness};
use crate::detect::event::Event;
use crate::detect::limits::Limits;
use crate::detect::matcher::LabelSet;
use crate::detect::outcome::Outcome;
use crate::detect::rule::RuleSet;
use crate::detect::state::{Delta, Format, PartitionState, Restoration, SnapshotError};
use crate::detect::time::{Span, Timestamp};
use crate::detect::value::Value;
use crate::ingest::geo::Places;
use crate::ingest::keying::Keying;
use crate::ingest::reader::Decoded;
use crate::ingest::{Disposition, Reader, Record, Rejection, Source};
use crate::route::SourceTimes;

use parts::Side;
pub use parts::{Part, Sent};

/// What decides besides rules; the checked form of the configuration's `time`, `limits` and `alerts`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `limits`.
    pub limits: Limits,
    /// `time.allowed_lateness`.
    pub lateness: Span,
    /// `time.max_future_skew`.
    pub future_skew_max: Span,
    /// `alerts.evidence_max`.
    pub evidence_max: usize,
    /// Values that count as absent in a group-by, compared in any case.
    pub placeholders: Vec<String>,
    /// What the records are.
    pub source: Source,
    /// `kafka.keyed_by`: the field whose text is said to be the records' key.
    pub keyed_by: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            lateness: Span::from_millis(600_000),
            future_skew_max: Span::from_millis(300_000),
            evidence_max: 20,
            placeholders: ["-", "null", "anonymous", "unknown"].map(str::to_owned).to_vec(),
            source: Source::Native,
            keyed_by: None,
        }
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct BatchOutcome {
    /// What the engine decided.
    pub detected: Outcome,
    /// Records that are no events: their position in the batch and why, in batch order.
    pub rejected: Vec<(usize, Rejection)>,
    /// Matches on their way to where their groups are.
    pub sent: Vec<Sent>,
    /// Rules of arrived matches that are not in force here, or not in that version.
    pub unknown: u64,
    /// Events whose record has another key than `kafka.keyed_by` says: their groups may be split.
    pub miskeyed: u64,
}

impl BatchOutcome {
    /// An empty outcome.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        Self { detected: Outcome::new(rules), rejected: Vec::new(), sent: Vec::new(), unknown: 0, miskeyed: 0 }
    }

    /// Forgets everything, keeping its memory.
    pub fn clear(&mut self) {
        self.detected.clear();
        self.rejected.clear();
        self.sent.clear();
        (self.unknown, self.miskeyed) = (0, 0);
    }
}

/// Reads and decides records under one rule set.
#[derive(Debug)]
pub struct Pipeline {
    rules: Arc<RuleSet>,
    reader: Reader,
    places: Arc<Places>,
    engine: Engine,
    part: Part,
    side: Side,
    keying: Option<Keying>,
    /// Empty between records; kept for its memory.
    values: Vec<Value<'static>>,
}

/// The state of one partition: its windows and its stream time.
#[derive(Debug)]
pub struct Partition {
    state: PartitionState,
    /// How far the sources have come; nothing unless matches arrive.
    times: SourceTimes,
}

impl Pipeline {
    /// A pipeline for a rule set, without tables to look places up in.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, settings: &Settings) -> Self {
        Self::with_places(rules, settings, Arc::default())
    }

    /// A pipeline for a rule set that looks up where events come from.
    #[must_use]
    pub fn with_places(rules: Arc<RuleSet>, settings: &Settings, places: Arc<Places>) -> Self {
        Self::of_part(Part::Whole, rules, settings, places)
    }

    /// A pipeline that goes a part of the way.
    #[must_use]
    pub fn of_part(part: Part, rules: Arc<RuleSet>, settings: &Settings, places: Arc<Places>) -> Self {
        let engine = EngineSettings {
            lateness: settings.lateness,
            limits: settings.limits.clone(),
            evidence_max: settings.evidence_max,
            placeholders: settings.placeholders.clone(),
        };
        let mut fields = rules.fields.clone();
        let keying = settings.keyed_by.as_ref().map(|path| Keying::new(path, &settings.placeholders, &mut fields));
        Self {
            reader: Reader::of_source(&settings.source, &fields, &settings.limits, settings.future_skew_max, &places),
            places,
            engine: Engine::of_source(Arc::clone(&rules), engine, &settings.source.logsource()),
            part,
            side: Side::new(part, &rules),
            keying,
            rules,
            values: Vec::new(),
        }
    }

    /// Which part of the way it goes.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The rules it decides under.
    #[must_use]
    pub const fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// From now on looks into these tables: newer databases of the kinds that it was made with.
    pub fn set_places(&mut self, places: Arc<Places>) {
        self.places = places;
    }

    /// Fresh state for a partition. No result depends on `hash_seed`; it keeps attackers from choosing collisions.
    #[must_use]
    pub fn partition(&self, hash_seed: [u64; 4]) -> Partition {
        Partition { state: PartitionState::new(hash_seed), times: SourceTimes::default() }
    }

    /// What is known of a partition, for [`Self::restore`]. The same state gives the same bytes.
    #[must_use]
    pub fn snapshot(&self, partition: &Partition) -> Vec<u8> {
        self.side.with_times(partition.state.snapshot(&self.rules), &partition.times)
    }

    /// What has changed in a partition since this was last asked, or since it was restored, in this format.
    pub fn changes(&self, partition: &mut Partition, format: Format) -> Delta {
        let mut delta = partition.state.changes(&self.rules, format);
        delta.head = self.side.with_times(delta.head, &partition.times);
        delta
    }

    /// What is known of a partition apart from its groups: all there is on the first side of a route.
    #[must_use]
    pub fn head(&self, partition: &Partition, format: Format) -> Vec<u8> {
        self.side.with_times(partition.state.head(format), &partition.times)
    }

    /// Begins to restore what a store of `count` entries holds, for [`Self::restored`].
    #[must_use]
    pub fn restoration(&self, count: usize, hash_seed: [u64; 4]) -> Restoration {
        Restoration::new(&self.rules, (hash_seed, self.side.stream_time()), count)
    }

    /// A partition that goes on as what a store of entries holds, now that all are taken, and those of its keys that it
    /// needs no more.
    pub fn restored(&self, restoration: Restoration, head: &[u8]) -> Result<(Partition, Vec<Vec<u8>>), SnapshotError> {
        let (times, head) = self.side.without_times(head)?;
        let (state, unused) = restoration.finish(head)?;
        Ok((Partition { state, times }, unused))
    }

    /// A partition that goes on as a store of entries tells, all at once: see [`Self::restored`].
    pub fn restore_from<'a>(
        &self,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
        head: &[u8],
        hash_seed: [u64; 4],
    ) -> Result<(Partition, Vec<Vec<u8>>), SnapshotError> {
        let mut restoration = self.restoration(entries.len(), hash_seed);
        for (spelled, value) in entries {
            restoration.entry(spelled, value)?;
        }
        self.restored(restoration, head)
    }

    /// A partition that goes on as if it had never stopped; of rules that changed since, it knows nothing.
    pub fn restore(&self, snapshot: &[u8], hash_seed: [u64; 4]) -> Result<Partition, SnapshotError> {
        let (times, snapshot) = self.side.without_times(snapshot)?;
        let seed_and_time = (hash_seed, self.side.stream_time());
        PartitionState::restore(snapshot, &self.rules, seed_and_time).map(|state| Partition { state, times })
    }

    /// The tables that it looks into.
    #[must_use]
    pub const fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// What a record says, without deciding it: fills `values` with one value per slot of the rules' field table.
    /// `places` are [`Self::places`], held by the caller, because values borrow from them.
    pub fn read<'a>(
        &mut self,
        record: &Record<'a>,
        places: &'a Places,
        values: &mut Vec<Value<'a>>,
    ) -> Result<Decoded<'a>, Rejection> {
        self.reader.read(record, places, values)
    }

    /// Writes into `labels` which detections the values of a record satisfy.
    pub fn labels(&self, values: &[Value<'_>], labels: &mut LabelSet) {
        self.engine.label(values, labels);
    }

    /// Decides one record and says what became of it; `position` is its place in the batch. Alerts, tallies and
    /// rejections go into `outcome`.
    pub fn decide(
        &mut self,
        partition: &mut Partition,
        position: usize,
        record: &Record<'_>,
        outcome: &mut BatchOutcome,
    ) -> Disposition {
        self.decide_and_look(partition, position, record, |_| false, outcome)
    }

    /// [`Self::decide`] for a record with a key, which is held against [`Settings::keyed_by`]. Also the timestamp of the
    /// record in which the event was, which for a match is another one.
    pub fn decide_keyed(
        &mut self,
        partition: &mut Partition,
        position: usize,
        (record, key): (&Record<'_>, Option<&[u8]>),
        outcome: &mut BatchOutcome,
    ) -> (Disposition, Option<Timestamp>) {
        if let Side::Windows(receiver) = &mut self.side {
            let known = (&mut partition.state, &mut partition.times);
            return match receiver.receive(&mut self.engine, known, (record, key), outcome) {
                Ok(decided) => decided,
                Err(rejection) => (reject(position, rejection, outcome), record.timestamp),
            };
        }
        let Some(keying) = self.keying.take() else {
            return (self.decide(partition, position, record, outcome), record.timestamp);
        };
        let is_miskeyed = |values: &[Value<'_>]| keying.is_contradicted(key, values);
        let disposition = self.decide_and_look(partition, position, record, is_miskeyed, outcome);
        self.keying = Some(keying);
        (disposition, record.timestamp)
    }

    fn decide_and_look(
        &mut self,
        partition: &mut Partition,
        position: usize,
        record: &Record<'_>,
        is_miskeyed: impl FnOnce(&[Value<'_>]) -> bool,
        outcome: &mut BatchOutcome,
    ) -> Disposition {
        let mut values = emptied(std::mem::take(&mut self.values));
        let disposition = match self.reader.read(record, &self.places, &mut values) {
            Ok(Decoded { time, id }) => {
                outcome.miskeyed += u64::from(is_miskeyed(&values));
                let event = Event { time, id: &id, origin: record.origin, values: &values };
                let (engine, state) = (&mut self.engine, &mut partition.state);
                disposition_of(match &mut self.side {
                    Side::Routing(router) => router.route(engine, state, &event, (position, record.timestamp), outcome),
                    Side::Whole | Side::Windows(_) => engine.process(state, &event, &mut outcome.detected),
                })
            }
            Err(rejection) => reject(position, rejection, outcome),
        };
        self.values = emptied(values);
        disposition
    }

    /// The end of a replay or a test: stream time passes everything, what was waiting is decided.
    pub fn finish(&mut self, partition: &mut Partition, outcome: &mut BatchOutcome) {
        self.engine.finish(&mut partition.state, &mut outcome.detected);
    }
}

const fn disposition_of(lateness: Lateness) -> Disposition {
    match lateness {
        Lateness::InTime => Disposition::Accepted,
        Lateness::Late => Disposition::Late,
    }
}

fn reject(position: usize, rejection: Rejection, outcome: &mut BatchOutcome) -> Disposition {
    if let Some(limit) = rejection.limit() {
        outcome.detected.hit(limit);
    }
    let disposition = rejection.disposition();
    outcome.rejected.push((position, rejection));
    disposition
}

/// The same vector without its values, ready to borrow from another record.
fn emptied<'a>(mut values: Vec<Value<'_>>) -> Vec<Value<'a>> {
    values.clear();
    // Nothing is mapped: collecting an empty vector of the same layout keeps its memory.
    values.into_iter().map(|_| Value::Absent).collect()
}

impl Partition {
    /// From now on [`Pipeline::changes`] tells of every group that changes.
    pub fn keep_changes(&mut self) {
        self.state.keep_changes();
    }

    /// Groups that have changed since changes were last taken, or a few more.
    #[must_use]
    pub fn changes_count(&self) -> usize {
        self.state.changes_count()
    }

    /// The greatest event time accepted so far; none before the first.
    #[must_use]
    pub fn stream_time(&self) -> Option<Timestamp> {
        self.state.stream_time()
    }

    /// Groups held.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.state.groups()
    }

    /// Bytes that the state holds, counted.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.state.bytes()
    }

    /// Those of its groups, without what their table keeps free.
    #[must_use]
    pub const fn groups_bytes(&self) -> usize {
        self.state.groups_bytes()
    }

    /// What is held weighs towards `limits.state_bytes`; the same wherever and however often it was restored.
    #[must_use]
    pub const fn state_weight(&self) -> usize {
        self.state.weight()
    }
}
