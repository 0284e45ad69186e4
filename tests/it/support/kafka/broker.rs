//! Starts and stops one Kafka process: a `KRaft` node that is broker and controller, with its data in a temporary folder.
//!
//! The harness itself talks to an inner listener without login, as the super user; what a test gives to the program
//! under test is [`Broker::bootstrap_servers`], which asks for a login where the options name users.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;
use uuid::Uuid;

use super::install::Installation;
use super::options::{Options, Ports};
use super::unique;
use crate::support::{children, net, peer, scratch, wait};

/// A cold Java on a busy machine takes a multiple of the usual two seconds.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// Another process may take a port that was free a moment ago; three times in a row is something else.
const START_ATTEMPTS: usize = 3;

const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker to test against; one that this process started ends with it.
#[derive(Debug)]
pub struct Broker {
    bootstrap_servers: String,
    inner_servers: String,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    installation: Installation,
    cluster_id: String,
    child: Mutex<Child>,
    folder: TempDir,
}

/// Why a start failed.
enum StartError {
    /// Another port may do.
    PortTaken,
    /// With what the broker said.
    Failed(String),
}

impl Broker {
    /// A broker that somebody else runs, at `host:port`. It must answer.
    pub(super) fn named(address: &str) -> Result<Self, String> {
        let broker = Self { bootstrap_servers: address.into(), inner_servers: address.into(), server: None };
        match broker.consumer().client().fetch_metadata(None, wait::PATIENCE) {
            Ok(_) => Ok(broker),
            Err(error) => Err(format!("the named Kafka broker {address} does not answer: {error}")),
        }
    }

    /// Formats the storage, starts the process and waits until it answers.
    pub(super) fn start(installation: &Installation, options: &Options) -> Result<Self, String> {
        let begin = Instant::now();
        for _ in 0..START_ATTEMPTS {
            match Self::try_start(installation, options) {
                Ok(broker) => {
                    let took = begin.elapsed().as_secs_f32();
                    peer::say(&format!("started Apache Kafka on {} in {took:.1} s", broker.bootstrap_servers));
                    return Ok(broker);
                }
                Err(StartError::PortTaken) => {}
                Err(StartError::Failed(reason)) => return Err(reason),
            }
        }
        Err(format!("Kafka found its ports taken {START_ATTEMPTS} times in a row"))
    }

    fn try_start(installation: &Installation, options: &Options) -> Result<Self, StartError> {
        let folder = scratch::dir("kafka");
        let ports = Ports { inner: net::free_port(), controller: net::free_port(), client: net::free_port() };
        let properties = options.server_properties(&folder.path().join("data"), &ports);
        fs::write(folder.path().join(PROPERTIES), properties).expect("a new folder can be written to");

        // As Kafka writes a cluster id: a UUID's bytes in base64.
        let cluster_id = URL_SAFE_NO_PAD.encode(Uuid::new_v5(&Uuid::NAMESPACE_OID, unique("kafka").as_bytes()));
        format_storage(installation, options, folder.path(), &cluster_id).map_err(StartError::Failed)?;

        let child = Mutex::new(spawn_server(installation, folder.path()));
        let server = Server { installation: installation.clone(), cluster_id, child, folder };
        let bootstrap = if options.asks_for_login() { ports.client } else { ports.inner };
        let broker = Self {
            bootstrap_servers: format!("127.0.0.1:{bootstrap}"),
            inner_servers: format!("127.0.0.1:{}", ports.inner),
            server: Some(server),
        };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// What the program under test is told: `host:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// A client configuration that may do everything, without a login.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.inner_servers)
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200");
        config
    }

    /// The client configuration of a user that [`Options::user`] made, at the listener that asks for a login.
    pub fn login_config(&self, mechanism: &str, name: &str, password: &str) -> ClientConfig {
        let mut config = self.client_config();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", name)
            .set("sasl.password", password);
        config
    }

    /// Ends the process at once, as a crash of its machine does. Data and ports stay for [`Broker::restart`].
    ///
    /// Panics for a broker that this process did not start.
    pub fn stop(&self) {
        self.server().kill();
    }

    /// Starts a stopped broker again, on the same ports and the same data.
    pub fn restart(&self) {
        let server = self.server();
        server.kill();
        *server.child() = spawn_server(&server.installation, server.folder.path());
        match self.wait_until_ready() {
            Ok(()) => {}
            Err(StartError::PortTaken) => panic!("another process took the port of the stopped broker"),
            Err(StartError::Failed(reason)) => panic!("{reason}"),
        }
    }

    #[track_caller]
    fn server(&self) -> &Server {
        self.server.as_ref().unwrap_or_else(|| panic!("{} is not this process's to stop", self.inner_servers))
    }

    /// Connects until the broker names its cluster: a stranger on the same port would name another.
    fn wait_until_ready(&self) -> Result<(), StartError> {
        let server = self.server();
        let consumer = self.consumer();
        let ready = wait::try_until(START_PATIENCE, || {
            if let Some(status) = server.exit_status() {
                return Ok(Err(status));
            }
            // librdkafka backs off between attempts, so it is asked only when something listens.
            TcpStream::connect(&self.inner_servers).map_err(|error| error.to_string())?;
            match consumer.client().fetch_cluster_id(METADATA_TIMEOUT) {
                Some(id) if id == server.cluster_id => Ok(Ok(())),
                Some(id) => Err(format!("a broker of another cluster answers, {id}")),
                None => Err("it listens but does not answer".into()),
            }
        });
        let log = || server.log_tail();
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if log().contains("Address already in use") => Err(StartError::PortTaken),
            Ok(Err(status)) => Err(StartError::Failed(format!("Kafka ended with {status}:\n{}", log()))),
            Err(seen) => {
                Err(StartError::Failed(format!("Kafka is not ready after {START_PATIENCE:?}: {seen}\n{}", log())))
            }
        }
    }

    /// A client for questions about the cluster; it sees what transactions hide.
    pub(super) fn consumer(&self) -> BaseConsumer {
        let mut config = self.client_config();
        config.set("isolation.level", "read_uncommitted");
        config.create().expect("the harness's own client configuration is right")
    }
}

impl Server {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a started child can be waited for")
    }

    fn kill(&self) {
        let mut child = self.child();
        // Both fail only where it has already ended.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.folder.path().join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

const PROPERTIES: &str = "server.properties";
const LOG: &str = "kafka.log";

fn spawn_server(installation: &Installation, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join(LOG)).expect("a new folder can be written to");
    let mut command = installation.java("kafka.Kafka");
    command
        .current_dir(folder)
        .arg(PROPERTIES)
        .stdout(log.try_clone().expect("an open file can be shared"))
        .stderr(log);
    children::spawn(command).unwrap_or_else(|error| panic!("cannot start Java: {error}"))
}

fn format_storage(installation: &Installation, options: &Options, folder: &Path, id: &str) -> Result<(), String> {
    let mut command = installation.java("kafka.tools.StorageTool");
    command.current_dir(folder).args(["format", "--config", PROPERTIES, &format!("--cluster-id={id}")]);
    for user in options.scram_users() {
        command.arg("--add-scram").arg(user);
    }
    let output = command.output().map_err(|error| format!("cannot start Java: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("Kafka could not format its storage:\n{out}{err}")) }
}
