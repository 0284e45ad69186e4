//! What each type of correlation and anomaly decides, and with which parameters.

use super::Section;
use crate::detect::rule::condition::Condition;
use crate::detect::rule::document::header::Header;
use crate::detect::rule::document::home;
use crate::detect::rule::document::reader::{self, Reporter, Spanned};
use crate::detect::rule::logic::{Logic, Place};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Node;
use crate::detect::time::Span;

/// Sigma's types of correlation.
pub(crate) const CORRELATIONS: [&str; 7] =
    ["event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile"];

/// Our types of anomaly.
pub(crate) const ANOMALIES: [&str; 6] = ["value_change", "geo_velocity", "new_value", "absence", "ratio", "spike"];

/// The keys that only some types have, and which.
pub(crate) const EXTRA_KEYS: [(&str, &[&str]); 9] = [
    (
        "condition",
        &[
            "event_count",
            "value_count",
            "temporal",
            "value_sum",
            "value_avg",
            "value_percentile",
            "value_change",
            "geo_velocity",
            "new_value",
            "ratio",
        ],
    ),
    ("of", &["ratio"]),
    ("without", &["absence"]),
    ("wait", &["absence"]),
    ("learning", &["new_value"]),
    ("min_distance_km", &["geo_velocity"]),
    ("min_count", &["ratio", "spike"]),
    ("history", &["spike"]),
    ("sigma", &["spike"]),
];

/// Sigma's words for bounds.
pub(crate) const BOUNDS: [&str; 6] = ["gt", "gte", "lt", "lte", "eq", "neq"];

/// Most buckets that a `spike` looks back on.
pub(crate) const HISTORY_MAX: u32 = 10_000;

/// The logic of a section whose type is known; what does not belong to the type was reported before.
pub(super) fn read(
    section: &Section<'_>,
    kind: &Spanned<&'static str>,
    header: &Header,
    reporter: &mut Reporter<'_>,
) -> Option<Logic<String>> {
    let kind = kind.value;
    if kind != "temporal_ordered" {
        header.refuse_settings(&["min_gap"], &format!("the type {kind}"), reporter);
    }
    match kind {
        "event_count" => Some(Logic::EventCount { condition: bounds(section, reporter)? }),
        "temporal" if section.get("condition").is_none() => Some(Logic::Temporal { condition: None }),
        "temporal" => Some(Logic::Temporal { condition: Some(bounds(section, reporter)?) }),
        "temporal_ordered" => {
            let gap_min = header.gap_min.as_ref().map_or(Span::ZERO, |gap| gap.value);
            Some(Logic::TemporalOrdered { gap_min })
        }
        "value_count" => {
            let criteria = criteria(section, &["field"], true, reporter)?;
            Some(Logic::ValueCount { fields: criteria.fields(), condition: criteria.bounds })
        }
        "value_sum" => over_field(section, reporter, |field, condition| Logic::ValueSum { field, condition }),
        "value_avg" => over_field(section, reporter, |field, condition| Logic::ValueAverage { field, condition }),
        "value_percentile" => {
            let criteria = criteria(section, &["field", "percentile"], true, reporter)?;
            let percentile = criteria.percentile.unwrap_or(50.0);
            Some(Logic::ValuePercentile { field: criteria.field(reporter)?, percentile, condition: criteria.bounds })
        }
        _ => anomaly(section, kind, reporter),
    }
}

fn anomaly(section: &Section<'_>, kind: &str, reporter: &mut Reporter<'_>) -> Option<Logic<String>> {
    let span = |reporter: &mut Reporter<'_>, key| match section.get(key) {
        Some(_) => section.read(reporter, key, reader::span).map(|span| span.value),
        None => Some(Span::ZERO),
    };
    let count_min = |reporter: &mut Reporter<'_>| {
        let read = |node: &Node, key: &str| reader::count(node, key, 1, u32::MAX);
        optional(section, reporter, "min_count", 20, read)
    };
    match kind {
        "value_change" => {
            let field = criteria(section, &["field"], false, reporter)?.field(reporter)?;
            Some(Logic::ValueChange { field })
        }
        "new_value" => {
            let field = criteria(section, &["field"], false, reporter).and_then(|criteria| criteria.field(reporter));
            Some(Logic::NewValue { learning: span(reporter, "learning")?, field: field? })
        }
        "geo_velocity" => {
            let read = |node: &Node, key: &str| reader::number_within(node, key, 0.0, f64::MAX);
            let distance_km_min = optional(section, reporter, "min_distance_km", 100.0, read);
            let condition = bounds(section, reporter)?;
            Some(Logic::GeoVelocity { place: Place::of_source(), distance_km_min: distance_km_min?, condition })
        }
        "absence" => Some(Logic::Absence { wait: span(reporter, "wait")? }),
        "ratio" => {
            let count_min = count_min(reporter);
            Some(Logic::Ratio { condition: bounds(section, reporter)?, count_min: count_min? })
        }
        _ => {
            let buckets = |node: &Node, key: &str| {
                let hint = "write how many windows before are looked at, as in \"168\" for 7d of windows of 1h";
                reader::count(node, key, 1, HISTORY_MAX).map_err(|fault| fault.hint(hint))
            };
            let deviations = |node: &Node, key: &str| reader::number_within(node, key, 0.0, f64::MAX);
            let history = optional(section, reporter, "history", 24, buckets);
            let sigma = optional(section, reporter, "sigma", 4.0, deviations);
            Some(Logic::Spike { count_min: count_min(reporter)?, history: history?, sigma: sigma? })
        }
    }
}

/// A value with a default; none only if it was given and wrong.
fn optional<T>(
    section: &Section<'_>,
    reporter: &mut Reporter<'_>,
    key: &'static str,
    default: T,
    read: impl FnOnce(&Node, &str) -> Result<T, Fault>,
) -> Option<T> {
    match section.get(key) {
        Some(_) => section.read(reporter, key, read),
        None => Some(default),
    }
}

/// What stands under `condition`.
struct Criteria {
    fields: Vec<Spanned<String>>,
    percentile: Option<f64>,
    bounds: Condition,
}

impl Criteria {
    /// The fields, at least one.
    fn fields(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.value.clone()).collect()
    }

    /// The only field.
    fn field(&self, reporter: &mut Reporter<'_>) -> Option<String> {
        if let [_, second, ..] = self.fields.as_slice() {
            let message = "several fields make a tuple only in a value_count";
            reporter.report(Fault::new(Code::WrongType, second.at, message));
            return None;
        }
        self.fields().pop()
    }
}

fn over_field(
    section: &Section<'_>,
    reporter: &mut Reporter<'_>,
    logic: impl FnOnce(String, Condition) -> Logic<String>,
) -> Option<Logic<String>> {
    let criteria = criteria(section, &["field"], true, reporter)?;
    Some(logic(criteria.field(reporter)?, criteria.bounds))
}

fn bounds(section: &Section<'_>, reporter: &mut Reporter<'_>) -> Option<Condition> {
    criteria(section, &[], true, reporter).map(|criteria| criteria.bounds)
}

/// Reads `condition`: the keys in `besides`, and bounds if the type has them.
fn criteria(
    section: &Section<'_>,
    besides: &[&str],
    has_bounds: bool,
    reporter: &mut Reporter<'_>,
) -> Option<Criteria> {
    let shape = match (besides.contains(&"field"), has_bounds) {
        (true, true) => "write for example \"condition: {field: service.name, gte: 8}\"",
        (true, false) => "write for example \"condition: {field: service.name}\"",
        (false, _) => "write for example \"condition: {gte: 10}\"",
    };
    let Some(entry) = section.get("condition") else {
        if section.slip("condition").is_some() {
            return None;
        }
        let message = format!("{} has no \"condition\"", section.name);
        reporter.report(Fault::new(Code::MissingKey, section.at, message).hint(shape));
        return None;
    };
    let condition = Section::of(&entry.value, "condition").map_err(|fault| fault.hint(shape));
    let condition = reporter.check(condition)?;
    let known: Vec<&str> = besides.iter().copied().chain(BOUNDS.into_iter().filter(|_| has_bounds)).collect();
    let before = condition.entries.iter().filter(|entry| !known.contains(&entry.key.text.as_str()));
    let mut is_right = true;
    for entry in before {
        is_right = false;
        let key = entry.key.text.as_str();
        reporter.report(if BOUNDS.contains(&key) || matches!(key, "field" | "percentile") {
            let message = format!("{key} means nothing in the condition of this type");
            Fault::new(Code::MisplacedKey, entry.key_at, message).hint(format!("known here: {}", known.join(", ")))
        } else {
            home::unknown(&condition, entry, &known)
        });
    }
    let mut bounds = Condition::default();
    let mut some_bound = false;
    for (word, bound) in bounds.bounds_mut() {
        *bound = condition.read(reporter, word, reader::number);
        some_bound |= condition.get(word).is_some();
        is_right &= bound.is_some() == condition.get(word).is_some();
    }
    let mut keys = condition.entries.iter().map(|entry| entry.key.text.as_str());
    let is_misspelt = keys.any(|key| reader::near(key, BOUNDS, 1).is_some());
    if has_bounds && !some_bound && !is_misspelt {
        is_right = false;
        let fault = Fault::new(Code::EmptyCondition, condition.at, "the condition has no bound");
        reporter.report(fault.hint("add one of gt, gte, lt, lte, eq, neq, as in \"gte: 5\""));
    }
    let mut fields = Some(Vec::new());
    if known.contains(&"field") {
        fields = condition.read(reporter, "field", reader::some_texts);
        if condition.get("field").is_none() && condition.slip("field").is_none() {
            let fault = Fault::new(Code::MissingKey, entry.key_at, "condition has no field");
            reporter.report(fault.hint("name what is compared, as in \"field: service.name\""));
        }
    }
    let mut percentile = None;
    if known.contains(&"percentile") {
        percentile = condition.read(reporter, "percentile", |node, key| reader::number_within(node, key, 1.0, 100.0));
        is_right &= percentile.is_some() == condition.get("percentile").is_some();
    }
    fields.filter(|_| is_right).map(|fields| Criteria { fields, percentile, bounds })
}
