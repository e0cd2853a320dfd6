//! `__consumer_offsets` as this broker's own log keeps it.

use std::sync::Arc;

use bytes::Bytes;

use crate::log::{Origin, Partition, batch};

/// The topic's name, known to every Kafka tool.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// `offsets.topic.num.partitions`. Kafka's 50 spread the groups over its brokers; here there is one, and each partition is only files.
/// A topic that exists keeps the number it has, for groups are placed by it.
pub(crate) const OFFSETS_PARTITIONS: i32 = 1;
/// Bytes read at a time when the log is replayed.
const REPLAY_BYTES: usize = 1024 * 1024;

/// The topic's partitions, in order.
pub(crate) struct OffsetsTopic {
    partitions: Vec<Arc<Partition>>,
}

impl OffsetsTopic {
    pub(crate) fn new(partitions: Vec<Arc<Partition>>) -> Self {
        Self { partitions }
    }

    /// How many partitions there are; it must never change while records are kept.
    pub(super) fn partitions(&self) -> i32 {
        self.partitions.len() as i32
    }

    /// Appends one batch as a whole, or not at all.
    pub(super) fn append(&self, partition: i32, batch: Bytes) -> Result<(), String> {
        self.partition(partition)?.append(&batch, Origin::Internal).map(drop).map_err(|error| error.to_string())
    }

    /// Hands every batch of a partition, in order, to `each`.
    pub(super) fn replay(&self, partition: i32, mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let log = self.partition(partition)?;
        let unreadable = |error| {
            format!("{OFFSETS_TOPIC}-{partition} can't be read ({error}); move its folder away to start without the offsets stored in it")
        };
        let mut offset = log.offsets().log_start_offset;
        loop {
            let bytes = log.read(offset, REPLAY_BYTES, true).map_err(unreadable)?;
            let Some((_, last)) = batch::headers(&bytes).last() else { return Ok(()) };
            for (at, header) in batch::headers(&bytes) {
                each(&bytes[at..at + header.size]);
            }
            offset = last.last_offset() + 1;
        }
    }

    /// The offset that the next record gets.
    pub(super) fn end_offset(&self, partition: i32) -> i64 {
        self.partition(partition).map_or(0, |log| log.offsets().high_watermark)
    }

    /// Gives up everything before this offset.
    pub(super) fn trim(&self, partition: i32, before: i64) -> Result<(), String> {
        self.partition(partition)?.delete_records(before).map(drop).map_err(|error| error.to_string())
    }

    fn partition(&self, index: i32) -> Result<&Partition, String> {
        let partition = usize::try_from(index).ok().and_then(|index| self.partitions.get(index));
        partition.map(AsRef::as_ref).ok_or_else(|| format!("{OFFSETS_TOPIC} has no partition {index}"))
    }
}
