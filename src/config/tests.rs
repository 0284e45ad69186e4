//! Layers, types and problems of a configuration, and that the documented one says what is built in.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::detect::{Span, Timestamp};

use super::*;

/// A folder with one configuration file in it, and that file's path.
fn file_with(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a writable file");
    (folder, path)
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let (_folder, path) = file_with("tokenwatch.toml", text);
    Config::read(Some(&path), variables(environment), Purpose::Offline)
}

/// The problems of a configuration without the folder's name.
fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = read(text, environment).expect_err("a wrong configuration");
    let line = |problem: &Problem| {
        let place = problem.place.as_deref().map_or("", |place| place.rsplit('/').next().unwrap_or(place));
        let hint = problem.hint.as_deref().unwrap_or("-");
        format!("{place} | {} | {} | {hint}", problem.key.as_deref().unwrap_or("-"), problem.message)
    };
    error.problems().iter().map(line).collect()
}

#[test]
fn nothing_given_is_the_defaults() {
    let config = Config::read(None, [], Purpose::Offline).expect("defaults");
    assert_eq!(config, Config::default());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9464");
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = "[kafka]\nbootstrap_servers = [\"a:1\", \"b:2\"]\ntopics = \"x, y\"\nstart = \"2026-01-01T00:00:00Z\"\nworkers = 3\n\
                [time]\nallowed_lateness = \"1h\"\n[log]\nformat = \"json\"\n";
    let yaml = "kafka:\n  bootstrap_servers: [\"a:1\", \"b:2\"]\n  topics: x, y\n  start: 2026-01-01T00:00:00Z\n  workers: 3\n\
                time: {allowed_lateness: 1h}\nlog: {format: json}\nhttp:\n";
    let (_toml_folder, toml) = file_with("c.toml", toml);
    let (_yaml_folder, yaml) = file_with("c.yml", yaml);
    let toml = Config::read(Some(&toml), [], Purpose::Offline).expect("valid");
    assert_eq!(toml, Config::read(Some(&yaml), [], Purpose::Offline).expect("valid"));
    assert_eq!(toml.kafka.topics, ["x", "y"]);
    assert_eq!(toml.kafka.start, Start::At(Timestamp::from_millis(1_767_225_600_000)));
    assert_eq!(toml.pipeline.lateness, Span::parse("1h").expect("a span"));
}

#[test]
fn the_environment_wins_over_the_file_and_is_typed() {
    let config = read(
        "[kafka]\nworkers = 2\ntopics = [\"a\"]\n[kafka.properties]\n\"sasl.username\" = \"file\"\nsasl.mechanism = \"PLAIN\"\n",
        &[
            ("TOKENWATCH_KAFKA__WORKERS", "5"),
            ("TOKENWATCH_KAFKA__TOPICS", "b, c"),
            ("TOKENWATCH_KAFKA__PROPERTIES__SASL__USERNAME", "env"),
            ("TOKENWATCH_TIME__MAX_FUTURE_SKEW", "7s"),
            ("TOKENWATCH_RULES__PLACEHOLDERS", ""),
            ("TOKENWATCH_HOME", "not a setting"),
        ],
    )
    .expect("valid");
    assert_eq!(config.kafka.workers, 5);
    assert_eq!(config.kafka.topics, ["b", "c"]);
    let properties: Vec<_> = config.kafka.properties.iter().collect();
    assert_eq!(properties, [("sasl.mechanism", "PLAIN"), ("sasl.username", "env")]);
    assert_eq!(config.pipeline.future_skew_max, Span::from_millis(7_000));
    assert!(config.pipeline.placeholders.is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let text = "gorups = 1\n[kafka]\ntopcis = [\"a\"]\nallowed_lateness = \"1m\"\n[limits]\nzebra = 1\n[tiem]\nx = 1\n";
    let limits = "event_bytes, event_depth, groups, groups_per_match, label_bytes, set_values, state_bytes, waiting, window_entries";
    assert_eq!(
        problems(text, &[("TOKENWATCH_LOG__LEVLE", "info")]),
        [
            "tokenwatch.toml | gorups | is not a known setting | the sections are kafka, rules, time, alerts, limits, state, sources, geo, http, log".to_owned(),
            "tokenwatch.toml | kafka.allowed_lateness | is not a known setting | did you mean time.allowed_lateness?".to_owned(),
            "tokenwatch.toml | kafka.topcis | is not a known setting | did you mean kafka.topics?".to_owned(),
            format!("tokenwatch.toml | limits.zebra | is not a known setting | limits has {limits}"),
            "TOKENWATCH_LOG__LEVLE | log.levle | is not a known setting | did you mean log.level?".to_owned(),
            "tokenwatch.toml | tiem | is not a known setting | did you mean time?".to_owned(),
        ]
    );
}

#[test]
fn keys_of_later_versions_say_so() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        problems("[privacy]\npseudonymize = []\n", &[]),
        [format!("tokenwatch.toml | privacy | is not available in this version ({version}) | -")]
    );
}

#[test]
fn every_wrong_value_is_reported_at_once() {
    let found = problems(
        "log = 3\n[kafka]\nworkers = 0\nstart = \"yesterday\"\ntopics = [\"a b\"]\nbootstrap_servers = [\"broker\"]\ngroup_protocol = \"Clasic\"\n\
         [time]\nallowed_lateness = 10\nmax_future_skew = \"5\"\n[limits]\nevent_depth = 1025\nevent_bytes = \"1\"\n[alerts]\nevidence_max = -1\n\
         [http]\nlisten = \":9464\"\n",
        &[("TOKENWATCH_LIMITS__GROUPS", "many")],
    );
    let messages: Vec<_> =
        found.iter().map(|line| line.split(" | ").skip(1).take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        messages,
        [
            "alerts.evidence_max: -1 is not a whole number from 0",
            "http.listen: \":9464\" is not an IP address and a port",
            "kafka.bootstrap_servers: \"broker\" has no port",
            "kafka.group_protocol: \"Clasic\" is not one of classic, consumer",
            "kafka.start: \"yesterday\" is neither earliest, latest nor an RFC 3339 time",
            "kafka.topics: \"a b\" is not a topic name",
            "kafka.workers: 0 is less than 1",
            "limits.event_bytes: is a text, not a whole number",
            "limits.event_depth: 1025 is more than 1024",
            "limits.groups: many is not a whole number from 0",
            "log: is a section: its settings stand below it",
            "time.allowed_lateness: 10 has no unit",
            "time.max_future_skew: \"5\" has no unit",
        ]
    );
}

#[test]
fn a_service_must_know_its_brokers_topics_and_rules() {
    let error = Config::read(None, [], Purpose::Service).expect_err("nothing is given");
    let keys: Vec<_> = error.problems().iter().filter_map(|problem| problem.key.as_deref()).collect();
    assert_eq!(keys, ["kafka.bootstrap_servers", "kafka.topics", "rules.paths"]);
}

#[test]
fn a_service_may_not_read_what_it_writes() {
    let found = problems("[kafka]\ntopics = [\"a\", \"d\"]\nalerts_topic = \"a\"\ndead_letter_topic = \"d\"\n", &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        problems("[kafka]\nalerts_topic = \"out\"\ndead_letter_topic = \"dead\"\nshadow_topic = \"out\"\n", &[]),
        ["tokenwatch.toml | kafka.shadow_topic | \"out\" is also kafka.alerts_topic | -"]
    );
    assert_eq!(problems("[kafka]\nalerts_topic = \"tokenwatch-dead-letters\"\n", &[]).len(), 1);
}

#[test]
fn there_is_a_shadow_topic_only_where_rules_run_in_shadow() {
    let topic = |text: &str| read(text, &[]).expect("valid").kafka.shadow_topic;
    assert_eq!(topic("[kafka]\nshadow_topic = \"s\"\n"), None);
    assert_eq!(topic("[kafka]\nshadow_topic = \"s\"\n[rules]\nshadow = true\n").as_deref(), Some("s"));
    assert_eq!(topic("[rules]\nshadow = true\n").as_deref(), Some("tokenwatch-shadow-alerts"));
}

#[test]
fn the_usual_format_is_written_until_a_known_one_is_named() {
    let format = |text: &str| read(text, &[]).expect("valid").state.format;
    assert_eq!((format(""), format("[state]\nformat = 2\n")), (Format::USUAL, Format::NEWEST));
    let found = [problems("[state]\nformat = 0\n", &[]), problems("[state]\nformat = 3\n", &[])].concat();
    let problem = |number| {
        format!(
            "tokenwatch.toml | state.format | {number} is no format of this version, which writes 1 to 2 | leave it out, \
             and raise it once every instance runs a version that knows the new format"
        )
    };
    assert_eq!(found, [problem(0), problem(3)]);
}

#[test]
fn paths_are_relative_to_where_they_stand() {
    let (_folder, path) = file_with("c.toml", "[rules]\npaths = [\"own\", \"/shared\"]\n");
    let environment = variables(&[("TOKENWATCH_RULES__LISTS", "lists")]);
    let config = Config::read(Some(&path), environment, Purpose::Offline).expect("valid");
    assert_eq!(config.rules.paths, [path.with_file_name("own"), PathBuf::from("/shared")]);
    assert_eq!(config.rules.lists, [PathBuf::from("lists")]);
}

#[test]
fn secrets_come_from_files_and_are_never_printed() {
    let (_folder, path) =
        file_with("c.toml", "[kafka.properties]\n\"sasl.password_file\" = \"secret\"\nlinger.ms = 5\n");
    fs::write(path.with_file_name("secret"), "hunter2\n").expect("a writable file");
    let config = Config::read(Some(&path), [], Purpose::Offline).expect("valid");
    assert_eq!(config.kafka.properties.get("sasl.password"), Some("hunter2"));
    assert_eq!(config.kafka.properties.get("linger.ms"), Some("5"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_missing_secret_is_a_file_to_mend_unless_more_is_wrong() {
    let missing = "[kafka.properties]\nsasl.password_file = \"/nowhere/secret\"\n";
    assert!(matches!(read(missing, &[]), Err(ConfigError::Unreadable(problems)) if problems.len() == 1));
    let also_wrong = format!("[kafka]\nworkers = 0\n{missing}");
    assert!(matches!(read(&also_wrong, &[]), Err(ConfigError::Invalid(problems)) if problems.len() == 2));
}

#[test]
fn properties_that_the_service_owns_are_refused() {
    let found = problems(
        "[kafka.properties]\ngroup.id = \"x\"\n\"enable.auto.commit\" = true\nsasl.password = \"a\"\n\"sasl.password_file\" = \"/dev/null\"\n",
        &[],
    );
    assert_eq!(
        found,
        [
            "tokenwatch.toml | kafka.properties.enable.auto.commit | cannot be set: the service owns it | the service commits an offset together with what it caused",
            "tokenwatch.toml | kafka.properties.group.id | cannot be set: the service owns it | use kafka.group_id",
            "tokenwatch.toml | kafka.properties.sasl.password_file | /dev/null is empty | -",
        ]
    );
    let twice = problems("[kafka.properties]\nsasl.password = \"a\"\n\"sasl.password\" = \"b\"\n", &[]);
    assert_eq!(twice.len(), 1, "{twice:?}");
}

#[test]
fn files_that_cannot_be_read_are_told_from_files_that_are_wrong() {
    let missing = Config::read(Some(Path::new("/nowhere/c.toml")), [], Purpose::Offline);
    assert!(matches!(missing, Err(ConfigError::Unreadable(_))), "{missing:?}");
    let (_folder, ini) = file_with("c.ini", "");
    assert!(matches!(Config::read(Some(&ini), [], Purpose::Offline), Err(ConfigError::Invalid(_))));
    let error = read("[kafka]\nsasl = \"hunter2\n", &[]).expect_err("not TOML").to_string();
    assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
}

#[test]
fn databases_are_relative_to_the_file_and_may_be_left_out() {
    let (folder, path) = file_with("c.toml", "[geo]\ncity_db = \"geo/city.mmdb\"\nasn_db = \"\"\n");
    let geo = |environment: &[(&str, &str)]| {
        Config::read(Some(&path), variables(environment), Purpose::Offline).expect("valid").geo
    };
    let city_db = Some(folder.path().join("geo/city.mmdb"));
    assert_eq!(geo(&[]), GeoSettings { city_db: city_db.clone(), asn_db: None });
    let from_environment = GeoSettings { city_db, asn_db: Some("asn.mmdb".into()) };
    assert_eq!(geo(&[("TOKENWATCH_GEO__ASN_DB", "asn.mmdb")]), from_environment);
    assert_eq!(geo(&[("TOKENWATCH_GEO__CITY_DB", "")]), GeoSettings::default(), "a variable can take it back");
    let found = problems("[geo]\ncity_db = 1\n", &[]);
    assert_eq!(found, ["tokenwatch.toml | geo.city_db | is a number, not a path | -"]);
}

const DOCUMENTED: &str = include_str!("../../deploy/tokenwatch.toml");

/// The documented file with every default written out: `#key = value` without a blank behind the `#` is one.
fn defaults_written_out() -> String {
    let is_default =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    DOCUMENTED.lines().map(|line| if is_default(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_defaults_are_the_built_in_ones() {
    let load = |text: &str| {
        let (_folder, path) = file_with("tokenwatch.toml", text);
        let mut config = Config::read(Some(&path), [], Purpose::Service).unwrap_or_else(|error| panic!("{error}"));
        for path in config.rules.paths.iter_mut().chain(&mut config.rules.lists) {
            *path = path.file_name().map(PathBuf::from).unwrap_or_default();
        }
        config
    };
    let built_in = load(DOCUMENTED);
    assert_eq!(load(&defaults_written_out()), built_in);
    let required = Config {
        kafka: KafkaSettings {
            bootstrap_servers: built_in.kafka.bootstrap_servers.clone(),
            topics: built_in.kafka.topics.clone(),
            ..KafkaSettings::default()
        },
        rules: built_in.rules.clone(),
        ..Config::default()
    };
    assert_eq!(built_in, required, "only what is required may be set");
}

#[test]
fn no_key_is_undocumented() {
    let (_folder, path) = file_with("tokenwatch.toml", &defaults_written_out());
    let written = source::read(Some(&path), []).expect("valid");
    let mut reader = Reader::new(None, written.clone());
    Config::take(&mut reader, Purpose::Offline);
    let undocumented: Vec<_> = reader
        .known()
        .iter()
        .filter(|key| {
            let (section, name) = key.split_once('.').expect("a section");
            !matches!(written.get(section).map(|value| &value.kind), Some(config::ValueKind::Table(table)) if table.contains_key(name))
        })
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

#[test]
fn the_records_key_is_one_field_or_nothing() {
    let keyed_by =
        |path: &str| read(&format!("[kafka]\nkeyed_by = {path:?}\n"), &[]).map(|config| config.pipeline.keyed_by);
    assert_eq!(keyed_by("jwt.sub").expect("valid"), Some("jwt.sub".to_owned()));
    assert_eq!(keyed_by("").expect("valid"), None);
    for path in ["jwt.sub, source.ip", "jwt..sub", ".sub", "jwt.", "a b"] {
        assert!(keyed_by(path).is_err(), "{path:?}");
    }
}
