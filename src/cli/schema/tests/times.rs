//! `@timestamp`: the schema takes whatever is read as a time, and next to nothing else.

use std::sync::{Arc, LazyLock};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::validator;
use crate::cli::schema::Format;
use crate::detect::Origin;
use crate::detect::rule::{Options, compile};
use crate::ingest::Record;
use crate::pipeline::{Pipeline, Settings};

/// Whether an event of this time is one.
fn is_read(pipeline: &mut Pipeline, time: &Json) -> bool {
    let payload = json!({ "@timestamp": time, "event.action": "login" }).to_string();
    let origin = Origin { topic: "t".into(), partition: 0, offset: 0 };
    let record = Record { origin: &origin, timestamp: None, payload: Some(payload.as_bytes()) };
    let places = Arc::clone(pipeline.places());
    pipeline.read(&record, &places, &mut Vec::new()).is_ok()
}

fn pipeline() -> Pipeline {
    let compiled = compile(&[], &Options::default()).expect("there is nothing to be wrong");
    Pipeline::new(Arc::new(compiled.rules), &Settings::default())
}

#[test]
fn times_are_refused_as_they_are_read() {
    let validator = validator(Format::Event);
    let mut pipeline = pipeline();
    let times = json!([
        "2026-11-23T17:56:58Z",
        "2026-11-23t17:56:58.123456789z",
        "2026-11-23 17:56:58+02:00",
        "2026-11-23T17:56:58,5-0830",
        "20261123T175658Z",
        "2026-11-23T17:56Z",
        "2026-11-23T17Z",
        "2026-11-23T17:56:58+02:00[Europe/Berlin]",
        "2026-11-23T17:56:60Z",
        "+002026-11-23T17:56:58Z",
        "1969-12-31T23:59:59-05:00",
        "+010000-01-01T00:30:00+01:00",
        0,
        1_795_456_618,
        1_795_456_618.5,
        1_795_456_618_123_456_789_i64,
        253_402_300_799e9,
        "foo",
        "",
        "now",
        "2026-11-23",
        "2026-11-23T17:56:58",
        "1767225600",
        "2026-13-01T00:00:00Z",
        "2026-11-32T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T17:60:00Z",
        "2026-11-23T17:56:58.Z",
        "2026-11-23T17:56:58.1234567890Z",
        "2026-11-23_17:56:58Z",
        "2026-11-23T17:56:58 Z",
        " 2026-11-23T17:56:58Z",
        "26-11-23T17:56:58Z",
        "2026-11-23T17:56:58+2",
        -1,
        -0.5,
        253_402_300_800e9,
        1e30,
        true,
        null,
        [],
        {},
        ["2026-11-23T17:56:58Z"],
    ]);
    for time in times.as_array().expect("a list") {
        let is_valid = validator.is_valid(&json!({ "@timestamp": time, "event.action": "login" }));
        assert_eq!(is_valid, is_read(&mut pipeline, time), "{time}");
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_valid(
        text in r"[+-]?(00|01)?(2026|1970|9999|0000)-?(0[1-9]|1[0-3])-?(0[1-9]|3[0-2])[Tt _]?([0-2][0-9]):?[0-6][0-9](:?[0-6][0-9])?([.,][0-9]{0,10})?(Z|z|[+-][0-2][0-9](:?[0-6][0-9](:?[0-6][0-9])?)?)?(\[[A-Za-z/]{0,9}\])?",
    ) {
        static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(Format::Event));
        let is_valid = VALIDATOR.is_valid(&json!({ "@timestamp": text, "event.action": "login" }));
        prop_assert!(is_valid || !is_read(&mut pipeline(), &json!(text)), "{text}");
    }
}
