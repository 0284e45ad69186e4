//! Any bytes as a record: no panic, and the same verdict on the grammar as `serde_json`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenwatch::detect::{FieldTable, Limits, Origin, Span};
use tokenwatch::ingest::geo::Places;
use tokenwatch::ingest::{Reader, Record, Rejection};

fuzz_target!(|payload: &[u8]| {
    let mut fields = FieldTable::default();
    for path in ["jwt.sub", "jwt", "jwt.scope", "jwt.missing_scope", "jwt.expired", "jwt.ttl_s", "url.path", "a.b.c"] {
        fields.slot(path);
    }
    let places = Places::default();
    let mut reader = Reader::new(&fields, &Limits::default(), Span::ZERO, &places);
    let origin = Origin { topic: "audit".into(), partition: 0, offset: 0 };
    let record = Record { origin: &origin, timestamp: None, payload: Some(payload) };
    let verdict = reader.read(&record, &places, &mut Vec::new());
    if matches!(verdict, Err(Rejection::TooDeep { .. } | Rejection::TooLarge { .. })) {
        return;
    }
    // Text first: what `serde_json` skips in bytes it does not check for UTF-8.
    let text = std::str::from_utf8(payload);
    let is_json = text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    let refused = matches!(verdict, Err(Rejection::NotJson { .. } | Rejection::InvalidUtf8 { .. }));
    assert_eq!(is_json, !refused, "{verdict:?}");
});
