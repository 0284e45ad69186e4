//! Events whose fields collide with the values of generated rules.
//!
//! Each field has the values that suit the modifiers which are tried on it, and none on which the engines are known to
//! differ.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

/// Fields of any shape: at the top, dotted or nested, and below a list of objects.
pub(super) const MIXED: [&str; 3] = ["a", "b.c", "d.e.f"];

/// The text that the placeholder `%vips%` stands for: the other engine reads it from the event.
pub(super) const VIP: &str = "ab";

/// What rules look for in an encoded form.
pub(super) const SECRETS: [&str; 3] = ["cmd.exe", "http://", "Élan 9"];

pub(super) fn event() -> impl Strategy<Value = Json> {
    let mixed = MIXED.map(|path| placed(path, mixed()).boxed()).to_vec();
    let typed = [
        ("flag", listed(flag()).boxed()),
        ("empty", scalar().boxed()),
        ("there", there().boxed()),
        ("lines", listed("[xXy\n]{0,5}|x\ny".prop_map(Json::from)).boxed()),
        ("ip", listed(address()).boxed()),
        ("when", listed(moment()).boxed()),
        ("command", listed("[ab]?[ -/\u{2013}\u{2014}\u{2015}]{1,2}[abAB]{0,2}".prop_map(Json::from)).boxed()),
        ("code", listed(encoded(&[utf8, little_endian, marked])).boxed()),
        ("big_code", listed(encoded(&[big_endian])).boxed()),
        ("left", "[abAé]{0,3}".prop_map(Json::from).boxed()),
        ("right", "[abAÉ]{0,2}".prop_map(Json::from).boxed()),
        ("user", listed("x?(ab|AB|b)b?".prop_map(Json::from)).boxed()),
    ];
    let typed = typed.into_iter().map(|(path, value)| placed(path, value).boxed());
    mixed.into_iter().chain(typed).collect::<Vec<_>>().prop_map(|members| {
        let members = members.into_iter().flatten().chain([("vips".to_owned(), json!(VIP))]);
        Json::Object(members.collect::<Map<_, _>>())
    })
}

/// A member that gives the path its value, flat or nested; now and then none.
fn placed(path: &'static str, value: impl Strategy<Value = Json>) -> impl Strategy<Value = Option<(String, Json)>> {
    (0..8, value).prop_map(move |(shape, value)| {
        let nested = || {
            let (first, below) = path.split_once('.').unwrap_or((path, ""));
            let inner = below.split('.').rev().filter(|name| !name.is_empty());
            (first.to_owned(), inner.fold(value.clone(), |value, name| json!({ name: value })))
        };
        match shape {
            0 => None,
            1..=3 => Some((path.to_owned(), value)),
            4 if path.contains('.') => {
                let (first, inner) = nested();
                Some((first, json!([inner, 1, { "other": 1 }])))
            }
            5 if path.contains('.') => {
                let (first, inner) = nested();
                Some((first, json!([inner.clone(), inner])))
            }
            _ => Some(nested()),
        }
    })
}

fn text() -> impl Strategy<Value = Json> + Clone {
    prop_oneof![4 => "[abAB1é]{0,4}", 1 => "[ab*?\\\\]{0,4}", 1 => Just("10".to_owned())].prop_map(Json::from)
}

fn scalar() -> impl Strategy<Value = Json> + Clone {
    prop_oneof![
        5 => text(),
        3 => select(vec![json!(1), json!(10), json!(10.0), json!(11), json!(-1), json!(1.5), json!(0)]),
        1 => any::<bool>().prop_map(Json::from),
        1 => Just(Json::Null),
        1 => Just(json!({ "x": "a" })),
    ]
}

fn mixed() -> impl Strategy<Value = Json> {
    let list = proptest::collection::vec(scalar(), 0..4);
    prop_oneof![
        5 => scalar(),
        2 => list.clone().prop_map(Json::from),
        1 => (list, text()).prop_map(|(inner, text)| json!([text, inner])),
    ]
}

/// Such a value, or a list of up to three.
fn listed(value: impl Strategy<Value = Json> + Clone) -> impl Strategy<Value = Json> {
    prop_oneof![4 => value.clone(), 1 => proptest::collection::vec(value, 0..3).prop_map(Json::from)]
}

fn flag() -> impl Strategy<Value = Json> + Clone {
    select(vec![json!(true), json!(false), json!("True"), json!("FALSE"), json!("t"), json!(1), Json::Null])
}

fn there() -> impl Strategy<Value = Json> {
    select(vec![json!(""), json!("a"), json!(0), json!(false), json!([]), json!({}), json!([Json::Null])])
}

fn address() -> impl Strategy<Value = Json> + Clone {
    let texts =
        ["10.0.0.1", "10.255.0.1", "11.0.0.1", "192.0.2.77", "2001:db8::1", "2001:DB8:1::", "::1", "10.0.0", ""];
    prop_oneof![9 => select(texts.to_vec()).prop_map(Json::from), 1 => Just(json!(10))]
}

fn moment() -> impl Strategy<Value = Json> + Clone {
    select(vec![
        json!("2024-12-30T23:59:58Z"),
        json!("2024-12-30T23:59:58.5-02:00"),
        json!("2024-02-29T03:07:00"),
        json!("2024-02-29 03:07:00"),
        json!("2021-01-03T12:30:00+00:00"),
        json!(1_709_175_600),
        json!(1_709_175_600_000_u64),
        json!("soon"),
        Json::Null,
    ])
}

/// A secret in some encodings, behind nought to two bytes. Nothing follows it, and encodings that end alike stand in
/// different fields: without its last bits, of which `base64offset` cannot be sure, one would pass for the other.
fn encoded(encodings: &[fn(&str) -> Vec<u8>]) -> impl Strategy<Value = Json> + Clone + use<> {
    let mut texts = vec![json!("Y21k"), json!(""), json!(0)];
    for secret in SECRETS {
        texts.push(json!(secret));
        for bytes in encodings.iter().map(|encode| encode(secret)) {
            texts.extend(["", "x", "xy"].map(|before| json!(STANDARD.encode([before.as_bytes(), &bytes].concat()))));
        }
    }
    select(texts)
}

fn utf8(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn little_endian(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn big_endian(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn marked(text: &str) -> Vec<u8> {
    [&[0xff, 0xfe], little_endian(text).as_slice()].concat()
}
