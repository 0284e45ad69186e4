//! Where a key belongs that stands somewhere else.

use super::header::{BODIES, KNOWN, SETTINGS};
use super::reader::Section;
use super::window::COMMON;
use super::window::logic::{BOUNDS, EXTRA_KEYS};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::Entry;

/// The problem of a key without meaning in a section: where it would have one, else what it is nearly.
pub(super) fn unknown(section: &Section<'_>, entry: &Entry, known: &[&str]) -> Fault {
    let fault = section.unknown(entry, known);
    match home(&entry.key.text) {
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
    let is_window = section.get("correlation").or(section.get("anomaly")).is_some();
    let is_meant = SETTINGS.contains(&key) || key == "condition" || is_window && is_of_window(key);
    if !is_meant {
        return None;
    }
    let message = format!("{key} at the top of the document is a custom field, and sets nothing");
    let home = if key == "condition" && !is_window { Some("it belongs under \"detection\"") } else { home(key) };
    Some(Fault::new(Code::CustomSetting, entry.key_at, message).hint_if_any(home.map(str::to_owned)))
}
