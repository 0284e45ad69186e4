//! One line for a tired person: who, what, how much, over how long, against which threshold.

use crate::detect::alert::{Details, Group};
use crate::detect::rule::compiled::{Input, LabelledInput, Role};
use crate::detect::rule::{Logic, Rule, RuleSet};
use crate::detect::time::Span;

/// `jwt.sub ann: 8 distinct service.name in 5m (threshold 8)`.
pub(super) fn summary(rules: &RuleSet, rule: &Rule, group: &Group, observed: Option<f64>, details: &Details) -> String {
    let who: Vec<_> = group.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let colon = if who.is_empty() { "" } else { ": " };
    // A type that only compares neighbours or remembers names a field in its condition, and no bound.
    let bounds = rule.condition.as_ref().filter(|condition| condition.bounds.bounds().next().is_some());
    let threshold = bounds.map(|condition| format!(" (threshold {condition})")).unwrap_or_default();
    let what = what(rules, rule, observed.unwrap_or_default(), details);
    format!("{}{colon}{what}{threshold}", who.join(", "))
}

fn what(rules: &RuleSet, rule: &Rule, observed: f64, details: &Details) -> String {
    let timespan = rule.timespan;
    let path = |field| rules.fields.path(field);
    match (&rule.logic, details) {
        (Logic::Event, _) => rule.header.title.clone(),
        (Logic::EventCount { .. }, _) => format!("{observed} event{} in {timespan}", plural(observed)),
        (Logic::ValueCount { fields, .. }, _) => {
            let names: Vec<_> = fields.iter().map(|field| path(*field)).collect();
            format!("{observed} distinct {} in {timespan}", names.join(", "))
        }
        (Logic::Temporal { .. }, _) => format!("{observed} of {} rules matched in {timespan}", rule.inputs.len()),
        (Logic::TemporalOrdered { .. }, _) => {
            format!("{} in {timespan}", names_of(rules, rule, Role::Match).join(", then "))
        }
        (Logic::ValueSum { field, .. }, _) => format!("sum of {} is {} in {timespan}", path(*field), rounded(observed)),
        (Logic::ValueAverage { field, .. }, _) => {
            format!("mean of {} is {} in {timespan}", path(*field), rounded(observed))
        }
        (Logic::ValuePercentile { field, percentile, .. }, _) => {
            format!("percentile {percentile} of {} is {} in {timespan}", path(*field), rounded(observed))
        }
        (Logic::ValueChange { field }, Details::Change { from, to }) => {
            format!("{} changed from {from} to {to} within {timespan}", path(*field))
        }
        (Logic::GeoVelocity { .. }, Details::Journey { distance_km, seconds, .. }) => {
            format!("{:.0} km in {:.0} s, {observed} km/h", distance_km.0, seconds.0)
        }
        (Logic::NewValue { field, .. }, Details::NewValue { value, known }) => {
            let others = match known {
                0 => "no other".to_owned(),
                known => format!("{known} other{}", plural(f64::from(*known))),
            };
            format!("new {} {value}, {others} known in {timespan}", path(*field))
        }
        (Logic::Absence { wait }, _) => {
            let after = if *wait == Span::ZERO { String::new() } else { format!(" or {wait} after") };
            let (matched, missed) = (names_of(rules, rule, Role::Match), names_of(rules, rule, Role::Companion));
            format!("{} without {} in the {timespan} before{after}", matched.join(" or "), missed.join(" or "))
        }
        (Logic::Ratio { .. }, _) => {
            let (part, whole) = (names_of(rules, rule, Role::Match), names_of(rules, rule, Role::Whole));
            let share = rounded(observed);
            format!("{} is a share of {share} of {} in {timespan}", part.join(" or "), whole.join(" or "))
        }
        (Logic::Spike { .. }, Details::Spike { mean, deviation }) => {
            let plural = plural(observed);
            format!("{observed} event{plural} in {timespan}, usually {:.1} give or take {:.1}", mean.0, deviation.0)
        }
        (logic, _) => logic.kind().to_owned(),
    }
}

/// The ending of a counted thing.
fn plural(count: f64) -> &'static str {
    if (count - 1.0).abs() < f64::EPSILON { "" } else { "s" }
}

/// To three decimals at most: the alert's `observed` has them all.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// The names of the rules with a role, in the order of the rule file.
fn names_of(rules: &RuleSet, rule: &Rule, wanted: Role) -> Vec<String> {
    let name = |input: &LabelledInput| match input.input {
        Input::Detection(label) => rules.detection_names[label].clone(),
        Input::Firing(inner) => rules.rules[inner].header.name.clone(),
    };
    rule.inputs.iter().filter(|input| input.role == wanted).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::alert::Point;
    use crate::detect::rule::condition::PlainNumber;
    use crate::detect::rule::{Options, Source, compile};

    /// The summary of the rule `r` with these lines, for ann.
    fn of(lines: &str, observed: Option<f64>, details: &Details) -> String {
        let detection = |name: &str| {
            format!("name: {name}\nlogsource: {{product: jwt}}\ndetection: {{s: {{f: {name}}}, condition: s}}\n---\n")
        };
        let text = format!("{}{}name: r\ntitle: Login of a robot\n{lines}\n", detection("login"), detection("logout"));
        let sources = [Source { path: "r.yml", text: &text }];
        let rules = compile(&sources, &Options::default()).expect("the rule is right").rules;
        let rule = rules.rules.iter().find(|rule| rule.header.name == "r").expect("the rule is there");
        summary(&rules, rule, &Group(vec![("jwt.sub".to_owned(), "ann".to_owned())]), observed, details)
    }

    type Row<'a> = (&'a str, Option<f64>, &'a Details, &'a str);

    fn check(table: &[Row<'_>]) {
        for (lines, observed, details, expected) in table {
            assert_eq!(of(lines, *observed, details), format!("jwt.sub ann: {expected}"), "{lines}");
        }
    }

    /// A rule of this beginning over logins.
    fn rule(kind: &str, rest: &str) -> String {
        format!("{kind}, rules: [login], group-by: [jwt.sub], timespan: 5m{rest}}}")
    }

    #[test]
    fn detections_and_correlations_say_what_happened_in_a_line() {
        let none = &Details::None;
        let both = "rules: [login, logout], group-by: [jwt.sub], timespan: 5m}";
        check(&[
            ("logsource: {product: jwt}\ndetection: {s: {f: x}, condition: s}", None, none, "Login of a robot"),
            (
                &rule("correlation: {type: event_count", ", condition: {gte: 3}"),
                Some(3.0),
                none,
                "3 events in 5m (threshold 3)",
            ),
            (
                &rule("correlation: {type: event_count", ", condition: {lt: 2}"),
                Some(1.0),
                none,
                "1 event in 5m (threshold < 2)",
            ),
            (
                &rule("correlation: {type: value_count", ", condition: {field: service.name, gte: 8}"),
                Some(8.0),
                none,
                "8 distinct service.name in 5m (threshold 8)",
            ),
            (&format!("correlation: {{type: temporal, {both}"), Some(2.0), none, "2 of 2 rules matched in 5m"),
            (&format!("correlation: {{type: temporal_ordered, {both}"), Some(2.0), none, "login, then logout in 5m"),
            (
                &rule("correlation: {type: value_sum", ", condition: {field: n, gt: 0.2}"),
                Some(0.1 + 0.2),
                none,
                "sum of n is 0.3 in 5m (threshold > 0.2)",
            ),
            (
                &rule("correlation: {type: value_avg", ", condition: {field: n, gte: 3}"),
                Some(10.0 / 3.0),
                none,
                "mean of n is 3.333 in 5m (threshold 3)",
            ),
            (
                &rule("correlation: {type: value_percentile", ", condition: {field: n, percentile: 95, gte: 3}"),
                Some(4.5),
                none,
                "percentile 95 of n is 4.5 in 5m (threshold 3)",
            ),
        ]);
    }

    #[test]
    fn anomalies_say_what_happened_in_a_line() {
        let point = |lat, lon| Point { lat: PlainNumber(lat), lon: PlainNumber(lon) };
        let journey = Details::Journey {
            from: point(38.7, -9.1),
            to: point(52.5, 13.4),
            distance_km: PlainNumber(2312.4),
            seconds: PlainNumber(1800.0),
        };
        let change = Details::Change { from: "PT".to_owned(), to: "DE".to_owned() };
        let fresh = |known| Details::NewValue { value: "DE".to_owned(), known };
        let spike = Details::Spike { mean: PlainNumber(2.04), deviation: PlainNumber(0.5) };
        let none = &Details::None;
        check(&[
            (
                &rule("anomaly: {type: value_change", ", condition: {field: country}"),
                None,
                &change,
                "country changed from PT to DE within 5m",
            ),
            (
                &rule("anomaly: {type: geo_velocity", ", condition: {gt: 900}"),
                Some(4624.8),
                &journey,
                "2312 km in 1800 s, 4624.8 km/h (threshold > 900)",
            ),
            (
                &rule("anomaly: {type: new_value", ", condition: {field: country}"),
                None,
                &fresh(0),
                "new country DE, no other known in 5m",
            ),
            (
                &rule("anomaly: {type: new_value", ", condition: {field: country}"),
                None,
                &fresh(1),
                "new country DE, 1 other known in 5m",
            ),
            (
                &rule("anomaly: {type: new_value", ", condition: {field: country}"),
                None,
                &fresh(2),
                "new country DE, 2 others known in 5m",
            ),
            (
                &rule("anomaly: {type: absence", ", without: [logout], wait: 1m"),
                None,
                none,
                "login without logout in the 5m before or 1m after",
            ),
            (
                &rule("anomaly: {type: ratio", ", of: [logout], condition: {gte: 0.5}"),
                Some(2.0 / 3.0),
                none,
                "login is a share of 0.667 of logout in 5m (threshold 0.5)",
            ),
            (&rule("anomaly: {type: spike", ""), Some(40.0), &spike, "40 events in 5m, usually 2.0 give or take 0.5"),
        ]);
    }
}
