//! Why the service cannot go on, told to the person who can change it.
//!
//! Not for what waiting mends: a broker that is away is an event of the transport, and the worker tries again.

use std::borrow::Cow;
use std::fmt;

/// Who has to change something, which is also the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The configuration is wrong in itself: exit code 2.
    Configuration,
    /// The world is not as the configuration says, or the other way round: exit code 3.
    Surroundings,
}

/// A reason to stop, named after the setting that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who has to change something.
    pub remedy: Remedy,
    /// The setting's dotted name, such as `kafka.alerts_topic`; none where no setting has to do with it.
    pub setting: Option<Cow<'static, str>>,
    /// What happened, with names and numbers.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// The world is not as `setting` says.
    #[must_use]
    pub fn surroundings(setting: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { remedy: Remedy::Surroundings, setting: Some(setting.into()), problem: problem.into(), hint: None }
    }

    /// `setting` itself is wrong.
    #[must_use]
    pub fn configuration(setting: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { remedy: Remedy::Configuration, ..Self::surroundings(setting, problem) }
    }

    /// Something that no setting has to do with.
    #[must_use]
    pub fn other(problem: impl Into<String>) -> Self {
        Self { remedy: Remedy::Surroundings, setting: None, problem: problem.into(), hint: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = &self.setting {
            write!(f, "{setting}: ")?;
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
