//! One bad rule file for each code, and what a person reads about it.
//!
//! Each `tests/fixtures/rules/bad/CODE.yml` has a `CODE.txt` beside it. After a change of wording, run with
//! `TOKENWATCH_BLESS=1` and read what git says has changed.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tokenwatch::cli::{Format, diagnostics};
use tokenwatch::detect::Span;
use tokenwatch::detect::rule::{Code, Options, Problem, Severity, Source, compile};
use tokenwatch::rule_test;

use crate::support::process;

const FOLDER: &str = "tests/fixtures/rules/bad";

fn options() -> Options {
    let mut options = Options { state_kept_max: Some(Span::from_millis(7 * 86_400_000)), ..Options::default() };
    options.lists.insert("robots".to_owned(), vec!["crawler-*".to_owned()]);
    options
}

/// Everything found in some sources, errors or not.
fn problems(sources: &[Source<'_>]) -> Vec<Problem> {
    compile(sources, &options()).map_or_else(|problems| problems, |compiled| compiled.warnings)
}

/// Texts that would be too long to keep as files.
fn generated(code: Code) -> Option<Vec<String>> {
    let mut text = String::new();
    let detection = |name: &str| format!("name: {name}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n");
    match code {
        Code::TooManyInputs => {
            let names: Vec<String> = (0..33).map(|number| format!("d{number}")).collect();
            text.extend(names.iter().map(|name| detection(name)));
            let rules = names.join(", ");
            let _ = write!(
                text,
                "name: w\ncorrelation: {{type: event_count, rules: [{rules}], timespan: 1h, condition: {{gte: 1}}}}\n"
            );
        }
        Code::TooManyFields => {
            text += "name: wide\ndetection:\n  s:\n";
            text.extend((0..65_001).map(|number| format!("    f{number}: 1\n")));
            text += "  condition: s\n";
        }
        Code::TooManyRules => {
            let file = |file: usize| (0..13_001).map(|number| detection(&format!("d{file}x{number}"))).collect();
            return Some((0..5).map(file).collect());
        }
        Code::ExpansionTooLarge => {
            let values: Vec<String> = (0..500).map(|number| format!("v{number}")).collect();
            let uses = vec!["s"; 500].join(" or ");
            let _ = write!(
                text,
                "name: d\ndetection:\n  s: {{f|contains: [{}]}}\n  condition: {uses}\n",
                values.join(", ")
            );
        }
        _ => return None,
    }
    Some(vec![text])
}

#[test]
fn every_code_has_a_bad_file_and_a_text() {
    let mut wrong = String::new();
    for &code in Code::ALL {
        if let Some(texts) = generated(code) {
            let names: Vec<_> = (1..=texts.len()).map(|number| format!("generated-{number}.yml")).collect();
            let sources: Vec<_> = names.iter().zip(&texts).map(|(path, text)| Source { path, text }).collect();
            let found = problems(&sources).into_iter().filter(|problem| problem.code == code).collect::<Vec<_>>();
            assert_eq!(found.len(), 1, "{code} in the generated file");
            wrong += &difference(&format!("{FOLDER}/{code}.txt"), &plain(&found, &sources));
            continue;
        }
        let path = format!("{FOLDER}/{code}.yml");
        // What only test files can have wrong is shown by one of them, below.
        if !Path::new(&path).exists() && Path::new(&format!("{FOLDER}/{code}_test.yml")).exists() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = format!("{code}.yml");
        let sources = [Source { path: &name, text: &text }];
        let found = problems(&sources);
        let codes: Vec<Code> = found.iter().map(|problem| problem.code).collect();
        // Only rules that share an id can be meant by one.
        let is_expected = |found: &Code| *found == code || (code, *found) == (Code::AmbiguousRule, Code::DuplicateId);
        if !codes.contains(&code) || !codes.iter().all(is_expected) {
            let _ = writeln!(wrong, "{path} shows {codes:?}");
        }
        wrong += &difference(&format!("{FOLDER}/{code}.txt"), &plain(&found, &sources));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What a person reads, without colours.
fn plain(found: &[Problem], sources: &[Source<'_>]) -> String {
    anstream::adapter::strip_str(&diagnostics::render(found, sources, Format::Text)).to_string()
}

/// What a text should be instead of a fixture, if it is another; or makes it the fixture.
fn difference(expected_path: &str, shown: &str) -> String {
    if std::env::var_os("TOKENWATCH_BLESS").is_some() {
        fs::write(expected_path, shown).expect("the fixtures can be written");
    }
    let expected = fs::read_to_string(expected_path).unwrap_or_default();
    if shown == expected { String::new() } else { format!("{expected_path} should be:\n{shown}") }
}

/// What test files can have wrong is shown by some of them, `CODE_test.yml`, as the command line checks them.
#[test]
fn bad_test_files_have_a_text_too() {
    let mut wrong = String::new();
    for code in Code::ALL.iter().filter(|code| Path::new(&format!("{FOLDER}/{code}_test.yml")).exists()) {
        let mut command = process::tokenwatch(["check", &format!("{code}_test.yml")]);
        command.current_dir(FOLDER);
        let code_expected = i32::from(code.severity() == Severity::Error);
        let finished = process::run(command, Duration::from_mins(1)).expect_code(code_expected);
        assert_eq!(finished.stdout().matches(&format!("[{code}]")).count(), 1, "{}", finished.stdout());
        wrong += &difference(&format!("{FOLDER}/{code}_test.txt"), finished.stdout());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_bad_file_is_without_a_code() {
    for entry in fs::read_dir(FOLDER).expect("the fixtures are there") {
        let path = entry.expect("readable").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
        let code = stem.strip_suffix("_test").unwrap_or(stem);
        assert!(Code::ALL.iter().any(|known| known.name() == code), "{stem} is not a code");
        let is_generated = Code::ALL.iter().any(|known| known.name() == code && generated(*known).is_some());
        assert!(is_generated || Path::new(&format!("{FOLDER}/{stem}.yml")).exists(), "{stem}.txt has no rules");
    }
}

/// A place, what is wrong, the line with a caret below it, and what to do: nothing is told without one of them.
#[test]
fn every_text_has_a_place_a_caret_and_a_hint() {
    for entry in fs::read_dir(FOLDER).expect("the fixtures are there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let shown = fs::read_to_string(&path).expect("a text");
        for problem in shown.split_inclusive("\n\n") {
            let place = problem.splitn(4, ':').map(str::trim).collect::<Vec<_>>();
            let is_number = |part: Option<&&str>| part.is_some_and(|part| part.parse::<usize>().is_ok());
            assert!(is_number(place.get(1)) && is_number(place.get(2)), "{}: {problem}", path.display());
            for part in ["[", "]\n", "^", "= hint: "] {
                assert!(problem.contains(part), "no {part:?} in {}: {problem}", path.display());
            }
        }
    }
}

#[test]
fn programs_read_problems_as_json() {
    let text = fs::read_to_string(format!("{FOLDER}/timespan-without-unit.yml")).expect("it is there");
    let sources = [Source { path: "rules/auth.yml", text: &text }];
    let shown = diagnostics::render(&problems(&sources), &sources, Format::Json);
    let [problem] = serde_json::from_str::<[serde_json::Value; 1]>(&shown).expect("an array of one");
    let expected = serde_json::json!({
        "severity": "error",
        "code": "timespan-without-unit",
        "file": "rules/auth.yml",
        "line": 7,
        "column": 13,
        "width": 1,
        "message": "rule \"brute_force\": timespan \"5\" has no unit",
        "hint": "write \"5m\" or \"300s\"",
        "source": text.lines().nth(6),
    });
    assert_eq!(problem, expected);
}

#[test]
fn carets_stand_under_the_right_characters() {
    let long = "x".repeat(500);
    let table = [
        // Wide and combining characters before the spot.
        ("name: d\ndetection: {'süß': {a|containz: 1}, condition: süß}\n".to_owned(), "containz"),
        // A byte-order mark and Windows line ends.
        ("\u{feff}name: d\r\ndetection:\r\n  s: {a|containz: 1}\r\n  condition: s\r\n".to_owned(), "containz"),
        // A spot far to the right.
        (format!("name: d\ndetection: {{s: {{{long}: 1, a|containz: 1}}, condition: s}}\n"), "containz"),
        // Quoted, with quotes in it, before blanks and a comment.
        ("name: d\nlevel: 'it''s' # a comment\ndetection: {s: {a: 1}, condition: s}\n".to_owned(), "'it''s'"),
        ("name: d\nlevel: \"a\\\"b\"  # \"c\"\ndetection: {s: {a: 1}, condition: s}\n".to_owned(), "\"a\\\"b\""),
    ];
    for (text, expected) in table {
        let sources = [Source { path: "a.yml", text: &text }];
        let found: Vec<Problem> =
            problems(&sources).into_iter().filter(|problem| problem.severity == Severity::Error).collect();
        let shown = plain(&found, &sources);
        let lines: Vec<&str> = shown.lines().collect();
        let carets = lines.iter().position(|line| line.contains("^^")).expect("there are carets");
        let column = lines[carets].chars().position(|letter| letter == '^').expect("there are carets");
        let width = lines[carets].chars().filter(|letter| *letter == '^').count();
        let under: String = lines[carets - 1].chars().skip(column).take(width).collect();
        assert_eq!(under, expected, "{shown}");
    }
}

/// Fragments of which most files are nearly rules.
const FRAGMENTS: [&str; 40] = [
    "\n",
    "  ",
    "- ",
    ": ",
    "---\n",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    "\"",
    "|",
    "*",
    "\\",
    "%",
    "&a ",
    "*a",
    "!!str ",
    "title: T\n",
    "name: n\n",
    "id: 0\n",
    "correlation:\n",
    "anomaly:\n",
    "  type: event_count\n",
    "  rules: [n]\n",
    "  timespan: 5m\n",
    "  condition: {gte: 1}\n",
    "detection:\n",
    "  s:\n    a|contains: b\n",
    "  condition: s\n",
    "filter:\n",
    "action: global\n",
    "tokenwatch: {suppress: 1h}\n",
    "logsource: {product: jwt}\n",
    "  k|re: '(a*)*b'\n",
    "é\u{301}",
    "\u{feff}",
    "\r",
    "99999999999999999999d",
];

fn nearly_rules() -> impl Strategy<Value = String> {
    let fragment =
        prop_oneof![6 => proptest::sample::select(FRAGMENTS.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"];
    proptest::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

/// A shipped file with a stretch of it replaced.
fn damaged_rules() -> impl Strategy<Value = String> {
    let text = include_str!("../../rules/location/geo_change.yml");
    (0..text.len(), 0..60_usize, nearly_rules()).prop_map(|(start, length, inserted)| {
        let boundary = |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let (start, end) = (boundary(start), boundary((start + length).min(text.len())));
        format!("{}{inserted}{}", &text[..start], &text[end..])
    })
}

/// A test file with a stretch of it replaced.
fn nearly_tests() -> impl Strategy<Value = String> {
    const TEXT: &str = "\
rule_files: [a.yml]
defaults: {event.action: login, jwt: {sub: [a, '{n}']}}
tests:
  - name: a
    defaults: {event.outcome: null}
    events: [{at: 1m10s, every: 250ms, repeat: 3, delay: 1h, event: {a.b: 1}}]
    alerts:
      - {rule: a, at: 0, group: {jwt.sub: 1}, observed: 3, level: high, suppressed: 0, truncated: false, details: {}}
";
    let fragments = proptest::sample::select(
        ["", "-", "9", "x", "~", "[", "{}", ": ", "\n", "\n  - ", "99999999999999999999d", "&a ", "*a", "---\n"]
            .as_slice(),
    );
    (0..TEXT.len(), 0..20_usize, fragments).prop_map(|(start, length, inserted)| {
        let end = (start + length).min(TEXT.len());
        format!("{}{inserted}{}", &TEXT[..start], &TEXT[end..])
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(text in prop_oneof![".{0,200}", nearly_rules(), damaged_rules()]) {
        let sources = [Source { path: "a.yml", text: &text }];
        let found = problems(&sources);
        let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
        for problem in &found {
            prop_assert!((1..=lines).contains(&problem.line), "{problem:?} in {text:?}");
            prop_assert!(problem.column >= 1 && problem.width >= 1, "{problem:?}");
        }
        prop_assert_eq!(diagnostics::render(&found, &sources, Format::Text).is_empty(), found.is_empty());
    }

    #[test]
    fn no_text_makes_the_reader_of_tests_panic(text in prop_oneof![nearly_rules(), nearly_tests()]) {
        let (file, found) = rule_test::read("a_test.yml", &text);
        prop_assert!(file.is_some() || !found.is_empty(), "{text:?}");
        let sources = [Source { path: "a_test.yml", text: &text }];
        prop_assert_eq!(diagnostics::render(&found, &sources, Format::Text).is_empty(), found.is_empty());
    }
}
