//! TxnOffsetCommit: 0-5. Stores offsets of a group as a part of a transaction: they count once it commits (KIP-98).
//!
//! - 3: the member and its generation are checked like in OffsetCommit, so a member that lost its partitions can't commit (KIP-447).
//! - 5 (KIP-890): adds the group to the transaction by itself. Before, AddOffsetsToTxn must have come.
//! - Partitions that do not exist are answered so; the others are stored all the same.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared;
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use crate::codec::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::codec::{ResponseError, error_code};
use crate::coordinator::command::{Command, CommitOffsets, OffsetToCommit, Reply};
use crate::coordinator::ids::TopicName;
use crate::coordinator::{transaction, wire};
use crate::log::ProducerEpoch;
use crate::node::Node;

/// The first version of transaction version 2.
const FIRST_ADDING: i16 = 5;

pub(crate) struct TxnOffsetCommit;

impl Api for TxnOffsetCommit {
    const KEY: i16 = 28;
    const NAME: &'static str = "TxnOffsetCommit";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = TxnOffsetCommitRequest;
    type Response = TxnOffsetCommitResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: TxnOffsetCommitRequest,
    ) -> Result<TxnOffsetCommitResponse, Refusal> {
        let mut results = commit(&node, context.version, &request).await.into_iter();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().zip(&mut results).map(|(partition, error)| {
                let index = partition.partition_index;
                TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error_code(error))
            });
            let partitions = partitions.collect();
            TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        Ok(TxnOffsetCommitResponse::default().with_topics(topics.collect()))
    }
}

/// One result per partition, in the request's order.
async fn commit(node: &Arc<Node>, version: i16, request: &TxnOffsetCommitRequest) -> Vec<Option<ResponseError>> {
    let (known, offsets) = split_known(node, request);
    let results = match store(node, version, request, offsets).await {
        Ok(results) => results,
        Err(error) => known.iter().filter(|known| **known).map(|_| Some(error)).collect(),
    };
    let mut results = results.into_iter();
    known.into_iter().map(|known| if known { results.next().flatten() } else { Some(ResponseError::UnknownTopicOrPartition) }).collect()
}

async fn store(
    node: &Arc<Node>,
    version: i16,
    request: &TxnOffsetCommitRequest,
    offsets: Vec<OffsetToCommit>,
) -> Result<Vec<Option<ResponseError>>, ResponseError> {
    let producer = ProducerEpoch { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let group_id = wire::group_id(&request.group_id);
    node.coordinator.verify_transaction(&group_id, producer)?;
    let partition = node.transactions.offsets_partition(&request.group_id);
    let command = if version >= FIRST_ADDING {
        transaction::Command::Add { producer, partitions: vec![partition], client_version: 2 }
    } else {
        transaction::Command::Verify { producer, partition }
    };
    let id = shared::transactional_id(&request.transactional_id);
    let asking = node.blocking(move |node| node.transactions.ask(&id, command));
    // Kafka tells a fenced producer so with INVALID_PRODUCER_EPOCH here, in every version.
    let of_offsets = |error| if error == ResponseError::ProducerFenced { ResponseError::InvalidProducerEpoch } else { error };
    asking.await.map_err(|_| ResponseError::CoordinatorNotAvailable)?.map_err(of_offsets)?;
    let member = wire::caller(&request.member_id, request.group_instance_id.as_ref(), request.generation_id);
    match node
        .coordinator
        .ask(&group_id, Command::CommitOffsets(CommitOffsets { member, offsets, producer: Some(producer), has_member_epoch: false }))
        .await?
    {
        Reply::Offsets(results) => Ok(results),
        _ => Err(ResponseError::UnknownServerError),
    }
}

/// Which partitions of the request exist, in its order, and what to store for those that do.
fn split_known(node: &Node, request: &TxnOffsetCommitRequest) -> (Vec<bool>, Vec<OffsetToCommit>) {
    let (mut known, mut offsets) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        let name = TopicName::from(topic.name.as_str());
        for partition in &topic.partitions {
            let is_known = node.log(&topic.name, partition.partition_index).is_some();
            known.push(is_known);
            if is_known {
                offsets.push(OffsetToCommit {
                    topic: name.clone(),
                    partition: partition.partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()),
                    retention_ms: None,
                });
            }
        }
    }
    (known, offsets)
}
