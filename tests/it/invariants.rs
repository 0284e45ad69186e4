//! The rules of the repository, as far as a scan of its source can hold them.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    code: String,
    lines: usize,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    collect(&root, &mut found);
    assert!(!found.is_empty(), "{folder} has no source files");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable source folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source file");
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
            let shipped = if is_test { "" } else { text.split("#[cfg(test)]").next().unwrap_or_default() };
            let code =
                shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            found.push(Source { path, code, lines: text.lines().count() });
        }
    }
}

fn mentions(folder: &str, forbidden: &[&str]) -> Vec<String> {
    let hits = |source: &Source| {
        let path = source.path.display().to_string();
        let words =
            forbidden.iter().filter(|word| source.code.contains(**word)).map(move |word| format!("{path}: {word}"));
        words.collect::<Vec<_>>()
    };
    sources(folder).iter().flat_map(hits).collect()
}

/// What reaches the world: none of it may appear in the pure folders.
const WORLD: [&str; 18] = [
    "tokio",
    "rdkafka",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "tracing",
    "prometheus",
    "println!",
    "rand::",
];

#[test]
fn the_core_touches_no_world() {
    for folder in ["src/detect", "src/ingest", "src/pipeline", "src/route", "src/explain", "src/rule_test"] {
        assert_eq!(
            mentions(folder, &WORLD),
            Vec::<String>::new(),
            "{folder} is pure: time, seeds and tables are arguments"
        );
    }
}

#[test]
fn the_core_depends_on_no_edge() {
    let edges = ["crate::config", "crate::cli", "crate::http", "crate::kafka", "crate::service", "crate::telemetry"];
    for folder in ["src/detect", "src/ingest", "src/pipeline", "src/route", "src/explain", "src/rule_test"] {
        assert_eq!(mentions(folder, &edges), Vec::<String>::new());
    }
    assert_eq!(mentions("src/detect", &["crate::ingest", "crate::pipeline"]), Vec::<String>::new());
}

#[test]
fn only_the_kafka_folder_imports_rdkafka() {
    let elsewhere: Vec<_> =
        mentions("src", &["rdkafka"]).into_iter().filter(|mention| !mention.contains("src/kafka/")).collect();
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn the_service_knows_no_client_library_and_kafka_knows_no_rule() {
    assert_eq!(mentions("src/kafka", &["crate::detect::rule", "crate::detect::engine"]), Vec::<String>::new());
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let bare: Vec<_> = mentions("src", &["#[allow(", "#![allow("]);
    assert_eq!(bare, Vec::<String>::new(), "write #[expect(lint, reason = \"…\")]");
}

#[test]
fn no_source_file_is_longer_than_four_hundred_lines() {
    let long: Vec<_> = ["src", "tests", "benches"]
        .into_iter()
        .filter(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).exists())
        .flat_map(sources)
        .filter(|source| source.lines > 400)
        .map(|source| format!("{}: {} lines", source.path.display(), source.lines))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "split by meaning");
}
