//! Structured logs on standard error: lines for people, or JSON objects for programs.
//!
//! Everything goes through `tracing`, the Kafka client's own lines too. Not for data: alerts are not logged.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

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
    // Fails only where logs already go somewhere.
    let _ = subscriber(settings, colours, writer).try_init();
}

fn subscriber<W>(settings: LogSettings, colours: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_max_level(level(settings.level)).with_ansi(colours).with_writer(writer);
    match settings.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_ansi(false).finish()),
    }
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a setting makes of one line at each of two levels.
    fn logged(level: LogLevel, format: LogFormat) -> String {
        let lines = Lines::default();
        let sink = lines.clone();
        let subscriber = subscriber(LogSettings { level, format }, false, move || sink.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(partition = 3, "assigned");
            tracing::debug!("polled");
        });
        let bytes = lines.0.lock().expect("nobody panicked").clone();
        String::from_utf8(bytes).expect("logs are UTF-8")
    }

    #[test]
    fn the_level_is_the_least_that_is_written() {
        let text = logged(LogLevel::Info, LogFormat::Text);
        assert!(text.contains("assigned partition=3") && !text.contains("polled"), "{text}");
        assert!(logged(LogLevel::Debug, LogFormat::Text).contains("polled"));
        assert_eq!(logged(LogLevel::Warn, LogFormat::Text), "");
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_beside_the_message() {
        let text = logged(LogLevel::Info, LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one JSON object");
        assert_eq!(
            (&line["level"], &line["message"], &line["partition"]),
            (&"INFO".into(), &"assigned".into(), &3.into())
        );
    }
}
