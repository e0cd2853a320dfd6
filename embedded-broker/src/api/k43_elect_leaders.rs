//! ElectLeaders: 0-2. Moves partitions back to their preferred leader. There is one replica, which leads already.
//!
//! - A partition named is answered ELECTION_NOT_NEEDED, as Kafka answers when the leader is the right one. No list means all partitions,
//!   of which only those that changed are reported: none.
//! - 1: the kind of election (KIP-460): preferred (0) or unclean (1); any other is INVALID_REQUEST.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::elect_leaders_request::TopicPartitions;
use crate::codec::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::codec::messages::{ElectLeadersRequest, ElectLeadersResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;

const ELECTION_TYPES: RangeInclusive<i8> = 0..=1;

pub(crate) struct ElectLeaders;

impl Api for ElectLeaders {
    const KEY: i16 = 43;
    const NAME: &'static str = "ElectLeaders";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: ElectLeadersRequest) -> Result<ElectLeadersResponse, Refusal> {
        if !ELECTION_TYPES.contains(&request.election_type) {
            return Ok(ElectLeadersResponse::default().with_error_code(ResponseError::InvalidRequest.code()));
        }
        let results = request.topic_partitions.unwrap_or_default().into_iter().map(|asked| result(&node, asked));
        Ok(ElectLeadersResponse::default().with_replica_election_results(results.collect()))
    }
}

fn result(node: &Node, asked: TopicPartitions) -> ReplicaElectionResult {
    let topic = shared::topic(node, &asked.topic, Uuid::nil());
    let partitions = asked.partitions.into_iter().map(|index| {
        let (error, reason) = match shared::partition(&topic, index) {
            Ok(_) => (ResponseError::ElectionNotNeeded, "the preferred replica leads already; there is no other"),
            Err(error) => (error, "the partition does not exist"),
        };
        PartitionResult::default().with_partition_id(index).with_error_code(error.code()).with_error_message(Some(text(reason)))
    });
    let partitions = partitions.collect();
    ReplicaElectionResult::default().with_topic(asked.topic).with_partition_result(partitions)
}
