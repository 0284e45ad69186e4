//! A Kafka to test against: a `KRaft` node that is broker and controller, where asked for with a second broker.
//!
//! The harness itself talks to an inner listener without login, as the super user; what a test gives to the program
//! under test is [`Broker::bootstrap_servers`], which asks for a login where the options name users.

use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::BaseProducer;
use uuid::Uuid;

use super::install::Installation;
use super::node::Node;
use super::options::{Options, Ports, Role};
use super::produce::{self, Receipts};
use super::unique;
use crate::support::proxy::Proxy;
use crate::support::{net, peer, wait};

/// A cold Java on a busy machine takes a multiple of the usual two seconds.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// Another process may take a port that was free a moment ago; three times in a row is something else.
const START_ATTEMPTS: usize = 3;

const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker, or a cluster of two; what this process started ends with it.
pub struct Broker {
    bootstrap_servers: String,
    inner_servers: String,
    /// `None` for a broker that somebody else runs.
    cluster: Option<Cluster>,
    proxy: Option<Proxy>,
    producer: OnceLock<BaseProducer<Receipts>>,
}

struct Cluster {
    id: String,
    first: Node,
    follower: Option<Node>,
}

/// Why a start failed.
enum StartError {
    /// Another port may do.
    PortTaken,
    /// With what the broker said.
    Failed(String),
}

impl From<String> for StartError {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl Broker {
    /// A broker that somebody else runs, at `host:port`. It must answer.
    pub(super) fn named(address: &str) -> Result<Self, String> {
        let broker = Self::new(address.into(), address.into(), None);
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
        // As Kafka writes a cluster id: a UUID's bytes in base64.
        let id = URL_SAFE_NO_PAD.encode(Uuid::new_v5(&Uuid::NAMESPACE_OID, unique("kafka").as_bytes()));
        let controller = net::free_port();
        let start = |role, ports| {
            // The controller keeps the users.
            let users = options.scram_users().filter(|_| matches!(role, Role::First));
            Node::start(installation, &id, users, |data| options.server_properties(role, data, &ports))
        };
        assert!(!(options.has_proxy() && options.has_follower()), "the way to the follower has no proxy");
        let ports = || {
            let client = net::free_port();
            Ports { inner: net::free_port(), controller, client, advertised: client }
        };
        let mut first_ports = ports();
        let proxy = options.has_proxy().then(|| Proxy::to(first_ports.client));
        first_ports.advertised = proxy.as_ref().map_or(first_ports.client, Proxy::port);
        let bootstrap = if options.has_client_listener() { first_ports.advertised } else { first_ports.inner };
        let address = |port| format!("127.0.0.1:{port}");
        let (bootstrap, inner) = (address(bootstrap), address(first_ports.inner));

        let first = start(Role::First, first_ports)?;
        let follower = if options.has_follower() { Some(start(Role::Follower, ports())?) } else { None };
        let broker = Self { proxy, ..Self::new(bootstrap, inner, Some(Cluster { id, first, follower })) };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    fn new(bootstrap_servers: String, inner_servers: String, cluster: Option<Cluster>) -> Self {
        Self { bootstrap_servers, inner_servers, cluster, proxy: None, producer: OnceLock::new() }
    }

    /// The way of the program under test to the broker, for [`Options::proxy`].
    #[track_caller]
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap_or_else(|| panic!("{} has no proxy", self.bootstrap_servers))
    }

    pub(super) fn has_follower(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.follower.is_some())
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

    /// Ends the broker at once, as a crash of its machine does. Data and ports stay for [`Broker::restart`].
    ///
    /// Panics for a broker that this process did not start.
    #[track_caller]
    pub fn stop(&self) {
        self.cluster().first.kill();
    }

    /// Starts a stopped broker again, on the same ports and the same data.
    #[track_caller]
    pub fn restart(&self) {
        let restarted = self.cluster().first.restart().map_err(StartError::from);
        match restarted.and_then(|()| self.wait_until_ready()) {
            Ok(()) => {}
            Err(StartError::PortTaken) => panic!("another process took the port of the stopped broker"),
            Err(StartError::Failed(reason)) => panic!("{reason}"),
        }
    }

    /// Ends the second broker of [`Options::follower`] for good: topics with `min.insync.replicas=2` now refuse writes.
    ///
    /// Back when the first broker stands alone.
    #[track_caller]
    pub fn stop_follower(&self) {
        let follower = self.cluster().follower.as_ref();
        follower.unwrap_or_else(|| panic!("{} has no follower", self.inner_servers)).kill();
        wait::until("the follower to be given up", wait::PATIENCE, || match self.broker_count()? {
            1 => Ok(()),
            count => Err(format!("{count} brokers")),
        });
    }

    #[track_caller]
    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap_or_else(|| panic!("{} is not this process's to stop", self.inner_servers))
    }

    /// Connects until the broker names its cluster, as a stranger on the same port would not, and all its nodes.
    fn wait_until_ready(&self) -> Result<(), StartError> {
        let cluster = self.cluster();
        let nodes: Vec<&Node> = [&cluster.first].into_iter().chain(&cluster.follower).collect();
        let consumer = self.consumer();
        let ready = wait::try_until(START_PATIENCE, || {
            if let Some(ended) = nodes.iter().find_map(|node| Some((*node, node.exit_status()?))) {
                return Ok(Err(ended));
            }
            // librdkafka backs off between attempts, so it is asked only when something listens.
            TcpStream::connect(&self.inner_servers).map_err(|error| error.to_string())?;
            match consumer.client().fetch_cluster_id(METADATA_TIMEOUT) {
                Some(id) if id == cluster.id => {}
                Some(id) => return Err(format!("a broker of another cluster answers, {id}")),
                None => return Err("it listens but does not answer".into()),
            }
            let count = self.broker_count()?;
            if count == nodes.len() { Ok(Ok(())) } else { Err(format!("{count} of {} nodes", nodes.len())) }
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err((node, _))) if node.log_tail().contains("Address already in use") => Err(StartError::PortTaken),
            Ok(Err((node, status))) => {
                Err(StartError::Failed(format!("Kafka ended with {status}:\n{}", node.log_tail())))
            }
            Err(seen) => {
                let log = cluster.first.log_tail();
                Err(StartError::Failed(format!("Kafka is not ready after {START_PATIENCE:?}: {seen}\n{log}")))
            }
        }
    }

    fn broker_count(&self) -> Result<usize, String> {
        let metadata = self.consumer().fetch_metadata(None, METADATA_TIMEOUT);
        Ok(metadata.map_err(|error| format!("metadata: {error}"))?.brokers().len())
    }

    /// The harness's own producer, made when it is first needed.
    pub(super) fn producer(&self) -> &BaseProducer<Receipts> {
        self.producer.get_or_init(|| produce::producer(&self.client_config()))
    }

    /// A client for questions about the cluster; it sees what transactions hide.
    pub(super) fn consumer(&self) -> BaseConsumer {
        let mut config = self.client_config();
        config.set("isolation.level", "read_uncommitted");
        config.create().expect("the harness's own client configuration is right")
    }
}
