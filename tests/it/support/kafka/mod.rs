//! A real Apache Kafka for the tests: one broker that all tests share, and private ones for what cannot be shared.
//!
//! librdkafka's mock cluster knows no transactions, isolation, access control or quotas, so nothing about delivery can be
//! proved on it. The broker comes from Maven Central (`install`), runs from a temporary folder (`broker`, `node`) and is asked
//! through `topics`, `produce`, `read` and `acl`, which are all methods of [`Broker`].

mod acl;
mod broker;
mod install;
mod node;
mod options;
mod produce;
mod read;
mod topics;

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use acl::Operation;
pub use broker::Broker;
pub use options::Options;
pub use produce::{Position, Record, send};
pub use read::{Isolation, Received};

use self::install::Installation;
use super::exit::at_exit;
use super::peer::Peer;

/// Names a broker (`host:port`) that runs already and takes the place of the shared one.
const NAMED_BROKER: &str = "TOKENWATCH_KAFKA";

/// The broker that all tests of this process share: topics and groups need names of their own, see [`unique`].
///
/// `None` says that the test is skipped, because this machine cannot run Kafka.
#[track_caller]
pub fn shared() -> Option<&'static Broker> {
    static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
    if let Some(address) = env::var_os(NAMED_BROKER) {
        let address = address.into_string().expect("an address is plain text");
        return SHARED.get_or_init(|| Broker::named(&address)).as_ref().map_or_else(|e| panic!("{e}"), Some);
    }
    let installation = installation()?;
    let started = SHARED.get_or_init(|| {
        // The hook comes first: a start that fails half-way may leave a broker too, but then `Broker` was dropped.
        at_exit(|| {
            if let Some(Ok(broker)) = SHARED.get() {
                broker.stop();
            }
        });
        Broker::start(installation, &Options::default())
    });
    // A start that failed is remembered, so that the other tests fail at once and for the same reason.
    started.as_ref().map_or_else(|error| panic!("{error}"), Some)
}

/// A broker for the calling test alone, stopped when dropped. It costs about three seconds and 350 MB of memory.
///
/// `None` says that the test is skipped, because this machine cannot run Kafka.
#[track_caller]
pub fn private(options: &Options) -> Option<Broker> {
    let installation = installation()?;
    Some(Broker::start(installation, options).unwrap_or_else(|error| panic!("{error}")))
}

#[track_caller]
fn installation() -> Option<&'static Installation> {
    static INSTALLATION: OnceLock<Result<Installation, String>> = OnceLock::new();
    match INSTALLATION.get_or_init(Installation::find) {
        Ok(installation) => Some(installation),
        Err(reason) => {
            Peer::Kafka.skip(reason);
            None
        }
    }
}

/// A name for a topic, a group or a transaction that no other test uses, nor an earlier run on the same broker.
pub fn unique(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("{purpose}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
