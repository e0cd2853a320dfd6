//! Giving up old data: by time, by size, and on demand. The log start offset never goes back.

use std::io;
use std::sync::Arc;

use super::config::LogConfig;
use super::partition::{Partition, State};
use super::segment::ClosedSegment;
use crate::sync::lock;

impl Partition {
    /// Deletes what the topic's retention no longer covers, and forgets what nobody uses. Called every now and then.
    pub(crate) fn retain(&self) -> io::Result<()> {
        let config = self.config();
        let now_ms = self.environment.clock.now_ms();
        let _maintenance = lock(&self.maintenance);
        let mut state = lock(&self.state);
        if state.unflushed_since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= config.flush_ms) {
            self.flush(&mut state);
        }
        state.producers.forget_silent(now_ms.saturating_sub(config.producer_id_expiration_ms));
        if config.deletes_old {
            if state.active.size > 0 && is_expired(state.active.largest_timestamp_ms(), &config, now_ms) {
                self.roll(&mut state);
            }
            let mut excess_bytes = excess_bytes(&state, &config);
            let goes = |oldest: &&Arc<ClosedSegment>| {
                let is_excess = oldest.size <= excess_bytes;
                excess_bytes = excess_bytes.saturating_sub(oldest.size);
                is_excess || is_expired(oldest.largest_timestamp_ms(), &config, now_ms)
            };
            let count = state.closed.iter().take_while(goes).count();
            self.drop_oldest(&mut state, count)?;
        }
        let closed: Vec<Arc<ClosedSegment>> = state.closed.iter().cloned().collect();
        drop(state);
        closed.iter().for_each(|segment| segment.forget_idle_index());
        Ok(())
    }

    /// Moves the log start offset up to `before`, and deletes segments that are wholly below it. Returns the new log start offset.
    pub(crate) fn delete_records(&self, before: i64) -> io::Result<Option<i64>> {
        let _maintenance = lock(&self.maintenance);
        let mut state = lock(&self.state);
        if before > state.next_offset || before < 0 {
            return Ok(None);
        }
        if before > state.log_start_offset {
            self.write_log_start(before)?;
            state.log_start_offset = before;
        }
        let log_start_offset = state.log_start_offset;
        let count = state.closed.iter().take_while(|oldest| oldest.next_offset <= log_start_offset).count();
        self.drop_oldest(&mut state, count)?;
        Ok(Some(log_start_offset))
    }

    /// The files go last: a crash before that leaves segments below the log start offset, which the next pass deletes.
    fn drop_oldest(&self, state: &mut State, count: usize) -> io::Result<()> {
        let Some(new_start) = count.checked_sub(1).and_then(|last| state.closed.get(last)).map(|last| last.next_offset) else {
            return Ok(());
        };
        // What is known of producers from these segments alone must outlive them.
        self.write_snapshot(new_start, &state.producers.as_of(new_start, state.aborted.iter()))?;
        if new_start > state.log_start_offset {
            self.write_log_start(new_start)?;
            state.log_start_offset = new_start;
        }
        state.aborted.forget_before(new_start);
        for oldest in state.closed.drain(..count) {
            state.unsealed.retain(|(segment, _)| segment.base_offset != oldest.base_offset);
            oldest.remove(self.disk())?;
        }
        Ok(())
    }
}

/// Kafka's rule: a segment is as old as its youngest record.
fn is_expired(largest_timestamp_ms: i64, config: &LogConfig, now_ms: i64) -> bool {
    config.retention_ms >= 0 && now_ms.saturating_sub(largest_timestamp_ms) > config.retention_ms
}

/// Bytes above `retention.bytes`.
fn excess_bytes(state: &State, config: &LogConfig) -> u64 {
    let size = state.closed.iter().map(|segment| segment.size).sum::<u64>() + state.active.size;
    u64::try_from(config.retention_bytes).map_or(0, |limit| size.saturating_sub(limit))
}
