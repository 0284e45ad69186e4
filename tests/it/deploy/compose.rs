//! The compose file keeps to this machine, names exact images, and gives the program settings that it knows.

use std::ffi::OsString;

use serde_json::Value;
use tokenwatch::config::{Config, Purpose};

use super::{folder, list, text, yaml};

fn services() -> Vec<(String, Value)> {
    let compose = yaml(&folder().join("compose.yml"));
    let services = compose["services"].as_object().expect("services");
    services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn service(name: &str) -> Value {
    let found = services().into_iter().find(|(own, _)| own == name);
    found.unwrap_or_else(|| panic!("no service {name}")).1
}

fn environment(service: &Value) -> Vec<(&String, &Value)> {
    service["environment"].as_object().map(|variables| variables.iter().collect()).unwrap_or_default()
}

#[test]
fn every_port_is_published_on_the_loopback_address_alone() {
    let mut published = 0;
    for (name, service) in services().iter().filter(|(_, service)| service.get("ports").is_some()) {
        for port in list(service, "ports") {
            assert!(port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:")), "{name}: {port}");
            published += 1;
        }
    }
    assert!(published >= 4, "only {published} published");
}

#[test]
fn every_image_has_an_exact_tag() {
    for (name, service) in services() {
        let image = text(&service, "image");
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(tag.split('.').count() >= 3, "{name}: {image} has no exact version");
    }
}

#[test]
fn everything_mounted_from_here_exists() {
    let mut mounted = 0;
    for (name, service) in services().iter().filter(|(_, service)| service.get("volumes").is_some()) {
        for volume in list(service, "volumes").iter().filter_map(Value::as_str).filter(|volume| volume.starts_with('.'))
        {
            let [source, _, "ro"] = volume.split(':').collect::<Vec<_>>()[..] else {
                panic!("{name}: {volume} is not read-only");
            };
            assert!(folder().join(source).exists(), "{name}: there is no {source}");
            mounted += 1;
        }
    }
    assert!(mounted >= 6, "only {mounted} mounted");
}

#[test]
fn no_secret_stands_in_the_file() {
    for (name, service) in services() {
        for (variable, _) in environment(&service) {
            let secret = ["PASSWORD", "SECRET", "_KEY", "CREDENTIAL"].iter().any(|word| variable.contains(word));
            assert!(!secret || variable.ends_with("__FILE"), "{name}: {variable}");
        }
    }
}

#[test]
fn the_settings_of_the_service_are_ones_it_takes() {
    let tokenwatch = service("tokenwatch");
    let variables: Vec<(OsString, OsString)> = environment(&tokenwatch)
        .into_iter()
        .map(|(name, value)| (name.into(), value.as_str().unwrap_or_else(|| panic!("{name}: {value}")).into()))
        .collect();
    let config = Config::read(Some(&folder().join("tokenwatch.toml")), variables, Purpose::Service)
        .unwrap_or_else(|error| panic!("the service would refuse to start: {error}"));
    let port = format!("127.0.0.1:{port}:{port}", port = config.http.listen.port());
    assert!(list(&tokenwatch, "ports").contains(&port.into()), "{} is not what is published", config.http.listen);
    assert!(!config.http.listen.ip().is_loopback(), "nobody reaches a container's own loopback");

    let topics = service("topics");
    let script = list(&topics, "command")[0].as_str().expect("a script");
    let outputs = [&config.kafka.alerts_topic, &config.kafka.dead_letter_topic];
    for topic in config.kafka.topics.iter().chain(outputs) {
        assert!(script.contains(&format!("create {topic} ")), "{topic} is not created");
    }
}
