//! How a broker is configured: the harness's own properties, and what a test changes about them.

use std::fmt::Write;
use std::path::Path;

/// The node that is the controller, too.
pub(super) const FIRST_ID: i32 = 1;
pub(super) const FOLLOWER_ID: i32 = 2;

/// The ports of one node, all on 127.0.0.1.
pub(super) struct Ports {
    /// For the harness and the broker itself, without login.
    pub(super) inner: u16,
    /// For the `KRaft` controller.
    pub(super) controller: u16,
    /// For the program under test, where it has to log in or comes through a proxy.
    pub(super) client: u16,
    /// The port by which the program under test is told to come there: the same, or the proxy's.
    pub(super) advertised: u16,
}

/// What a node is in its cluster.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The controller, and a broker.
    First,
    /// A broker only.
    Follower,
}

/// How a private broker differs from the shared one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    properties: Vec<(String, String)>,
    users: Vec<(String, String)>,
    authorizer: bool,
    follower: bool,
    proxy: bool,
}

impl Options {
    /// Sets a property of the server, over the harness's own.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes clients log in, by PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512, without TLS; this user may.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Turns on access control: everything stays allowed until [`Broker::allow_only`] narrows it.
    #[must_use]
    pub fn authorizer(mut self) -> Self {
        self.authorizer = true;
        self
    }

    /// Adds a second broker, and makes topics live on both; [`super::Broker::stop_follower`] takes it away again.
    ///
    /// One broker alone accepts every write: it lowers `min.insync.replicas` to the number of replicas.
    #[must_use]
    pub fn follower(mut self) -> Self {
        self.follower = true;
        self
    }

    /// Lets the program under test come through a proxy, the harness not: see [`super::Broker::proxy`].
    #[must_use]
    pub fn proxy(mut self) -> Self {
        self.proxy = true;
        self
    }

    pub(super) fn has_follower(&self) -> bool {
        self.follower
    }

    pub(super) fn has_proxy(&self) -> bool {
        self.proxy
    }

    /// True if the program under test comes by another way than the harness.
    pub(super) fn has_client_listener(&self) -> bool {
        self.asks_for_login() || self.proxy
    }

    fn asks_for_login(&self) -> bool {
        !self.users.is_empty()
    }

    /// The users, as the storage is formatted with them; PLAIN's are properties instead.
    pub(super) fn scram_users(&self) -> impl Iterator<Item = String> {
        let credentials =
            |mechanism, (name, password): &(String, String)| format!("{mechanism}=[name={name},password={password}]");
        let mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
        self.users.iter().flat_map(move |user| mechanisms.map(|mechanism| credentials(mechanism, user)))
    }

    /// The text of a properties file for one node that keeps its records in the folder `data`.
    pub(super) fn server_properties(&self, role: Role, data: &Path, ports: &Ports) -> String {
        let Ports { inner, controller, client, advertised } = ports;
        let brokers = |client: &u16| {
            let inner = format!("INNER://127.0.0.1:{inner}");
            if self.has_client_listener() { format!("{inner},CLIENT://127.0.0.1:{client}") } else { inner }
        };
        let (brokers, advertised) = (brokers(client), brokers(advertised));
        let client_protocol = if self.asks_for_login() { "SASL_PLAINTEXT" } else { "PLAINTEXT" };
        let (id, roles, listeners) = match role {
            Role::First => (FIRST_ID, "broker,controller", format!("{brokers},CONTROLLER://127.0.0.1:{controller}")),
            Role::Follower => (FOLLOWER_ID, "broker", brokers.clone()),
        };
        let place = [
            ("node.id", id.to_string()),
            ("process.roles", roles.to_owned()),
            ("controller.quorum.voters", format!("{FIRST_ID}@127.0.0.1:{controller}")),
            ("listeners", listeners),
            ("advertised.listeners", advertised),
            (
                "listener.security.protocol.map",
                format!("INNER:PLAINTEXT,CLIENT:{client_protocol},CONTROLLER:PLAINTEXT"),
            ),
            ("log.dirs", data.display().to_string()),
        ];
        let replicas = if self.follower { "2" } else { "1" };
        let login = if self.asks_for_login() { self.login_properties() } else { Vec::new() };
        let authorizer: &[_] = if self.authorizer { &AUTHORIZER } else { &[] };

        let fixed = NODE.iter().chain(authorizer).copied().chain(REPLICATION.map(|name| (name, replicas)));
        let owned = place.iter().map(|(name, value)| (*name, value.as_str()));
        let chosen = login.iter().chain(&self.properties).map(|(name, value)| (name.as_str(), value.as_str()));
        // Of two lines with one name Java takes the later: a test has the last word.
        fixed.chain(owned).chain(chosen).fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name}={value}").expect("a string takes everything");
            text
        })
    }

    fn login_properties(&self) -> Vec<(String, String)> {
        const MODULES: &str = "org.apache.kafka.common.security";
        let mut plain = format!("{MODULES}.plain.PlainLoginModule required");
        for (name, password) in &self.users {
            write!(plain, " user_{name}=\"{password}\"").expect("a string takes everything");
        }
        let scram = format!("{MODULES}.scram.ScramLoginModule required");
        let jaas = |mechanism: &str, module: &str| {
            (format!("listener.name.client.{mechanism}.sasl.jaas.config"), format!("{module};"))
        };
        vec![
            ("sasl.enabled.mechanisms".into(), "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".into()),
            jaas("plain", &plain),
            jaas("scram-sha-256", &scram),
            jaas("scram-sha-512", &scram),
        ]
    }
}

/// Small internal topics, no waiting for more members of a group, and no topic by accident.
const NODE: [(&str, &str); 11] = [
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "INNER"),
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "0"),
    // A crashed broker is given up this soon, and may come back only then.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// Every topic stands on every broker, so that a group or a transaction survives the follower.
const REPLICATION: [&str; 4] = [
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
];

/// The super user is whoever comes without a login: the harness, the broker itself and the controller.
const AUTHORIZER: [(&str, &str); 3] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:ANONYMOUS"),
    ("allow.everyone.if.no.acl.found", "true"),
];
