//! What a person sees: an introduction, a status line, alerts, and the score at the end.
//!
//! The status line is only there on a terminal; what is piped is plain lines.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::detect::rule::RuleSet;
use crate::detect::rule::split::{Spread, group_by, split_rules};

use super::super::{Failure, counted};
use super::feeder::Fed;
use super::scoreboard::{Score, Scoreboard};
use super::watcher::SeenAlert;
use super::{Arguments, KEYED_BY, PARTITIONS};

/// Standard output below which a status line is drawn.
#[derive(Debug)]
pub(super) struct Screen {
    status: ProgressBar,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// More names than this are too long a line.
const NAMES_MAX: usize = 6;

/// Where matches go of rules that the records' key does not group.
fn routing_note(rules: &RuleSet) -> String {
    let split = split_rules(rules, &Spread { topics: 1, keyed_by: Some(KEYED_BY) });
    let groups: BTreeSet<_> = split.iter().map(|split| group_by(rules, &rules.rules[split.rule])).collect();
    if groups.is_empty() {
        return String::new();
    }
    let groups = groups.into_iter().collect::<Vec<_>>().join(", by ");
    format!("routing  records are keyed by {KEYED_BY}; matches are routed, for rules grouped by {groups}\n")
}

fn level_style(level: &str) -> Style {
    match level {
        "critical" => Style::new().bold().fg_color(Some(AnsiColor::Magenta.into())),
        "high" => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        "medium" => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        _ => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
    }
}

impl Screen {
    /// The status line goes to standard error, and only to a terminal.
    pub(super) fn new() -> Self {
        let style =
            ProgressStyle::with_template("{spinner:.green} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { status: ProgressBar::new_spinner().with_style(style) }
    }

    fn print(&self, lines: &str) -> io::Result<()> {
        self.status.suspend(|| {
            let mut output = anstream::stdout();
            output.write_all(lines.as_bytes())?;
            output.flush()
        })
    }

    pub(super) fn introduce(&self, arguments: &Arguments, rules: &RuleSet, address: SocketAddr) -> Result<(), Failure> {
        let names: Vec<_> =
            rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.as_str()).collect();
        // Of the shipped rules the groups are many.
        let note = if arguments.rules.is_empty() { String::new() } else { routing_note(rules) };
        let names = if names.len() > NAMES_MAX { names.len().to_string() } else { names.join(", ") };
        let until = arguments.duration.map_or("until Ctrl-C".to_owned(), |time| format!("for {time:.0?}"));
        let lines = format!(
            "{BOLD}tokenwatch demo{BOLD:#}  the service on an embedded Kafka broker, with generated traffic, {until}\n\
             traffic  {} events/s over {PARTITIONS} partitions, an attack every few seconds\n\
             rules    {}\n\
             metrics  http://{address}/metrics\n{note}\n",
            HumanCount(u64::from(arguments.rate)),
            names,
        );
        self.print(&lines).map_err(|error| Failure::output(&error))
    }

    pub(super) fn status(&self, line: &str) {
        self.status.set_message(line.to_owned());
        self.status.tick();
    }

    /// One line: when, how bad, which rule, who and what.
    pub(super) fn alert(&self, alert: &SeenAlert) {
        let time = alert.time.get(11..19).unwrap_or(&alert.time);
        let (style, level) = (level_style(&alert.rule.level), alert.rule.level.to_uppercase());
        let line = format!(
            "{DIM}{time}{DIM:#}  {style}{level:<8}{style:#}  {BOLD}{:<26}{BOLD:#}  {}\n",
            alert.rule.name, alert.summary
        );
        // Whoever read the output has gone; the demo goes on for its metrics.
        let _ = self.print(&line);
    }

    /// The score by rule, and how fast it went.
    pub(super) fn conclude(&self, board: &Scoreboard, fed: &Fed) -> Result<(), Failure> {
        self.status.finish_and_clear();
        let mut lines = vec![format!(
            "\n{BOLD}{:<28}{:>7}{:>10}{:>10}{:>8}{:>24}{BOLD:#}",
            "rule", "alerts", "injected", "detected", "missed", "alerts without attack"
        )];
        let (eventful, quiet): (Vec<_>, Vec<_>) =
            board.rules.iter().partition(|(_, score)| score.injected > 0 || score.alerts > 0);
        for (rule, score) in eventful {
            let Score { alerts, injected, detected, unexplained } = score;
            let missed = score.missed();
            lines.push(format!("{rule:<28}{alerts:>7}{injected:>10}{detected:>10}{missed:>8}{unexplained:>24}"));
        }
        if !quiet.is_empty() {
            let more = counted(quiet.len(), "more rule");
            lines.push(format!("{more} had no attack to find, and raised no alert"));
        }
        if board.cut_short > 0 {
            lines.push(format!("{} more had begun and were cut short by the end", board.cut_short));
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = fed.events as f64 / fed.took.as_secs_f64().max(0.001);
        lines.push(format!("\n{} events in {:.1?}, {rate:.0} a second\n", HumanCount(fed.events), fed.took));
        self.print(&lines.join("\n")).map_err(|error| Failure::output(&error))
    }
}

/// Turns counts into a status line with a rate.
#[derive(Debug)]
pub(super) struct Pulse {
    last: (Instant, u64),
    rate: f64,
}

impl Pulse {
    /// The weight of the newest interval, so that the rate is steady enough to read.
    const SMOOTHING: f64 = 0.3;

    pub(super) fn new() -> Self {
        Self { last: (Instant::now(), 0), rate: 0.0 }
    }

    pub(super) fn line(&mut self, now: Instant, consumed: u64, subjects: usize, groups: usize, lag: u64) -> String {
        let seconds = now.duration_since(self.last.0).as_secs_f64();
        if seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let newest = (consumed - self.last.1) as f64 / seconds;
            self.rate += (newest - self.rate) * if self.rate == 0.0 { 1.0 } else { Self::SMOOTHING };
        }
        self.last = (now, consumed);
        let count = |count: usize| HumanCount(count as u64);
        format!(
            "{:>7.0} events/s   {} events   {} subjects   {} groups   lag {}",
            self.rate,
            HumanCount(consumed),
            count(subjects),
            count(groups),
            HumanCount(lag)
        )
    }
}
