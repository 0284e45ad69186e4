//! Loopback ports, and plain HTTP to whatever listens on them.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use ureq::Agent;

use super::wait;

/// No answer of a healthy server on loopback takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    // A status is an answer to look at, and every request is a new connection, so that a restarted server is seen.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER_TIMEOUT))
        .max_idle_connections(0)
        .proxy(None)
        .build();
    config.new_agent()
});

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code, also where it is an error.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// A port on 127.0.0.1 that nobody listens on now, and that no other caller in this process was given.
///
/// Another process may take it first: whoever starts a server on it must notice that and try again.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// Asks once; the error says why there was no answer.
pub fn get(url: &str) -> Result<Reply, String> {
    get_with(url, &[])
}

/// Asks once, with query parameters that are still to be escaped.
pub fn get_with(url: &str, parameters: &[(&str, &str)]) -> Result<Reply, String> {
    let request = parameters.iter().fold(AGENT.get(url), |request, (name, value)| request.query(*name, *value));
    let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?;
    Ok(Reply { status, body })
}

/// Asks until `enough` likes the answer.
#[track_caller]
pub fn wait_for(url: &str, patience: Duration, enough: impl Fn(&Reply) -> bool) -> Reply {
    wait::until(url, patience, || {
        let reply = get(url)?;
        if enough(&reply) { Ok(reply) } else { Err(format!("status {}, body: {}", reply.status, reply.body)) }
    })
}
