//! Where reading a partition begins: at the group's offset, or where `kafka.start` says.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::Start;
use crate::service::transport::{Hindrance, PartitionId, Position, StartPosition};

use super::error;

/// How long a question about offsets may take; a stop waits for it.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// The same about the ends of logs, which is asked for a warning's sake.
const BOUNDS_MAX: Duration = Duration::from_secs(1);

/// Looks up where each partition begins, in the order given. Costs three to five round trips, once an assignment.
pub(super) fn positions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[PartitionId],
    start: Start,
) -> Result<Vec<StartPosition>, Hindrance> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    look_up(consumer, partitions, start).map_err(|error| error::group_hindrance(&error))
}

fn look_up<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[PartitionId],
    start: Start,
) -> KafkaResult<Vec<StartPosition>> {
    let committed = consumer.committed_offsets(list(partitions, |_| Offset::Invalid)?, ANSWER_MAX)?;
    // Of one partition alone, too: that no offset is known does not mean that there is none.
    for element in committed.elements() {
        element.error()?;
    }
    let new: Vec<_> = partitions.iter().filter(|id| offset_of(&committed, id).is_none()).cloned().collect();
    let begun = if new.is_empty() { TopicPartitionList::new() } else { starts(consumer, &new, start)? };
    // A broker takes the two ends of a log as times: -2 and -1, as the client numbers these offsets.
    // One leader that does not answer keeps the others' answers back: then nothing is known, and nothing is said.
    let [firsts, ends] = [Offset::Beginning, Offset::End].map(|end| {
        let found = list(partitions, |_| end).and_then(|list| consumer.offsets_for_times(list, BOUNDS_MAX));
        found.unwrap_or_default()
    });
    let mut positions = Vec::with_capacity(partitions.len());
    for id in partitions {
        let known = offset_of(&committed, id);
        let offset = known.or_else(|| offset_of(&begun, id)).unwrap_or(0);
        let found = committed.find_partition(&id.topic, id.number).filter(|_| known.is_some());
        let metadata = found.map(|found| found.metadata().to_owned()).unwrap_or_default();
        let position = Position { partition: id.clone(), offset, metadata };
        let log = offset_of(&firsts, id).unwrap_or(0)..offset_of(&ends, id).unwrap_or(i64::MAX);
        positions.push(StartPosition { position, committed: known.is_some(), log });
    }
    Ok(positions)
}

/// The offsets at which a group without offsets begins.
fn starts<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[PartitionId],
    start: Start,
) -> KafkaResult<TopicPartitionList> {
    let time = match start {
        Start::Earliest => Offset::Beginning,
        Start::Latest => Offset::End,
        Start::At(time) => Offset::Offset(time.millis()),
    };
    let found = consumer.offsets_for_times(list(partitions, |_| time)?, ANSWER_MAX)?;
    let at_end: Vec<_> = partitions.iter().filter(|id| offset_of(&found, id).is_none()).cloned().collect();
    if at_end.is_empty() {
        return Ok(found);
    }
    // No record is as young as that: the next one is.
    let ends = consumer.offsets_for_times(list(&at_end, |_| Offset::End)?, ANSWER_MAX)?;
    list(partitions, |id| {
        offset_of(&found, id).or_else(|| offset_of(&ends, id)).map_or(Offset::Invalid, Offset::Offset)
    })
}

fn offset_of(list: &TopicPartitionList, id: &PartitionId) -> Option<i64> {
    match list.find_partition(&id.topic, id.number)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// The client's list of partitions with an offset each.
pub(super) fn list(
    partitions: &[PartitionId],
    offset: impl Fn(&PartitionId) -> Offset,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for id in partitions {
        list.add_partition_offset(&id.topic, id.number, offset(id))?;
    }
    Ok(list)
}
