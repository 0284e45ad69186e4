//! The command line: arguments in, an exit code out. One file a command.
//!
//! Data goes to standard output, words to standard error. Not here: what the commands do with records, which is the
//! pipeline's business.

pub mod check;
pub mod diagnostics;
pub mod failure;
pub mod generate;
pub mod replay;
mod rules;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub use failure::Failure;

/// Streaming anomaly detection for JWT access auditing on Kafka.
#[derive(Debug, Parser)]
#[command(name = "tokenwatch", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 findings, 2 wrong usage, configuration or rules, 3 could not run \
                          (file, network, broker).\nData goes to standard output, words to standard error.";

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Generate(generate::Arguments),
    Replay(replay::Arguments),
}

/// For whom something is written that both people and programs read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `1 file`, `2 files`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
