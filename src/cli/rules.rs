//! Rules for a command: found, read and compiled.
//!
//! Not the rules themselves, and not how their problems look.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::config::Config;
use crate::config::rule_files::{self, NotText, RuleFiles};
use crate::detect::rule::{Code, Compiled, Options, Problem, RuleSet, Severity, Source, compile};

use super::{Failure, Format, counted, diagnostics, say};

/// The texts of rule files.
#[derive(Debug, Default)]
pub(super) struct RuleTexts {
    /// Path and text, in path order.
    pub(super) files: Vec<(String, String)>,
    /// Files of tests beside the rules.
    pub(super) tests: Vec<PathBuf>,
    /// What is wrong with files that are no text at all, and what of them can be shown.
    not_text: Vec<(Problem, String)>,
}

impl RuleTexts {
    /// Finds and reads the files of some paths, at least one.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let found = rule_files::find(paths)?;
        if found.rules.is_empty() && found.tests.is_empty() {
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::wrong(format!("no rule files (.yml, .yaml) in {}", paths.join(", "))));
        }
        Self::of(found)
    }

    /// Reads files that were found.
    pub(super) fn of(found: RuleFiles) -> Result<Self, Failure> {
        let mut texts = Self { tests: found.tests, ..Self::default() };
        for path in found.rules {
            let name = path.display().to_string();
            match rule_files::read(&path)? {
                Ok(text) => texts.files.push((name, text)),
                Err(wrong) => texts.not_text.push((not_text(name, &wrong), wrong.lossy)),
            }
        }
        Ok(texts)
    }

    /// Compiles them; the error is every problem.
    pub(super) fn compile(&self, options: &Options) -> Result<Compiled, Vec<Problem>> {
        let compiled = compile(&self.sources(), options);
        if self.not_text.is_empty() {
            return compiled;
        }
        let mut problems = compiled.map_or_else(|problems| problems, |compiled| compiled.warnings);
        problems.extend(self.not_text.iter().map(|(problem, _)| problem.clone()));
        Err(problems)
    }

    /// Shows problems.
    pub(super) fn print(&self, problems: &[Problem], format: Format, output: &mut impl Write) -> io::Result<()> {
        output.write_all(diagnostics::render(problems, &self.shown(), format).as_bytes())
    }

    /// The texts to compile.
    pub(super) fn sources(&self) -> Vec<Source<'_>> {
        self.files.iter().map(|(path, text)| Source { path, text }).collect()
    }

    /// The same, with what can be shown of files that are no text.
    pub(super) fn shown(&self) -> Vec<Source<'_>> {
        let not_text = self.not_text.iter().map(|(problem, text)| Source { path: &problem.file, text });
        self.sources().into_iter().chain(not_text).collect()
    }

    /// Hands over every name and text, and what cannot be read as text.
    pub(super) fn each(&self, mut take: impl FnMut(&str)) {
        for (path, text) in &self.files {
            take(path);
            take(text);
        }
        self.not_text.iter().for_each(|(problem, text)| {
            take(&problem.to_string());
            take(text);
        });
    }

    /// How many files there are to compile.
    pub(super) fn len(&self) -> usize {
        self.files.len() + self.not_text.len()
    }
}

/// The problem of a file that is not UTF-8.
pub(super) fn not_text(file: String, wrong: &NotText) -> Problem {
    Problem {
        severity: Severity::Error,
        code: Code::YamlSyntax,
        file,
        line: wrong.line,
        column: wrong.column,
        width: 1,
        message: format!("not YAML: the byte {:#04x} is not UTF-8", wrong.byte),
        hint: "save the file as UTF-8".to_owned(),
    }
}

/// What the compiler must know besides the files. Lists are those of `rules.lists`, else those that lie by the rules.
pub(super) fn options(paths: &[PathBuf], config: &Config) -> Result<Options, Failure> {
    let lists = if config.rules.lists.is_empty() {
        rule_files::lists(&rule_files::list_folders(paths, &rule_files::find(paths)?.rules))?
    } else {
        rule_files::lists(&config.rules.lists)?
    };
    // Which events there are is known where topics are named. Elsewhere rules of any product may be meant.
    let sources = if config.kafka.topics.is_empty() { Vec::new() } else { vec![config.pipeline.source.logsource()] };
    Ok(Options {
        lists,
        limits: config.pipeline.limits.clone(),
        sources,
        state_kept_max: Some(config.state.kept_max),
        shadow: config.rules.shadow,
    })
}

/// Tells one content of all rule files and lists from another; the default is that of no files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(u128);

/// Everything that a rule set is compiled from, as it was read.
#[derive(Debug)]
pub(super) struct Files {
    texts: RuleTexts,
    options: Options,
}

impl Files {
    pub(super) fn read(paths: &[PathBuf], config: &Config) -> Result<Self, Failure> {
        Ok(Self { texts: RuleTexts::read(paths)?, options: options(paths, config)? })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Xxh3::new();
        let mut add = |text: &str| {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        self.texts.each(&mut add);
        for (name, entries) in &self.options.lists {
            add(name);
            for entry in entries {
                add(entry);
            }
        }
        Fingerprint(hash.digest128())
    }

    /// Compiles them; the error is every problem.
    pub(super) fn compile(&self) -> Result<Compiled, Vec<Problem>> {
        self.texts.compile(&self.options)
    }
}

/// Rules that run, and of which files.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) rules: Arc<RuleSet>,
    pub(super) fingerprint: Fingerprint,
}

/// The rules of some paths, for a command that needs them to run. Problems go to standard error.
pub(super) fn load(paths: &[PathBuf], config: &Config) -> Result<Loaded, Failure> {
    let files = Files::read(paths, config)?;
    match files.compile() {
        Ok(compiled) => {
            if !compiled.warnings.is_empty() {
                let warnings = counted(compiled.warnings.len(), "warning");
                say(format_args!(
                    "{warnings} about the rules; tokenwatch check, with the same --config, shows what they are"
                ));
            }
            Ok(Loaded { rules: Arc::new(compiled.rules), fingerprint: files.fingerprint() })
        }
        Err(problems) => {
            // Nobody is left to tell if standard error cannot be written.
            let _ = files.texts.print(&problems, Format::Text, &mut anstream::stderr());
            Err(Failure::WrongAsReported)
        }
    }
}

/// How many of the rules run in shadow, as the end of a phrase that counts them; nothing if none does.
pub(super) fn shadowed(rules: &RuleSet) -> String {
    match rules.rules.iter().filter(|rule| rule.shadow).count() {
        0 => String::new(),
        count => format!(", {count} of them in shadow"),
    }
}
