//! Where settings come from: one file, and over it the environment.
//!
//! Not what they mean: here a value is still whatever was written.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::problem::{ConfigError, Problem};

/// What every environment variable that may be a setting starts with.
const PREFIX: &str = "TOKENWATCH_";
/// Stands for the dot of a key. Without it a variable is not a setting, so that `TOKENWATCH_HOME` may exist.
const SEPARATOR: &str = "__";

/// The settings of a file (none: no file) with those of the environment over them. A value from the environment
/// carries its variable's name as origin, a value from the file carries none.
pub(super) fn read(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Map<String, Value>, ConfigError> {
    let environment = Environment::collect_from(variables)?;
    let mut builder = config::Config::builder();
    if let Some(path) = file {
        let format = format(path)?;
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable(vec![whole_file(path, &format!("cannot be read: {error}"))]))?;
        builder = builder.add_source(File::from_str(&text, format));
    }
    let built = builder.add_source(environment).build();
    let value = built.map_err(|error| {
        let cause = match &error {
            config::ConfigError::FileParse { cause, .. } => without_source_lines(&cause.to_string()),
            other => other.to_string(),
        };
        ConfigError::Invalid(vec![whole_file(file.unwrap_or(Path::new("environment")), &cause)])
    })?;
    match value.cache.kind {
        ValueKind::Table(table) => Ok(table),
        _ => Ok(Map::new()),
    }
}

fn whole_file(path: &Path, message: &str) -> Problem {
    Problem { place: Some(path.display().to_string()), key: None, message: message.to_owned(), hint: None }
}

fn format(path: &Path) -> Result<FileFormat, ConfigError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        _ => {
            let mut problem = whole_file(path, "the file's format is unknown");
            problem.hint = Some("name it with the ending .toml, .yaml or .yml".to_owned());
            Err(ConfigError::Invalid(vec![problem]))
        }
    }
}

/// A parser's message less the lines that it quotes from the file, which may hold a password.
fn without_source_lines(message: &str) -> String {
    let quoted =
        |line: &str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|');
    message.lines().filter(|line| !line.trim().is_empty() && !quoted(line)).collect::<Vec<_>>().join(": ")
}

/// Settings from environment variables, in key order.
#[derive(Clone, Debug)]
struct Environment {
    settings: Vec<(String, Value)>,
}

impl Environment {
    fn collect_from(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut settings = Vec::new();
        let mut problems = Vec::new();
        for (name, value) in variables {
            let Some((name, key)) = name.to_str().and_then(|name| Some((name.to_owned(), key(name)?))) else {
                continue;
            };
            match value.into_string() {
                Ok(text) => settings.push((key, Value::new(Some(&name), text))),
                Err(_) => problems.push(Problem {
                    place: Some(name),
                    key: Some(key),
                    message: "the variable's value is not UTF-8".to_owned(),
                    hint: None,
                }),
            }
        }
        settings.sort_by(|a, b| a.0.cmp(&b.0));
        if problems.is_empty() { Ok(Self { settings }) } else { Err(ConfigError::Invalid(problems)) }
    }
}

/// The key that a variable sets: `TOKENWATCH_KAFKA__GROUP_ID` is `kafka.group_id`.
fn key(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    rest.contains(SEPARATOR).then(|| rest.replace(SEPARATOR, ".").to_lowercase())
}

impl Source for Environment {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.settings.iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_double_underscore_are_settings() {
        assert_eq!(key("TOKENWATCH_KAFKA__GROUP_ID").as_deref(), Some("kafka.group_id"));
        assert_eq!(
            key("TOKENWATCH_KAFKA__PROPERTIES__SASL__PASSWORD_FILE").as_deref(),
            Some("kafka.properties.sasl.password_file")
        );
        assert_eq!(key("TOKENWATCH_REQUIRE_KAFKA"), None);
        assert_eq!(key("OTHER_KAFKA__GROUP_ID"), None);
    }

    #[test]
    fn a_parse_error_quotes_no_line_of_the_file() {
        let quoted = "TOML parse error at line 2, column 18\n  |\n2 | sasl.password = \"hunter2\n  |                  ^\ninvalid basic string\n";
        assert_eq!(without_source_lines(quoted), "TOML parse error at line 2, column 18: invalid basic string");
    }
}
