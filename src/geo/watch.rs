//! Looks after the files while the service runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use crate::ingest::geo::Places;

use super::databases::{Change, Databases};

/// Between two looks. Files are looked at rather than watched: notifications are lost where folders are mounted or
/// links are turned, and two questions to the file system cost nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Puts new files in force as they come. Never ends, unless there is nothing to look after.
pub async fn watch(mut databases: Databases, in_force: Arc<ArcSwap<Places>>) {
    if databases.is_empty() {
        return;
    }
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let look = spawn_blocking(move || {
            let changes = databases.look();
            (databases, changes)
        });
        let changes = match look.await {
            Ok((looked, changes)) => {
                databases = looked;
                changes
            }
            Err(why) => {
                error!("geo: databases are no longer looked after, those in force stay: {why}");
                return;
            }
        };
        in_force.store(Arc::clone(databases.places()));
        for change in changes {
            match change {
                Change::Replaced(what) => info!("{what} is in force"),
                Change::Kept(problem) => error!("{problem}\n  the database that was in force before stays"),
            }
        }
    }
}
