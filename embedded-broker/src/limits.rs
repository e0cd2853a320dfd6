//! Every limit of a broker in one list: its name here, Kafka's name where it has one, what it is set to, and what happens above it.
//!
//! The values live in [`Limits`](crate::Limits) and [`GroupConfig`](crate::GroupConfig). Next to these some things are bounded by
//! construction: a connection has one request under way, so there are at most as many long polls as connections; requests a client sends
//! ahead wait in its socket.

use std::fmt;
use std::time::Duration;

use crate::config::BrokerConfig;

/// A limit as documents and screens show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// The field that sets it.
    pub name: &'static str,
    /// Kafka's name, where Kafka has this limit.
    pub kafka_name: Option<&'static str>,
    /// What it is set to.
    pub value: LimitValue,
    /// What happens above it.
    pub above: &'static str,
}

/// What a limit is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitValue {
    /// So many things or bytes, as the name says.
    Count(u64),
    /// So long.
    Time(Duration),
}

impl From<usize> for LimitValue {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

/// Times that are kept as milliseconds.
impl From<i64> for LimitValue {
    fn from(ms: i64) -> Self {
        Self::Time(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }
}

impl From<i32> for LimitValue {
    fn from(ms: i32) -> Self {
        Self::from(i64::from(ms))
    }
}

impl From<Duration> for LimitValue {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl fmt::Display for LimitValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Time(time) => write!(f, "{time:?}"),
        }
    }
}

macro_rules! limits {
    ($config:ident: $($part:ident . $name:ident $(($kafka_name:literal))? => $above:literal,)+) => {
        vec![$(LimitView {
            name: stringify!($name),
            kafka_name: limits!(@kafka $($kafka_name)?),
            value: $config.$part.$name.into(),
            above: $above,
        },)+]
    };
    (@kafka) => { None };
    (@kafka $name:literal) => { Some($name) };
}

impl BrokerConfig {
    /// All limits with their values.
    pub fn limit_views(&self) -> Vec<LimitView> {
        limits! { self:
            limits.max_connections ("max.connections") => "the connection is closed at once",
            limits.max_connections_per_ip ("max.connections.per.ip") => "the connection is closed at once",
            limits.max_produce_frame_bytes ("socket.request.max.bytes") => "the connection is closed",
            limits.max_control_frame_bytes => "the connection is closed",
            limits.max_unauthenticated_frame_bytes ("sasl.server.max.receive.size") => "the connection is closed",
            limits.max_authentication => "the connection is closed",
            limits.max_request_elements => "the connection is closed",
            limits.max_in_flight_bytes ("queued.max.request.bytes") => "reading waits, and so does the answer to a Fetch",
            limits.max_read_ahead_bytes => "reading waits until the request before is answered",
            limits.max_users => "POLICY_VIOLATION",
            limits.max_acls => "POLICY_VIOLATION",
            limits.max_quotas => "POLICY_VIOLATION",
            limits.max_topics => "POLICY_VIOLATION",
            limits.max_partitions => "POLICY_VIOLATION",
            limits.max_open_log_files => "the file used least recently is closed",
            limits.max_held_log_files => "answers are read into memory",
            limits.max_decompressed_batch_bytes => "the batch is refused",
            limits.max_fetch_bytes ("fetch.max.bytes") => "the answer ends there, after its first batch",
            limits.max_fetch_wait => "the Fetch is answered",
            limits.max_fetch_sessions ("max.incremental.fetch.session.cache.slots") => "clients fetch without a session",
            limits.max_fetch_session_partitions => "clients fetch without a session",
            limits.max_connection_idle ("connections.max.idle.ms") => "the connection is closed",
            limits.max_request_pause => "the connection is closed",
            limits.max_request_read => "the connection is closed",
            limits.max_response_write => "the connection is closed",
            limits.max_events => "the oldest event is forgotten",
            limits.max_producers_per_partition => "the producer idle for longest is forgotten",
            limits.producer_id_expiration_ms ("producer.id.expiration.ms") => "the producer is forgotten",
            limits.max_compaction_keys ("log.cleaner.dedupe.buffer.size") => "the log is compacted in turns",
            limits.compaction_check_interval ("log.cleaner.backoff.ms") => "compaction is looked at",
            limits.retention_check_interval ("log.retention.check.interval.ms") => "retention is looked at",
            groups.initial_rebalance_delay_ms ("group.initial.rebalance.delay.ms") => "the rebalance goes on",
            groups.min_session_timeout_ms ("group.min.session.timeout.ms") => "below it: INVALID_SESSION_TIMEOUT",
            groups.max_session_timeout_ms ("group.max.session.timeout.ms") => "INVALID_SESSION_TIMEOUT",
            groups.consumer_session_timeout_ms ("group.consumer.session.timeout.ms") => "the member is fenced",
            groups.consumer_heartbeat_interval_ms ("group.consumer.heartbeat.interval.ms") => "the member is told so",
            groups.max_members ("group.max.size") => "GROUP_MAX_SIZE_REACHED",
            groups.max_groups => "GROUP_MAX_SIZE_REACHED",
            groups.max_member_metadata_bytes => "GROUP_MAX_SIZE_REACHED",
            groups.max_group_bytes => "GROUP_MAX_SIZE_REACHED, for assignments INVALID_REQUEST",
            groups.max_total_bytes => "GROUP_MAX_SIZE_REACHED, for offsets INVALID_COMMIT_OFFSET_SIZE",
            groups.max_offset_metadata_bytes ("offset.metadata.max.bytes") => "OFFSET_METADATA_TOO_LARGE",
            groups.offsets_retention_ms ("offsets.retention.minutes") => "the offset is forgotten",
            groups.offsets_retention_check_interval_ms ("offsets.retention.check.interval.ms") => "retention is looked at",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a struct's fields, from its own account of itself.
    fn fields(of: &dyn fmt::Debug) -> Vec<String> {
        let text = format!("{of:#?}");
        let own = text.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with([' ', '}', ')', ']'])));
        own.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn the_list_is_whole() {
        let config = BrokerConfig::new("unused");
        let mut there = fields(&config.limits);
        there.extend(fields(&config.groups));
        there.retain(|name| !["migration_policy", "offers_consumer_protocol"].contains(&name.as_str())); // Choices, not limits.
        let listed: Vec<String> = config.limit_views().iter().map(|limit| limit.name.to_owned()).collect();
        there.sort();
        let mut sorted = listed.clone();
        sorted.sort();
        assert_eq!(sorted, there, "src/limits.rs lists each field of Limits and GroupConfig once");
    }
}
