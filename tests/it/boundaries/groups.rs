//! Which values make a group, how many of them, and in which order alerts come.

use serde_json::{Value as Json, json};

use super::{alerts, ann, count};
use crate::oracle::WHO;
use crate::oracle::model::{Event, Logic, Rule, SECOND};

/// The alerts of one event about this subject, at least one being enough.
fn about(who: Json) -> Vec<String> {
    alerts(&[count(1.0)], &[Event::new(0).mark("a").with(WHO, who)])
}

#[test]
fn an_absent_or_empty_key_and_its_placeholders_are_no_group() {
    assert_eq!(alerts(&[count(1.0)], &[Event::new(0).mark("a")]), [""; 0]);
    for nobody in [json!(null), json!(""), json!("-"), json!("null"), json!("ANONYMOUS"), json!("Unknown"), json!([])] {
        assert_eq!(about(nobody.clone()), [""; 0], "{nobody}");
    }
}

#[test]
fn a_key_that_only_resembles_a_placeholder_is_a_group() {
    for (who, group) in [(json!(" "), " "), (json!("--"), "--"), (json!("nulla"), "nulla"), (json!(0), "0")] {
        assert_eq!(about(who), [format!("r({group})@0 1")]);
    }
}

#[test]
fn two_events_without_a_key_are_not_together() {
    assert_eq!(alerts(&[count(2.0)], &[Event::new(0).mark("a"), Event::new(1).mark("a")]), [""; 0]);
}

#[test]
fn without_group_by_all_are_together() {
    let rule = Rule { group_by: vec![], ..count(2.0) };
    assert_eq!(alerts(&[rule], &[ann(0, "a"), Event::new(1).mark("a").with(WHO, "bob")]), ["r()@1 2"]);
}

#[test]
fn a_key_of_another_case_is_another_group() {
    let with = |at, who: &str| Event::new(at).mark("a").with(WHO, who);
    assert_eq!(alerts(&[count(2.0)], &[with(0, "ann"), with(1, "Ann")]), [""; 0]);
}

#[test]
fn a_key_in_another_spelling_is_the_same_group() {
    let with = |at, who: Json| Event::new(at).mark("a").with(WHO, who);
    assert_eq!(alerts(&[count(2.0)], &[with(0, json!(1)), with(1, json!("1"))]), ["r(1)@1 2"]);
    assert_eq!(alerts(&[count(2.0)], &[with(0, json!(true)), with(1, json!("true"))]), ["r(true)@1 2"]);
}

#[test]
fn a_list_is_a_group_per_element_in_the_order_of_groups() {
    assert_eq!(about(json!(["b", "a", "b", "-", ""])), ["r(a)@0 1", "r(b)@0 1"]);
    assert_eq!(about(json!(["", null, "-"])), [""; 0]);
}

#[test]
fn the_sixteenth_element_is_a_group() {
    let sixteen: Json = (0..16).map(|n| format!("{n:02}")).collect();
    let groups = about(sixteen);
    assert_eq!((groups.len(), groups.last().map(String::as_str)), (16, Some("r(15)@0 1")));
}

#[test]
fn the_seventeenth_is_not() {
    let seventeen: Json = (0..17).map(|n| format!("{n:02}")).collect();
    let groups = about(seventeen);
    assert_eq!((groups.len(), groups.last().map(String::as_str)), (16, Some("r(15)@0 1")));
}

#[test]
fn a_tuple_lacking_one_of_its_values_is_no_group() {
    let rule = count(1.0).by(&[WHO, "app"]);
    assert_eq!(alerts(std::slice::from_ref(&rule), &[ann(0, "a").with("app", "-")]), [""; 0]);
    assert_eq!(alerts(&[rule], &[ann(0, "a").with("app", "web")]), ["r(ann,web)@0 1"]);
}

#[test]
fn an_alias_is_the_field_that_it_names_for_a_rule() {
    let aliases =
        vec![("user".to_owned(), vec![("a".to_owned(), "one".to_owned()), ("b".to_owned(), "two".to_owned())])];
    let rule = Rule::new("r", Logic::Temporal(None), &["a", "b"], SECOND).by(&["user"]);
    let events = [Event::new(0).mark("a").with("one", "x"), Event::new(1).mark("b").with("two", "x")];
    assert_eq!(alerts(&[Rule { aliases, ..rule }], &events), ["r(x)@1 2"]);
}

#[test]
fn a_rule_without_an_entry_uses_the_alias_as_the_field() {
    let aliases = vec![("user".to_owned(), vec![("a".to_owned(), "one".to_owned())])];
    let rule = Rule::new("r", Logic::Temporal(None), &["a", "b"], SECOND).by(&["user"]);
    let events = [Event::new(0).mark("a").with("one", "x"), Event::new(1).mark("b").with("user", "x")];
    assert_eq!(alerts(&[Rule { aliases, ..rule.clone() }], &events), ["r(x)@1 2"]);
    assert_eq!(alerts(&[rule], &events), [""; 0]);
}

#[test]
fn alerts_of_one_arrival_come_by_depth_then_name_then_group() {
    let named = |name: &str| Rule { name: name.to_owned(), generate: true, ..count(1.0) };
    let event = Event::new(0).mark("a").with(WHO, json!(["b", "a"]));
    let expected = ["a()@0", "s(a)@0 1", "s(b)@0 1", "t(a)@0 1", "t(b)@0 1"];
    assert_eq!(alerts(&[named("t"), named("s")], &[event]), expected);
}
