//! CreatePartitions: 0-3. Gives a topic more partitions; it can never have fewer.
//!
//! - An assignment, when given, must give each new partition to this broker. The broker's own topics are refused: groups are placed by the
//!   number of partitions. `validate_only` changes nothing.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::create_partitions_request::CreatePartitionsTopic;
use crate::codec::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::codec::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;

pub(crate) struct CreatePartitions;

impl Api for CreatePartitions {
    const KEY: i16 = 37;
    const NAME: &'static str = "CreatePartitions";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    type Request = CreatePartitionsRequest;
    type Response = CreatePartitionsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: CreatePartitionsRequest,
    ) -> Result<CreatePartitionsResponse, Refusal> {
        let growing = node.blocking(move |node| {
            let results = request.topics.iter().map(|asked| {
                let result = CreatePartitionsTopicResult::default().with_name(asked.name.clone());
                match grow(node, asked, request.validate_only) {
                    Ok(()) => result,
                    Err((error, reason)) => result.with_error_code(error.code()).with_error_message(Some(text(reason))),
                }
            });
            results.collect()
        });
        let results = growing.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(CreatePartitionsResponse::default().with_results(results))
    }
}

fn grow(node: &Node, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), (ResponseError, String)> {
    let topic = shared::topic(node, &asked.name, Uuid::nil()).map_err(|error| (error, "the topic does not exist".to_owned()))?;
    if topic.is_internal() {
        return Err((ResponseError::InvalidTopicException, "the topic is the broker's own".to_owned()));
    }
    if let Some(assignments) = &asked.assignments {
        let more = asked.count - topic.partition_count();
        let is_ours =
            assignments.iter().all(|assignment| matches!(assignment.broker_ids.as_slice(), [broker] if broker.0 == node.config.broker_id));
        if !is_ours || i32::try_from(assignments.len()) != Ok(more) {
            let reason = format!("the assignment must give each of the {more} new partitions to broker {}", node.config.broker_id);
            return Err((ResponseError::InvalidReplicaAssignment, reason));
        }
    }
    node.topics.grow(&topic, asked.count, validate_only).map_err(|error| (error.code(), error.to_string()))
}
