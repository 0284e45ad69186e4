//! The topic in which matches meet whose groups lie across partitions: made if it is not there, refused if it is not as it
//! must be.
//!
//! It has as many partitions as the source topic with the most, because what is known of each is kept in the partition of
//! the state topic that has the same number. Their number decides where a group is, so it must never change.

use std::collections::BTreeMap;

use crate::config::{KafkaSettings, KeyedBy, Start};
use crate::service::Failure;
use crate::service::route::Meeting;

use super::client;
use super::state_topic::{Admin, ENTRY_BYTES_MAX, Onlooker, counts, create};

const SETTING: &str = "kafka.matches_topic";
/// A restart decides the matches again that came after the last save, so they must not be gone by then.
const RETENTION_MS: &str = "604800000";

/// Makes sure that the topic exists and is fit, for sources of so many partitions.
pub async fn provide(settings: &KafkaSettings, sources: BTreeMap<String, i32>) -> Result<Meeting, Failure> {
    let config = client::observer(settings);
    let admin: Admin = config.create().map_err(|error| client::not_created(&error))?;
    let onlooker: Onlooker = config.create().map_err(|error| client::not_created(&error))?;
    let topic = settings.matches_topic.clone();
    let wanted = sources.values().copied().max().unwrap_or(1);
    let wanted_count = usize::try_from(wanted).unwrap_or(1);
    let (onlooker, found) = counts(SETTING, onlooker, vec![topic.clone()]).await?;
    match found.first().copied().unwrap_or(0) {
        0 => {
            let properties = [
                ("cleanup.policy", "delete"),
                ("retention.ms", RETENTION_MS),
                ("max.message.bytes", ENTRY_BYTES_MAX),
                // One clock for all routers: by it a source is no longer taken to be quiet.
                ("message.timestamp.type", "LogAppendTime"),
            ];
            create(SETTING, &admin, onlooker, (&topic, wanted_count), &properties).await.map_err(|failure| {
                failure.hint(format!(
                    "make it with {wanted} partitions, as many as the source topic with the most, or allow the operation \
                     Create on it to this client"
                ))
            })?;
        }
        found if found == wanted_count => {}
        found => {
            let problem = format!("{topic:?} has {found} partitions, and the source topic with the most has {wanted}");
            return Err(Failure::surroundings(SETTING, problem).hint(
                "if partitions were added, groups have moved and windows have not: let everything be consumed, stop all \
                 instances, delete this topic and the state topic, and start again; windows begin empty then",
            ));
        }
    }
    Ok(Meeting { partitions: wanted, sources: sources.into() })
}

/// The settings of those who count matches: a group of their own, which reads this topic from its beginning.
#[must_use]
pub fn readers(settings: &KafkaSettings) -> KafkaSettings {
    KafkaSettings {
        group_id: format!("{}-matches", settings.group_id),
        topics: vec![settings.matches_topic.clone()],
        keyed_by: KeyedBy::default(),
        start: Start::Earliest,
        ..settings.clone()
    }
}
