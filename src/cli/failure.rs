//! How a command can end other than well, and the exit code of each way.

use std::fmt::Display;
use std::io;

use crate::config::ConfigError;
use crate::config::rule_files::Unreadable;
use crate::geo;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It did, and found what it was to look for: problems, failed tests. They have been reported. Exit code 1.
    #[error("findings")]
    Findings,
    /// The command line, the configuration or the rules are wrong. Exit code 2.
    #[error("{0}")]
    Wrong(String),
    /// The same, with everything said already. Exit code 2.
    #[error("wrong, as reported")]
    WrongAsReported,
    /// A file, the network or a broker stands in the way. Exit code 3.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever read the output has gone, as `head` does. Exit code 0, without a word.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The command line, the configuration or the rules are wrong.
    pub fn wrong(message: impl Display) -> Self {
        Self::Wrong(message.to_string())
    }

    /// A file, the network or a broker stands in the way.
    pub fn unavailable(message: impl Display) -> Self {
        Self::Unavailable(message.to_string())
    }

    /// A write to standard output failed.
    #[must_use]
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Unavailable(format!("standard output cannot be written: {error}")),
        }
    }

    /// Says on standard error what is still unsaid, and gives the exit code.
    pub(super) fn report(&self) -> u8 {
        match self {
            Self::Findings => 1,
            Self::WrongAsReported => 2,
            Self::OutputClosed => 0,
            Self::Wrong(message) => Self::tell(message, 2),
            Self::Unavailable(message) => Self::tell(message, 3),
        }
    }

    fn tell(message: &str, code: u8) -> u8 {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        super::say(format_args!("{red}error{red:#}: {message}"));
        code
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let message = match error.problems() {
            [problem] => problem.to_string(),
            problems => format!("the configuration has {} problems\n{error}", problems.len()),
        };
        match error {
            ConfigError::Unreadable(_) => Self::Unavailable(message),
            ConfigError::Invalid(_) => Self::Wrong(message),
        }
    }
}

/// As with the configuration: only where nothing is wrong but files that cannot be read, they stood in the way.
impl From<Vec<geo::Problem>> for Failure {
    fn from(problems: Vec<geo::Problem>) -> Self {
        let message = problems.iter().map(geo::Problem::to_string).collect::<Vec<_>>().join("\n");
        if problems.iter().all(|problem| matches!(problem, geo::Problem::Unreadable { .. })) {
            Self::Unavailable(message)
        } else {
            Self::Wrong(message)
        }
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::unavailable(error)
    }
}
