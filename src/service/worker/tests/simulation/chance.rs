//! Where everything random comes from, and the count of what happened: a fault that never strikes proves nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// What can happen to a worker, or because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Crash,
    Freeze,
    Kicked,
    Join,
    GracefulStop,
    StopFailed,
    StaticReturn,
    Reload,
    BrokerAway,
    Compaction,
    FindFailed,
    FindWaited,
    BeginFailed,
    LookBackFailed,
    ReadBackFailed,
    Replayed,
    ReplayedAll,
    RestoredMidway,
    RecordTwice,
    QueueFull,
    NotWritten,
    TooLarge,
    RefusedWrite,
    Doomed,
    ClientGaveUp,
    AckLost,
    AbortFailed,
    OffsetsRefused,
    ZombieCommit,
    CommitAbortable,
    CommittedUnknown,
    NotCommittedUnknown,
    EndsLate,
    EndsLateFenced,
    TimedOut,
    Fenced,
    ReadyLate,
    RenewFailed,
    OrphanEnded,
    Revoked,
    Lost,
    Expelled,
    Moved,
}

impl Fault {
    pub(super) const ALL: [Self; 43] = [
        Self::Crash,
        Self::Freeze,
        Self::Kicked,
        Self::Join,
        Self::GracefulStop,
        Self::StopFailed,
        Self::StaticReturn,
        Self::Reload,
        Self::BrokerAway,
        Self::Compaction,
        Self::FindFailed,
        Self::FindWaited,
        Self::BeginFailed,
        Self::LookBackFailed,
        Self::ReadBackFailed,
        Self::Replayed,
        Self::ReplayedAll,
        Self::RestoredMidway,
        Self::RecordTwice,
        Self::QueueFull,
        Self::NotWritten,
        Self::TooLarge,
        Self::RefusedWrite,
        Self::Doomed,
        Self::ClientGaveUp,
        Self::AckLost,
        Self::AbortFailed,
        Self::OffsetsRefused,
        Self::ZombieCommit,
        Self::CommitAbortable,
        Self::CommittedUnknown,
        Self::NotCommittedUnknown,
        Self::EndsLate,
        Self::EndsLateFenced,
        Self::TimedOut,
        Self::Fenced,
        Self::ReadyLate,
        Self::RenewFailed,
        Self::OrphanEnded,
        Self::Revoked,
        Self::Lost,
        Self::Expelled,
        Self::Moved,
    ];
}

/// How often each of [`Fault::ALL`] struck, over all seeds.
#[derive(Debug)]
pub(super) struct Coverage([AtomicU64; Fault::ALL.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Fault::ALL.len()])
    }
}

impl Coverage {
    pub(super) fn add(&self, counts: &[u64; Fault::ALL.len()]) {
        for (total, count) in self.0.iter().zip(counts) {
            total.fetch_add(*count, Ordering::Relaxed);
        }
    }

    pub(super) fn by_fault(&self) -> Vec<(Fault, u64)> {
        Fault::ALL.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }
}

/// A seed's own randomness, what it has done so far, and its story.
#[derive(Debug)]
pub(super) struct Chance {
    rng: Pcg64Mcg,
    /// False once the world has calmed down.
    pub(super) troubled: bool,
    /// How likely faults are in this seed, in thousandths of what they are at most.
    severity: u32,
    pub(super) counts: [u64; Fault::ALL.len()],
    /// What happened, if anybody wants to read it.
    pub(super) story: Option<Vec<String>>,
}

impl Chance {
    pub(super) fn new(seed: u64, told: bool) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let severity = [50, 200, 500, 1000][rng.random_range(0..4)];
        let story = told.then(Vec::new);
        Self { rng, troubled: true, severity, counts: [0; Fault::ALL.len()], story }
    }

    /// True in so many of a thousand cases, faults or not.
    pub(super) fn one_in(&mut self, count: u32) -> bool {
        self.rng.random_range(0..count) == 0
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    pub(super) fn millis(&mut self, range: std::ops::Range<u64>) -> std::time::Duration {
        std::time::Duration::from_millis(self.rng.random_range(range))
    }

    /// Whether a fault strikes that does so in at most `per_mille` of the cases; if it does, it is counted.
    pub(super) fn strikes(&mut self, fault: Fault, per_mille: u32) -> bool {
        let strikes = self.troubled && self.rng.random_range(0..1_000_000) < per_mille * self.severity;
        if strikes {
            self.happened(fault);
        }
        strikes
    }

    pub(super) fn happened(&mut self, fault: Fault) {
        self.counts[fault as usize] += 1;
        self.tell(|| format!("{fault:?}"));
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(what());
        }
    }
}
