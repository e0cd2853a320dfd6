//! What several APIs do alike: finding the partition a request means, and Kafka's codes for what went wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::RequestContext;
use crate::codec::messages::BrokerId;
use crate::codec::{ResponseError, StrBytes};
use crate::log::{AppendError, LEADER_EPOCH, Partition, ReadError};
use crate::node::Node;
use crate::topics::Topic;

/// Kafka's default for "which operations may I do": not asked.
pub(super) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;
/// What everyone may do to a topic here: READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, as bits.
pub(super) const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// What everyone may do to a group: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, as bits.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
/// What everyone may do to the cluster: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE, as bits.
pub(super) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

/// The topic a request names, or identifies when it gives no name (KIP-516).
pub(super) fn topic(node: &Node, name: &str, id: Uuid) -> Result<Arc<Topic>, ResponseError> {
    if id.is_nil() {
        node.topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition)
    } else {
        node.topics.get_by_id(id).ok_or(ResponseError::UnknownTopicId)
    }
}

/// What a request names, each once. The guard bounds what a request holds, not what it asks for: naming a large topic again and again
/// would ask for more memory than there is.
pub(super) fn once<T, K: Ord>(named: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> impl Iterator<Item = T> {
    let mut seen = BTreeSet::new();
    named.into_iter().filter(move |named| seen.insert(key(named)))
}

/// A partition of a topic that may not have been found.
pub(super) fn partition(topic: &Result<Arc<Topic>, ResponseError>, index: i32) -> Result<Arc<Partition>, ResponseError> {
    topic.as_ref().map_err(|error| *error)?.partition(index).ok_or(ResponseError::UnknownTopicOrPartition)
}

/// The leader epoch a client believes in. It never changes here; a client that knows a newer one talks to the wrong broker (KIP-320).
pub(super) fn check_leader_epoch(current_leader_epoch: i32) -> Result<(), ResponseError> {
    if current_leader_epoch > LEADER_EPOCH { Err(ResponseError::UnknownLeaderEpoch) } else { Ok(()) }
}

pub(super) fn broker_id(node: &Node) -> BrokerId {
    BrokerId(node.config.broker_id)
}

/// Where the client is told to connect to: each listener advertises itself.
pub(super) fn advertised_host(context: &RequestContext) -> StrBytes {
    StrBytes::from_string(context.session.listener.advertised.0.clone())
}

pub(super) fn advertised_port(context: &RequestContext) -> i32 {
    i32::from(context.session.listener.advertised.1)
}

/// Kafka's code for a batch that was not appended. Storage errors are logged here, once.
pub(super) fn append_error(partition: &Partition, error: &AppendError) -> ResponseError {
    match error {
        AppendError::Batch(error) => batch_error(*error),
        AppendError::ManyBatches | AppendError::Invalid(_) | AppendError::NoKey { .. } => ResponseError::InvalidRecord,
        AppendError::TooLarge { .. } => ResponseError::MessageTooLarge,
        AppendError::Timestamp => ResponseError::InvalidTimestamp,
        AppendError::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
        AppendError::Fenced => ResponseError::InvalidProducerEpoch,
        AppendError::NoTransaction => ResponseError::InvalidTxnState,
        AppendError::Deleted => ResponseError::UnknownTopicOrPartition,
        AppendError::Storage(error) => {
            tracing::error!(?partition, %error, "a batch could not be written; is the disk full?");
            ResponseError::KafkaStorageError
        }
    }
}

fn batch_error(error: crate::log::batch::BatchError) -> ResponseError {
    use crate::log::batch::BatchError;
    match error {
        BatchError::Magic(_) => ResponseError::UnsupportedForMessageFormat,
        BatchError::Deltas | BatchError::Contents => ResponseError::InvalidRecord,
        BatchError::Truncated | BatchError::Length(_) | BatchError::Crc | BatchError::Order => ResponseError::CorruptMessage,
    }
}

/// A transactional id that does not keep the request's frame in memory.
pub(super) fn transactional_id(id: &crate::codec::messages::TransactionalId) -> crate::coordinator::transaction::TransactionalId {
    id.as_str().into()
}

/// What an old version calls PRODUCER_FENCED (KIP-588).
pub(super) fn producer_error(error: ResponseError, version: i16, first_with_fenced: i16) -> ResponseError {
    let is_unknown = error == ResponseError::ProducerFenced && version < first_with_fenced;
    if is_unknown { ResponseError::InvalidProducerEpoch } else { error }
}

/// Kafka's code for what could not be read. Storage errors are logged here, once.
pub(super) fn read_error(partition: &Partition, error: &ReadError) -> ResponseError {
    match error {
        ReadError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        ReadError::Deleted => ResponseError::UnknownTopicOrPartition,
        ReadError::Storage(error) => {
            tracing::error!(?partition, %error, "a log could not be read");
            ResponseError::KafkaStorageError
        }
    }
}
