//! Events made from a rule: such as satisfy it, and such as nearly do.
//!
//! Neither engine is asked what a rule means; an event that satisfies none is as good a question as one that does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use rsigma_parser::value::StringPart;
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaString, SigmaValue};
use serde_json::{Map, Value as Json, json};

/// The field in which keywords are put. Any would do.
const ANY_FIELD: &str = "message";

/// What stands in a field of which nothing is wished; rules exclude absent fields.
const NEUTRAL: &str = "D:\\neutral.zzz";

/// Alternatives of a selection that are tried; longer lists are of one kind.
const CHOICES_MAX: usize = 64;

/// What one value wants of its field.
enum Wish {
    Whole(Json),
    Start(String),
    Middle(String),
    End(String),
}

/// By field, what an event must have to satisfy something.
type Wishes = BTreeMap<String, Vec<Wish>>;

/// For each value of a rule an event that has it beside what else the rule wants, and events that differ from those in
/// one field.
pub(super) fn events(detections: &Detections) -> Vec<Json> {
    let mut runner = TestRunner::deterministic();
    let choices = detections.named.values().map(choices).max().unwrap_or(1).min(CHOICES_MAX);
    let mut events = vec![json!({})];
    let mut names: Vec<_> = detections.named.keys().collect();
    names.sort();
    let mut neutral = Wishes::new();
    detections.named.values().for_each(|detection| wish(detection, 0, &mut runner, &mut neutral));
    let neutral: Map<_, _> = neutral.into_keys().map(|field| (field, json!(NEUTRAL))).collect();
    for choice in 0..choices {
        let mut wanted = Wishes::new();
        for name in names.iter().filter(|name| !name.starts_with("filter")) {
            wish(&detections.named[*name], choice, &mut runner, &mut wanted);
        }
        let wanted = fulfilled(&wanted);
        for name in &names {
            let mut own = Wishes::new();
            wish(&detections.named[*name], choice, &mut runner, &mut own);
            let own = fulfilled(&own);
            let joined = wanted.iter().chain(&own).map(|(field, value)| (field.clone(), value.clone()));
            events.push(Json::Object(joined.collect()));
            events.push(Json::Object(own));
        }
        events.extend(near(&wanted));
        let mut full = neutral.clone();
        full.extend(wanted.clone());
        events.extend([wanted, full].map(Json::Object));
    }
    if detections.named.values().any(has_keywords) {
        // "keywords": the other engine does not look for them in numbers.
        events.iter_mut().filter_map(Json::as_object_mut).flat_map(Map::values_mut).for_each(spell);
    }
    events.sort_by_cached_key(Json::to_string);
    events.dedup();
    events
}

fn has_keywords(detection: &Detection) -> bool {
    match detection {
        Detection::AllOf(items) => items.iter().any(|item| item.field.is_keyword()),
        Detection::Keywords(_) => true,
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().any(has_keywords),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => false,
    }
}

fn spell(value: &mut Json) {
    if value.is_number() {
        *value = json!(value.to_string());
    }
}

/// How many alternatives a detection has, at least as far as events of every one of them need to be made.
fn choices(detection: &Detection) -> usize {
    match detection {
        Detection::AllOf(items) => items.iter().map(|item| item.values.len()).max().unwrap_or(1),
        Detection::Keywords(values) => values.len(),
        Detection::AnyOf(parts) => parts.len().max(parts.iter().map(choices).max().unwrap_or(1)),
        Detection::And(parts) => parts.iter().map(choices).max().unwrap_or(1),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => 1,
    }
}

fn wish(detection: &Detection, choice: usize, runner: &mut TestRunner, wishes: &mut Wishes) {
    match detection {
        Detection::AllOf(items) => items.iter().for_each(|item| wish_item(item, choice, runner, wishes)),
        Detection::Keywords(values) => {
            if let Some(value) = values.get(choice % values.len().max(1)) {
                wishes.entry(ANY_FIELD.to_owned()).or_default().push(Wish::Middle(text(value)));
            }
        }
        Detection::AnyOf(parts) => {
            if let Some(part) = parts.get(choice % parts.len().max(1)) {
                wish(part, choice, runner, wishes);
            }
        }
        Detection::And(parts) => parts.iter().for_each(|part| wish(part, choice, runner, wishes)),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {}
    }
}

fn wish_item(item: &DetectionItem, choice: usize, runner: &mut TestRunner, wishes: &mut Wishes) {
    let field = item.field.name.clone();
    let is_keyword = field.is_none();
    let wishes = wishes.entry(field.unwrap_or_else(|| ANY_FIELD.to_owned())).or_default();
    let has = |modifier| item.field.has_modifier(modifier);
    let count = item.values.len();
    for (index, value) in item.values.iter().enumerate() {
        if index != choice % count && !has(Modifier::All) {
            continue;
        }
        let plain = text(value);
        wishes.push(match value {
            _ if has(Modifier::Re) => {
                // What both engines take may still be more than the generator does.
                let Ok(strategy) = string_regex(plain.trim_start_matches("(?i)")) else { continue };
                let Ok(tree) = strategy.new_tree(runner) else { continue };
                Wish::Middle(tree.current())
            }
            _ if has(Modifier::Cidr) => Wish::Whole(json!(plain.split('/').next())),
            _ if has(Modifier::Base64Offset) || has(Modifier::Base64) => Wish::Middle(encoded(&plain, item)),
            SigmaValue::Null => Wish::Whole(Json::Null),
            SigmaValue::Bool(_) if has(Modifier::Exists) => Wish::Middle("there".to_owned()),
            SigmaValue::Bool(value) => Wish::Whole(json!(value)),
            SigmaValue::Integer(number) => Wish::Whole(json!(number + step(item))),
            SigmaValue::Float(number) => Wish::Whole(json!(number)),
            SigmaValue::String(_) if has(Modifier::Contains) || is_keyword => Wish::Middle(plain),
            SigmaValue::String(_) if has(Modifier::StartsWith) => Wish::Start(plain),
            SigmaValue::String(_) if has(Modifier::EndsWith) => Wish::End(plain),
            SigmaValue::String(_) => Wish::Whole(json!(plain)),
        });
    }
}

/// From a bound to a number that satisfies it.
fn step(item: &DetectionItem) -> i64 {
    let has = |modifier| item.field.has_modifier(modifier);
    i64::from(has(Modifier::Gt)) - i64::from(has(Modifier::Lt))
}

fn encoded(plain: &str, item: &DetectionItem) -> String {
    if item.field.has_modifier(Modifier::Wide) {
        let bytes: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        return STANDARD.encode(bytes);
    }
    STANDARD.encode(plain)
}

/// A text that the value matches: a letter stands for a wildcard.
fn text(value: &SigmaValue) -> String {
    match value {
        SigmaValue::String(SigmaString { parts, .. }) => {
            let part = |part: &StringPart| match part {
                StringPart::Plain(text) => text.clone(),
                StringPart::Special(_) => "q".to_owned(),
            };
            parts.iter().map(part).collect()
        }
        SigmaValue::Integer(number) => number.to_string(),
        SigmaValue::Float(number) => number.to_string(),
        SigmaValue::Bool(value) => value.to_string(),
        SigmaValue::Null => String::new(),
    }
}

/// One value a field that has what is wished for, as far as wishes can be joined.
fn fulfilled(wishes: &Wishes) -> Map<String, Json> {
    let value = |wishes: &Vec<Wish>| {
        if let Some(Wish::Whole(value)) = wishes.iter().find(|wish| matches!(wish, Wish::Whole(_))) {
            return value.clone();
        }
        let of = |kind: fn(&Wish) -> Option<&str>| wishes.iter().filter_map(kind).collect::<Vec<_>>().join(" ");
        let start = of(|wish| if let Wish::Start(text) = wish { Some(text) } else { None });
        let middle = of(|wish| if let Wish::Middle(text) = wish { Some(text) } else { None });
        let end = of(|wish| if let Wish::End(text) = wish { Some(text) } else { None });
        json!(format!("{start}{middle}{end}"))
    };
    wishes
        .iter()
        .filter(|(_, wishes)| !wishes.is_empty())
        .map(|(field, wishes)| (field.clone(), value(wishes)))
        .collect()
}

/// Events that differ in one field: it is missing, longer, shorter, capitals, one of a list, or alone.
fn near(event: &Map<String, Json>) -> Vec<Json> {
    let mut events = Vec::new();
    for (field, value) in event {
        let mut without = event.clone();
        without.remove(field);
        events.push(Json::Object(without));
        events.push(json!({ field: value }));
        let mut shapes = vec![Json::Null];
        // "null in a list"
        if !value.is_null() {
            shapes.push(json!(["?", value]));
        }
        if let Some(text) = value.as_str() {
            let shorter: String = text.chars().skip(1).collect();
            let texts = [text.to_uppercase(), format!("C:{text}"), format!("{text} x"), format!("x{text}x"), shorter];
            shapes.extend(texts.map(Json::from));
        }
        events.extend(shapes.into_iter().map(|shape| {
            let mut event = event.clone();
            event.insert(field.clone(), shape);
            Json::Object(event)
        }));
    }
    events
}
