//! `tokenwatch generate`: realistic traffic as JSON lines, with labels that say where the attacks are.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;

use crate::traffic::{Traffic, TrafficConfig, generate};

use super::{Failure, say};

const OUTPUT_BYTES: usize = 256 << 10;

/// Prints realistic audit events with attacks among them, one JSON object a line; the same seed gives the same bytes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many events
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    events: u64,
    /// What everything random follows from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where to write which attacks were planted, one JSON object a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let unwritable = |path: &PathBuf| {
        let path = path.display().to_string();
        move |error: io::Error| Failure::unavailable(format!("{path} cannot be written: {error}"))
    };
    if let Some(path) = &arguments.labels {
        // Before the events, so that a wrong path does not come out after all of them.
        fs::write(path, "").map_err(unwritable(path))?;
    }
    let config = TrafficConfig { seed: arguments.seed, ..TrafficConfig::default() };
    let traffic = Traffic::new(config).map_err(Failure::wrong)?;
    let mut output = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    // In memory, because a failed write to `output` must be told from one to the labels.
    let mut labels = Vec::new();
    let wanted = arguments.labels.as_ref().map(|_| &mut labels as &mut dyn Write);
    let generated =
        generate(traffic, arguments.events, &mut output, wanted).map_err(|error| Failure::output(&error))?;
    if let Some(path) = &arguments.labels {
        fs::write(path, &labels).map_err(unwritable(path))?;
    }
    let (events, attacks) = (HumanCount(generated.events), HumanCount(generated.labels));
    say(format_args!("{events} events, {attacks} attacks among them"));
    Ok(())
}
