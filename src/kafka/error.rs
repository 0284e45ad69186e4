//! The client's error codes, sorted by what the caller does next.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::service::Failure;
use crate::service::output::Destination;
use crate::service::transport::{Event, Hindrance, Undelivered};

/// The code behind an error, whichever call it came from.
pub(super) fn code(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Fail)
}

/// What an error that the client reports on its own means. `login` is the setting to look at when a login is refused.
pub(super) fn reported(code: Code, reason: &str, login: &'static str) -> Event {
    let failed = |setting: &'static str| Event::Failed(Failure::surroundings(setting, reason));
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => {
            Event::Failed(Failure::surroundings(login, format!("the brokers refuse the login: {reason}")))
        }
        Code::TopicAuthorizationFailed => failed("kafka.topics"),
        Code::GroupAuthorizationFailed | Code::InvalidGroupId | Code::GroupMaxSizeReached => failed("kafka.group_id"),
        Code::UnsupportedVersion | Code::UnsupportedFeature | Code::UnsupportedAssignor => {
            failed("kafka.group_protocol")
        }
        Code::InconsistentGroupProtocol => {
            let hint = "every member of a group must have the same kafka.group_protocol, and classic ones place partitions \
                        cooperatively";
            Event::Failed(Failure::surroundings("kafka.group_id", reason).hint(hint))
        }
        Code::ClusterAuthorizationFailed => Event::Failed(
            Failure::surroundings("kafka.alerts_topic", reason)
                .hint("brokers before 2.8 want the operation IdempotentWrite on the cluster"),
        ),
        Code::Fatal => Event::Failed(Failure::other(format!("the Kafka client gave up: {reason}"))),
        Code::SSL => Event::Disturbed(format!("kafka.properties.ssl.*: {reason}")),
        Code::UnknownTopicOrPartition | Code::UnknownTopic => Event::Disturbed(format!("kafka.topics: {reason}")),
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve => {
            Event::Disturbed(format!("kafka.bootstrap_servers: {reason}"))
        }
        _ => Event::Disturbed(reason.to_owned()),
    }
}

/// What to do with a record that was not written to `topic`.
pub(super) fn not_delivered(code: Code, destination: Destination, topic: &str) -> Undelivered {
    let refused = |problem: String| Failure::surroundings(destination.setting(), problem);
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            Undelivered::TooLarge(code.to_string())
        }
        Code::TopicAuthorizationFailed => Undelivered::Refused(
            refused(format!("the brokers refuse writes to {topic:?}: {code}"))
                .hint(format!("allow the operation Write on the topic {topic:?} to this client")),
        ),
        Code::ClusterAuthorizationFailed => Undelivered::Refused(
            refused(format!("the brokers refuse idempotent writes to {topic:?}: {code}"))
                .hint("brokers before 2.8 want the operation IdempotentWrite on the cluster"),
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            Undelivered::Refused(missing_topic(destination.setting(), topic))
        }
        Code::InvalidRecord => Undelivered::Refused(
            refused(format!("{topic:?} refuses the record: {code}"))
                .hint("a compacted topic takes no record without a key; use cleanup.policy=delete"),
        ),
        Code::InvalidTopic | Code::PolicyViolation | Code::UnsupportedCompressionType => {
            Undelivered::Refused(refused(format!("{topic:?} refuses the record: {code}")))
        }
        _ => Undelivered::Retry(format!("{topic}: {code}")),
    }
}

/// A topic that is not there.
pub(super) fn missing_topic(setting: &'static str, topic: &str) -> Failure {
    Failure::surroundings(setting, format!("there is no topic {topic:?}"))
        .hint(format!("create it: kafka-topics.sh --create --topic {topic} --bootstrap-server HOST:PORT"))
}

/// Why offsets could not be read or committed.
pub(super) fn group_hindrance(error: &KafkaError) -> Hindrance {
    match code(error) {
        Code::GroupAuthorizationFailed => Hindrance::Lasting(
            Failure::surroundings("kafka.group_id", "the brokers refuse this group to this client")
                .hint("allow the operation Read on the group to this client"),
        ),
        Code::TopicAuthorizationFailed => Hindrance::Lasting(Failure::surroundings(
            "kafka.topics",
            "the brokers refuse a source topic to this client",
        )),
        code => Hindrance::Passing(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_sorted_by_what_helps() {
        let sort = |code| not_delivered(code, Destination::Alerts, "alerts");
        assert!(matches!(sort(Code::NotEnoughReplicas), Undelivered::Retry(_)));
        assert!(matches!(sort(Code::MessageTimedOut), Undelivered::Retry(_)));
        assert!(matches!(sort(Code::MessageSizeTooLarge), Undelivered::TooLarge(_)));
        for code in [Code::TopicAuthorizationFailed, Code::UnknownTopic, Code::InvalidRecord] {
            let Undelivered::Refused(failure) = sort(code) else { panic!("{code} cannot be mended by waiting") };
            assert_eq!(failure.setting.as_deref(), Some("kafka.alerts_topic"));
            assert!(failure.problem.contains("\"alerts\""), "{failure}");
        }
    }

    #[test]
    fn a_refused_login_names_its_setting_and_a_broker_away_is_no_failure() {
        let login = "kafka.properties.sasl.password";
        let Event::Failed(failure) = reported(Code::Authentication, "bad password", login) else { panic!("fatal") };
        assert_eq!(failure.to_string(), "kafka.properties.sasl.password: the brokers refuse the login: bad password");
        assert!(matches!(reported(Code::AllBrokersDown, "1/1 down", login), Event::Disturbed(_)));
    }
}
