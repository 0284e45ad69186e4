//! Structured logs on standard error: lines for people, or JSON objects for programs.
//!
//! Everything goes through `tracing`, the Kafka client's own lines too. Not for data: alerts are not logged.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Sends the logs of this process to standard error. The first call in a process decides; later ones change nothing.
pub fn init(settings: LogSettings) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    init_with(settings, colours, io::stderr);
}

/// [`init`] to somewhere else, for a command that draws on the terminal itself.
pub fn init_with<W>(settings: LogSettings, colours: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_max_level(level(settings.level)).with_ansi(colours).with_writer(writer);
    let outcome = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    // Fails only where logs already go somewhere.
    drop(outcome);
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
