//! Problems of rules as people and programs read them: the place, the source line with a caret, the hint; or JSON.
//!
//! Not what is wrong: that is the compiler's business.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::Format;
use crate::detect::rule::{Problem, Severity, Source};

/// Longest stretch of a source line that is shown, in characters.
const LINE_CHARS_MAX: usize = 200;

/// Problems as one text that ends with a line break, or as one JSON array.
///
/// The text carries terminal styles; print it through `anstream`, which takes them out where they are not wanted.
#[must_use]
pub fn render(problems: &[Problem], sources: &[Source<'_>], format: Format) -> String {
    match format {
        Format::Text => {
            let renderer = Renderer::styled();
            problems.iter().map(|problem| text(problem, sources, &renderer) + "\n").collect()
        }
        Format::Json => {
            let problems = located(problems, sources);
            serde_json::to_string_pretty(&problems).expect("problems are plain data") + "\n"
        }
    }
}

/// Problems as they look in JSON.
pub(crate) fn located<'p>(problems: &'p [Problem], sources: &[Source<'_>]) -> Vec<Located<'p>> {
    problems.iter().map(|problem| Located { problem, source: line(problem, sources) }).collect()
}

/// A problem with the line that it stands in, for programs.
#[derive(Serialize)]
pub(crate) struct Located<'p> {
    #[serde(flatten)]
    problem: &'p Problem,
    source: String,
}

/// The line of a problem's file that it stands in.
fn line(problem: &Problem, sources: &[Source<'_>]) -> String {
    let source = sources.iter().find(|source| source.path == problem.file);
    // YAML also ends a line at a lone carriage return.
    let text = source.map(|source| source.text.replace("\r\n", "\n")).unwrap_or_default();
    let line = text.split(['\n', '\r']).nth(problem.line.saturating_sub(1)).unwrap_or_default();
    line.strip_prefix('\u{feff}').unwrap_or(line).to_owned()
}

/// The place and what is wrong, then the source, then the hint.
fn text(problem: &Problem, sources: &[Source<'_>], renderer: &Renderer) -> String {
    let (level, color) = match problem.severity {
        Severity::Error => (Level::ERROR, AnsiColor::BrightRed),
        Severity::Warning => (Level::WARNING, AnsiColor::Yellow),
    };
    let (line, span) = around(&line(problem, sources), problem.column - 1, problem.width);
    let snippet = Snippet::source(line).line_start(problem.line).annotation(AnnotationKind::Primary.span(span));
    let hint = Level::HELP.with_name("hint").message(&problem.hint);
    let group = Group::with_level(level).element(snippet).element(hint);
    let style = Style::new().fg_color(Some(color.into())).bold();
    let code = problem.code;
    format!("{problem} {style}[{code}]{style:#}\n{}\n", renderer.render(&[group]))
}

/// The part of a line to show, and the bytes of it that the caret is under.
fn around(line: &str, column: usize, width: usize) -> (String, std::ops::Range<usize>) {
    let skipped = if column + width > LINE_CHARS_MAX { column.saturating_sub(LINE_CHARS_MAX / 2) } else { 0 };
    let shown: String = line.chars().skip(skipped).take(LINE_CHARS_MAX).collect();
    let byte = |index: usize| shown.char_indices().nth(index).map_or(shown.len(), |(byte, _)| byte);
    let (start, end) = (byte(column - skipped), byte(column - skipped + width));
    (shown, start..end)
}
