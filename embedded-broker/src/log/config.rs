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
    /// Keys compaction remembers at a time; the broker's limit.
    pub(crate) max_compaction_keys: usize,
}

impl LogConfig {
    /// How long a segment is written to: `segment.ms`, less its share of `segment.jitter.ms`, so that segments that began together do not
    /// all end together; on a compacted topic no longer than a record may stay uncompacted.
    pub(super) fn roll_ms(&self, base_offset: i64) -> i64 {
        let jitter_ms = self.segment_jitter_ms.min(self.segment_ms);
        // Fibonacci hashing: neighbours get shares that are far apart.
        let share = base_offset.wrapping_add(1).unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let less_ms = (jitter_ms as f64 * (share as f64 / f64::from(u32::MAX))) as i64;
        let roll_ms = self.segment_ms.saturating_sub(less_ms);
        if self.compacts { roll_ms.min(self.max_compaction_lag_ms) } else { roll_ms }
    }
}
