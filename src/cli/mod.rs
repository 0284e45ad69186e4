//! The command line: arguments in, an exit code out. One file a command.
//!
//! Data goes to standard output, words to standard error. Not here: what the commands do with records, which is the
//! pipeline's business.

pub mod check;
mod crew;
pub mod demo;
pub mod diagnostics;
pub mod explain;
pub mod failure;
pub mod generate;
mod input;
mod reload;
pub mod replay;
mod rules;
pub mod run;
pub mod schema;
mod source;
mod split_groups;
pub mod test;

use std::fmt;
use std::io::Write;

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::HumanCount;

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
    Demo(demo::Arguments),
    Explain(explain::Arguments),
    Generate(generate::Arguments),
    Replay(replay::Arguments),
    Run(run::Arguments),
    Schema(schema::Arguments),
    Test(test::Arguments),
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

/// Says a line to whoever reads standard error, without colours where they are not wanted. Unlike `eprintln`, it does
/// not panic where nobody reads any more.
pub(crate) fn say(words: impl fmt::Display) {
    // There is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "{words}");
}

/// `1 file`, `20,000 files`.
fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count as u64), if count == 1 { "" } else { "s" })
}

/// Runs the command that the process was started with. Returns the exit code.
#[must_use]
pub fn main() -> u8 {
    let outcome = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    match outcome {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
