//! Where a key belongs that stands somewhere else.

use super::header::{BODIES, KNOWN, SETTINGS};
use super::reader::{Section, near};
use super::window::COMMON;
use super::window::logic::{BOUNDS, EXTRA_KEYS};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Entry;

/// The problem of a key without meaning in a section: where it would have one, else what it is nearly.
pub(super) fn unknown(section: &Section<'_>, entry: &Entry, known: &[&str]) -> Fault {
    let fault = section.unknown(entry, known);
    let is_slip = near(&entry.key.text, known.iter().copied(), 1).is_some();
    match home(&entry.key.text).filter(|_| !is_slip) {
        Some(home) => fault.hint(home),
        None => fault,
    }
}

fn home(key: &str) -> Option<&'static str> {
    // Both a setting and a key of windows: whoever writes it elsewhere may mean either.
    if key == "group-by" {
        return Some("it belongs under correlation or anomaly; for a single-event rule, under tokenwatch");
    }
    if SETTINGS.contains(&key) {
        return Some("it belongs under \"tokenwatch\", a key of the document itself");
    }
    if is_of_window(key) {
        return Some("it belongs under \"correlation\" or \"anomaly\"");
    }
    if BOUNDS.contains(&key) || matches!(key, "field" | "percentile") {
        return Some("it belongs under \"condition\"");
    }
    let is_header = KNOWN.contains(&key) || BODIES.contains(&key);
    is_header.then_some("it is a key of the document itself: indent it less")
}

fn is_of_window(key: &str) -> bool {
    COMMON.contains(&key) || EXTRA_KEYS.iter().any(|(extra, _)| *extra == key)
}

/// A custom field that has the name of a setting, which means nothing at the top of a document.
pub(super) fn outside(section: &Section<'_>, entry: &Entry) -> Option<Fault> {
    let key = entry.key.text.as_str();
    let window = section.get("correlation").or(section.get("anomaly"));
    let is_window = window.is_some();
    let kind = window.and_then(|entry| Section::of(&entry.value, "").ok()?.get("type")?.value.scalar_text());
    let is_extra = |types: &[&str]| kind.as_ref().is_some_and(|kind| types.contains(&kind.as_str()));
    let is_of_kind = COMMON.contains(&key) || EXTRA_KEYS.iter().any(|(extra, types)| *extra == key && is_extra(types));
    let is_meant = SETTINGS.contains(&key) || matches!(key, "condition" | "timespan") || is_window && is_of_kind;
    let message = format!("{key} at the top of the document is a custom field, and sets nothing");
    let fault = Fault::new(Code::CustomSetting, entry.key_at, message);
    if !is_meant {
        // A slip in a short word may be any custom field.
        let setting = near(key, SETTINGS, 1).filter(|_| key.len() >= "min_gap".len())?;
        return Some(fault.hint(format!("if you mean {setting}, it belongs under \"tokenwatch\"")));
    }
    let home = if key == "condition" && !is_window { Some("it belongs under \"detection\"") } else { home(key) };
    Some(fault.hint_if_any(home.map(str::to_owned)))
}
