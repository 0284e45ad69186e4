//! `tokenwatch replay` with databases: alerts from addresses alone, and what wrong files say.

use serde_json::{Value, json};

use super::{systems, towns};
use crate::cli::fixture::{Folder, json_lines};
use crate::support::mmdb::Database;
use crate::support::process::Finished;

const REPLAY: [&str; 5] = ["replay", "--rules", "rules.yml", "--config", "c.toml"];

/// A rule over every request that has a subject.
fn rule(body: &str) -> String {
    format!(
        "title: Request\nname: request\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c01\nlogsource: {{product: jwt, category: audit}}\n\
         detection: {{selection: {{event.action: request}}, condition: selection}}\n---\n\
         title: Found\nname: found\nid: 0e9e7d0e-6a5c-4a4e-8f5e-3f2f7a3b1c02\n{body}\nlevel: high\ntags: [attack.t1078]\n"
    )
}

const VELOCITY: &str = "anomaly: {type: geo_velocity, rules: [request], group-by: [jwt.sub], timespan: 2h, \
                        min_distance_km: 1000, condition: {gt: 900}}";

fn folder(body: &str, config: &str) -> Folder {
    let folder = Folder::new();
    folder.write("rules.yml", rule(body));
    folder.write("c.toml", config);
    folder
}

fn request(minute: u32, members: &Value) -> String {
    let mut event = json!({
        "@timestamp": format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60),
        "event": {"id": format!("e{minute}"), "action": "request"},
        "jwt": {"sub": "ann"},
    });
    event.as_object_mut().expect("an object").extend(members.as_object().expect("members").clone());
    format!("{event}\n")
}

fn from(minute: u32, address: &str) -> String {
    request(minute, &json!({"source": {"ip": address}}))
}

/// Ten degrees of the equator apart: 1,111.95 km, less what the two radii leave open.
fn equator(radius_km: u16) -> Database {
    Database::city().place("203.0.113.0/24", ("GA", "West"), (0.0, 10.0), 50).place(
        "2001:db8::/32",
        ("CD", "East"),
        (0.0, 20.0),
        radius_km,
    )
}

#[test]
fn addresses_alone_show_a_journey_too_fast_and_the_radii_are_taken_off() {
    let folder = folder(VELOCITY, "[geo]\ncity_db = \"geo/city.mmdb\"\n");
    let alerts = |radius_km: u16| {
        folder.write("geo/city.mmdb", equator(radius_km).bytes());
        let events = from(0, "203.0.113.9") + &from(60, "2001:db8::9");
        json_lines(folder.run_with_input(&REPLAY, events).expect_code(0).stdout())
    };
    let found = alerts(61);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["group"], &found[0]["observed"]), (&json!({"jwt.sub": "ann"}), &json!(1001)));
    let distance_km = found[0]["details"]["distance_km"].as_f64().expect("a distance");
    assert!((distance_km - (1111.95 - 50.0 - 61.0)).abs() < 0.1, "{distance_km}");
    assert_eq!(alerts(62), Vec::<Value>::new(), "999.95 km are less than 1,000");
}

#[test]
fn an_address_without_a_place_is_no_match() {
    let folder = folder(VELOCITY, "[geo]\ncity_db = \"city.mmdb\"\n");
    folder.write("city.mmdb", equator(1).bytes());
    for between in ["10.0.0.1", "127.0.0.1", "::1", "192.0.2.1", "unknown", ""] {
        let events = from(0, "203.0.113.9") + &from(30, between) + &from(60, "2001:db8::9");
        let alerts = json_lines(folder.run_with_input(&REPLAY, events).expect_code(0).stdout());
        assert_eq!(alerts.len(), 1, "{between}: the neighbours are those with a place");
        assert_eq!(alerts[0]["evidence"].as_array().map(Vec::len), Some(2), "{between}");
    }
    let half = from(0, "203.0.113.9")
        + &request(60, &json!({"source": {"ip": "2001:db8::9", "geo": {"country_iso_code": "CD"}}}));
    let alerts = json_lines(folder.run_with_input(&REPLAY, half).expect_code(0).stdout());
    assert_eq!(alerts, Vec::<Value>::new(), "an event that says where it is keeps that, even without a point");
}

#[test]
fn an_explanation_sees_the_places_that_the_replay_saw() {
    let folder = folder(VELOCITY, "[geo]\ncity_db = \"city.mmdb\"\n");
    folder.write("city.mmdb", equator(1).bytes());
    folder.write("events.jsonl", from(0, "203.0.113.9") + &from(60, "2001:db8::9"));
    let shown = |question: [&str; 2]| {
        let arguments = ["explain", "--rules", "rules.yml", "--config", "c.toml", "--format", "json"];
        let finished = folder.run(&[&arguments[..], &question, &["events.jsonl"]].concat()).expect_code(0);
        serde_json::from_str::<Value>(finished.stdout()).expect("JSON")
    };
    let explanation = shown(["--rule", "found"]);
    assert_eq!(explanation["groups"][0]["firings"], 1, "{explanation:#}");
    let alerts = folder.run(&[&REPLAY[..], &["events.jsonl"]].concat()).expect_code(0);
    let alert = json_lines(alerts.stdout()).remove(0);
    let made = shown(["--alert", alert["id"].as_str().expect("an id")]);
    assert_eq!((&made["alert"], made["events"].as_array().map(Vec::len)), (&alert, Some(2)));
}

#[test]
fn networks_are_groups() {
    let count = "correlation: {type: event_count, rules: [request], group-by: [source.as.number, \
                 source.as.organization.name], timespan: 5m, condition: {gte: 3}}";
    let folder = folder(count, "[geo]\nasn_db = \"asn.mmdb\"\n");
    folder.write("asn.mmdb", systems().bytes());
    let known = from(0, "203.0.113.1") + &from(1, "203.0.113.2") + &from(2, "::ffff:203.0.113.3");
    let unknown = from(0, "192.0.2.1") + &from(1, "192.0.2.2") + &from(2, "192.0.2.3");
    let alerts = json_lines(folder.run_with_input(&REPLAY, known + &unknown).expect_code(0).stdout());
    let groups: Vec<_> = alerts.iter().map(|alert| &alert["group"]).collect();
    assert_eq!(groups, [&json!({"source.as.number": "29518", "source.as.organization.name": "Bredband2 AB"})]);
}

#[test]
fn a_shipped_rule_finds_a_second_country_in_addresses() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/location/geo_change.yml");
    let folder = folder(VELOCITY, "[geo]\ncity_db = \"city.mmdb\"\n");
    folder.write("city.mmdb", towns().bytes());
    let seen = |minute, address: &str| request(minute, &json!({"event.outcome": "success", "source.ip": address}));
    let events = seen(0, "203.0.113.9") + &seen(1, "2001:db8:1::1") + &seen(2, "198.51.100.1");
    let alerts = |arguments: &[&str]| json_lines(folder.run_with_input(arguments, &*events).expect_code(0).stdout());
    let found = alerts(&["replay", "--rules", rules, "--config", "c.toml"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["rule"]["name"], "geo_change");
    assert_eq!(found[0]["details"]["values"], json!(["SE", "PT"]));
    assert_eq!(
        alerts(&["replay", "--rules", rules]),
        Vec::<Value>::new(),
        "without a configuration nothing is looked up"
    );
}

#[track_caller]
fn refused(config: &str, code: i32) -> Finished {
    let folder = folder(VELOCITY, config);
    folder.write("city.mmdb", towns().bytes());
    folder.write("asn.mmdb", systems().bytes());
    folder.write("half.mmdb", &towns().bytes()[..200]);
    folder.write("text.mmdb", "not a database\n");
    let finished = folder.run_with_input(&REPLAY, "").expect_code(code);
    assert_eq!(finished.stdout(), "");
    finished
}

#[test]
fn a_file_that_cannot_be_read_could_not_run() {
    for (name, why) in [("nowhere.mmdb", "No such file"), (".", "it is not a file")] {
        let finished = refused(&format!("[geo]\ncity_db = \"{name}\"\n"), 3);
        let stderr = finished.stderr();
        assert!(stderr.contains("error: geo.city_db: ") && stderr.contains(why), "{stderr}");
    }
}

#[test]
fn a_file_that_is_not_what_the_setting_asks_for_is_a_wrong_configuration() {
    for (config, words) in [
        ("city_db = \"text.mmdb\"", ["geo.city_db: ", "text.mmdb is no MaxMind database, or not a whole one"]),
        ("asn_db = \"half.mmdb\"", ["geo.asn_db: ", "half.mmdb is no MaxMind database, or not a whole one"]),
        (
            "asn_db = \"city.mmdb\"",
            ["city.mmdb is a GeoLite2-City database, not an ASN database", "hint: name it under geo.city_db"],
        ),
        (
            "city_db = \"asn.mmdb\"",
            ["asn.mmdb is a GeoLite2-ASN database, not a City database", "hint: name it under geo.asn_db"],
        ),
    ] {
        let finished = refused(&format!("[geo]\n{config}\n"), 2);
        for word in words {
            assert!(finished.stderr().contains(word), "{word:?} is not in {}", finished.stderr());
        }
    }
}

#[test]
fn both_files_are_reported_at_once() {
    let finished = refused("[geo]\ncity_db = \"nowhere.mmdb\"\nasn_db = \"city.mmdb\"\n", 2);
    for setting in ["geo.city_db", "geo.asn_db"] {
        assert!(finished.stderr().contains(setting), "{}", finished.stderr());
    }
}

#[test]
fn tests_beside_rules_and_comparisons_look_up_the_same_places() {
    let folder = folder(VELOCITY, "[geo]\ncity_db = \"city.mmdb\"\n");
    folder.write("city.mmdb", equator(5).bytes());
    folder.write(
        "rules_test.yml",
        "rule_files: [rules.yml]\ntests:\n  - name: from one end to the other\n    \
         defaults: {event.action: request, jwt.sub: ann}\n    \
         events: [{at: 0s, event: {source.ip: 203.0.113.9}}, {at: 1h, event: {source.ip: '2001:db8::9'}}]\n    \
         alerts: [{rule: found, at: 1h}]\n",
    );
    folder.run(&["test", "--config", "c.toml", "rules_test.yml"]).expect_code(0);
    folder.run(&["test", "rules_test.yml"]).expect_code(1);
    folder.write("old.yml", rule(VELOCITY).replace("gt: 900", "gt: 9000"));
    folder.write("events.jsonl", from(0, "203.0.113.9") + &from(60, "2001:db8::9"));
    let compare = [&REPLAY[..], &["--compare", "old.yml", "--format", "json", "events.jsonl"]].concat();
    let comparison: Value = serde_json::from_str(folder.run(&compare).expect_code(0).stdout()).expect("JSON");
    assert_eq!(comparison["rules"][0]["appears"], 1, "{comparison:#}");
}
