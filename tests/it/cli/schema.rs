//! `tokenwatch schema`.

use serde_json::Value;

use super::fixture::Folder;

#[test]
fn every_format_has_a_schema() {
    let folder = Folder::new();
    for format in ["event", "rule", "test", "alert", "config"] {
        let finished = folder.run(&["schema", format]).expect_code(0);
        let schema: Value = serde_json::from_str(finished.stdout()).unwrap_or_else(|error| panic!("{error}: {format}"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["type"], "object");
        assert_eq!(finished.stderr(), "");
    }
    let unknown = folder.run(&["schema", "rulez"]).expect_code(2);
    assert!(unknown.stderr().contains("rule"), "{}", unknown.stderr());
}
