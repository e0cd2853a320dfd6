//! AddPartitionsToTxn: 0-3. A transaction reaches into these partitions; its first one begins it (KIP-98).
//!
//! - All or none: when a partition does not exist nothing is added, and the others are answered OPERATION_NOT_ATTEMPTED.
//! - 2: PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH. Clients of transaction version 2 do not ask: producing adds (KIP-890).
//! - Left out: 4 and 5, which only brokers send each other.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, producer_error};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use crate::codec::messages::add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult};
use crate::codec::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use crate::codec::{ResponseError, error_code};
use crate::coordinator::transaction::{Command, TopicPartition};
use crate::log::ProducerEpoch;
use crate::node::Node;

/// The first version that knows PRODUCER_FENCED.
const FIRST_WITH_FENCED: i16 = 2;
/// The transaction version of clients that add by asking.
const CLIENT_VERSION: i16 = 0;

pub(crate) struct AddPartitionsToTxn;

impl Api for AddPartitionsToTxn {
    const KEY: i16 = 24;
    const NAME: &'static str = "AddPartitionsToTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    type Request = AddPartitionsToTxnRequest;
    type Response = AddPartitionsToTxnResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: AddPartitionsToTxnRequest,
    ) -> Result<AddPartitionsToTxnResponse, Refusal> {
        let adding = node.blocking(move |node| {
            let results = add(node, &request, context.version);
            AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results)
        });
        adding.await.map_err(|stopping| Refusal::Close(stopping.to_string()))
    }
}

fn add(node: &Node, request: &AddPartitionsToTxnRequest, version: i16) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = &request.v3_and_below_topics;
    let is_known = |topic: &str, partition: i32| node.log(topic, partition).is_some();
    let are_all_known = topics.iter().all(|topic| topic.partitions.iter().all(|partition| is_known(&topic.name, *partition)));
    if !are_all_known {
        let verdict = |topic: &str, partition| {
            let error =
                if is_known(topic, partition) { ResponseError::OperationNotAttempted } else { ResponseError::UnknownTopicOrPartition };
            Some(error)
        };
        return results(topics, verdict);
    }
    let partitions = topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        topic.partitions.iter().map(move |partition| TopicPartition { topic: Arc::clone(&name), partition: *partition })
    });
    let producer = ProducerEpoch { producer_id: request.v3_and_below_producer_id.0, epoch: request.v3_and_below_producer_epoch };
    let command = Command::Add { producer, partitions: partitions.collect(), client_version: CLIENT_VERSION };
    let error = node.transactions.ask(&shared::transactional_id(&request.v3_and_below_transactional_id), command).err();
    let error = error.map(|error| producer_error(error, version, FIRST_WITH_FENCED));
    results(topics, |_, _| error)
}

fn results(topics: &[AddPartitionsToTxnTopic], error: impl Fn(&str, i32) -> Option<ResponseError>) -> Vec<AddPartitionsToTxnTopicResult> {
    let of_topic = |topic: &AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let code = error_code(error(&topic.name, *partition));
            AddPartitionsToTxnPartitionResult::default().with_partition_index(*partition).with_partition_error_code(code)
        });
        AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(partitions.collect())
    };
    topics.iter().map(of_topic).collect()
}
