//! What became of a batch of records: a value that the edges publish and count.

use super::alert::Alert;
use super::limits::Limit;
use super::observation::Watch;
use super::rule::RuleSet;

/// What one rule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTally {
    /// Matches that entered S(g), or single-event matches.
    pub matches: u64,
    /// Times the condition held for an arrival, suppressed or not.
    pub firings: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Firings that suppression kept quiet.
    pub suppressed: u64,
    /// Matches without a group, for lack of a group-by field.
    pub missing_key: u64,
    /// Matches that repeat one already held.
    pub duplicates: u64,
}

/// Alerts and counts of the events decided since it was last cleared.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Alerts in the order they were raised.
    pub alerts: Vec<Alert>,
    /// Events whose windows and rules were all evaluated.
    pub accepted: u64,
    /// Events older than stream time less the allowed lateness: single-event rules alone saw them.
    pub late: u64,
    /// One tally per rule of the rule set, in its order.
    pub rules: Vec<RuleTally>,
    /// What watched rules made of their matches; only explanations ask for it.
    pub watch: Option<Watch>,
    limits: [u64; Limit::ALL.len()],
}

impl Outcome {
    /// An empty outcome for the rules of a set.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        Self {
            alerts: Vec::new(),
            accepted: 0,
            late: 0,
            rules: vec![RuleTally::default(); rules.rules.len()],
            watch: None,
            limits: [0; Limit::ALL.len()],
        }
    }

    /// True if somebody wants to know what a rule makes of its matches.
    pub(super) fn is_watched(&self, rule: usize) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.rules[rule])
    }

    /// Counts a limit that was hit.
    pub fn hit(&mut self, limit: Limit) {
        self.limits[limit as usize] += 1;
    }

    /// How often each limit was hit.
    pub fn limit_hits(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::ALL.into_iter().map(|limit| (limit, self.limits[limit as usize]))
    }

    /// Forgets everything, keeping its memory.
    pub fn clear(&mut self) {
        self.alerts.clear();
        self.accepted = 0;
        self.late = 0;
        self.rules.fill(RuleTally::default());
        if let Some(watch) = &mut self.watch {
            watch.seen.clear();
        }
        self.limits = [0; Limit::ALL.len()];
    }
}
