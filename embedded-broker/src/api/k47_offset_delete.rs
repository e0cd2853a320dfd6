//! OffsetDelete: an operator makes a group forget partitions (KIP-496). Version 0.
//!
//! Topics that a live group is subscribed to are GROUP_SUBSCRIBED_TO_TOPIC: its consumers would not notice, and commit again.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::codec::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::codec::{self, ResponseError};
use crate::coordinator::command::{Command, Reply};
use crate::coordinator::ids::TopicName;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct OffsetDelete;

impl Api for OffsetDelete {
    const KEY: i16 = 47;
    const NAME: &'static str = "OffsetDelete";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: OffsetDeleteRequest) -> Result<OffsetDeleteResponse, Refusal> {
        Ok(offset_delete(&node.coordinator, &request).await)
    }
}

async fn offset_delete(coordinator: &Coordinator, request: &OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let name = TopicName::from(topic.name.as_str());
        partitions.extend(topic.partitions.iter().map(|partition| (name.clone(), partition.partition_index)));
    }
    let mut results = match coordinator.ask(&wire::group_id(&request.group_id), Command::DeleteOffsets(partitions)).await {
        Ok(Reply::Offsets(results)) => results.into_iter(),
        Ok(_) => return OffsetDeleteResponse::default().with_error_code(ResponseError::UnknownServerError.code()),
        Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
    };
    let mut answer = |partition: i32| {
        let error = results.next().flatten();
        OffsetDeleteResponsePartition::default().with_partition_index(partition).with_error_code(codec::error_code(error))
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| answer(partition.partition_index)).collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
