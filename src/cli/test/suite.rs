//! A test file with the rules that it names: found, read and compiled, or every problem of them.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::cli::Failure;
use crate::cli::rules::{self, RuleTexts, not_text};
use crate::config::Config;
use crate::config::rule_files;
use crate::detect::rule::problem::Fault;
use crate::detect::rule::reader::{Spanned, clip, near};
use crate::detect::rule::{Code, Options, Problem, RuleSet, Severity, Source, compile};
use crate::ingest::geo::Places;
use crate::rule_test::{self, Runner, TestFile};

/// A test file and its rules.
pub(in crate::cli) struct Suite {
    /// How problems and reports name the test file.
    pub(in crate::cli) path: String,
    text: String,
    rule_texts: RuleTexts,
    /// Of the test file, and errors of its rule files; in order of file and place.
    pub(in crate::cli) problems: Vec<Problem>,
    /// None if there is an error.
    pub(in crate::cli) ready: Option<Ready>,
}

/// What can run.
pub(in crate::cli) struct Ready {
    pub(in crate::cli) file: TestFile,
    pub(in crate::cli) rules: Arc<RuleSet>,
    pub(in crate::cli) runner: Runner,
}

impl Suite {
    /// Loads a test file. Only what the machine keeps from being read is a failure.
    pub(in crate::cli) fn load(path: &Path, config: &Config, places: &Arc<Places>) -> Result<Self, Failure> {
        let mut suite = Self {
            path: path.display().to_string(),
            text: String::new(),
            rule_texts: RuleTexts::default(),
            problems: Vec::new(),
            ready: None,
        };
        match rule_files::read(path)? {
            Ok(text) => suite.text = text,
            Err(wrong) => {
                suite.problems.push(not_text(suite.path.clone(), &wrong));
                suite.text = wrong.lossy;
            }
        }
        let (file, problems) = rule_test::read(&suite.path, &suite.text);
        // A file that is no text has said so.
        if suite.problems.is_empty() {
            suite.problems = problems;
            if let Some(file) = file {
                suite.prepare(path, file, config, places)?;
            }
        }
        suite.problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Ok(suite)
    }

    /// Compiles the rules and holds the tests against them, as far as that is possible.
    fn prepare(&mut self, path: &Path, file: TestFile, config: &Config, places: &Arc<Places>) -> Result<(), Failure> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut paths = Vec::new();
        for name in &file.rule_files {
            match find(folder, name) {
                Ok(path) => paths.push(path),
                Err(fault) => self.problems.push(fault.about(&self.path, None)),
            }
        }
        // Those that are named but wrong have been told of; without any, no rule is known that a test could name.
        if paths.is_empty() || paths.len() < file.rule_files.len() {
            self.problems.extend(without_rules(&file, config));
            return Ok(());
        }
        self.rule_texts = RuleTexts::of(rule_files::find(&paths)?)?;
        match self.rule_texts.compile(&rules::options(&paths, config)?) {
            Ok(compiled) => {
                let rules = Arc::new(compiled.rules);
                let mut runner = Runner::new(Arc::clone(&rules), &config.pipeline, places, &self.path);
                self.problems.extend(file.check_events(&mut runner));
                self.problems.extend(file.check(&rules));
                if self.errors().next().is_none() {
                    self.ready = Some(Ready { file, rules, runner });
                }
            }
            Err(problems) => {
                self.problems.extend(problems.into_iter().filter(|problem| problem.severity == Severity::Error));
                self.problems.extend(without_rules(&file, config));
            }
        }
        Ok(())
    }

    /// The problems that keep it from running.
    pub(in crate::cli) fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// The texts that problems point into.
    pub(in crate::cli) fn sources(&self) -> Vec<Source<'_>> {
        let mut sources = self.rule_texts.shown();
        sources.push(Source { path: &self.path, text: &self.text });
        sources
    }
}

/// What is wrong with the events of a test file whose rules are wrong themselves.
fn without_rules(file: &TestFile, config: &Config) -> Vec<Problem> {
    let Ok(none) = compile(&[], &Options::default()) else { return Vec::new() };
    let mut runner = Runner::new(Arc::new(none.rules), &config.pipeline, &Arc::default(), &file.path);
    file.check_events(&mut runner)
}

/// The rule file or folder that a test file names.
fn find(folder: &Path, name: &Spanned<String>) -> Result<PathBuf, Fault> {
    let path = tidy(folder.join(&name.value));
    let fault = |message: String| Fault::new(Code::UnknownFile, name.at, message);
    let found = rule_files::find(std::slice::from_ref(&path)).map_err(|error| {
        if name.value.contains(['*', '?', '[']) {
            let message = format!("\"{}\" is a pattern, and patterns are not expanded here", clip(&name.value));
            return fault(message).hint("name the files, or a folder: it is searched with all below it");
        }
        let hint = neighbour(&path).map(|near| format!("did you mean \"{near}\"?"));
        fault(format!("the rule file {error}")).hint_if_any(hint)
    })?;
    match (found.rules.is_empty(), found.tests.is_empty()) {
        (false, _) => Ok(path),
        (true, true) => Err(fault(format!("{} has no rule files (.yml, .yaml)", path.display()))),
        (true, false) => {
            let message = format!("\"{}\" is no rule file but a test file, by its name", clip(&name.value));
            Err(fault(message).hint("name the files with the rules"))
        }
    }
}

/// The file in the same folder that was probably meant.
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    near(wanted, names.iter().map(String::as_str), 4).map(str::to_owned)
}

/// The same path without `folder/..`, where that leads to the same file, so that one file has one name in all reports.
fn tidy(path: PathBuf) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if short.file_name().is_some() => {
                short.pop();
            }
            part => short.push(part),
        }
    }
    let is_same = |a: &Path, b: &Path| fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b));
    if !short.as_os_str().is_empty() && is_same(&path, &short) { short } else { path }
}
