//! Rules and events as the oracle knows them, and their spelling for the engine: Sigma YAML and JSON lines.
//!
//! Not the engine's types: what both sides share is only text, so that no mistake can be shared with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

/// 2023-11-14T00:00:00Z, where streams start. A whole number of days, so that a bucket of any length that divides a
/// day begins here.
pub(crate) const BASE: i64 = 1_699_920_000_000;
/// A second in the milliseconds that all times and spans here are given in.
pub(crate) const SECOND: i64 = 1_000;

/// Field paths (dotted) and their values.
pub(crate) type Fields = BTreeMap<String, Json>;

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When it happened, after [`BASE`].
    pub(crate) at: i64,
    /// The Kafka record's own timestamp, after [`BASE`]; none for a line of a file.
    pub(crate) recorded_at: Option<i64>,
    /// `event.id`; without one its place in the stream stands in.
    pub(crate) id: Option<String>,
    /// The names of the detections that it satisfies.
    pub(crate) marks: Vec<String>,
    /// Everything else.
    pub(crate) fields: Fields,
}

impl Event {
    pub(crate) fn new(at: i64) -> Self {
        Self { at, recorded_at: None, id: None, marks: Vec::new(), fields: Fields::new() }
    }

    pub(crate) fn mark(mut self, detection: &str) -> Self {
        self.marks.push(detection.to_owned());
        self
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Json>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The record. Odd offsets spell dotted paths as nested objects, which must mean the same.
    pub(crate) fn to_json(&self, offset: usize) -> String {
        let mut record = Map::new();
        let mut put = |path: &str, value: Json| {
            if offset % 2 == 1 {
                put_nested(&mut record, path, value);
            } else {
                record.insert(path.to_owned(), value);
            }
        };
        put("@timestamp", json!(BASE + self.at));
        put("event.action", json!("request"));
        put("mark", json!(self.marks));
        if let Some(id) = &self.id {
            put("event.id", json!(id));
        }
        for (path, value) in &self.fields {
            put(path, value.clone());
        }
        Json::Object(record).to_string()
    }
}

fn put_nested(object: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = object.entry(head).or_insert_with(|| json!({}));
            put_nested(inner.as_object_mut().expect("no generated path is a prefix of another"), rest, value);
        }
    }
}

/// The bounds of a condition: Sigma's word and the number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition(pub(crate) Vec<(&'static str, f64)>);

impl Condition {
    pub(crate) fn gte(bound: f64) -> Self {
        Self(vec![("gte", bound)])
    }

    pub(crate) fn holds(&self, value: f64) -> bool {
        self.0.iter().all(|(word, bound)| match *word {
            "gt" => value > *bound,
            "gte" => value >= *bound,
            "lt" => value < *bound,
            "lte" => value <= *bound,
            "eq" => value.total_cmp(bound).is_eq(),
            "neq" => value.total_cmp(bound).is_ne(),
            other => unreachable!("the models use Sigma's words only, not {other}"),
        })
    }
}

/// What a rule decides, with the keys that only its type has.
#[derive(Clone, Debug)]
pub(crate) enum Logic {
    /// A detection; it matches the events that carry its name as a mark.
    Event,
    EventCount(Condition),
    ValueCount {
        fields: Vec<String>,
        condition: Condition,
    },
    Temporal(Option<Condition>),
    TemporalOrdered {
        min_gap: i64,
    },
    ValueSum {
        field: String,
        condition: Condition,
    },
    ValueAvg {
        field: String,
        condition: Condition,
    },
    ValuePercentile {
        field: String,
        percentile: usize,
        condition: Condition,
    },
    ValueChange {
        field: String,
    },
    GeoVelocity {
        min_distance_km: f64,
        condition: Condition,
    },
    NewValue {
        field: String,
        learning: i64,
    },
    Absence {
        without: Vec<String>,
        wait: i64,
    },
    Ratio {
        of: Vec<String>,
        min_count: usize,
        condition: Condition,
    },
    Spike {
        history: usize,
        sigma: f64,
        min_count: usize,
    },
}

impl Logic {
    /// Its `type`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::EventCount(_) => "event_count",
            Self::ValueCount { .. } => "value_count",
            Self::Temporal(_) => "temporal",
            Self::TemporalOrdered { .. } => "temporal_ordered",
            Self::ValueSum { .. } => "value_sum",
            Self::ValueAvg { .. } => "value_avg",
            Self::ValuePercentile { .. } => "value_percentile",
            Self::ValueChange { .. } => "value_change",
            Self::GeoVelocity { .. } => "geo_velocity",
            Self::NewValue { .. } => "new_value",
            Self::Absence { .. } => "absence",
            Self::Ratio { .. } => "ratio",
            Self::Spike { .. } => "spike",
        }
    }

    fn is_anomaly(&self) -> bool {
        matches!(
            self,
            Self::ValueChange { .. }
                | Self::GeoVelocity { .. }
                | Self::NewValue { .. }
                | Self::Absence { .. }
                | Self::Ratio { .. }
                | Self::Spike { .. }
        )
    }
}

/// An alias and, by rule, the field that it stands for.
pub(crate) type Alias = (String, Vec<(String, String)>);

/// One rule document.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) logic: Logic,
    /// `rules`; empty for a detection.
    pub(crate) rules: Vec<String>,
    pub(crate) group_by: Vec<String>,
    pub(crate) aliases: Vec<Alias>,
    /// Whole seconds, in milliseconds; 0 for a detection.
    pub(crate) timespan: i64,
    /// Whole seconds, in milliseconds.
    pub(crate) suppress: Option<i64>,
    pub(crate) generate: bool,
}

impl Rule {
    pub(crate) fn new(name: &str, logic: Logic, rules: &[&str], timespan: i64) -> Self {
        Self {
            name: name.to_owned(),
            logic,
            rules: rules.iter().map(|&rule| rule.to_owned()).collect(),
            group_by: Vec::new(),
            aliases: Vec::new(),
            timespan,
            suppress: None,
            generate: false,
        }
    }

    pub(crate) fn detection(name: &str) -> Self {
        Self::new(name, Logic::Event, &[], 0)
    }

    pub(crate) fn by(mut self, fields: &[&str]) -> Self {
        self.group_by = fields.iter().map(|&field| field.to_owned()).collect();
        self
    }

    pub(crate) fn suppress(mut self, span: i64) -> Self {
        self.suppress = Some(span);
        self
    }

    /// True if more matches can only make its condition truer.
    pub(crate) fn wants_more(&self) -> bool {
        match &self.logic {
            Logic::EventCount(condition) | Logic::ValueCount { condition, .. } | Logic::Temporal(Some(condition)) => {
                condition.0.iter().all(|(word, _)| word.starts_with("gt"))
            }
            Logic::Temporal(None) | Logic::TemporalOrdered { .. } => true,
            _ => false,
        }
    }

    /// The rules whose matches it looks at, in the order of the file.
    pub(crate) fn referred(&self) -> impl Iterator<Item = &String> {
        let more: &[String] = match &self.logic {
            Logic::Absence { without, .. } => without,
            Logic::Ratio { of, .. } => of,
            _ => &[],
        };
        self.rules.iter().chain(more)
    }

    pub(crate) fn to_yaml(&self) -> String {
        let mut text = format!("title: {0}\nid: {1}\nname: {0}\n", self.name, uuid_of(&self.name));
        let mut settings = Vec::new();
        if self.generate {
            text.push_str("generate: true\n");
        }
        if matches!(self.logic, Logic::Event) {
            text.push_str("logsource: {product: jwt, category: audit}\n");
            let _ = writeln!(text, "detection:\n  marked: {{mark: {}}}\n  condition: marked", self.name);
            if !self.group_by.is_empty() {
                settings.push(format!("group-by: [{}]", self.group_by.join(", ")));
            }
        } else {
            let section = if self.logic.is_anomaly() { "anomaly" } else { "correlation" };
            let _ = writeln!(text, "{section}:\n{}", self.section_yaml());
        }
        if let Logic::TemporalOrdered { min_gap } = self.logic
            && min_gap > 0
        {
            settings.push(format!("min_gap: {}", span(min_gap)));
        }
        settings.extend(self.suppress.map(|suppress| format!("suppress: {}", span(suppress))));
        if !settings.is_empty() {
            let _ = writeln!(text, "tokenwatch: {{{}}}", settings.join(", "));
        }
        text
    }

    fn section_yaml(&self) -> String {
        let mut lines = vec![format!("type: {}", self.logic.word()), format!("rules: [{}]", self.rules.join(", "))];
        if !self.group_by.is_empty() {
            lines.push(format!("group-by: [{}]", self.group_by.join(", ")));
        }
        if !self.aliases.is_empty() {
            lines.push("aliases:".to_owned());
        }
        for (alias, fields) in &self.aliases {
            let fields: Vec<_> = fields.iter().map(|(rule, field)| format!("{rule}: {field}")).collect();
            lines.push(format!("  {alias}: {{{}}}", fields.join(", ")));
        }
        lines.push(format!("timespan: {}", span(self.timespan)));
        lines.extend(self.logic_yaml());
        lines.iter().fold(String::new(), |text, line| text + "  " + line + "\n").trim_end().to_owned()
    }

    fn logic_yaml(&self) -> Vec<String> {
        match &self.logic {
            Logic::Event | Logic::Temporal(None) | Logic::TemporalOrdered { .. } => vec![],
            Logic::EventCount(condition) | Logic::Temporal(Some(condition)) => vec![condition_yaml(&[], condition)],
            Logic::ValueCount { fields, condition } if fields.len() > 1 => {
                vec![condition_yaml(&[format!("field: [{}]", fields.join(", "))], condition)]
            }
            Logic::ValueCount { fields, condition } => {
                vec![condition_yaml(&[format!("field: {}", fields[0])], condition)]
            }
            Logic::ValueSum { field, condition } | Logic::ValueAvg { field, condition } => {
                vec![condition_yaml(&[format!("field: {field}")], condition)]
            }
            Logic::ValuePercentile { field, percentile, condition } => {
                vec![condition_yaml(&[format!("field: {field}"), format!("percentile: {percentile}")], condition)]
            }
            Logic::ValueChange { field } => vec![format!("condition: {{field: {field}}}")],
            Logic::GeoVelocity { min_distance_km, condition } => {
                vec![format!("min_distance_km: {min_distance_km}"), condition_yaml(&[], condition)]
            }
            Logic::NewValue { field, learning } => {
                vec![format!("condition: {{field: {field}}}"), format!("learning: {}", span(*learning))]
            }
            Logic::Absence { without, wait } => {
                vec![format!("without: [{}]", without.join(", ")), format!("wait: {}", span(*wait))]
            }
            Logic::Ratio { of, min_count, condition } => vec![
                format!("of: [{}]", of.join(", ")),
                format!("min_count: {min_count}"),
                condition_yaml(&[], condition),
            ],
            Logic::Spike { history, sigma, min_count } => {
                vec![format!("history: {history}"), format!("sigma: {sigma}"), format!("min_count: {min_count}")]
            }
        }
    }
}

fn condition_yaml(keys: &[String], condition: &Condition) -> String {
    let bounds = condition.0.iter().map(|(word, bound)| format!("{word}: {bound}"));
    format!("condition: {{{}}}", keys.iter().cloned().chain(bounds).collect::<Vec<_>>().join(", "))
}

fn span(millis: i64) -> String {
    assert_eq!(millis % SECOND, 0, "rules know whole seconds only");
    format!("{}s", millis / SECOND)
}

/// A UUID of the right form for each name, so that no rule is without one.
fn uuid_of(name: &str) -> String {
    let hash = name.bytes().fold(5381_u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(byte));
    format!("00000000-0000-4000-8000-{:012x}", hash & 0xffff_ffff_ffff)
}
