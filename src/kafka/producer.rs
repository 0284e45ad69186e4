//! The writer of alerts and dead letters: idempotent, acknowledged by every in-sync replica.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::config::KafkaSettings;
use crate::service::Failure;
use crate::service::transport::{Event, Outgoing, Ticket, Undelivered};

use super::client;
use super::context::{Inbox, WriterContext};
use super::error;

/// A producer whose acknowledgements come as events.
pub(super) struct Writer {
    producer: BaseProducer<WriterContext>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("under_way", &self.producer.in_flight_count()).finish()
    }
}

impl Writer {
    pub(super) fn new(settings: &KafkaSettings) -> Result<Self, Failure> {
        let context = WriterContext {
            inbox: Inbox::new(client::login_setting(settings)),
            alerts_topic: settings.alerts_topic.clone(),
            dead_letter_topic: settings.dead_letter_topic.clone(),
        };
        let config: ClientConfig = client::producer(settings);
        let producer = config.create_with_context(context).map_err(|error| client::not_created(&error))?;
        Ok(Self { producer })
    }

    pub(super) fn send(&self, ticket: Ticket, outgoing: &Outgoing<'_>) -> Result<(), Undelivered> {
        let topic = self.producer.context().topic(outgoing.destination);
        let ticket = usize::try_from(ticket.0).expect("fewer outputs than a pointer's width counts");
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, ticket);
        record.key = outgoing.key;
        record.payload = outgoing.payload;
        if !outgoing.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            record.headers = Some(
                outgoing
                    .headers
                    .iter()
                    .fold(headers, |headers, (name, value)| headers.insert(Header { key: name, value: Some(value) })),
            );
        }
        self.producer
            .send(record)
            .map_err(|(error, _)| error::not_delivered(error::code(&error), outgoing.destination, topic))
    }

    /// Waits for `wait`, and takes the acknowledgements that are there then.
    pub(super) fn take(&self, wait: Duration, events: &mut Vec<Event>) {
        let mut wait = wait;
        loop {
            let before = events.len();
            // One call serves one event of the client's queue, with the acknowledgements of a batch in it.
            self.producer.poll(wait);
            self.producer.context().inbox.take(events);
            if events.len() == before {
                return;
            }
            wait = Duration::ZERO;
        }
    }
}
