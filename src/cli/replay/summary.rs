//! What a replay comes to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;

use crate::cli::counted;
use crate::detect::alert::is_false;
use crate::detect::outcome::RuleTally;
use crate::detect::rule::{Rule, RuleSet};
use crate::ingest::Disposition;
use crate::pipeline::BatchOutcome;

/// Rules that are listed though nothing matched them; of a larger set only those that something did.
const IDLE_MAX: usize = 100;

/// The sums over all batches of a replay.
#[derive(Debug)]
pub(super) struct Tally {
    dispositions: [u64; Disposition::ALL.len()],
    rejections: BTreeMap<&'static str, u64>,
    limits: BTreeMap<&'static str, u64>,
    rules: Vec<RuleSum>,
    /// Decompressed bytes of the records.
    pub(super) bytes: u64,
}

/// The sums of one rule.
#[derive(Debug)]
struct RuleSum {
    name: String,
    shadow: bool,
    tally: RuleTally,
}

impl Tally {
    pub(super) fn new(rules: &RuleSet) -> Self {
        let sum =
            |rule: &Rule| RuleSum { name: rule.header.name.clone(), shadow: rule.shadow, tally: RuleTally::default() };
        let rules = rules.rules.iter().map(sum).collect();
        let dispositions = [0; Disposition::ALL.len()];
        Self { dispositions, rejections: BTreeMap::new(), limits: BTreeMap::new(), rules, bytes: 0 }
    }

    /// Counts one record.
    pub(super) fn count(&mut self, disposition: Disposition) {
        self.dispositions[disposition as usize] += 1;
    }

    /// Counts what a batch led to.
    pub(super) fn add(&mut self, outcome: &BatchOutcome) {
        for (_, rejection) in &outcome.rejected {
            *self.rejections.entry(rejection.reason()).or_default() += 1;
        }
        for (limit, hits) in outcome.detected.limit_hits().filter(|(_, hits)| *hits > 0) {
            *self.limits.entry(limit.name()).or_default() += hits;
        }
        for (RuleSum { tally: sum, .. }, tally) in self.rules.iter_mut().zip(&outcome.detected.rules) {
            sum.matches += tally.matches;
            sum.firings += tally.firings;
            sum.alerts += tally.alerts;
            sum.suppressed += tally.suppressed;
            sum.missing_key += tally.missing_key;
            sum.duplicates += tally.duplicates;
        }
    }

    /// How many records there are so far.
    pub(super) fn records(&self) -> u64 {
        self.dispositions.iter().sum()
    }

    /// How many alerts there are so far, in shadow or not.
    pub(super) fn alerts(&self) -> u64 {
        self.alerts_of(false) + self.alerts_of(true)
    }

    fn alerts_of(&self, shadow: bool) -> u64 {
        self.rules.iter().filter(|rule| rule.shadow == shadow).map(|rule| rule.tally.alerts).sum()
    }

    /// The summary of a replay that took so long.
    pub(super) fn summary(self, took: Duration) -> Summary {
        let records = self.records();
        let per_second = |count: u64| if took.is_zero() { 0 } else { rate(count, took) };
        Summary {
            records,
            seconds: (took.as_secs_f64() * 1e3).round() / 1e3,
            records_per_second: per_second(records),
            bytes: self.bytes,
            bytes_per_second: per_second(self.bytes),
            outcomes: Disposition::ALL.map(|outcome| (outcome.name(), self.dispositions[outcome as usize])).into(),
            alerts: self.alerts_of(false),
            shadow_alerts: self.rules.iter().any(|rule| rule.shadow).then(|| self.alerts_of(true)),
            rejections: self.rejections,
            limits: self.limits,
            rules: self.rules.into_iter().map(row).collect(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rate for people: a whole number is more than exact enough"
)]
fn rate(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64()) as u64
}

fn row(RuleSum { name, shadow, tally }: RuleSum) -> RuleRow {
    RuleRow {
        rule: name,
        shadow,
        matches: tally.matches,
        firings: tally.firings,
        alerts: tally.alerts,
        suppressed: tally.suppressed,
        missing_key: tally.missing_key,
        duplicates: tally.duplicates,
    }
}

/// What one rule did.
#[derive(Debug, Serialize)]
struct RuleRow {
    rule: String,
    #[serde(skip_serializing_if = "is_false")]
    shadow: bool,
    matches: u64,
    firings: u64,
    alerts: u64,
    suppressed: u64,
    missing_key: u64,
    duplicates: u64,
}

/// What a replay came to; as JSON for programs, displayed for people.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    records: u64,
    seconds: f64,
    records_per_second: u64,
    bytes: u64,
    bytes_per_second: u64,
    outcomes: BTreeMap<&'static str, u64>,
    rejections: BTreeMap<&'static str, u64>,
    limits: BTreeMap<&'static str, u64>,
    /// Of rules that are not in shadow.
    alerts: u64,
    /// None without a rule in shadow.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_alerts: Option<u64>,
    rules: Vec<RuleRow>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = HumanCount(self.bytes_per_second / 1_000_000);
        let (records, rate) = (HumanCount(self.records), HumanCount(self.records_per_second));
        let plural = if self.records == 1 { "" } else { "s" };
        writeln!(f, "{records} record{plural} in {:.2} s: {rate} records/s, {megabytes} MB/s", self.seconds)?;
        for outcome in Disposition::ALL {
            let count = self.outcomes.get(outcome.name()).copied().unwrap_or(0);
            if count > 0 {
                writeln!(f, "  {:<18}{:>12}{}", outcome.name(), HumanCount(count).to_string(), self.reasons(outcome))?;
            }
        }
        for (limit, hits) in &self.limits {
            writeln!(f, "  limits.{limit} hit {} times", HumanCount(*hits))?;
        }
        write!(f, "{} alert{}", HumanCount(self.alerts), if self.alerts == 1 { "" } else { "s" })?;
        if let Some(alerts) = self.shadow_alerts {
            write!(f, ", {} more in shadow", HumanCount(alerts))?;
        }
        self.rule_table(f)
    }
}

impl RuleRow {
    const fn is_idle(&self) -> bool {
        self.matches == 0 && self.alerts == 0 && self.missing_key == 0
    }
}

impl Summary {
    /// Why records were no events, in brackets: there are several reasons for `malformed` alone.
    fn reasons(&self, outcome: Disposition) -> String {
        if outcome != Disposition::Malformed {
            return String::new();
        }
        let malformed = self.rejections.iter().filter(|(reason, _)| **reason != Disposition::FutureTimestamp.name());
        let reasons: Vec<_> = malformed.map(|(reason, count)| format!("{} {reason}", HumanCount(*count))).collect();
        format!("  ({})", reasons.join(", "))
    }

    fn rule_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.rules.iter().filter(|row| self.rules.len() <= IDLE_MAX || !row.is_idle()).collect();
        let idle = self.rules.len() - rows.len();
        if idle > 0 {
            write!(f, "\n{} without a match", counted(idle, "rule"))?;
        }
        let Some(width) = rows.iter().map(|row| row.rule.chars().count()).max() else { return Ok(()) };
        let width = width.max("rule".len());
        let header = ["matches", "alerts", "suppressed", "no group", "duplicates"];
        write!(f, "\n  {:<width$}", "rule")?;
        for title in header {
            write!(f, "{title:>13}")?;
        }
        for row in rows {
            write!(f, "\n  {:<width$}", row.rule)?;
            for count in [row.matches, row.alerts, row.suppressed, row.missing_key, row.duplicates] {
                write!(f, "{:>13}", HumanCount(count).to_string())?;
            }
            if row.shadow {
                write!(f, "  in shadow")?;
            }
        }
        Ok(())
    }
}
