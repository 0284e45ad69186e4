//! The routes over a real socket, and the stop.

use std::io::Read;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::*;

/// A running server; stops when dropped.
struct Running {
    views: Arc<Views>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    runtime: Runtime,
    ended: Option<tokio::task::JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let views = Arc::new(Views::default());
        let server = runtime.block_on(Server::bind((Ipv4Addr::LOCALHOST, 0).into())).expect("a free port");
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let ended = Some(runtime.spawn(server.run(Arc::clone(&views), shutdown)));
        Self { views, address, stop: Some(stop), runtime, ended }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("http://{}{path}", self.address)).call().expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("a text"))
    }

    fn json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get(path);
        (status, serde_json::from_str(&text).expect("JSON"))
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        let ended = self.ended.take().expect("stopped once");
        self.runtime.block_on(ended).expect("no panic").expect("no error");
    }
}

#[test]
fn it_is_ready_when_nothing_is_missing() {
    let server = Running::start();
    let readiness = &server.views.readiness;
    assert_eq!(server.json("/readyz"), (503, json!({"ready": false, "missing": {"start": "the service is starting"}})));
    readiness.missing("broker", "broker:9092 does not answer");
    readiness.started();
    assert_eq!(
        server.json("/readyz"),
        (503, json!({"ready": false, "missing": {"broker": "broker:9092 does not answer"}}))
    );
    readiness.found("broker");
    assert_eq!(server.json("/readyz"), (200, json!({"ready": true, "missing": {}})));
    assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()));
}

#[test]
fn alerts_come_as_published_newest_first() {
    let server = Running::start();
    for number in 0..3 {
        let alert = serde_json::value::RawValue::from_string(format!("{{\"id\":{number}}}")).expect("JSON");
        server.views.alerts.push(alert.into());
    }
    assert_eq!(server.json("/api/v1/alerts?limit=2"), (200, json!({"alerts": [{"id": 2}, {"id": 1}]})));
    assert_eq!(server.json("/api/v1/alerts").1["alerts"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.json("/api/v1/alerts?limit=many").0, 400);
    assert_eq!(server.json("/api/v1/alerts?limti=1").0, 400);
}

#[test]
fn metrics_and_rules_are_served() {
    let server = Running::start();
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("tokenwatch_build_info{"), "{text}");
    assert_eq!(server.json("/api/v1/rules"), (200, json!({"rules": []})));
    assert_eq!(server.json("/api/v2/rules").0, 404);
}

#[test]
fn a_taken_address_names_the_setting() {
    let server = Running::start();
    let error = server.runtime.block_on(Server::bind(server.address)).expect_err("taken");
    assert!(error.to_string().starts_with(&format!("http.listen = {} cannot be used: ", server.address)), "{error}");
}

#[test]
fn it_stops_even_while_a_client_says_nothing() {
    let mut server = Running::start();
    let mut silent = std::net::TcpStream::connect(server.address).expect("a connection");
    // An answer on another connection shows that the server is up and has accepted the silent one.
    assert_eq!(server.get("/healthz").0, 200);
    server.stop();
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).unwrap_or(0), 0);
}
