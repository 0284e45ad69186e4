//! The results of tests as XML in the manner of `JUnit`, in the shape that CI systems agree on: a suite a file, a case a test.

use std::time::Duration;

use anstream::adapter::strip_str;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::difference;
use super::results::{FileResult, Results, WrongRules};

/// What came of a test case that is not well: the element's name, and its text.
type Verdict<'t> = Option<(&'static str, &'t str)>;

/// The whole document.
pub(super) fn report(results: &Results) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, results).expect("a vector takes all");
    let mut text = String::from_utf8(writer.into_inner()).expect("XML of texts is text");
    text.push('\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, results: &Results) -> std::io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = totals(&results.files, results.wrong_rules().is_some());
    let suites = writer.create_element("testsuites").with_attribute(("name", "tokenwatch"));
    let attributes = totals.iter().map(|(name, value)| (*name, value.as_str()));
    suites.with_attributes(attributes).write_inner_content(|writer| {
        results.files.iter().try_for_each(|result| suite(writer, result))?;
        results.wrong_rules().map_or(Ok(()), |rules| suite_of_rules(writer, rules))
    })?;
    Ok(())
}

/// Rules that cannot be loaded are a test of their own, and an error.
fn totals(files: &[FileResult], are_rules_wrong: bool) -> [(&'static str, String); 4] {
    let ran = || files.iter().flat_map(|file| &file.ran);
    let wrong = files.iter().filter(|file| file.is_wrong()).count() + usize::from(are_rules_wrong);
    [
        ("tests", (ran().count() + wrong).to_string()),
        ("failures", ran().filter(|ran| !ran.verdict.is_pass()).count().to_string()),
        ("errors", wrong.to_string()),
        ("time", seconds(ran().map(|ran| ran.took).sum())),
    ]
}

fn suite(writer: &mut Writer<Vec<u8>>, result: &FileResult) -> std::io::Result<()> {
    let path = legal(&result.suite.path);
    let totals = totals(std::slice::from_ref(result), false);
    let attributes = totals.iter().map(|(name, value)| (*name, value.as_str()));
    let element =
        writer.create_element("testsuite").with_attribute(("name", path.as_str())).with_attributes(attributes);
    element.write_inner_content(|writer| {
        if result.is_wrong() {
            test_case(writer, &path, "the file can run", Duration::ZERO, Some(("error", &result.problems())))?;
        }
        for (case, ran) in result.cases() {
            let failure = (!ran.verdict.is_pass()).then(|| difference::lines(case, ran).join("\n"));
            let verdict = failure.as_deref().map(|failure| ("failure", failure));
            test_case(writer, &path, &case.name, ran.took, verdict)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn suite_of_rules(writer: &mut Writer<Vec<u8>>, rules: &WrongRules) -> std::io::Result<()> {
    let totals = totals(&[], true);
    let attributes = totals.iter().map(|(name, value)| (*name, value.as_str()));
    let element = writer.create_element("testsuite").with_attribute(("name", "rules")).with_attributes(attributes);
    element.write_inner_content(|writer| {
        let text = rules.unsaid(&[]);
        test_case(writer, "rules", "the rules can be loaded", Duration::ZERO, Some(("error", &text)))
    })?;
    Ok(())
}

fn test_case(
    writer: &mut Writer<Vec<u8>>,
    file: &str,
    name: &str,
    took: Duration,
    verdict: Verdict<'_>,
) -> std::io::Result<()> {
    let (name, time) = (legal(name), seconds(took));
    let attributes = [("classname", file), ("name", &name), ("file", file), ("time", &time)];
    let element = writer.create_element("testcase").with_attributes(attributes);
    let Some((kind, text)) = verdict else {
        element.write_empty()?;
        return Ok(());
    };
    let text = legal(&strip_str(text).to_string());
    let message = text.lines().next().unwrap_or_default();
    element.write_inner_content(|writer| {
        let verdict = writer.create_element(kind).with_attribute(("message", message));
        verdict.write_text_content(BytesText::new(&text))?;
        Ok(())
    })?;
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// The text without the characters that XML cannot hold in any form.
fn legal(text: &str) -> String {
    let is_legal = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    text.chars()
        .map(|letter| if is_legal(letter) && !matches!(letter, '\u{fffe}' | '\u{ffff}') { letter } else { '\u{fffd}' })
        .collect()
}
