//! A coordinator's state as a topic: `__consumer_offsets` and `__transaction_state`.

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::log::{AppendError, Begins, Marker, Offsets, Origin, Partition, ProducerEpoch, batch};
use crate::topics::configs::Overrides;
use crate::topics::{NewTopic, Topic, TopicError, Topics};

/// The group coordinator's topic, known to every Kafka tool.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The transaction coordinator's.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// `offsets.topic.num.partitions` and `transaction.state.log.num.partitions`. Kafka's 50 spread the work over its brokers; here there is one,
/// and each partition is only files. A topic that exists keeps the number it has, for groups are placed by it.
const PARTITIONS: i32 = 1;
/// `offsets.topic.segment.bytes`: small, so that what was given up leaves the disk soon.
const SEGMENT_BYTES: &str = "16777216";
/// Bytes read at a time when the log is replayed.
const REPLAY_BYTES: usize = 1024 * 1024;

/// The topic, created with the first record: who uses no groups, or no transactions, does not see it.
#[derive(Debug)]
pub(crate) struct InternalTopic {
    name: &'static str,
    topics: Arc<Topics>,
    partitions: OnceLock<Vec<Arc<Partition>>>,
}

impl InternalTopic {
    /// The group coordinator's.
    pub(crate) fn offsets(topics: Arc<Topics>) -> Self {
        Self::new(OFFSETS_TOPIC, topics)
    }

    /// The transaction coordinator's.
    pub(crate) fn transactions(topics: Arc<Topics>) -> Self {
        Self::new(TRANSACTIONS_TOPIC, topics)
    }

    fn new(name: &'static str, topics: Arc<Topics>) -> Self {
        let partitions = topics.get(name).map(|topic| OnceLock::from(topic.partitions())).unwrap_or_default();
        Self { name, topics, partitions }
    }

    /// The topics of this broker, as decisions see them.
    pub(super) fn image(&self) -> &Topics {
        &self.topics
    }

    /// How many partitions there are, or will be. It never changes: groups are placed by it.
    pub(super) fn partitions(&self) -> i32 {
        self.partitions.get().map_or(PARTITIONS, |partitions| partitions.len() as i32)
    }

    /// Appends one batch as a whole, or not at all.
    pub(super) fn append(&self, partition: i32, batch: &Bytes) -> Result<(), AppendError> {
        let log = self.ready(partition).map_err(|error| AppendError::Storage(io::Error::other(error)))?;
        log.append(batch, Origin::Internal).map(drop)
    }

    /// Has what was appended to a partition on the disk, where the broker promises that; see [`Partition::make_durable`].
    pub(super) fn make_durable(&self, partition: i32) -> Result<(), String> {
        self.partition(partition)?.make_durable().map_err(|error| error.to_string())
    }

    /// Lets the producer's transaction reach into a partition; see [`Partition::verify_transaction`].
    pub(super) fn verify_transaction(&self, partition: i32, producer: ProducerEpoch) -> Result<(), String> {
        self.ready(partition)?.verify_transaction(producer, Begins::Anywhere);
        Ok(())
    }

    /// Ends the producer's transaction in a partition, for good.
    pub(super) fn append_marker(&self, partition: i32, producer: ProducerEpoch, marker: Marker) -> Result<(), AppendError> {
        let log = self.partition(partition).map_err(|_| AppendError::Deleted)?;
        log.append_marker(producer, marker)?;
        Ok(log.make_durable()?)
    }

    fn ready(&self, partition: i32) -> Result<&Partition, String> {
        if self.partitions.get().is_none() {
            // Waits for the disk, once in the life of a data folder.
            let topic = self.create().map_err(|error| error.to_string())?;
            self.partitions.get_or_init(|| topic.partitions());
        }
        self.partition(partition)
    }

    /// Hands every batch of a partition, in order, to `each`. What can't be read is passed over and told: a broker that starts with offsets
    /// a little older than they were is of more use than one that does not start.
    pub(super) fn replay(&self, partition: i32, mut each: impl FnMut(&[u8])) {
        let Ok(log) = self.partition(partition) else { return };
        let Offsets { log_start_offset, high_watermark, .. } = log.offsets();
        let mut offset = log_start_offset;
        while offset < high_watermark {
            let next = match log.read(offset, REPLAY_BYTES, true) {
                Ok(bytes) => hand_over(&bytes, offset..high_watermark, &mut each),
                Err(error) => {
                    tracing::error!(topic = self.name, partition, offset, %error, "a damaged part of the log is passed over");
                    None
                }
            };
            // Past damage there is no telling where the next batch begins, so every offset is tried.
            offset = next.unwrap_or(offset + 1);
        }
    }

    fn partition(&self, index: i32) -> Result<&Partition, String> {
        let partitions = self.partitions.get().map(Vec::as_slice).unwrap_or_default();
        let partition = usize::try_from(index).ok().and_then(|index| partitions.get(index));
        partition.map(AsRef::as_ref).ok_or_else(|| format!("{} has no partition {index}", self.name))
    }

    fn create(&self) -> Result<Arc<Topic>, TopicError> {
        let overrides = [("cleanup.policy", "compact"), ("segment.bytes", SEGMENT_BYTES)];
        let overrides: Overrides = overrides.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        match self.topics.create(NewTopic { name: self.name.to_owned(), partitions: PARTITIONS, overrides }) {
            Err(TopicError::Exists(_)) => self.topics.get(self.name).ok_or(TopicError::Unknown),
            created => created,
        }
    }
}

/// Hands over the batches among these bytes. The offset to read on from; none if the first batch is not what was to be read.
fn hand_over(bytes: &[u8], wanted: Range<i64>, each: &mut impl FnMut(&[u8])) -> Option<i64> {
    let mut next = None;
    for (at, header) in batch::headers(bytes) {
        let reaches = header.base_offset..=header.last_offset();
        if *reaches.end() < next.unwrap_or(wanted.start) || !wanted.contains(reaches.end()) {
            break;
        }
        each(&bytes[at..at + header.size]);
        next = Some(reaches.end() + 1);
    }
    // Nothing more in the log.
    if bytes.is_empty() { Some(wanted.end) } else { next }
}
