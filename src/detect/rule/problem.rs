//! What is wrong with a rule file, where, and what to do about it.
//!
//! Not the rendering: carets and colours are the command line's business.

use std::fmt;

use serde::{Serialize, Serializer};

use super::advice::advice;
use super::yaml::Spot;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs with it.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Stable, for suppressing and searching.
    pub code: Code,
    /// The file as it was named to the compiler.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// Column in characters from 1.
    pub column: usize,
    /// How many characters on that line the problem covers, at least 1.
    pub width: usize,
    /// What is wrong, with the rule's name and the offending text.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    /// One line, without the hint: `rules/auth.yml:14:9: rule "bruteforce": timespan "5" has no unit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}:{}:{}: {warning}{}", self.file, self.line, self.column, self.message)
    }
}

/// A text that a problem points at, and the hint that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) at: Spot,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: Code, at: Spot, message: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn hint_if_any(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The problem that this is, in a rule of a file.
    pub(crate) fn in_rule(self, file: &str, rule: &str) -> Problem {
        self.about(file, Some(&subject_rule(rule)))
    }

    /// The problem that this is, in a file and, where known, about a part of it.
    pub(crate) fn about(self, file: &str, subject: Option<&str>) -> Problem {
        Problem {
            severity: self.code.severity(),
            code: self.code,
            file: file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            width: self.at.width.max(1),
            message: match subject {
                Some(subject) => format!("{subject}: {}", self.message),
                None => self.message,
            },
            hint: self.hint.unwrap_or_else(|| advice(self.code).to_owned()),
        }
    }
}

/// How problems name a rule.
pub(crate) fn subject_rule(rule: &str) -> String {
    format!("rule \"{rule}\"")
}

macro_rules! codes {
    ($($severity:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ })+) => {
        /// What kind of problem it is; the names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($($(#[$doc])* $variant,)+)+
        }

        impl Code {
            /// Every code: errors, then warnings.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// Its stable name in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)+)+ }
            }

            /// Whether rules with it run.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$variant => Severity::$severity,)+)+ }
            }
        }
    };
}

codes! {
    Error {
        /// Not YAML.
        YamlSyntax = "yaml-syntax",
        /// A file beyond the bounds on bytes, depth or nodes.
        YamlTooLarge = "yaml-too-large",
        /// A key that stands twice in one mapping.
        DuplicateKey = "duplicate-key",
        /// A mapping where a list was needed, and the like.
        WrongType = "wrong-type",
        /// A document that is neither a detection, a correlation, an anomaly nor a filter.
        NoBody = "no-body",
        /// A document that is two of them.
        SeveralBodies = "several-bodies",
        /// An `action` other than `global`, `reset` and `repeat`.
        UnknownAction = "unknown-action",
        /// A key that must be there.
        MissingKey = "missing-key",
        /// A key that means nothing here.
        UnknownKey = "unknown-key",
        /// A key that belongs to another type of rule.
        MisplacedKey = "misplaced-key",
        /// A name or title that no rule can have.
        BadName = "bad-name",
        /// Two rules, or two tests of a file, with one name.
        DuplicateName = "duplicate-name",
        /// An id that is not a UUID.
        BadId = "bad-id",
        /// Not one of Sigma's levels.
        BadLevel = "bad-level",
        /// Not one of Sigma's statuses.
        BadStatus = "bad-status",
        /// A span without `s m h d`.
        TimespanWithoutUnit = "timespan-without-unit",
        /// Not a span.
        BadTimespan = "bad-timespan",
        /// Not a number, or not one in range.
        BadNumber = "bad-number",
        /// A selection or list without entries.
        EmptySelection = "empty-selection",
        /// Not a modifier of Sigma's.
        UnknownModifier = "unknown-modifier",
        /// Modifiers that exclude each other.
        ModifierConflict = "modifier-conflict",
        /// A value that its modifiers cannot use.
        BadValue = "bad-value",
        /// Not a regular expression, or too large a one.
        BadRegex = "bad-regex",
        /// Not a network.
        BadNetwork = "bad-network",
        /// A placeholder without a list.
        UnknownList = "unknown-list",
        /// A value that stands for too many.
        ExpansionTooLarge = "expansion-too-large",
        /// A condition that does not parse.
        BadCondition = "bad-condition",
        /// A selection that a condition names and nothing defines.
        UnknownSelection = "unknown-selection",
        /// Not a type of correlation or anomaly.
        UnknownType = "unknown-type",
        /// A condition without a bound.
        EmptyCondition = "empty-condition",
        /// A reference to nothing.
        UnknownRule = "unknown-rule",
        /// A reference by an id that several rules have.
        AmbiguousRule = "ambiguous-rule",
        /// A rule listed twice where once is all that counts.
        DuplicateReference = "duplicate-reference",
        /// A group-by field that stands twice.
        DuplicateGroup = "duplicate-group",
        /// Rules that refer to each other in a circle.
        RuleCycle = "rule-cycle",
        /// More than four correlations on top of each other.
        ChainTooDeep = "chain-too-deep",
        /// More than 32 rules under one.
        TooManyInputs = "too-many-inputs",
        /// More rules than a set can number.
        TooManyRules = "too-many-rules",
        /// More fields than slots.
        TooManyFields = "too-many-fields",
        /// A filter of something that is not a detection.
        FilterOfCorrelation = "filter-of-correlation",
        /// A rule file of a test that is not there.
        UnknownFile = "unknown-file",
        /// An event of a test that is none.
        BadEvent = "bad-event",
    }
    Warning {
        /// No id: one is made from the name.
        MissingId = "missing-id",
        /// Two rules with one title and no name: one of them is numbered.
        DuplicateTitle = "duplicate-title",
        /// Two rules with one id.
        DuplicateId = "duplicate-id",
        /// A filter that includes instead of excluding.
        FilterWithoutNot = "filter-without-not",
        /// A filter that cannot apply to the rule that it names.
        FilterLogsource = "filter-logsource",
        /// A subject, key or token id matched in any case.
        CaseInsensitiveIdentity = "case-insensitive-identity",
        /// A wildcard where a scope's own `*` was probably meant.
        WildcardInScope = "wildcard-in-scope",
        /// A rule that no event can satisfy.
        UnreachableRule = "unreachable-rule",
        /// A selection that the condition does not use.
        UnusedSelection = "unused-selection",
        /// `all` on a single value.
        AllOfOne = "all-of-one",
        /// A window that is longer than the state is kept.
        WindowTooLong = "window-too-long",
        /// A threshold that a limit keeps from ever being reached.
        ThresholdAboveLimit = "threshold-above-limit",
        /// A group-by field that matching events can lack.
        OptionalGroup = "optional-group",
        /// A rule that would alert, were it not counted by another.
        MutedRule = "muted-rule",
        /// What looks like an expression and is compared as a plain text.
        TakenLiterally = "taken-literally",
        /// A custom field with the name of a setting.
        CustomSetting = "custom-setting",
        /// A level, but no tags.
        LevelWithoutTags = "level-without-tags",
        /// Almost a field of the audit event.
        UnknownField = "unknown-field",
        /// Almost a value that the audit event gives a field.
        UnknownValue = "unknown-value",
        /// Almost a logsource.
        UnknownLogsource = "unknown-logsource",
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
