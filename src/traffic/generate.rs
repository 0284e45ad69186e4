//! A finite piece of traffic as JSON lines: what `tokenwatch generate` prints.

use std::io::{self, Write};

use super::label::Label;
use super::stream::Traffic;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// Lines of events.
    pub events: u64,
    /// Bytes of the events, line breaks included.
    pub bytes: u64,
    /// Lines of labels, or what would have been.
    pub labels: u64,
}

/// Writes `events` events to `out` and the labels of their attacks to `labels`, one JSON object a line each.
///
/// Attacks that the end cuts short are labelled with what there is of them; without `fires_at` no alert is due.
///
/// The error is that of the first failed write, as it is: what a closed pipe means is up to the caller.
pub fn generate(
    mut traffic: Traffic,
    events: u64,
    out: &mut impl Write,
    labels: Option<&mut dyn Write>,
) -> io::Result<Generated> {
    let mut line = Vec::with_capacity(2_048);
    let mut bytes = 0;
    let mut planted: Vec<Label> = Vec::new();
    for _ in 0..events {
        line.clear();
        traffic.next_event(&mut line);
        line.push(b'\n');
        out.write_all(&line)?;
        bytes += line.len() as u64;
        planted.append(&mut traffic.drain_labels());
    }
    planted.extend(traffic.finish());
    planted.sort_by_key(|label| label.id);
    if let Some(labels) = labels {
        for label in &planted {
            serde_json::to_writer(&mut *labels, label)?;
            labels.write_all(b"\n")?;
        }
        labels.flush()?;
    }
    out.flush()?;
    Ok(Generated { events, bytes, labels: planted.len() as u64 })
}
