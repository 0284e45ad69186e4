//! The names of all metrics, in one place. They are part of the interface: dashboards and alerting rules use them.

/// Records consumed, by `topic`; of the topic in which matches meet, matches.
pub const RECORDS: &str = "tokenwatch_records_total";
/// What became of them, by `topic` and `outcome`; sums to [`RECORDS`] for each topic, always.
pub const EVENTS: &str = "tokenwatch_events_total";
/// Matches that entered a rule's windows, or single-event matches, by `rule`.
pub const RULE_MATCHES: &str = "tokenwatch_rule_matches_total";
/// Times a rule's condition held for an arrival, suppressed or not, by `rule`.
pub const RULE_FIRINGS: &str = "tokenwatch_rule_firings_total";
/// Alerts raised, by `rule` and `level`.
pub const ALERTS: &str = "tokenwatch_alerts_total";
/// Alerts of rules in shadow, by `rule` and `level`: apart from [`ALERTS`], which are what people answer.
pub const SHADOW_ALERTS: &str = "tokenwatch_shadow_alerts_total";
/// Firings that suppression kept quiet, by `rule`.
pub const ALERTS_SUPPRESSED: &str = "tokenwatch_alerts_suppressed_total";
/// Matches without a group, by `rule`.
pub const MISSING_KEY: &str = "tokenwatch_missing_key_total";
/// Matches that repeat one already held, by `rule`.
pub const DUPLICATES: &str = "tokenwatch_duplicates_total";
/// Limits that were hit, by `limit`.
pub const LIMIT_HITS: &str = "tokenwatch_limit_hits_total";
/// Records dead-lettered, by `reason`.
pub const DEAD_LETTERS: &str = "tokenwatch_dead_letters_total";
/// Events whose record has another key than `kafka.keyed_by` says.
pub const MISKEYED: &str = "tokenwatch_miskeyed_records_total";
/// Rules of arrived matches that are not in force here, or not in that version.
pub const UNKNOWN_MATCHES: &str = "tokenwatch_unknown_matches_total";
/// Groups held, over all partitions of this process.
pub const GROUPS: &str = "tokenwatch_groups";
/// Bytes of state held, over all partitions of this process.
pub const STATE_BYTES: &str = "tokenwatch_state_bytes";
/// Records not yet consumed, by `topic` and `partition`.
pub const CONSUMER_LAG: &str = "tokenwatch_consumer_lag";
/// Seconds from stream time to now, by `partition`; where several topics have it, the one furthest behind.
pub const STREAM_TIME_LAG: &str = "tokenwatch_stream_time_lag_seconds";
/// Seconds from a record's timestamp to its alert being acknowledged.
pub const ALERT_LATENCY: &str = "tokenwatch_alert_latency_seconds";
/// Seconds that a commit takes.
pub const COMMIT: &str = "tokenwatch_commit_seconds";
/// Seconds from the assignment of a partition to its state being complete.
pub const RESTORE: &str = "tokenwatch_restore_seconds";
/// Partitions that are this process's and not read yet, because they are restored or cannot be begun.
pub const PARTITIONS_WAITING: &str = "tokenwatch_partitions_waiting";
/// Records read back to restore partitions, by `kind`: `state` for what was saved, `replayed` for records decided again.
pub const RESTORE_RECORDS: &str = "tokenwatch_restore_records_total";
/// Records of the state topic written and committed.
pub const STATE_RECORDS: &str = "tokenwatch_state_records_total";
/// Transactions that were not committed, by `result`: `aborted` are tried again, of `unknown` ones partitions begin anew.
pub const TRANSACTION_FAILURES: &str = "tokenwatch_transaction_failures_total";
/// Rules in force.
pub const RULES: &str = "tokenwatch_rules";
/// Attempts to load rules, by `result`.
pub const RULE_RELOADS: &str = "tokenwatch_rule_reloads_total";
/// Always 1, with `version` and `revision`.
pub const BUILD_INFO: &str = "tokenwatch_build_info";

/// Every name above.
pub const ALL: [&str; 27] = [
    RECORDS,
    EVENTS,
    RULE_MATCHES,
    RULE_FIRINGS,
    ALERTS,
    SHADOW_ALERTS,
    ALERTS_SUPPRESSED,
    MISSING_KEY,
    DUPLICATES,
    LIMIT_HITS,
    DEAD_LETTERS,
    MISKEYED,
    UNKNOWN_MATCHES,
    GROUPS,
    STATE_BYTES,
    CONSUMER_LAG,
    STREAM_TIME_LAG,
    ALERT_LATENCY,
    COMMIT,
    RESTORE,
    PARTITIONS_WAITING,
    RESTORE_RECORDS,
    STATE_RECORDS,
    TRANSACTION_FAILURES,
    RULES,
    RULE_RELOADS,
    BUILD_INFO,
];
