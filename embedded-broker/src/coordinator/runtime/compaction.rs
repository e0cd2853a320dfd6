//! Keeps the log in proportion to what it says: every commit of an offset makes the one before it worthless.

use super::super::ids::GroupId;
use super::{Coordinator, Inner, partition_for};
use crate::codec::ResponseError;

/// A log shorter than this is read in no time, however little it says.
pub(in super::super) const COMPACT_FROM_BYTES: u64 = 8 * 1024 * 1024;
/// A log this many times larger than what it says is written anew.
const COMPACT_FACTOR: u64 = 4;
/// Records per batch when it is.
const REWRITE_RECORDS: usize = 1_000;

impl Coordinator {
    /// Where the log has grown far beyond what it says: writes the state anew at its end, then gives up what came before. Whenever this is
    /// interrupted, the log still says the same.
    pub(super) fn compact(&self, inner: &mut Inner) {
        for partition in 0..self.log.partitions() {
            // The batches of open transactions can't be written anew: only the producer's own marker ends them.
            if inner.state.has_pending() {
                return;
            }
            let bytes = inner.log_bytes.get(partition as usize).copied().unwrap_or(0);
            if bytes < COMPACT_FROM_BYTES || bytes / COMPACT_FACTOR < inner.state.bytes() as u64 {
                continue;
            }
            let end_offset = self.log.end_offset(partition);
            inner.log_bytes[partition as usize] = 0;
            if self.rewrite(inner, partition).is_err() {
                inner.log_bytes[partition as usize] += bytes;
                continue;
            }
            if let Err(error) = self.log.trim(partition, end_offset) {
                tracing::warn!(partition, error, "could not give up the old part of __consumer_offsets; it is tried again later");
                inner.log_bytes[partition as usize] += bytes;
            }
        }
    }

    fn rewrite(&self, inner: &mut Inner, partition: i32) -> Result<(), ResponseError> {
        let now_ms = self.clock.now_ms();
        let here = |group_id: &&GroupId| partition_for(group_id.as_str(), self.log.partitions()) == partition;
        let group_ids: Vec<GroupId> = inner.state.iter().map(|(group_id, _)| group_id).filter(here).cloned().collect();
        for group_id in group_ids {
            let records = inner.state.get(group_id.as_str()).map(|entry| entry.durable.records(&group_id)).unwrap_or_default();
            for records in records.chunks(REWRITE_RECORDS) {
                self.append(inner, &group_id, records, now_ms)?;
            }
        }
        Ok(())
    }
}
