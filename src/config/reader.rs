//! Takes settings by key, remembers which keys were asked for, and collects every problem.
//!
//! A key is known because somebody asks for it, so there is no second list to keep: what nobody asked for is unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};
use serde_json::{Value as Json, json};

use super::problem::{ConfigError, Problem, nearest};
use super::setting::{Fault, Setting, wrong_type};

/// Keys and sections that the documentation promises for later versions.
const PLANNED: [&str; 4] = ["alerts.format", "alerts.include_events", "privacy", "tokens"];

/// A value as it was written, and where.
#[derive(Debug)]
pub(super) struct Given {
    /// The dotted key.
    pub(super) key: String,
    /// The environment variable; none for the file.
    pub(super) variable: Option<String>,
    /// What was written; from the environment always a text.
    pub(super) value: ValueKind,
}

/// Reads one configuration.
#[derive(Debug)]
pub(super) struct Reader {
    file: Option<PathBuf>,
    /// What nobody has asked for yet.
    rest: Map<String, Value>,
    known: Vec<String>,
    /// What each may be, for those that say so.
    schemas: BTreeMap<String, Json>,
    problems: Vec<Problem>,
    /// How many problems are but unreadable files.
    unreadable: usize,
}

impl Reader {
    pub(super) fn new(file: Option<&Path>, settings: Map<String, Value>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            rest: settings,
            known: Vec::new(),
            schemas: BTreeMap::new(),
            problems: Vec::new(),
            unreadable: 0,
        }
    }

    /// The value of `section.key`, if it was given.
    pub(super) fn take(&mut self, key: &str) -> Option<Given> {
        self.known.push(key.to_owned());
        let (section, name) = key.split_once('.').expect("every key stands in a section");
        let ValueKind::Table(table) = &mut self.rest.get_mut(section)?.kind else { return None };
        let value = table.remove(name)?;
        Some(Given { key: key.to_owned(), variable: value.origin().map(str::to_owned), value: value.kind })
    }

    /// Replaces `target` by the value of `key` if one was given; true if so.
    pub(super) fn set<T: Setting>(&mut self, key: &str, target: &mut T) -> bool {
        self.set_if(key, target, |_| Ok(()))
    }

    /// [`Self::set`] for values that must also pass `check`.
    pub(super) fn set_if<T: Setting>(
        &mut self,
        key: &str,
        target: &mut T,
        check: impl FnOnce(&T) -> Result<(), Fault>,
    ) -> bool {
        self.schemas.insert(key.to_owned(), T::schema());
        let Some(given) = self.take(key) else { return false };
        match T::read(&given).and_then(|value| check(&value).map(|()| value)) {
            Ok(value) => *target = value,
            Err(fault) => self.reject(&given, fault),
        }
        true
    }

    /// [`Self::set`] for paths: those in the file are relative to the file's folder, those in the environment to the
    /// working folder.
    pub(super) fn set_paths(&mut self, key: &str, target: &mut Vec<PathBuf>) {
        self.schemas.insert(key.to_owned(), Vec::<String>::schema());
        let Some(given) = self.take(key) else { return };
        match Vec::<String>::read(&given) {
            Ok(paths) => *target = paths.iter().map(|path| self.resolve(&given, path)).collect(),
            Err(fault) => self.reject(&given, fault),
        }
    }

    /// [`Self::set_paths`] for one path that may be left out; `""` leaves it out.
    pub(super) fn set_path(&mut self, key: &str, target: &mut Option<PathBuf>) {
        self.schemas.insert(key.to_owned(), json!({ "type": "string" }));
        let Some(given) = self.take(key) else { return };
        match &given.value {
            ValueKind::String(path) if path.trim().is_empty() => *target = None,
            ValueKind::String(path) => *target = Some(self.resolve(&given, path)),
            other => {
                let fault = wrong_type(other, "a path");
                self.reject(&given, fault);
            }
        }
    }

    /// A path as `given` means it.
    pub(super) fn resolve(&self, given: &Given, path: &str) -> PathBuf {
        match (&given.variable, self.file.as_deref().and_then(Path::parent)) {
            (None, Some(folder)) => folder.join(path),
            _ => PathBuf::from(path),
        }
    }

    /// Records what is wrong with a value.
    pub(super) fn reject(&mut self, given: &Given, fault: Fault) {
        let place = self.place(given.variable.as_deref());
        self.unreadable += usize::from(fault.unreadable);
        self.problems.push(Problem { place, key: Some(given.key.clone()), message: fault.message, hint: fault.hint });
    }

    /// Records what is wrong with a key, given or not.
    pub(super) fn reject_key(&mut self, key: &str, fault: Fault) {
        let given = Given { key: key.to_owned(), variable: None, value: ValueKind::Nil };
        self.reject(&given, fault);
    }

    /// Records that a key has no value anywhere.
    pub(super) fn require(&mut self, key: &str, example: &str) {
        let variable = format!("TOKENWATCH_{}", key.replace('.', "__").to_uppercase());
        let problem = Problem {
            place: self.place(None),
            key: Some(key.to_owned()),
            message: "is required and has no value".to_owned(),
            hint: Some(format!("write {example}, or set {variable}")),
        };
        self.problems.push(problem);
    }

    /// Every problem in key order, unknown keys among them; an error unless there is none.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        for (section, value) in std::mem::take(&mut self.rest) {
            let known = self.known.iter().any(|key| section_of(key) == section);
            match &value.kind {
                ValueKind::Table(table) if known => {
                    for (name, value) in table {
                        self.unknown(&format!("{section}.{name}"), value);
                    }
                }
                ValueKind::Nil if known => {}
                _ if known => {
                    let fault = Fault::new("is a section: its settings stand below it");
                    let given = Given { key: section, variable: variable(&value), value: value.kind };
                    self.reject(&given, fault);
                }
                _ => self.unknown(&section, &value),
            }
        }
        self.problems.sort_by(|a, b| a.key.cmp(&b.key));
        match self.problems.len() {
            0 => Ok(()),
            problems if problems == self.unreadable => Err(ConfigError::Unreadable(self.problems)),
            _ => Err(ConfigError::Invalid(self.problems)),
        }
    }

    /// The keys that were asked for, each with the JSON Schema of its value; of those that do not say, anything.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (String, Json)> + '_ {
        let schema = |key: &String| self.schemas.get(key).cloned().unwrap_or_else(|| json!({}));
        self.known.iter().map(move |key| (key.clone(), schema(key)))
    }

    /// The keys that were asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    fn unknown(&mut self, key: &str, value: &Value) {
        let place = self.place(variable(value).as_deref());
        let (message, hint) = if PLANNED.contains(&key) {
            (format!("is not available in this version ({})", env!("CARGO_PKG_VERSION")), None)
        } else {
            ("is not a known setting".to_owned(), Some(self.hint(key)))
        };
        self.problems.push(Problem { place, key: Some(key.to_owned()), message, hint });
    }

    /// What an unknown key probably means: a slip of a sibling, or a key that stands in another section.
    fn hint(&self, key: &str) -> String {
        let known = || self.known.iter().map(String::as_str);
        let Some((section, name)) = key.split_once('.') else {
            let mut sections: Vec<_> = known().map(section_of).collect();
            sections.dedup();
            return nearest(key, sections.iter().copied()).map_or_else(
                || format!("the sections are {}", sections.join(", ")),
                |near| format!("did you mean {near}?"),
            );
        };
        let siblings: Vec<_> = known().filter(|key| section_of(key) == section).map(name_of).collect();
        if let Some(near) = nearest(name, siblings.iter().copied()) {
            return format!("did you mean {section}.{near}?");
        }
        match known().find(|known| name_of(known) == name) {
            Some(elsewhere) => format!("did you mean {elsewhere}?"),
            None => format!("{section} has {}", siblings.join(", ")),
        }
    }

    fn place(&self, variable: Option<&str>) -> Option<String> {
        variable.map(str::to_owned).or_else(|| self.file.as_ref().map(|file| file.display().to_string()))
    }
}

fn section_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(section, _)| section)
}

fn name_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, name)| name)
}

/// The variable behind a value, or behind the first value in a table.
fn variable(value: &Value) -> Option<String> {
    match (&value.kind, value.origin()) {
        (ValueKind::Table(table), None) => table.values().find_map(variable),
        (_, origin) => origin.map(str::to_owned),
    }
}
