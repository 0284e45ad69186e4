//! What an operator deploys agrees with the program: alerting rules, dashboards, the compose file and their pages.
//!
//! Each of them names metrics, settings and files that the program could rename without a compiler noticing. Not here:
//! whether the containers start, which takes a container engine.

use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde_json::Value;

mod alerting;
mod compose;
mod dashboard;
mod layout;
mod live;
mod metric_names;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files directly in `folder` that end in `extension`, by name; there is at least one.
#[track_caller]
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a listed file").path())
        .filter(|path| path.extension().is_some_and(|own| own == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no .{extension} file in {}", folder.display());
    files
}

/// A YAML file as the JSON that says the same; aliases are replaced by what they stand for.
#[track_caller]
fn yaml(path: &Path) -> Value {
    let source = File::from_str(&read(path), FileFormat::Yaml);
    let parsed = Config::builder().add_source(source).build().and_then(Config::try_deserialize);
    parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The elements of a list that must be there.
#[track_caller]
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key:?} in {value}"))
}

/// A text that must be there and say something.
#[track_caller]
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str().unwrap_or_else(|| panic!("no text {key:?} in {value}"));
    assert!(!text.trim().is_empty(), "{key:?} is empty in {value}");
    text
}
