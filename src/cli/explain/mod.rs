//! `tokenwatch explain`: why a rule did or did not fire over some events, or which events made an alert.

mod text;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::config::{Config, Purpose};
use crate::detect::alert::{Alert, Group};
use crate::detect::rule::RuleSet;
use crate::explain::{Explainer, Made, Question};
use crate::geo::Databases;
use crate::ingest::Record;
use crate::ingest::geo::Places;
use crate::pipeline::{BatchOutcome, Pipeline};

use super::input::Inputs;
use super::{Failure, Format, rules, source};

/// Says why a rule did or did not fire: which events matched, how near it came in each group, what excluded the rest.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("question").required(true).args(["rule", "alert"]))]
pub struct Arguments {
    /// Rule file, or folder that is searched for .yml and .yaml; may be repeated
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// The rule, by name or id
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Only this group; may be repeated for each field of the group-by
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair, requires = "rule")]
    group: Vec<(String, String)>,
    /// The events that made this alert, in order; the same input and rules give the same ids
    #[arg(long, value_name = "ID", conflicts_with = "rule")]
    alert: Option<Uuid>,
    /// Configuration (.toml, .yaml); its rules count where --rules is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the records are: native (audit events) or raw (any JSON objects with a time, for rules of any logsource)
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How many groups are shown, the nearest first; JSON has all of them
    #[arg(long, value_name = "N", default_value_t = 5)]
    groups: usize,
    /// How the explanation looks
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Files with one JSON event a line, also as .gz or .zst; - or none is standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write FIELD=VALUE".to_owned())
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = Config::load(arguments.config.as_deref(), Purpose::Offline)?;
    source::choose(arguments.source.as_deref(), &mut config)?;
    let paths = if arguments.rules.is_empty() { &config.rules.paths } else { &arguments.rules };
    if paths.is_empty() {
        return Err(Failure::wrong("no rules were given: add --rules PATH, or rules.paths to the configuration"));
    }
    let inputs = Inputs::find(&arguments.inputs)?;
    if arguments.alert.is_some() && inputs.has_standard() {
        return Err(Failure::wrong("--alert reads its input twice: name files, standard input cannot be read again"));
    }
    let rules = rules::load(paths, &config)?.rules;
    let databases = Databases::open(&config.geo)?;
    let places = databases.places();
    let shown = if let Some(id) = arguments.alert {
        let made = made(id, &inputs, rules, &config, places)?;
        match arguments.format {
            Format::Text => text::made(&made),
            Format::Json => pretty(&json!({ "alert": made.alert, "events": made.events })),
        }
    } else {
        let question = question(arguments, &rules)?;
        let explainer = Explainer::with_places(rules, &config.pipeline, question, Arc::clone(places));
        let explanation = fed(explainer, &inputs, &config)?.finish();
        match arguments.format {
            Format::Text => text::explanation(&explanation, arguments.groups),
            Format::Json => pretty(&explanation),
        }
    };
    anstream::stdout().write_all(shown.as_bytes()).map_err(|error| Failure::output(&error))
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("reports always serialize") + "\n"
}

/// The rule that is meant, and the group, if that is one of its own.
fn question(arguments: &Arguments, rules: &RuleSet) -> Result<Question, Failure> {
    let wanted = arguments.rule.as_deref().unwrap_or_default();
    let is_meant = |header: &crate::detect::rule::RuleHeader| {
        header.name == wanted || Uuid::try_parse(wanted).is_ok_and(|id| id == header.id)
    };
    let Some(rule) = rules.rules.iter().position(|rule| is_meant(&rule.header)) else {
        return Err(Failure::wrong(no_rule(wanted, rules)));
    };
    let names = &rules.keyspaces[rules.rules[rule].keyspace];
    for (name, _) in &arguments.group {
        if !names.contains(name) {
            let has =
                if names.is_empty() { "has no groups".to_owned() } else { format!("groups by {}", names.join(", ")) };
            return Err(Failure::wrong(format!("{wanted} {has}, not by {name}")));
        }
    }
    Ok(Question { rule, only: Group(arguments.group.clone()), alert: None })
}

fn no_rule(wanted: &str, rules: &RuleSet) -> String {
    let counted_by = |label: usize| {
        let input = crate::detect::rule::compiled::Input::Detection(label);
        rules.rules.iter().find(|rule| rule.inputs.iter().any(|counted| counted.input == input))
    };
    let label = rules.detection_names.iter().position(|name| name == wanted);
    if let Some(outer) = label.and_then(counted_by) {
        let outer = &outer.header.name;
        return format!(
            "{wanted} does not alert: ask about {outer}, which counts it and does not say \"generate: true\""
        );
    }
    let names = rules.rules.iter().map(|rule| rule.header.name.as_str());
    format!("there is no rule {wanted:?}: {}", crate::detect::rule::reader::suggest(wanted, names))
}

/// Takes every record of the inputs.
fn fed(mut explainer: Explainer, inputs: &Inputs, config: &Config) -> Result<Explainer, Failure> {
    inputs.each_line(config.pipeline.limits.event_bytes, |origin, line| {
        explainer.take(&Record { origin, timestamp: None, payload: Some(line) });
    })?;
    Ok(explainer)
}

/// Finds an alert in a first pass, and its events in a second.
fn made(
    id: Uuid,
    inputs: &Inputs,
    rules: Arc<RuleSet>,
    config: &Config,
    places: &Arc<Places>,
) -> Result<Made, Failure> {
    let pipeline = Pipeline::with_places(Arc::clone(&rules), &config.pipeline, Arc::clone(places));
    let (found, alerts) = find(id, inputs, pipeline, config)?;
    let Some(alert) = found else {
        return Err(Failure::wrong(format!(
            "none of the {alerts} alerts has the id {id}: input, rules or configuration differ"
        )));
    };
    let is_of = |rule: &crate::detect::rule::Rule| Arc::ptr_eq(&rule.header, &alert.rule);
    let rule = rules.rules.iter().position(is_of).unwrap_or_default();
    let question = Question { rule, only: alert.group, alert: Some(id) };
    let explainer = Explainer::with_places(rules, &config.pipeline, question, Arc::clone(places));
    fed(explainer, inputs, config)?
        .finish_alert()
        .ok_or_else(|| Failure::unavailable("the input changed while it was read"))
}

/// The alert with an id, and how many there are in all.
fn find(id: Uuid, inputs: &Inputs, mut pipeline: Pipeline, config: &Config) -> Result<(Option<Alert>, usize), Failure> {
    let mut partition = pipeline.partition(rand::random());
    let mut outcome = BatchOutcome::new(pipeline.rules());
    let (mut found, mut count) = (None, 0);
    let mut look = |outcome: &mut BatchOutcome| {
        count += outcome.detected.alerts.len();
        found = found.take().or_else(|| outcome.detected.alerts.iter().find(|alert| alert.id == id).cloned());
        outcome.clear();
    };
    inputs.each_line(config.pipeline.limits.event_bytes, |origin, line| {
        let record = Record { origin, timestamp: None, payload: Some(line) };
        pipeline.decide(&mut partition, 0, &record, &mut outcome);
        look(&mut outcome);
    })?;
    pipeline.finish(&mut partition, &mut outcome);
    look(&mut outcome);
    Ok((found, count))
}
