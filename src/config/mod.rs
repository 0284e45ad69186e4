//! From a file and the environment to a checked [`Config`], or to every problem at once.
//!
//! `source` (layers) → `reader` (keys and types) → the sections. Not here: rules, which have files of their own, and
//! anything that acts on a setting.

mod kafka;
mod problem;
mod properties;
mod reader;
pub mod rule_files;
mod schema;
mod setting;
mod source;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::detect::state::Format;
use crate::detect::{Limits, Span};
use crate::ingest::Source;
use crate::pipeline;

pub use kafka::{GroupProtocol, KafkaSettings, KeyedBy, Start};
pub use problem::{ConfigError, Problem};
pub use properties::Properties;
pub use schema::schema;

use reader::{Given, Reader};
use setting::{Fault, Setting, one_of, within};

/// What a configuration is read for, which decides what it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `run`: brokers, topics and rules are required.
    Service,
    /// Commands that take rules and events from the command line.
    Offline,
}

/// The checked configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `kafka`.
    pub kafka: KafkaSettings,
    /// `rules`, less the placeholders.
    pub rules: RuleSettings,
    /// `time`, `limits`, `alerts` and `rules.placeholders`.
    pub pipeline: pipeline::Settings,
    /// `state`.
    pub state: StateSettings,
    /// `sources`.
    pub sources: SourceSettings,
    /// `geo`.
    pub geo: GeoSettings,
    /// `http`.
    pub http: HttpSettings,
    /// `log`.
    pub log: LogSettings,
}

/// The checked section `rules`, less what the pipeline takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// Rule files and folders of them; not empty when the service runs.
    pub paths: Vec<PathBuf>,
    /// Folders with the `NAME.txt` lists of the modifier `expand`; none: see [`rule_files::list_folders`].
    pub lists: Vec<PathBuf>,
    /// Whether files are looked at while the service runs, so that changed rules are put in force. SIGHUP always is
    /// heeded.
    pub reload: bool,
    /// Whether rules of the status `experimental` or `test` run in shadow: their alerts go to `kafka.shadow_topic`.
    pub shadow: bool,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self { paths: Vec::new(), lists: Vec::new(), reload: true, shadow: false }
    }
}

/// The checked section `sources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// The path of the field that says when a record of the source `raw` happened.
    pub raw_timestamp: String,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { raw_timestamp: Source::TIMESTAMP.to_owned() }
    }
}

/// The checked section `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// Between two times that what is known of a partition is saved.
    pub snapshot_interval: Span,
    /// The longest that what is known of a group is to be kept; rules that need more are warned about.
    pub kept_max: Span,
    /// In which format that is.
    pub format: Format,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            snapshot_interval: Span::from_millis(30_000),
            kept_max: Span::from_millis(90 * DAY_MS),
            format: Format::USUAL,
        }
    }
}

/// The checked section `geo`: databases in MaxMind's format. The files have not been looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoSettings {
    /// A City database.
    pub city_db: Option<PathBuf>,
    /// An ASN database.
    pub asn_db: Option<PathBuf>,
}

/// The checked section `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464) }
    }
}

/// The checked section `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The least that is worth a line.
    pub level: LogLevel,
    /// For people or for programs.
    pub format: LogFormat,
}

/// The least severity that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is probably not as meant.
    Warn,
    /// What an operator follows.
    #[default]
    Info,
    /// What a developer follows.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl Setting for LogLevel {
    fn read(given: &Given) -> Result<Self, Fault> {
        let words = [
            ("error", Self::Error),
            ("warn", Self::Warn),
            ("info", Self::Info),
            ("debug", Self::Debug),
            ("trace", Self::Trace),
        ];
        one_of(given, &words)
    }

    fn schema() -> Json {
        json!({ "enum": ["error", "warn", "info", "debug", "trace"] })
    }
}

impl Setting for LogFormat {
    fn read(given: &Given) -> Result<Self, Fault> {
        one_of(given, &[("text", Self::Text), ("json", Self::Json)])
    }

    fn schema() -> Json {
        json!({ "enum": ["text", "json"] })
    }
}

const DAY_MS: i64 = 86_400_000;
/// `state.format`: the number of a format that this version knows.
impl Setting for Format {
    fn read(given: &Given) -> Result<Self, Fault> {
        let number = usize::read(given)?;
        Self::of_number(number).ok_or_else(|| {
            let (oldest, newest) = (Self::OLDEST, Self::NEWEST);
            let written = if oldest == newest { newest.to_string() } else { format!("{oldest} to {newest}") };
            Fault::new(format!("{number} is no format of this version, which writes {written}"))
                .hint("leave it out, and raise it once every instance runs a version that knows the new format")
        })
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": Self::OLDEST.number(), "maximum": Self::NEWEST.number() })
    }
}

/// Saving more often would be most of the work.
const SNAPSHOT_INTERVAL_MIN_MS: i64 = 1_000;
/// More evidence than this would make an alert too large for a topic.
const EVIDENCE_MAX: usize = 1000;
/// Decoding nests as deep as a record does, on a thread's stack.
const EVENT_DEPTH_MAX: usize = 1024;

impl Config {
    /// The configuration of a file (none: the defaults) with the settings of the environment over it.
    pub fn load(file: Option<&Path>, purpose: Purpose) -> Result<Self, ConfigError> {
        Self::read(file, std::env::vars_os(), purpose)
    }

    /// [`Self::load`] with the environment as an argument.
    pub fn read(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        purpose: Purpose,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(file, source::read(file, variables)?);
        let config = Self::take(&mut reader, purpose);
        reader.finish().map(|()| config)
    }

    fn take(reader: &mut Reader, purpose: Purpose) -> Self {
        let mut config = Self { kafka: KafkaSettings::read(reader), ..Self::default() };
        reader.set_paths("rules.paths", &mut config.rules.paths);
        reader.set_paths("rules.lists", &mut config.rules.lists);
        reader.set("rules.reload", &mut config.rules.reload);
        reader.set("rules.shadow", &mut config.rules.shadow);
        if !config.rules.shadow {
            config.kafka.shadow_topic = None;
        }
        config.pipeline = pipeline_settings(reader);
        reader.set_if("state.snapshot_interval", &mut config.state.snapshot_interval, |interval| {
            if interval.millis() < SNAPSHOT_INTERVAL_MIN_MS {
                return Err(Fault::new("is shorter than a second"));
            }
            Ok(())
        });
        reader.set("state.kept_max", &mut config.state.kept_max);
        reader.set("state.format", &mut config.state.format);
        config.pipeline.keyed_by.clone_from(&config.kafka.keyed_by.0);
        reader.set("sources.raw_timestamp", &mut config.sources.raw_timestamp);
        reader.set_path("geo.city_db", &mut config.geo.city_db);
        reader.set_path("geo.asn_db", &mut config.geo.asn_db);
        reader.set("http.listen", &mut config.http.listen);
        reader.set("log.level", &mut config.log.level);
        reader.set("log.format", &mut config.log.format);
        if purpose == Purpose::Service {
            config.kafka.require(reader);
            if config.rules.paths.is_empty() {
                reader.require("rules.paths", "paths = [\"rules\"]");
            }
        }
        config
    }
}

fn pipeline_settings(reader: &mut Reader) -> pipeline::Settings {
    let mut settings = pipeline::Settings::default();
    reader.set("rules.placeholders", &mut settings.placeholders);
    reader.set("time.allowed_lateness", &mut settings.lateness);
    reader.set("time.max_future_skew", &mut settings.future_skew_max);
    reader.set_if("alerts.evidence_max", &mut settings.evidence_max, within(0, EVIDENCE_MAX));
    settings.limits = limits(reader);
    settings
}

/// The limits by the names that they have there, so that a new one is a setting without a word here.
fn limits(reader: &mut Reader) -> Limits {
    let defaults = serde_json::to_value(Limits::default()).expect("numbers always serialize");
    let serde_json::Value::Object(mut fields) = defaults else { return Limits::default() };
    for (name, field) in &mut fields {
        let max = if name == "event_depth" { EVENT_DEPTH_MAX } else { usize::MAX };
        let mut limit = 0;
        if reader.set_if(&format!("limits.{name}"), &mut limit, within(1, max)) {
            *field = limit.into();
        }
    }
    serde_json::from_value(fields.into()).expect("only numbers were replaced by numbers")
}
