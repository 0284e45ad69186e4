//! What a test file says, and whether the rules that it names bear it out.

use crate::detect::rule::problem::{Code, Fault, Problem};
use crate::detect::rule::reader::Spanned;
use crate::detect::rule::reader::{self, Reporter, Section, clip};
use crate::detect::rule::yaml::{self, Data, Node, Spot};
use crate::detect::rule::{Logic, RuleSet, schema};

use super::advice;
use super::event::{self, EVENTS_MAX, Fields, Series};
use super::expected::{self, Expected};
use super::run::Runner;

/// The keys of a test file.
pub const FILE: [&str; 3] = ["rule_files", "defaults", "tests"];
/// The keys of one test.
pub const CASE: [&str; 4] = ["name", "defaults", "events", "alerts"];

/// What a test file says, less what is wrong with it.
#[derive(Debug)]
pub struct TestFile {
    /// How problems name it.
    pub(crate) path: String,
    /// Rule files and folders of them, relative to the test file.
    pub(crate) rule_files: Vec<Spanned<String>>,
    /// The tests in file order.
    pub cases: Vec<Case>,
    /// The fields of its events, each once and where it first stands.
    fields: Vec<Spanned<String>>,
}

/// One test: what happens, and every alert that follows.
#[derive(Debug)]
pub struct Case {
    /// Unique in its file. Empty if there is none, which is an error: such a test is checked, and does not run.
    pub name: String,
    pub(crate) at: Spot,
    pub(super) events: Vec<Series>,
    /// The alerts, no more and no fewer.
    pub expected: Vec<Expected>,
}

impl Case {
    /// The line at which it begins.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.at.line
    }
}

/// Reads a test file: as much of it as makes sense, and what is wrong with the rest.
#[must_use]
pub fn read(path: &str, text: &str) -> (Option<TestFile>, Vec<Problem>) {
    let mut problems = Vec::new();
    let (nodes, faults) = yaml::load(text);
    let mut reporter = Reporter::new(path, &mut problems);
    let readable = faults.iter().all(|fault| fault.code == Code::DuplicateKey);
    for fault in faults {
        reporter.report(fault);
    }
    let file = match nodes.as_slice() {
        _ if !readable => None,
        [] => {
            reporter.report(Fault::new(Code::MissingKey, Spot::START, "the file is empty").hint(SHAPE));
            None
        }
        [node, rest @ ..] => {
            if let Some(second) = rest.first() {
                let message = "a test file is one document, and here begins another";
                reporter.report(Fault::new(Code::WrongType, second.at, message));
            }
            file(path, node, &mut reporter)
        }
    };
    advice::of_tests(&mut problems);
    (file, problems)
}

/// What a file looks like, for one that has nothing of it.
const SHAPE: &str = "write \"rule_files: [NAME.yml]\", and \"tests:\" with name, events and alerts";

fn file(path: &str, node: &Node, reporter: &mut Reporter<'_>) -> Option<TestFile> {
    let section = reporter.check(Section::of(node, "the test file"))?;
    section.refuse_unknown(reporter, &FILE);
    let rule_files = section.require(reporter, "rule_files", rule_files).unwrap_or_default();
    let defaults = event::fields(&section, "defaults", reporter);
    let mut fields = defaults.paths().collect::<Vec<_>>();
    let mut cases: Vec<Case> = Vec::new();
    for node in section.require(reporter, "tests", list).unwrap_or_default() {
        reporter.leave();
        let Some(case) = case(node, &defaults, &mut fields, reporter) else { continue };
        let same_name = |earlier: &&Case| !case.name.is_empty() && earlier.name == case.name;
        if let Some(earlier) = cases.iter().find(same_name) {
            let message = format!("a test in line {} has the same name", earlier.at.line);
            reporter.report(Fault::new(Code::DuplicateName, case.at, message));
        }
        cases.push(case);
    }
    reporter.leave();
    fields.sort_by(|a, b| (&a.value, a.at).cmp(&(&b.value, b.at)));
    fields.dedup_by(|later, first| later.value == first.value);
    fields.sort_by_key(|field| field.at);
    Some(TestFile { path: path.to_owned(), rule_files, cases, fields })
}

/// None if it cannot be read; it is reported then.
fn case(
    node: &Node,
    defaults: &Fields,
    fields: &mut Vec<Spanned<String>>,
    reporter: &mut Reporter<'_>,
) -> Option<Case> {
    let section = reporter.check(Section::of(node, "the test"))?;
    // Without a name it cannot run, and is read all the same.
    let name = section.require(reporter, "name", name).unwrap_or(Spanned { value: String::new(), at: node.at });
    enter(&name.value, reporter);
    section.refuse_unknown(reporter, &CASE);
    let own = event::fields(&section, "defaults", reporter);
    fields.extend(own.paths());
    let defaults = own.over(defaults);
    let mut events = Vec::new();
    for node in section.require(reporter, "events", list).unwrap_or_default() {
        if let Some((series, own)) = event::read(node, &defaults, reporter) {
            fields.extend(own.paths());
            events.push(series);
        }
    }
    refuse_too_many(&events, &section, reporter);
    let mut expected = Vec::new();
    if section.get("alerts").is_none() && section.slip("alerts").is_none() {
        let fault = Fault::new(Code::MissingKey, section.at, "the test has no alerts");
        reporter.report(fault.hint("write \"alerts: []\" if nothing may alert"));
    }
    for node in section.read(reporter, "alerts", list).unwrap_or_default() {
        expected.extend(expected::read(node, reporter));
    }
    Some(Case { name: name.value, at: name.at, events, expected })
}

/// From here on, problems belong to this test, if it has a name.
fn enter(name: &str, reporter: &mut Reporter<'_>) {
    if name.is_empty() { reporter.leave() } else { reporter.enter_test(name) }
}

fn rule_files(node: &Node, key: &str) -> Result<Vec<Spanned<String>>, Fault> {
    reader::some_texts(node, key)
        .map_err(|fault| fault.hint("name the rules to be tested, as in \"rule_files: [fan_out.yml]\""))
}

fn refuse_too_many(events: &[Series], section: &Section<'_>, reporter: &mut Reporter<'_>) {
    let count: u64 = events.iter().map(|series| u64::from(series.repeat)).sum();
    if count > u64::from(EVENTS_MAX) {
        let at = section.get("events").map_or(section.at, |entry| entry.key_at);
        let message = format!("there are {count} events, more than the {EVENTS_MAX} that one test may have");
        reporter.report(Fault::new(Code::BadNumber, at, message).hint("repeat less, or split the test"));
    }
}

fn name(node: &Node, key: &str) -> Result<Spanned<String>, Fault> {
    let name = reader::text(node, key)?;
    if name.value.trim().is_empty() {
        return Err(Fault::new(Code::BadName, name.at, "the name is empty"));
    }
    Ok(name)
}

fn list<'a>(node: &'a Node, key: &str) -> Result<&'a [Node], Fault> {
    match &node.data {
        Data::List(items) => Ok(items),
        Data::Null => {
            Err(reader::wrong_type(node, key, "a list").hint(format!("write \"{key}: []\" if there is none")))
        }
        _ => Err(reader::wrong_type(node, key, "a list").hint("write \"- \" before the first key of each entry")),
    }
}

impl TestFile {
    /// What is wrong with the file given its rules: alerts that no rule can raise and, as warnings, fields that are
    /// nearly fields of the event.
    #[must_use]
    pub fn check(&self, rules: &RuleSet) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reporter = Reporter::new(&self.path, &mut problems);
        for case in &self.cases {
            enter(&case.name, &mut reporter);
            for expected in &case.expected {
                let faults = unknown_rule(&expected.rule, rules).into_iter().chain(other_group(expected, rules));
                faults.for_each(|fault| reporter.report(fault));
            }
        }
        reporter.leave();
        // A rule that reads the field makes it no slip.
        for field in self.fields.iter().filter(|field| rules.fields.find(&field.value).is_none()) {
            if let Some(meant) = schema::meant(&field.value) {
                let message = format!("the event has no field \"{}\"", clip(&field.value));
                let fault = Fault::new(Code::UnknownField, field.at, message);
                reporter.report(fault.hint(meant.hint()));
            }
        }
        problems
    }

    /// The events that are none, whatever the rules are.
    #[must_use]
    pub fn check_events(&self, runner: &mut Runner) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reporter = Reporter::new(&self.path, &mut problems);
        for case in &self.cases {
            enter(&case.name, &mut reporter);
            for series in &case.events {
                if let Some(rejection) = runner.probe(series) {
                    reporter.report(Fault::new(Code::BadEvent, series.spot, format!("not an event: {rejection}")));
                }
            }
        }
        problems
    }
}

/// A group that no alert of the rule can have: names besides those that it groups by, or too few of them.
fn other_group(expected: &Expected, rules: &RuleSet) -> Vec<Fault> {
    let rule = rules.rules.iter().find(|rule| rule.header.name == expected.rule.value);
    let (Some(rule), Some(group)) = (rule, &expected.group) else { return Vec::new() };
    let names = &rules.keyspaces[rule.keyspace];
    let known = || names.iter().map(String::as_str);
    let by = if names.is_empty() { "does not group".to_owned() } else { format!("groups by {}", names.join(", ")) };
    let fault = |at, message| Fault::new(Code::UnknownField, at, message);
    let others = group.value.iter().filter(|name| !names.contains(&name.value)).map(|name| {
        let message = format!("no alert of \"{}\" has {}: it {by}", expected.rule.value, clip(&name.value));
        fault(name.at, message).hint(reader::suggest(&name.value, known()))
    });
    let mut faults: Vec<Fault> = others.collect();
    let lacking: Vec<&str> = known().filter(|name| group.value.iter().all(|given| given.value != *name)).collect();
    // Without its fields a single event alerts all the same, with an empty group.
    let may_lack = rule.logic == Logic::Event && group.value.is_empty();
    if faults.is_empty() && !lacking.is_empty() && !may_lack {
        let message = format!("every alert of \"{}\" has {} too: it {by}", expected.rule.value, lacking.join(", "));
        faults.push(fault(group.at, message).hint("give each name of the group a value, or leave the group out"));
    }
    faults
}

/// A rule that cannot alert: it does not exist, or only others count it.
fn unknown_rule(name: &Spanned<String>, rules: &RuleSet) -> Option<Fault> {
    let mut alerting = rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.as_str());
    if alerting.any(|alerting| alerting == name.value) {
        return None;
    }
    let is_counted =
        rules.rules.iter().any(|rule| rule.header.name == name.value) || rules.detection_names.contains(&name.value);
    let fault = |message: String| Fault::new(Code::UnknownRule, name.at, message);
    if is_counted {
        let message = format!("\"{}\" raises no alerts: other rules count it", clip(&name.value));
        return Some(
            fault(message).hint("expect the alert of a rule that refers to it, or say \"generate: true\" there"),
        );
    }
    let known = rules.rules.iter().filter(|rule| rule.alerts).map(|rule| rule.header.name.as_str());
    let message = format!("the rule files have no rule \"{}\"", clip(&name.value));
    Some(fault(message).hint(reader::suggest(&name.value, known)))
}
