//! OffsetCommit: a group stores how far it has read. Versions 2-9.
//!
//! - An unknown topic or partition is refused alone; the rest is stored.
//! - Generation -1 without a member id is a client that keeps its own partitions, welcome while the group has no members.
//! - 9: the epoch of a member of a consumer group (KIP-848); another than its own is STALE_MEMBER_EPOCH.
//! - Versions 2-4 may ask for a retention of their own. Left out: version 10's topic ids, which the codec does not have.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::codec::messages::{OffsetCommitRequest, OffsetCommitResponse};
use crate::codec::{self, ResponseError};
use crate::coordinator::command::{Command, CommitOffsets, OffsetToCommit, Reply};
use crate::coordinator::ids::TopicName;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct OffsetCommit;

impl Api for OffsetCommit {
    const KEY: i16 = 8;
    const NAME: &'static str = "OffsetCommit";
    const VERSIONS: RangeInclusive<i16> = 2..=9;
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: OffsetCommitRequest) -> Result<OffsetCommitResponse, Refusal> {
        let has_member_epoch = context.version >= FIRST_WITH_MEMBER_EPOCH;
        Ok(offset_commit(&node.coordinator, &request, has_member_epoch, |topic, partition| node.log(topic, partition).is_some()).await)
    }
}

/// The first version in which a member of a consumer group can commit.
const FIRST_WITH_MEMBER_EPOCH: i16 = 9;

/// Answers an OffsetCommit. `exists` says whether there is such a partition.
async fn offset_commit(
    coordinator: &Coordinator,
    request: &OffsetCommitRequest,
    has_member_epoch: bool,
    exists: impl Fn(&str, i32) -> bool,
) -> OffsetCommitResponse {
    let (known, offsets) = split_known(request, exists);
    let member = wire::caller(&request.member_id, request.group_instance_id.as_ref(), request.generation_id_or_member_epoch);
    let group_id = wire::group_id(&request.group_id);
    let commit = CommitOffsets { member, offsets, producer: None, has_member_epoch };
    let mut results = match coordinator.ask(&group_id, Command::CommitOffsets(commit)).await {
        Ok(Reply::Offsets(results)) => results.into_iter(),
        Ok(_) => vec![Some(ResponseError::UnknownServerError); known.len()].into_iter(),
        Err(error) => vec![Some(error); known.len()].into_iter(),
    };
    let mut known = known.into_iter();
    let mut answer = |partition: i32| {
        let error = if known.next() == Some(true) { results.next().flatten() } else { Some(ResponseError::UnknownTopicOrPartition) };
        OffsetCommitResponsePartition::default().with_partition_index(partition).with_error_code(codec::error_code(error))
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| answer(partition.partition_index)).collect();
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Which partitions of the request exist, in its order, and what to store for those that do.
fn split_known(request: &OffsetCommitRequest, exists: impl Fn(&str, i32) -> bool) -> (Vec<bool>, Vec<OffsetToCommit>) {
    let retention_ms = Some(request.retention_time_ms).filter(|retention_ms| *retention_ms >= 0);
    let mut known = Vec::new();
    let mut offsets = Vec::new();
    for topic in &request.topics {
        let name = TopicName::from(topic.name.as_str());
        for partition in &topic.partitions {
            let is_known = exists(topic.name.as_str(), partition.partition_index);
            known.push(is_known);
            if is_known {
                offsets.push(OffsetToCommit {
                    topic: name.clone(),
                    partition: partition.partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()),
                    retention_ms,
                });
            }
        }
    }
    (known, offsets)
}
