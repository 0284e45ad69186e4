//! The option `--source`: what the records of an input are.

use crate::config::Config;
use crate::detect::rule::reader::suggest;
use crate::ingest::Source;

use super::Failure;

/// Lets a configuration read the source of this name; without one, audit events.
pub(super) fn choose(name: Option<&str>, config: &mut Config) -> Result<(), Failure> {
    config.pipeline.source = match name {
        None | Some("native") => Source::Native,
        Some("raw") => Source::Raw { timestamp: config.sources.raw_timestamp.as_str().into() },
        Some(other) => {
            let hint = suggest(other, Source::NAMES);
            return Err(Failure::wrong(format!("--source {other}: there is no such source in this version; {hint}")));
        }
    };
    Ok(())
}
