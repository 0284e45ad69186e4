//! The batch of records that is being decided, of the partitions that a worker owns.
//!
//! One place knows what a decided record leaves behind: alerts, a dead letter, a count, an offset. Nothing here waits
//! or sends.

mod ownership;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::error;

use crate::detect::Timestamp;
use crate::detect::rule::RuleSet;
use crate::detect::state::Format;
use crate::http::Views;
use crate::ingest::geo::Places;
use crate::ingest::{Disposition, Record};
use crate::pipeline::{BatchOutcome, Part, Partition, Pipeline, Settings};
use crate::telemetry::{Dispositions, Recorder};

use super::ledger::Ledger;
use super::miskeyed::Miskeyed;
use super::output::{Author, Output};
use super::owned::Owned;
use super::placed::Placed;
use super::route::{MARK_INTERVAL, MARK_PACE, Meeting};
use super::threads::Workplace;
use super::transport::{Incoming, PartitionId};

/// Groups that are dropped without delay: some milliseconds of work.
pub(super) const GROUPS_AT_ONCE: usize = 10_000;

/// A partition that is restored, or new.
#[derive(Debug)]
pub struct Restored {
    /// What is known of it.
    pub state: Partition,
    /// The offset up to which its saved state tells; none if nothing is saved.
    pub saved: Option<i64>,
    /// Keys of the state topic, as groups are spelled, that are of no use any more.
    pub stale: Vec<Vec<u8>>,
}

/// Decides records, and keeps what they lead to until [`Batch::finish`].
#[derive(Debug)]
pub struct Batch {
    pipeline: Pipeline,
    rules: Arc<ArcSwap<RuleSet>>,
    places: Arc<ArcSwap<Places>>,
    settings: Settings,
    views: Arc<Views>,
    outcome: BatchOutcome,
    /// Of records that are decided again; nobody looks at it.
    muted: BatchOutcome,
    owned: Vec<Owned>,
    /// Index in `owned` of the record before: records come in runs.
    last: usize,
    /// Every topic that was ever owned, and what became of its records in this batch.
    topics: Vec<(Arc<str>, Dispositions)>,
    /// With the index in `owned` of the partition that caused it.
    dead_letters: Vec<(Output, usize)>,
    /// Likewise.
    matches: Vec<(Output, usize)>,
    /// Where matches meet.
    meeting: Meeting,
    /// When sources are to tell again how far they are; none: at once.
    mark_at: Option<Instant>,
    /// Whose the entries of the state topic are.
    group_id: String,
    /// For each alert of the outcome, the timestamp of the record that raised it, and its partition's index in `owned`.
    causes: Vec<(Option<Timestamp>, usize)>,
    records: usize,
    /// What was known under the rules before, to be saved with the next commit.
    saves: Vec<(Output, PartitionId)>,
    miskeyed: Miskeyed,
    /// By topic, in the order of `topics`.
    placed: Vec<Placed>,
    recorder: Recorder,
    author: Author,
    save_interval: Duration,
    /// In which what is known of partitions is saved.
    format: Format,
}

impl Batch {
    /// A batch that owns no partition yet.
    #[must_use]
    pub fn new(workplace: &Workplace, author: Author) -> Self {
        let Workplace { rules, settings, places, views, save_interval, format, post, group_id } = workplace;
        Self {
            outcome: BatchOutcome::new(&rules.load()),
            recorder: views.metrics.recorder(&rules.load()),
            pipeline: Pipeline::of_part(post.part, rules.load_full(), settings, places.load_full()),
            rules: Arc::clone(rules),
            places: Arc::clone(places),
            settings: settings.clone(),
            views: Arc::clone(views),
            muted: BatchOutcome::new(&rules.load()),
            saves: Vec::new(),
            owned: Vec::new(),
            last: 0,
            topics: Vec::new(),
            dead_letters: Vec::new(),
            matches: Vec::new(),
            meeting: post.meeting.clone(),
            mark_at: None,
            group_id: group_id.clone(),
            causes: Vec::new(),
            records: 0,
            miskeyed: Miskeyed::default(),
            placed: Vec::new(),
            author,
            save_interval: *save_interval,
            format: *format,
        }
    }

    /// Between two times that a partition is saved.
    #[must_use]
    pub const fn save_interval(&self) -> Duration {
        self.save_interval
    }

    /// The rules in force; those that partitions which are being restored were read under may be older.
    #[must_use]
    pub const fn rules(&self) -> &Arc<RuleSet> {
        self.pipeline.rules()
    }

    /// Decides a record. One of a partition that is not owned, or no longer, is left for its owner; one that is decided
    /// already was fetched ahead of a new beginning.
    pub fn decide(&mut self, incoming: &Incoming<'_>) {
        let Some(index) = self.find(incoming) else { return };
        if self.owned[index].halted || incoming.offset < self.owned[index].next {
            return;
        }
        if self.records == 0 {
            self.take_over();
        }
        let owned = &mut self.owned[index];
        owned.origin.offset = incoming.offset;
        let record = Record { origin: &owned.origin, timestamp: incoming.timestamp, payload: incoming.payload };
        let (rejected, miskeyed) = (self.outcome.rejected.len(), self.outcome.miskeyed);
        let keyed = (&record, incoming.key);
        let (disposition, recorded) =
            self.pipeline.decide_keyed(&mut owned.state, self.records, keyed, &mut self.outcome);
        let is_by_key = self.settings.keyed_by.is_some() && self.pipeline.part() == Part::Whole;
        if let Some(key) = incoming.key.filter(|_| is_by_key) {
            let partitions = self.meeting.sources.get(incoming.topic).copied().unwrap_or(0);
            self.placed.resize_with(self.topics.len(), Placed::default);
            self.placed[owned.topic].add(key, (incoming.partition, incoming.offset), partitions);
        }
        if self.outcome.miskeyed > miskeyed {
            self.miskeyed.add(&owned.origin);
        }
        for (_, rejection) in &self.outcome.rejected[rejected..] {
            self.dead_letters.push((Output::dead_letter(incoming, rejection, &self.author), index));
        }
        for sent in self.outcome.sent.drain(..) {
            let partition = self.meeting.partition(&sent.message.key);
            self.matches.push((Output::routed(partition, sent.message, recorded), index));
        }
        self.causes.resize(self.outcome.detected.alerts.len(), (recorded, index));
        // Marks come as long as routers live; as records they would hide that no event does.
        let is_mark = incoming.key.is_none() && self.pipeline.part() == Part::Windows;
        if !is_mark || disposition != Disposition::Accepted {
            self.topics[owned.topic].1[disposition as usize] += 1;
        }
        owned.next = incoming.offset + 1;
        owned.touched = true;
        self.records += 1;
    }

    /// Before a batch: what is in force now holds for all of it, so that no record is decided under half a rule set or
    /// half a table. Windows of rules that did not change go on, through the form in which they are kept.
    fn take_over(&mut self) {
        let rules = self.rules.load_full();
        if !Arc::ptr_eq(&rules, self.pipeline.rules()) {
            let part = self.pipeline.part();
            let next = Pipeline::of_part(part, Arc::clone(&rules), &self.settings, self.places.load_full());
            for owned in &mut self.owned {
                // The records up to here were decided under the old rules, and must not be decided again under the new.
                self.saves.extend(owned.save(&self.pipeline, self.format));
                let known = self.pipeline.snapshot(&owned.state);
                owned.state = next.restore(&known, rand::random()).unwrap_or_else(|problem| {
                    error!(partition = %owned.id, "its windows begin empty under the new rules: {problem}");
                    next.partition(rand::random())
                });
                owned.state.keep_changes();
            }
            self.muted = BatchOutcome::new(&rules);
            self.outcome = BatchOutcome::new(&rules);
            self.recorder = self.views.metrics.recorder(&rules);
            self.pipeline = next;
        }
        let places = self.places.load_full();
        if !Arc::ptr_eq(&places, self.pipeline.places()) && self.pipeline.part() == Part::Whole {
            // What was decided under the old tables must not be decided again under the new.
            for owned in &mut self.owned {
                self.saves.extend(owned.save(&self.pipeline, self.format));
            }
        }
        self.pipeline.set_places(places);
    }

    /// Counts the batch, and enters what it led to into the ledger: outputs first, then the offsets that depend on
    /// them. How many records it had.
    pub fn finish(&mut self, ledger: &mut Ledger, now: Instant) -> usize {
        if self.records == 0 {
            return 0;
        }
        self.miskeyed.mention(&self.settings, now);
        for ((topic, _), placed) in self.topics.iter().zip(&mut self.placed) {
            self.outcome.miskeyed += placed.judge(topic, now);
        }
        self.recorder.record(self.topics.iter().map(|(name, counts)| (&**name, counts)), &self.outcome);
        for (record, partition) in self.saves.drain(..) {
            ledger.add(record, partition, now);
        }
        for (alert, (cause, index)) in self.outcome.detected.alerts.drain(..).zip(self.causes.drain(..)) {
            ledger.add(Output::alert(alert, cause), self.owned[index].id.clone(), now);
        }
        for (output, index) in self.dead_letters.drain(..).chain(self.matches.drain(..)) {
            ledger.add(output, self.owned[index].id.clone(), now);
        }
        for owned in self.owned.iter_mut().filter(|owned| owned.touched) {
            owned.touched = false;
            owned.told.read(now);
            ledger.decided([owned.position(&self.pipeline, self.format)]);
        }
        self.outcome.clear();
        for (_, counts) in &mut self.topics {
            *counts = Dispositions::default();
        }
        std::mem::take(&mut self.records)
    }

    /// True if those who count matches are to be told how far their sources are.
    #[must_use]
    pub fn is_mark_due(&self, now: Instant) -> bool {
        self.pipeline.part() == Part::Routing
            && (self.mark_at.is_none_or(|at| now >= at) || self.owned.iter().any(|owned| !owned.told.is_anything()))
    }

    /// Reading goes on after a pause: which sources are quiet shows from now on.
    pub fn read_on(&mut self, now: Instant) {
        for owned in &mut self.owned {
            owned.told.read(now);
        }
    }

    /// Enters into the ledger how far the sources are, where that is news, each with its offset. `left` knows how much of
    /// a partition is left to read from an offset on.
    pub fn mark(&mut self, ledger: &mut Ledger, now: Instant, mut left: impl FnMut(&PartitionId, i64) -> Option<i64>) {
        let mut count = 0;
        for owned in self.owned.iter_mut().filter(|owned| !owned.halted) {
            let left = left(&owned.id, owned.next);
            let marks = owned.told.marks(&owned.id, (owned.state.stream_time(), left), &self.meeting, now);
            if !marks.is_empty() {
                ledger.decided([owned.position(&self.pipeline, self.format)]);
            }
            for mark in marks {
                ledger.add(mark, owned.id.clone(), now);
                count += 1;
            }
        }
        self.mark_at = Some(now + MARK_INTERVAL.max(MARK_PACE * count));
    }

    fn find(&mut self, incoming: &Incoming<'_>) -> Option<usize> {
        let is_it = |owned: &Owned| owned.id.number == incoming.partition && *owned.id.topic == *incoming.topic;
        if !self.owned.get(self.last).is_some_and(is_it) {
            self.last = self.owned.iter().position(is_it)?;
        }
        Some(self.last)
    }
}
