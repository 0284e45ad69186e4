//! Rules of every modifier and every shape of condition, stepping around the known differences.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use super::events::{MIXED, SECRETS};

/// A key of a selection with its values: `("a|contains", "b")`.
pub(super) type Item = (String, Json);

/// A rule file around a detection.
pub(super) fn file(detection: &Json) -> String {
    json!({ "title": "Generated", "name": "generated", "logsource": { "category": "test" }, "detection": detection })
        .to_string()
}

/// Several selections under a condition.
pub(super) fn detection() -> impl Strategy<Value = Json> {
    let four = [selection().boxed(), selection().boxed(), selection().boxed(), selection().boxed()];
    (four, condition()).prop_map(|([first, second, filter, hidden], condition)| {
        json!({ "s1": first, "s2": second, "f1": filter, "_h": hidden, "condition": condition })
    })
}

/// A detection of one item alone.
pub(super) fn only((key, values): &Item) -> Json {
    json!({ "s": { key: values }, "condition": "s" })
}

fn selection() -> impl Strategy<Value = Json> {
    let map = |items: Vec<Item>| Json::Object(items.into_iter().collect::<Map<_, _>>());
    let some = move |max| proptest::collection::vec(item(), 1..=max).prop_map(map);
    prop_oneof![
        4 => some(1),
        2 => some(3),
        2 => proptest::collection::vec(some(2), 1..3).prop_map(Json::from),
        1 => proptest::collection::vec(keyword(), 1..3).prop_map(Json::from),
    ]
}

/// Two letters at least, so that none is part of `true`, `false` or a number.
fn keyword() -> impl Strategy<Value = Json> {
    "[abAB]{2,3}|[abAB]{1,2}[*?][abAB]b".prop_map(Json::from)
}

fn condition() -> impl Strategy<Value = Json> {
    let names = ["s1", "s2", "f1", "_h"];
    let groups = ["1 of s*", "all of s*", "any of s*", "1 of them", "all of them", "1 of _*", "all of *1"];
    let leaf = prop_oneof![3 => select(names.to_vec()), 2 => select(groups.to_vec())].prop_map(str::to_owned);
    let one = leaf.prop_recursive(4, 10, 2, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|part| format!("not {part}")),
            2 => inner.clone().prop_map(|part| format!("({part})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} and {right}")),
            3 => (inner.clone(), inner).prop_map(|(left, right)| format!("{left} or {right}")),
        ]
    });
    prop_oneof![
        6 => one.clone().prop_map(Json::from),
        1 => proptest::collection::vec(one, 1..3).prop_map(Json::from),
    ]
}

/// One key with its values, of every modifier.
pub(super) fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        8 => texts(),
        3 => numbers(),
        2 => fixed("flag", "", select(vec![json!(true), json!(false)])),
        1 => fixed("empty", "", Just(Json::Null)),
        1 => fixed("there", "|exists", select(vec![json!(true), json!(false)])),
        2 => regexes(),
        2 => fixed("ip", "|cidr", several(select(NETWORKS.to_vec()).prop_map(Json::from))),
        2 => dates(),
        2 => windash(),
        2 => encodings(),
        1 => references(),
        1 => fixed("user", "|expand", select(vec![json!("%vips%"), json!("x%vips%"), json!("%vips%b")])),
    ]
}

const NETWORKS: [&str; 6] =
    ["10.0.0.0/8", "10.0.0.0/16", "192.0.2.64/26", "0.0.0.0/0", "2001:db8::/32", "2001:db8::/48"];

/// One value, or a list of up to seven.
fn several(value: impl Strategy<Value = Json> + Clone + 'static) -> impl Strategy<Value = Json> {
    let list = proptest::collection::vec(value.clone(), 1..8).prop_map(Json::from);
    prop_oneof![3 => value, 2 => list]
}

/// A field with these modifiers, now and then negated.
fn fixed(
    field: &'static str,
    modifiers: &'static str,
    values: impl Strategy<Value = Json>,
) -> impl Strategy<Value = Item> {
    (values, 0..5).prop_map(move |(values, fate)| {
        let negated = if fate == 0 && modifiers != "|exists" { "|neq" } else { "" };
        (format!("{field}{modifiers}{negated}"), values)
    })
}

/// `all` of one value is refused by the other engine, and so left out.
fn all_if_several((key, values): Item) -> Item {
    let is_several = values.as_array().is_some_and(|values| values.len() > 1);
    (if is_several { key } else { key.replace("|all", "") }, values)
}

fn texts() -> impl Strategy<Value = Item> {
    let plain = "[abAB1é]{0,3}|10|\\\\\\*|a\\\\\\?|[ab]\\\\\\\\|\\\\[ab]".prop_map(Json::from);
    let globs = prop_oneof![3 => "[abAB1*?é]{0,4}", 1 => "(\\\\[*?\\\\a]|[ab*?]){1,3}"].prop_map(Json::from);
    let number = select(vec![json!(1), json!(10)]);
    let globs = several(prop_oneof![5 => globs, 1 => plain.clone()]);
    let plain = several(prop_oneof![5 => plain, 1 => number]);
    let ends = select(vec!["", "", "|cased", "|neq", "|all", "|cased|all|neq"]);
    let relation = select(vec!["", "|contains", "|startswith", "|endswith"]);
    (select(MIXED.to_vec()), relation, ends, globs, plain).prop_map(|(field, relation, ends, globs, plain)| {
        // Between an open and a closed end the other engine misplaces wildcards.
        let values = if matches!(relation, "" | "|contains") { globs } else { plain };
        all_if_several((format!("{field}{relation}{ends}"), values))
    })
}

fn numbers() -> impl Strategy<Value = Item> {
    let number = select(vec![json!(1), json!(10), json!(-1), json!(1.5), json!(0)]);
    let modifiers = select(vec!["", "|lt", "|lte", "|gt", "|gte", "|neq", "|gt|neq"]);
    (select(MIXED.to_vec()), modifiers, several(number))
        .prop_map(|(field, modifiers, values)| (format!("{field}{modifiers}"), values))
}

fn regexes() -> impl Strategy<Value = Item> {
    let pattern = select(vec!["^x", "y$", "x.y", "^x.*y$", "[xy]{2}", "X|y\n", "^$", "^y$"]).prop_map(Json::from);
    let flags = select(vec!["", "|i", "|m", "|s", "|i|m|s"]);
    let ends = select(vec!["", "", "|all", "|neq"]);
    (flags, ends, several(pattern))
        .prop_map(|(flags, ends, values)| all_if_several((format!("lines|re{flags}{ends}"), values)))
}

fn dates() -> impl Strategy<Value = Item> {
    let parts = [
        ("minute", [59, 7, 30]),
        ("hour", [23, 3, 1]),
        ("day", [30, 29, 31]),
        ("week", [1, 9, 53]),
        ("month", [12, 2, 1]),
        ("year", [2024, 2021, 1970]),
    ];
    (select(parts.to_vec()), 0..4_usize, any::<bool>()).prop_map(|((part, numbers), choice, negated)| {
        let values = numbers.get(choice).map_or_else(|| json!(numbers), |number| json!(number));
        (format!("when|{part}{}", if negated { "|neq" } else { "" }), values)
    })
}

fn windash() -> impl Strategy<Value = Item> {
    let values = several(select(vec!["-a", " -b", "a-", "--a", "ab", "-"]).prop_map(Json::from));
    let relation = select(vec!["", "|contains", "|startswith", "|endswith"]);
    let ends = select(vec!["", "", "|cased", "|neq", "|cased|neq", "|all"]);
    (relation, ends, values)
        .prop_map(|(relation, ends, values)| all_if_several((format!("command|windash{relation}{ends}"), values)))
}

fn encodings() -> impl Strategy<Value = Item> {
    let forms = ["", "|utf16le", "|wide", "|utf16be", "|utf16"];
    let ends = ["|base64", "|base64|contains", "|base64|startswith", "|base64offset|contains", "|base64offset"];
    let values = several(select(SECRETS.to_vec()).prop_map(Json::from));
    (select(forms.to_vec()), select(ends.to_vec()), select(vec!["", "|cased", "|neq"]), values).prop_map(
        |(form, end, more, values)| {
            let field = if form == "|utf16be" { "big_code" } else { "code" };
            (format!("{field}{form}{end}{more}"), values)
        },
    )
}

fn references() -> impl Strategy<Value = Item> {
    let modifiers = select(vec!["", "|startswith", "|endswith", "|contains"]);
    (modifiers, select(vec!["", "|cased", "|neq"]))
        .prop_map(|(relation, more)| (format!("left|fieldref{relation}{more}"), json!("right")))
}
