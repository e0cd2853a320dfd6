//! AlterPartitionReassignments: 0-1. Moves partitions to other brokers (KIP-455). There is no other: only the move to where they are works.
//!
//! - The replicas that are there already: done at once. Any other: INVALID_REPLICA_ASSIGNMENT. None (cancel): NO_REASSIGNMENT_IN_PROGRESS.
//! - 1: whether the replication factor may change; here it can't.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use crate::codec::messages::alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse};
use crate::codec::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::topics::Topic;

pub(crate) struct AlterPartitionReassignments;

impl Api for AlterPartitionReassignments {
    const KEY: i16 = 45;
    const NAME: &'static str = "AlterPartitionReassignments";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = AlterPartitionReassignmentsRequest;
    type Response = AlterPartitionReassignmentsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<Self::Response, Refusal> {
        let allow_change = request.allow_replication_factor_change;
        let responses = request.topics.into_iter().map(|asked| response(&node, asked));
        Ok(Self::Response::default().with_allow_replication_factor_change(allow_change).with_responses(responses.collect()))
    }
}

fn response(node: &Node, asked: ReassignableTopic) -> ReassignableTopicResponse {
    let topic = shared::topic(node, &asked.name, Uuid::nil());
    let partitions = asked.partitions.iter().map(|partition| {
        let response = ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
        match check(node, &topic, partition) {
            Ok(()) => response,
            Err((error, reason)) => response.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    let partitions = partitions.collect();
    ReassignableTopicResponse::default().with_name(asked.name).with_partitions(partitions)
}

fn check(node: &Node, topic: &Result<Arc<Topic>, ResponseError>, asked: &ReassignablePartition) -> Result<(), (ResponseError, String)> {
    shared::partition(topic, asked.partition_index).map_err(|error| (error, "the partition does not exist".to_owned()))?;
    match asked.replicas.as_deref() {
        None => Err((ResponseError::NoReassignmentInProgress, "no reassignment of the partition is in progress".to_owned())),
        Some([only]) if only.0 == node.config.broker_id => Ok(()),
        Some(_) => {
            let reason = format!("the only broker is {}; a partition can have no other replica", node.config.broker_id);
            Err((ResponseError::InvalidReplicaAssignment, reason))
        }
    }
}
