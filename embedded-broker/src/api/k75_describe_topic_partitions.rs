//! DescribeTopicPartitions: 0. Metadata of topics, page by page (KIP-966).
//!
//! - Topics come in the order of their names; an empty list means all. A page ends after `response_partition_limit` partitions; the cursor
//!   says where the next one begins.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, TOPIC_OPERATIONS};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::codec::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};
use crate::codec::{ResponseError, text};
use crate::log::LEADER_EPOCH;
use crate::node::Node;

/// Kafka's `max.request.partition.size.limit`.
const MAX_PARTITIONS: i32 = 2_000;

pub(crate) struct DescribeTopicPartitions;

impl Api for DescribeTopicPartitions {
    const KEY: i16 = 75;
    const NAME: &'static str = "DescribeTopicPartitions";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeTopicPartitionsRequest;
    type Response = DescribeTopicPartitionsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DescribeTopicPartitionsRequest,
    ) -> Result<Self::Response, Refusal> {
        let mut names: BTreeSet<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
        if names.is_empty() {
            names = node.topics.all().iter().map(|topic| topic.name.to_string()).collect();
        }
        let (from_topic, mut from_partition) = match &request.cursor {
            Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index.max(0)),
            None => (String::new(), 0),
        };
        let mut left = request.response_partition_limit.clamp(1, MAX_PARTITIONS);
        let mut response = DescribeTopicPartitionsResponse::default().with_next_cursor(None);
        for name in names.range(from_topic.clone()..) {
            if left == 0 {
                response.next_cursor = Some(Cursor::default().with_topic_name(TopicName(text(name.clone()))).with_partition_index(0));
                break;
            }
            let first = if *name == from_topic { std::mem::take(&mut from_partition) } else { 0 };
            let (topic, next) = described(&node, name, first, &mut left);
            response.topics.push(topic);
            if let Some(next) = next {
                response.next_cursor = Some(Cursor::default().with_topic_name(TopicName(text(name.clone()))).with_partition_index(next));
                break;
            }
        }
        Ok(response)
    }
}

/// A topic from partition `first` on, and the partition where the page ended inside it.
fn described(node: &Node, name: &str, first: i32, left: &mut i32) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
    let response = DescribeTopicPartitionsResponseTopic::default().with_name(Some(TopicName(text(name))));
    let Some(topic) = node.topics.get(name) else {
        return (response.with_error_code(ResponseError::UnknownTopicOrPartition.code()), None);
    };
    let count = topic.partition_count();
    let end = first.saturating_add(*left).min(count);
    let broker = shared::broker_id(node);
    let partitions = (first..end).map(|index| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(broker)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![broker])
            .with_isr_nodes(vec![broker])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    let response = response
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
        .with_partitions(partitions.collect());
    *left -= (end - first).max(0);
    (response, (end < count).then_some(end))
}
