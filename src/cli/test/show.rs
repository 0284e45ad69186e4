//! The results of tests for people: a line each, and under a failed one what differs.

use anstyle::{AnsiColor, Style};

use super::coverage::Coverage;
use super::difference;
use super::results::{FileResult, Results};

const PASSED: Style = AnsiColor::Green.on_default();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const FILE: Style = Style::new().bold();

/// Every file with its tests, and what they cover; nothing of files that could not run, whose problems are said
/// elsewhere.
pub(super) fn results(results: &Results) -> String {
    let files: String = results.files.iter().filter(|result| !result.ran.is_empty()).map(of_file).collect();
    files + &results.known_coverage().map(Coverage::to_string).unwrap_or_default()
}

fn of_file(result: &FileResult) -> String {
    let path = &result.suite.path;
    let mut lines = vec![format!("{FILE}{path}{FILE:#}")];
    for (case, ran) in result.cases() {
        if ran.verdict.is_pass() {
            lines.push(format!("  {PASSED}ok{PASSED:#}    {}", case.name));
            continue;
        }
        lines.push(format!("  {FAILED}FAIL{FAILED:#}  {} ({path}:{})", case.name, case.line()));
        lines.extend(difference::lines(case, ran).iter().map(|line| format!("        {line}")));
    }
    lines.join("\n") + "\n"
}
