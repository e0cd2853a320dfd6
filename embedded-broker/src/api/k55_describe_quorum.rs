//! DescribeQuorum: 0-2. Who votes on the cluster's metadata (KIP-595): this broker alone.
//!
//! - Only `__cluster_metadata` partition 0 has a quorum. Topics and groups are kept in files of their own here, not in a log of records, so
//!   its offsets are those of an empty log.
//! - 1: when each voter last fetched (KIP-836): a leader does not fetch, -1. 2: directory ids and the voters' addresses (KIP-853).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_quorum_request::TopicData as AskedTopic;
use crate::codec::messages::describe_quorum_response::{Listener, Node as QuorumNode, PartitionData, ReplicaState, TopicData};
use crate::codec::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use crate::codec::{ResponseError, text};
use crate::log::LEADER_EPOCH;
use crate::node::Node;

const METADATA_TOPIC: &str = "__cluster_metadata";
const METADATA_PARTITION: i32 = 0;
const FIRST_WITH_NODES: i16 = 2;

pub(crate) struct DescribeQuorum;

impl Api for DescribeQuorum {
    const KEY: i16 = 55;
    const NAME: &'static str = "DescribeQuorum";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DescribeQuorumRequest;
    type Response = DescribeQuorumResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: DescribeQuorumRequest) -> Result<Self::Response, Refusal> {
        let topics = request.topics.into_iter().map(|asked| described(&node, asked, context.version));
        let response = DescribeQuorumResponse::default().with_topics(topics.collect());
        if context.version < FIRST_WITH_NODES {
            return Ok(response);
        }
        let listener = Listener::default()
            .with_name(text(context.session.listener.name.clone()))
            .with_host(shared::advertised_host(&context))
            .with_port(u16::try_from(shared::advertised_port(&context)).unwrap_or_default());
        let voter = QuorumNode::default().with_node_id(shared::broker_id(&node)).with_listeners(vec![listener]);
        Ok(response.with_nodes(vec![voter]))
    }
}

fn described(node: &Node, asked: AskedTopic, version: i16) -> TopicData {
    let is_metadata = asked.topic_name.as_str() == METADATA_TOPIC;
    let broker = shared::broker_id(node);
    let partitions = asked.partitions.iter().map(|partition| {
        let data = PartitionData::default().with_partition_index(partition.partition_index);
        if !is_metadata || partition.partition_index != METADATA_PARTITION {
            let reason = (version >= FIRST_WITH_NODES).then(|| text("only partition 0 of __cluster_metadata has a quorum"));
            return data.with_error_code(ResponseError::UnknownTopicOrPartition.code()).with_error_message(reason);
        }
        let voter = ReplicaState::default().with_replica_id(broker).with_last_fetch_timestamp(-1).with_last_caught_up_timestamp(-1);
        data.with_leader_id(broker).with_leader_epoch(LEADER_EPOCH).with_current_voters(vec![voter])
    });
    let partitions = partitions.collect();
    TopicData::default().with_topic_name(asked.topic_name).with_partitions(partitions)
}
