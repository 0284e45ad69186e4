//! A rule set that changed takes over what its unchanged rules held, however it numbers rules, groups and fields.

use std::sync::Arc;

use proptest::prelude::*;
use tokenwatch::detect::outcome::RuleTally;
use tokenwatch::detect::rule::{Options, RuleSet, Source, compile};
use tokenwatch::pipeline::Settings;

use crate::oracle::compare::holds;
use crate::oracle::engine::{self, Line};
use crate::oracle::model::{Condition, Event, Logic, Rule, SECOND};
use crate::oracle::strategies::{self, Case, FUTURE_SKEW_MAX};
use crate::oracle::{ENGINE_TYPES, WHO, with_detections};
use crate::session::{Session, Told, sum};

fn told(mut session: Session, name: &str, rules: &RuleSet) -> (Vec<String>, Option<RuleTally>) {
    let Told { alerts, tallies, .. } = session.tell();
    let place = rules.rules.iter().position(|rule| rule.header.name == name);
    let of_rule = format!("\"name\":\"{name}\"");
    (alerts.into_iter().filter(|alert| alert.contains(&of_rule)).collect(), place.map(|place| tallies[place]))
}

/// Decides a stream under some rules up to an event, and the rest under others. Tells what came of both parts.
fn changed(
    [before, after]: [&Arc<RuleSet>; 2],
    settings: &Settings,
    records: &[Line],
    stop: usize,
) -> (Session, Session) {
    let mut first = Session::new(before, settings);
    first.decide_all(&records[..stop]);
    let mut second = Session::new(after, settings);
    second.restart(&first.snapshot(), 5);
    second.offset = first.offset;
    second.decide_all(&records[stop..]);
    second.finish();
    (first, second)
}

fn undisturbed(rules: &Arc<RuleSet>, settings: &Settings, records: &[Line]) -> Session {
    let mut session = Session::new(rules, settings);
    session.decide_all(records);
    session.finish();
    session
}

/// The rules but those at `gone`, if they are windows; detections stay.
fn without(rules: &[Rule], gone: &[bool]) -> Vec<Rule> {
    let stays = |(rule, gone): &(&Rule, &bool)| matches!(rule.logic, Logic::Event) || !**gone;
    rules.iter().zip(gone.iter().cycle()).filter(stays).map(|(rule, _)| rule.clone()).collect()
}

fn rule_sets(of: [&[Rule]; 3]) -> [Arc<RuleSet>; 3] {
    of.map(|rules| engine::compiled(rules).expect("fewer rules are valid, too"))
}

fn is_window(rule: &Rule) -> bool {
    !matches!(rule.logic, Logic::Event)
}

#[test]
fn rules_beside_those_that_come_and_go_go_on() {
    let gone = || prop::collection::vec(any::<bool>(), 3);
    let cases = (strategies::several(ENGINE_TYPES), gone(), gone(), any::<prop::sample::Index>());
    holds(&cases, |(case, gone_before, gone_after, stop)| {
        let (before, after) = (without(&case.rules, &gone_before), without(&case.rules, &gone_after));
        let sets = rule_sets([&case.rules, &before, &after]);
        let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
        let records = engine::records(&case.events);
        let is_common = |rule: &&Rule| is_window(rule) && [&before, &after].iter().all(|set| has(set, &rule.name));
        for Rule { name, .. } in case.rules.iter().filter(is_common) {
            let (expected, tally) = told(undisturbed(&sets[0], &settings, &records), name, &sets[0]);
            let (first, second) = changed([&sets[1], &sets[2]], &settings, &records, stop.index(records.len() + 1));
            let (mut alerts, first_tally) = told(first, name, &sets[1]);
            let (more, second_tally) = told(second, name, &sets[2]);
            alerts.extend(more);
            prop_assert_eq!(alerts, expected, "{}", name);
            prop_assert_eq!(first_tally.zip(second_tally).map(|(first, second)| sum(first, second)), tally, "{}", name);
        }
        Ok(())
    });
}

/// Which alerts a rule of a chain raises depends on who refers to it, but not what it counts.
#[test]
fn rules_beneath_those_that_come_and_go_count_on() {
    let cases = (strategies::chains(ENGINE_TYPES), 1..=4_usize, 1..=4_usize, any::<prop::sample::Index>());
    holds(&cases, |(case, before, after, stop)| {
        let shortened = |length: usize| -> Vec<Rule> {
            let chain = case.rules.iter().filter(|rule| is_window(rule)).take(length);
            with_detections(chain.cloned().collect())
        };
        let (before, after) = (shortened(before), shortened(after));
        let sets = rule_sets([&case.rules, &before, &after]);
        let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
        let records = engine::records(&case.events);
        let counted = |tally: Option<RuleTally>| tally.map(|tally| (tally.matches, tally.firings, tally.duplicates));
        let is_common = |rule: &&Rule| is_window(rule) && [&before, &after].iter().all(|set| has(set, &rule.name));
        for Rule { name, .. } in case.rules.iter().filter(is_common) {
            let expected = told(undisturbed(&sets[0], &settings, &records), name, &sets[0]).1;
            let (first, second) = changed([&sets[1], &sets[2]], &settings, &records, stop.index(records.len() + 1));
            let parts = told(first, name, &sets[1]).1.zip(told(second, name, &sets[2]).1);
            let tally = parts.map(|(first, second)| sum(first, second));
            prop_assert_eq!(counted(tally), counted(expected), "{}", name);
        }
        Ok(())
    });
}

fn has(rules: &[Rule], name: &str) -> bool {
    rules.iter().any(|rule| rule.name == name)
}

/// How many alerts three of ann's events raise, the first two under one text of rules, the third under another; and how
/// many groups are held in between.
fn three_events(before: &str, after: &str) -> (usize, usize) {
    let set = |text: &str| {
        let file = Source { path: "rules.yml", text };
        Arc::new(compile(&[file], &Options::default()).expect("valid rules").rules)
    };
    let case = Case {
        rules: Vec::new(),
        lateness: SECOND,
        events: (0..3).map(|at| Event::new(at).mark("a").with(WHO, "ann").with("app", "web")).collect(),
    };
    let settings = engine::settings(case.lateness, FUTURE_SKEW_MAX);
    let (before, after) = (set(before), set(after));
    let records = engine::records(&case.events);
    let groups = changed([&before, &after], &settings, &records[..2], 2).1.partition.groups();
    (changed([&before, &after], &settings, &records, 2).1.tell().alerts.len(), groups)
}

fn text(rule: &Rule) -> String {
    let documents: Vec<_> = with_detections(vec![rule.clone()]).iter().map(Rule::to_yaml).collect();
    documents.join("---\n")
}

fn three() -> Rule {
    Rule::new("r", Logic::EventCount(Condition::gte(3.0)), &["a"], 10 * SECOND).by(&[WHO])
}

#[test]
fn an_unchanged_rule_goes_on() {
    assert_eq!(three_events(&text(&three()), &text(&three())), (1, 1));
}

#[test]
fn a_changed_rule_starts_anew() {
    let longer = Rule { timespan: 11 * SECOND, ..three() };
    assert_eq!(three_events(&text(&three()), &text(&longer)), (0, 0));
    let regrouped = three().by(&["app"]);
    assert_eq!(three_events(&text(&three()), &text(&regrouped)), (0, 0));
}

#[test]
fn a_rule_over_a_changed_detection_starts_anew() {
    let changed = text(&three()).replace("mark: a", "mark: [a, z]");
    assert_eq!(three_events(&text(&three()), &changed), (0, 0));
}

#[test]
fn a_rule_with_another_id_is_another() {
    let renumbered = text(&three()).replacen("id: 0", "id: 1", 1);
    assert_ne!(renumbered, text(&three()));
    assert_eq!(three_events(&text(&three()), &renumbered), (0, 0));
}

#[test]
fn a_rule_with_another_name_title_or_level_is_the_same() {
    let renamed =
        text(&three()).replacen("title: r\n", "title: Three\nlevel: low\n", 1).replacen("name: r\n", "name: s\n", 1);
    assert!(renamed.contains("name: s\n") && renamed.contains("title: Three\n"));
    assert_eq!(three_events(&text(&three()), &renamed), (1, 1));
}

#[test]
fn rules_that_share_an_id_are_told_apart() {
    let twins = |names: [&str; 2]| {
        let [one, other] = names.map(|name| text(&three()).replacen("name: r\n", &format!("name: {name}\n"), 1));
        let (other, _) = other.split_once("---\n").expect("a rule and its detection");
        format!("{one}---\n{other}")
    };
    assert_eq!(three_events(&twins(["r", "s"]), &twins(["r", "s"])), (2, 1));
    assert_eq!(three_events(&twins(["r", "s"]), &text(&three())), (1, 1));
}
