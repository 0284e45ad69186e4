//! Rules of the collection restated for the other engine, where it is known to take their words otherwise.
//!
//! Only what `differences` pins, and in words on whose meaning the two agree: so no pair has to be left out.

use rsigma_parser::value::{SpecialChar, StringPart};
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaString, SigmaValue};

pub(super) fn restate(detections: &mut Detections) {
    detections.named.values_mut().for_each(restate_one);
}

fn restate_one(detection: &mut Detection) {
    match detection {
        Detection::AllOf(items) => {
            items.iter_mut().for_each(close_the_open_end);
            // "keywords": each on its own, anywhere.
            if let [item] = items.as_slice()
                && item.field.is_keyword()
                && item.field.modifiers == [Modifier::All]
            {
                let each = item.values.iter().map(|value| Detection::Keywords(vec![spelt(value)]));
                *detection = Detection::And(each.collect());
            }
        }
        Detection::Keywords(values) => values.iter_mut().for_each(|value| *value = spelt(value)),
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter_mut().for_each(restate_one),
        _ => {}
    }
}

/// "keywords": a number is looked for as it is spelt.
fn spelt(value: &SigmaValue) -> SigmaValue {
    match value {
        SigmaValue::Integer(number) => SigmaValue::String(SigmaString::new(&number.to_string())),
        _ => value.clone(),
    }
}

/// "wildcards at an open end": `startswith: x?z` is `x?z*`.
fn close_the_open_end(item: &mut DetectionItem) {
    let any = || StringPart::Special(SpecialChar::WildcardMulti);
    let is_wild = |value: &SigmaValue| matches!(value, SigmaValue::String(text) if text.contains_wildcards());
    if !item.values.iter().any(is_wild) {
        return;
    }
    for end in [Modifier::StartsWith, Modifier::EndsWith] {
        let Some(at) = item.field.modifiers.iter().position(|modifier| *modifier == end) else { continue };
        item.field.modifiers.remove(at);
        for value in &mut item.values {
            let SigmaValue::String(text) = value else { continue };
            let place = if end == Modifier::StartsWith { text.parts.len() } else { 0 };
            text.parts.insert(place, any());
        }
    }
}
