//! `__consumer_offsets` as this broker's own log keeps it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::log::{Origin, Partition, batch};
use crate::topics::configs::Overrides;
use crate::topics::{NewTopic, Topic, TopicError, Topics};

/// The topic's name, known to every Kafka tool.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// `offsets.topic.num.partitions`. Kafka's 50 spread the groups over its brokers; here there is one, and each partition is only files.
/// A topic that exists keeps the number it has, for groups are placed by it.
const OFFSETS_PARTITIONS: i32 = 1;
/// `offsets.topic.segment.bytes`: small, so that what was given up leaves the disk soon.
const OFFSETS_SEGMENT_BYTES: &str = "16777216";
/// Bytes read at a time when the log is replayed.
const REPLAY_BYTES: usize = 1024 * 1024;

/// The topic, created with the first record: who uses no groups does not see it.
#[derive(Debug)]
pub(crate) struct OffsetsTopic {
    topics: Arc<Topics>,
    partitions: OnceLock<Vec<Arc<Partition>>>,
}

impl OffsetsTopic {
    pub(crate) fn new(topics: Arc<Topics>) -> Self {
        let partitions = topics.get(OFFSETS_TOPIC).map(|topic| OnceLock::from(topic.partitions())).unwrap_or_default();
        Self { topics, partitions }
    }

    /// How many partitions there are, or will be. It never changes: groups are placed by it.
    pub(super) fn partitions(&self) -> i32 {
        self.partitions.get().map_or(OFFSETS_PARTITIONS, |partitions| partitions.len() as i32)
    }

    /// Appends one batch as a whole, or not at all.
    pub(super) fn append(&self, partition: i32, batch: &Bytes) -> Result<(), String> {
        if self.partitions.get().is_none() {
            // Waits for the disk, once in the life of a data folder.
            let topic = self.create().map_err(|error| error.to_string())?;
            self.partitions.get_or_init(|| topic.partitions());
        }
        self.partition(partition)?.append(batch, Origin::Internal).map(drop).map_err(|error| error.to_string())
    }

    /// Hands every batch of a partition, in order, to `each`.
    pub(super) fn replay(&self, partition: i32, mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let Ok(log) = self.partition(partition) else { return Ok(()) };
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
        let partitions = self.partitions.get().map(Vec::as_slice).unwrap_or_default();
        let partition = usize::try_from(index).ok().and_then(|index| partitions.get(index));
        partition.map(AsRef::as_ref).ok_or_else(|| format!("{OFFSETS_TOPIC} has no partition {index}"))
    }

    fn create(&self) -> Result<Arc<Topic>, TopicError> {
        let overrides = [("cleanup.policy", "compact"), ("segment.bytes", OFFSETS_SEGMENT_BYTES)];
        let overrides: Overrides = overrides.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        match self.topics.create(NewTopic { name: OFFSETS_TOPIC.to_owned(), partitions: OFFSETS_PARTITIONS, overrides }) {
            Err(TopicError::Exists(_)) => self.topics.get(OFFSETS_TOPIC).ok_or(TopicError::Unknown),
            created => created,
        }
    }
}
