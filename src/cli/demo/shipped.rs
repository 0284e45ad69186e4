//! The shipped rules, built into the binary, so that the demo needs no file.

use std::sync::Arc;

use crate::detect::rule::{Options, RuleSet, Source, compile};

const FILES: [(&str, &str); 3] = [
    ("rules/access/cross_service_fan_out.yml", include_str!("../../../rules/access/cross_service_fan_out.yml")),
    ("rules/issuance/token_reissue_rate.yml", include_str!("../../../rules/issuance/token_reissue_rate.yml")),
    ("rules/location/geo_change.yml", include_str!("../../../rules/location/geo_change.yml")),
];

/// The shipped rules, compiled.
pub(super) fn rules() -> Arc<RuleSet> {
    let sources = FILES.map(|(path, text)| Source { path, text });
    Arc::new(compile(&sources, &Options::default()).expect("a test compiles the shipped rules").rules)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shipped_rules_compile() {
        let names: Vec<_> = super::rules().rules.iter().map(|rule| rule.header.name.clone()).collect();
        assert_eq!(names, ["cross_service_fan_out", "geo_change", "token_reissue_rate"]);
    }
}
