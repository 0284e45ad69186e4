use proptest::prelude::*;

use super::*;
use crate::detect::value::Number;

fn table(paths: &[&str]) -> FieldTable {
    let mut fields = FieldTable::default();
    for path in paths {
        fields.slot(path);
    }
    fields
}

/// What `path` holds after decoding `text` with all of `paths` projected.
fn decode_among(paths: &[&str], path: &str, text: &str) -> Result<String, Fault> {
    let fields = table(paths);
    let mut values = Vec::new();
    let mut projection = Projection::new(&fields);
    projection.decode(text, 16, &mut values)?;
    Ok(format!("{:?}", values[fields.find(path).expect("projected").index()]))
}

fn check(path: &str, text: &str, expected: &Value<'_>) {
    let paths = ["a", "a.b", "a.b.c", "a.d", "x.y"];
    assert_eq!(decode_among(&paths, path, text), Ok(format!("{expected:?}")), "{path} in {text}");
}

#[test]
fn nested_and_dotted_are_the_same() {
    for text in [
        r#"{"a":{"b":{"c":"v"}}}"#,
        r#"{"a.b":{"c":"v"}}"#,
        r#"{"a":{"b.c":"v"}}"#,
        r#"{"a.b.c":"v"}"#,
        r#"{"\u0061.b.c":"v"}"#,
    ] {
        check("a.b.c", text, &Value::text("v"));
    }
    check("a.b", r#"{"a":{"b":{"c":"v"}}}"#, &Value::Object);
    check("a.d", r#"{"a":{"b":{"c":"v"}}}"#, &Value::Absent);
}

#[test]
fn the_last_of_two_stands() {
    check("x.y", r#"{"x":{"y":1},"x.y":2}"#, &Value::Number(Number::Text("2")));
    check("x.y", r#"{"x.y":2,"x":{"y":1}}"#, &Value::Number(Number::Text("1")));
    check("x.y", r#"{"x":{"y":1},"x":{"z":1}}"#, &Value::Number(Number::Text("1")));
}

#[test]
fn an_array_replaces_what_it_gives_and_nothing_else() {
    let one = Value::Number(Number::Text("1"));
    for text in
        [r#"{"a.b":1,"a":[{"c":2}]}"#, r#"{"a":[{"c":2}],"a.b":1}"#, r#"{"a.b":1,"a":[]}"#, r#"{"a.b":1,"a":{"c":2}}"#]
    {
        check("a.b", text, &one);
    }
    let two = Value::List(vec![Value::Number(Number::Text("2"))]);
    check("a.b", r#"{"a.b":1,"a":[{"b":2}]}"#, &two);
    check("a.b", r#"{"a":[{"b":3}],"a":[{"b":2}]}"#, &two);
}

#[test]
fn arrays_collect_what_lies_behind_them() {
    let texts = |texts: &[&'static str]| Value::List(texts.iter().map(|text| Value::text(text)).collect());
    check("x.y", r#"{"x":[{"y":"1"},{"z":0},{"y":"2"}]}"#, &texts(&["1", "2"]));
    check("x.y", r#"{"x":[{"y":["1","2"]},{"y":[["3"]]}]}"#, &texts(&["1", "2", "3"]));
    check("x.y", r#"{"x":{"y":"old"},"x":[{"y":"1"}]}"#, &texts(&["1"]));
    check("x.y", r#"{"x":{"y":[]}}"#, &Value::List(vec![]));
}

#[test]
fn depth_counts_the_outermost_object_as_one() {
    let nested = |depth: usize| format!("{}1{}", r#"{"k":"#.repeat(depth), "}".repeat(depth));
    assert!(decode_among(&["z"], "z", &nested(16)).is_ok());
    assert_eq!(decode_among(&["z"], "z", &nested(17)), Err(Fault::TooDeep));
    assert!(decode_among(&["k.k.k"], "k.k.k", &nested(16)).is_ok());
    assert_eq!(decode_among(&["k.k.k"], "k.k.k", &nested(17)), Err(Fault::TooDeep));
    let arrays = |depth: usize| format!(r#"{{"k":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(decode_among(&["k"], "k", &arrays(15)).is_ok());
    assert_eq!(decode_among(&["k"], "k", &arrays(16)), Err(Fault::TooDeep));
}

#[test]
fn numbers_that_no_double_holds_are_still_json() {
    check("x.y", r#"{"x.y":1e999}"#, &Value::Number(Number::Text("1e999")));
    check("x.y", r#"{"x.y":-0.0E-7}"#, &Value::Number(Number::Text("-0.0E-7")));
}

/// JSON-like text with a defect now and then.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("falze".to_owned()),
        "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,3})?",
        "\"[a-d.\\\\\"/nu0-9\t]{0,6}\"",
        Just(r#""\ud83d\ude00""#.to_owned()),
    ];
    let name = prop_oneof![Just("a"), Just("b"), Just("a.b"), Just("c"), Just("x")];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The grammar is `serde_json`'s, whichever fields are read.
    #[test]
    fn accepts_what_serde_json_accepts(text in prop_oneof![nearly_json(), "[\\[\\]{}:,\"0-9a. -]{0,12}"]) {
        let expected = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        for paths in [&["z"][..], &["a", "a.b", "a.b.c", "x"]] {
            let mut values = Vec::new();
            let accepted = Projection::new(&table(paths)).decode(&text, 64, &mut values);
            prop_assert_eq!(accepted.is_ok(), expected, "{:?} {:?}", accepted, text);
        }
    }

    /// Any bytes at all: no panic.
    #[test]
    fn survives_any_text(text: String, cut in 0usize..8) {
        let mut values = Vec::new();
        let mut projection = Projection::new(&table(&["a", "a.b"]));
        let _ = projection.decode(&text, 8, &mut values);
        let cut: String = text.chars().skip(cut).collect();
        let _ = projection.decode(&format!("{{\"a\":{cut}"), 8, &mut values);
    }
}
