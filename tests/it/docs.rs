//! The examples of the pages: they compile clean, and their tests pass.
//!
//! A fenced block whose first line says `file=FOLDER/NAME` is that file. Each folder is checked and tested on its own; one
//! with a block that says `check=FOLDER` is wrong on purpose, and that block is what `check` prints. The commands of a block
//! that says `run` (lines that begin with `$`) are run beside the folders, and print what stands below them; `…` stands for
//! what is left out of a line. A file outside any folder is there for these commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use regex::Regex;
use tempfile::TempDir;

use crate::support::process::{Finished, run, tokenwatch};
use crate::support::scratch;

const PATIENCE: Duration = Duration::from_mins(1);

/// A fenced block: what stands behind its fence, its text, and the line of the fence.
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("the page is there");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, content) in (1..).zip(text.lines()) {
        match (content.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new(), line }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(content);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: the last block has no end");
    blocks
}

/// The word behind `key=` in a block's first line.
fn told<'a>(block: &'a Block, key: &str) -> Option<&'a str> {
    block.info.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The files of a page, written to a folder.
fn unpack(page: &str) -> TempDir {
    let root = scratch::dir("docs");
    for block in blocks(page) {
        let Some(name) = told(&block, "file") else { continue };
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("a name in a folder")).expect("folders can be made");
        assert!(!path.exists(), "{page}:{}: {name} stands twice", block.line);
        fs::write(path, block.text).expect("the folder can be written");
    }
    root
}

fn folders(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).expect("the folder is there").map(|entry| entry.expect("readable"));
    let entries = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().expect("plain names")).collect();
    names.sort();
    names
}

fn in_folder(root: &Path, arguments: &[&str]) -> Finished {
    let mut command = tokenwatch(arguments);
    command.current_dir(root);
    run(command, PATIENCE)
}

/// The blocks with commands to run.
fn commands(page: &str) -> Vec<Block> {
    let mut blocks = blocks(page);
    blocks.retain(|block| block.info.split_whitespace().any(|word| word == "run"));
    blocks
}

/// Runs the commands of a page, in order, and compares what they print on standard output.
#[track_caller]
fn run_commands(page: &str, root: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_tokenwatch")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    for block in commands(page) {
        let (before, commands) = block.text.split_once("$ ").expect("a command");
        assert_eq!(before, "", "{page}:{}: output without a command", block.line);
        for command in commands.split("\n$ ") {
            let (line, expected) = command.split_once('\n').unwrap_or((command, ""));
            let mut shell = Command::new("sh");
            shell.args(["-c", line]).env("PATH", &path).current_dir(root);
            let printed = run(shell, PATIENCE).expect_code(0);
            let (lines, told) = (printed.stdout().trim_end().lines(), expected.trim_end().lines());
            let as_told = lines.clone().count() == told.clone().count()
                && lines.zip(told).all(|(line, told)| is_told(line.trim_end(), told));
            assert!(as_told, "{page}:{}: {line} prints\n{}", block.line, printed.stdout());
        }
    }
}

/// True if a line is what is told of it, where `…` stands for anything.
fn is_told(line: &str, told: &str) -> bool {
    let pattern: Vec<_> = told.split('…').map(regex::escape).collect();
    Regex::new(&format!("^{}$", pattern.join(".*"))).expect("escaped").is_match(line)
}

/// Runs the examples of a page, and says how many folders there were.
#[track_caller]
fn hold(page: &str) -> usize {
    let root = unpack(page);
    let blocks = blocks(page);
    let wrong: BTreeMap<&str, &str> =
        blocks.iter().filter_map(|block| Some((told(block, "check")?, block.text.as_str()))).collect();
    let folders = folders(root.path());
    for folder in &folders {
        let checked = in_folder(root.path(), &["check", folder]);
        if let Some(printed) = wrong.get(folder.as_str()) {
            let checked = checked.expect_code(1);
            assert_eq!(checked.stdout().trim_end(), printed.trim_end(), "{page}: what check prints of {folder}");
            continue;
        }
        let checked = checked.expect_code(0);
        assert!(checked.stderr().contains("0 errors, 0 warnings"), "{page}: {folder}: {}", checked.stdout());
        in_folder(root.path(), &["test", "--require-coverage", folder]).expect_code(0);
    }
    run_commands(page, root.path());
    folders.len()
}

#[test]
fn the_examples_of_the_guide_work() {
    assert!(hold("docs/rules.md") >= 15);
    assert!(commands("docs/rules.md").len() >= 3);
}

#[test]
fn the_examples_of_the_readme_work() {
    assert_eq!(hold("README.md"), 1);
}

/// An example that is no file of its own would never be run.
#[test]
fn no_rule_in_a_page_goes_untested() {
    for page in ["docs/rules.md", "README.md"] {
        for block in blocks(page).iter().filter(|block| block.info.starts_with("yaml")) {
            let is_comment = block.text.lines().all(|line| line.starts_with('#'));
            assert!(is_comment || told(block, "file").is_some(), "{page}:{} is run by no test", block.line);
        }
    }
}

/// Rendered, the first line of a block is hidden: the name of its file must stand above it.
#[test]
fn each_file_of_the_guide_has_its_name_above() {
    let page = "docs/rules.md";
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("the page is there");
    let lines: Vec<&str> = text.lines().collect();
    for block in blocks(page) {
        let Some(name) = told(&block, "file") else { continue };
        assert_eq!(lines[block.line - 3], format!("`{name}`:"), "{page}:{}", block.line);
    }
}

/// Titles become anchors as on GitHub; a link into the page must lead somewhere.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["docs/rules.md", "rules/README.md", "README.md"] {
        let text = fs::read_to_string(root.join(page)).expect("the page is there");
        for (before, after) in text.match_indices("](").map(|(at, _)| text.split_at(at)) {
            let target = after[2..].split(')').next().unwrap_or_default();
            if target.starts_with("http") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let line = before.lines().count();
            let folder = root.join(page).parent().expect("a page in a folder").to_owned();
            let path = if path.is_empty() { root.join(page) } else { folder.join(path) };
            assert!(path.exists(), "{page}:{line}: there is no {target}");
            assert!(anchor.is_empty() || anchors(&path).contains(&anchor.to_owned()), "{page}:{line}: {target}");
        }
    }
}

fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).expect("the page is there");
    let titles = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    titles.map(anchor).collect()
}
