//! The part of a topic's configuration that its logs obey.

use super::compression::Codec;

/// Kafka's topic configs, as far as a log acts on them. -1 means no limit where Kafka says so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogConfig {
    /// `cleanup.policy` contains `delete`.
    pub(crate) deletes_old: bool,
    /// `cleanup.policy` contains `compact`.
    pub(crate) compacts: bool,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) segment_jitter_ms: i64,
    pub(crate) segment_index_bytes: u64,
    pub(crate) max_message_bytes: usize,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) log_append_time: bool,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) index_interval_bytes: u64,
    /// `compression.type`, unless it is `producer`.
    pub(crate) compression: Option<Codec>,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_cleanable_dirty_ratio: f64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) flush_messages: i64,
    pub(crate) flush_ms: i64,
    /// Idempotent producers remembered; the broker's limit.
    pub(crate) max_producers: usize,
    pub(crate) producer_id_expiration_ms: i64,
    /// What a batch may hold; the broker's limit.
    pub(crate) max_decompressed_bytes: usize,
}
