//! `logsource`: which events a rule is for.

use super::reader::{self, Reporter, Section, near};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Entry, Spot};

/// The keys that Sigma gives a meaning; others are kept to whoever writes them.
const KEYS: [&str; 4] = ["product", "service", "category", "definition"];
/// What the native audit event declares.
const NATIVE: (&str, &str) = ("jwt", "audit");

/// What a rule says of the events that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogSourceText {
    pub(crate) product: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) at: Option<Spot>,
}

impl LogSourceText {
    /// True unless the rule is for another product, or any product's events of another category, whose fields are others.
    pub(crate) fn is_native(&self) -> bool {
        let is =
            |part: &Option<String>, native: &str| part.as_deref().is_none_or(|part| part.eq_ignore_ascii_case(native));
        is(&self.product, NATIVE.0) && (self.product.is_some() || is(&self.category, NATIVE.1))
    }
}

pub(super) fn read(document: &Section<'_>, reporter: &mut Reporter<'_>) -> LogSourceText {
    let Some(entry) = document.get("logsource") else { return LogSourceText::default() };
    let Some(section) = reporter.check(Section::of(&entry.value, "logsource")) else { return LogSourceText::default() };
    for entry in section.entries {
        if let Some(fault) = nearly_a_key(entry) {
            reporter.report(fault);
        }
    }
    let mut part = |key| {
        let present = section.get(key).filter(|entry| !matches!(entry.value.data, Data::Null));
        present.and_then(|entry| reporter.check(reader::text(&entry.value, key)))
    };
    let (product, service, category) = (part("product"), part("service"), part("category"));
    // A slip in one of the two keeps a rule from every event, and nothing else would say so.
    for (part, key, native, (other, other_native)) in [
        (&product, "product", NATIVE.0, (&category, NATIVE.1)),
        (&category, "category", NATIVE.1, (&product, NATIVE.0)),
    ] {
        let Some(part) = part else { continue };
        if other.as_ref().is_some_and(|other| other.value.eq_ignore_ascii_case(other_native))
            && !part.value.eq_ignore_ascii_case(native)
            && near(&part.value, [native], 2.min(native.len() / 3)).is_some()
        {
            let message = format!("the audit event has no {key} \"{}\"", part.value);
            let fault = Fault::new(Code::UnknownLogsource, part.at, message);
            reporter.report(fault.hint(format!("did you mean \"{native}\"?")));
        }
    }
    let text = |part: Option<reader::Spanned<String>>| part.map(|part| part.value);
    LogSourceText { product: text(product), service: text(service), category: text(category), at: Some(entry.key_at) }
}

fn nearly_a_key(entry: &Entry) -> Option<Fault> {
    let key = entry.key.text.as_str();
    let meant = near(key, KEYS, 2).filter(|_| !KEYS.contains(&key))?;
    let message = format!("\"{key}\" in logsource says nothing of the events");
    Some(Fault::new(Code::UnknownLogsource, entry.key_at, message).hint(format!("did you mean \"{meant}\"?")))
}
