//! What a replay says on standard error while it runs and at its end.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Format, say};
use crate::ingest::Rejection;

use super::summary::Summary;

/// Rejected records that are explained for each reason; the others are counted.
const EXPLAINED_MAX: u64 = 3;

/// A progress bar, where standard error is a terminal, and the lines that go above it.
#[derive(Debug)]
pub(super) struct Report {
    bar: ProgressBar,
    explained: HashMap<&'static str, u64>,
    /// True if alerts appear on the terminal that the bar is drawn on.
    shares_terminal: bool,
}

impl Report {
    /// For inputs of so many bytes; none if nobody knows.
    pub(super) fn new(bytes_total: Option<u64>) -> Self {
        match bytes_total {
            Some(bytes) => {
                let template = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} eta {eta}";
                Self::with(ProgressBar::new(bytes), template)
            }
            None => Self::with(ProgressBar::no_length(), "{spinner} {bytes} {binary_bytes_per_sec} {msg}"),
        }
    }

    /// For so many records.
    pub(super) fn of_records(records_total: u64) -> Self {
        Self::with(ProgressBar::new(records_total), "{wide_bar} {human_pos}/{human_len} {per_sec} {msg} eta {eta}")
    }

    fn with(bar: ProgressBar, template: &str) -> Self {
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        bar.set_style(style);
        let shares_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self { bar, explained: HashMap::new(), shares_terminal }
    }

    /// So much is read, in the unit that the whole was given in, and so many alerts raised.
    pub(super) fn progress(&self, read: u64, alerts: u64) {
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{alerts} alerts"));
            self.bar.set_position(read);
        }
    }

    /// Runs `write` without the bar in its way.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.shares_terminal { self.bar.suspend(write) } else { write() }
    }

    /// Explains a record that is no event, unless its reason has been explained often enough.
    pub(super) fn explain(&mut self, place: impl Display, rejection: &Rejection) {
        let explained = self.explained.entry(rejection.reason()).or_default();
        *explained += 1;
        if *explained > EXPLAINED_MAX {
            return;
        }
        let rest = if *explained == EXPLAINED_MAX { "; more of these are only counted" } else { "" };
        self.bar.suspend(|| say(format_args!("{place}: {rejection}{rest}")));
    }

    /// Ends without a word.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Ends with the summary.
    pub(super) fn finish(&self, summary: &Summary, format: Format) {
        self.bar.finish_and_clear();
        match format {
            Format::Text => say(summary),
            Format::Json => say(serde_json::to_string(summary).expect("a summary always serializes")),
        }
    }
}
