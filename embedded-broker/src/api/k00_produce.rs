//! Produce: 3-13. Appends one record batch per partition, as the bytes the client sent.
//!
//! - Advertised from 0 (see ApiVersions), served from 3: older versions carry formats that no client of the last years sends (KIP-896).
//! - The batch is held against its checksum, its counts, the topic's limits and, with a producer id, the partition's memory of it; a retry
//!   is answered with the original offset.
//! - acks 0 gets no answer; an error then closes the connection, which is all the client can notice. acks 1 and all are the same here:
//!   there is one replica.
//! - A transactional batch must belong to a transaction that reaches into its partition; 12: it does so by itself (KIP-890).
//! - 13: topics by id (KIP-516). Left out: node endpoints, for the leader never moves.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use super::shared::{self, append_error};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::produce_request::PartitionProduceData;
use crate::codec::messages::produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse};
use crate::codec::messages::{ProduceRequest, ProduceResponse};
use crate::codec::{ResponseError, text};
use crate::coordinator::transaction::{Command, TopicPartition, TransactionalId};
use crate::log::batch::BatchHeader;
use crate::log::{self, AppendError, Appended, Begins, Committed, Origin, ProducerEpoch};
use crate::node::Node;
use crate::topics::Topic;

const ACKS: RangeInclusive<i16> = -1..=1;
/// The first version that knows TRANSACTION_ABORTABLE (KIP-890).
const FIRST_ABORTABLE: i16 = 11;
/// The first version of transaction version 2: producing adds the partition.
const FIRST_ADDING: i16 = 12;

pub(crate) struct Produce;

impl Api for Produce {
    const KEY: i16 = 0;
    const NAME: &'static str = "Produce";
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    type Request = ProduceRequest;
    type Response = ProduceResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: ProduceRequest) -> Result<ProduceResponse, Refusal> {
        let acks = request.acks;
        let refused = (!ACKS.contains(&acks)).then_some(ResponseError::InvalidRequiredAcks);
        let transaction = request.transactional_id.as_ref().map(shared::transactional_id);
        let transaction = Claim { node: &node, id: transaction.as_ref(), version: context.version };
        let mut failed = None;
        let responses = request.topic_data.into_iter().map(|asked| {
            let topic = shared::topic(&node, &asked.name, asked.topic_id).and_then(writable);
            let partitions = asked.partition_data.into_iter().map(|data| {
                let response = produce(&topic, data, refused, &transaction);
                failed = failed.or(Some(response.error_code).filter(|code| *code != 0));
                response
            });
            let partition_responses = partitions.collect();
            TopicProduceResponse::default()
                .with_name(asked.name)
                .with_topic_id(asked.topic_id)
                .with_partition_responses(partition_responses)
        });
        let mut response = ProduceResponse::default().with_responses(responses.collect());
        if acks != 0 && node.environment.committed().await == Committed::Failed {
            fail_unsynced(&node, &mut response);
        }
        match failed {
            Some(code) if acks == 0 => Err(Refusal::Close(format!("a Produce with acks 0 failed with error {code}"))),
            None if acks == 0 => Err(Refusal::NoResponse),
            _ => Ok(response),
        }
    }
}

/// What was appended, but could not be brought to the disk as the topic wants it, is no success.
fn fail_unsynced(node: &Node, response: &mut ProduceResponse) {
    for topic in &mut response.responses {
        let Ok(found) = shared::topic(node, &topic.name, topic.topic_id) else { continue };
        for partition in topic.partition_responses.iter_mut().filter(|partition| partition.error_code == 0) {
            if found.partition(partition.index).is_some_and(|log| log.has_failed()) {
                let failed = PartitionProduceResponse::default().with_index(partition.index).with_base_offset(-1);
                *partition = failed.with_error_code(ResponseError::KafkaStorageError.code());
            }
        }
    }
}

fn writable(topic: Arc<Topic>) -> Result<Arc<Topic>, ResponseError> {
    if topic.is_internal() { Err(ResponseError::InvalidTopicException) } else { Ok(topic) }
}

fn produce(
    topic: &Result<Arc<Topic>, ResponseError>,
    data: PartitionProduceData,
    refused: Option<ResponseError>,
    transaction: &Claim<'_>,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(data.index);
    match refused.map_or_else(|| append(topic, data.index, data.records, transaction), |error| Err((error, None))) {
        Ok(Appended { base_offset, log_start_offset, log_append_time_ms }) => {
            response.with_base_offset(base_offset).with_log_start_offset(log_start_offset).with_log_append_time_ms(log_append_time_ms)
        }
        Err((error, reason)) => {
            let response = response.with_error_code(error.code()).with_base_offset(-1);
            let Some(reason) = reason else { return response };
            // 8, KIP-467: an invalid record is named. The batch as a whole is at fault here.
            let record_errors = if error == ResponseError::InvalidRecord && transaction.version >= 8 {
                vec![BatchIndexAndErrorMessage::default().with_batch_index(0).with_batch_index_error_message(Some(text(reason.clone())))]
            } else {
                Vec::new()
            };
            response.with_error_message(Some(text(reason))).with_record_errors(record_errors)
        }
    }
}

type Failure = (ResponseError, Option<String>);

fn append(
    topic: &Result<Arc<Topic>, ResponseError>,
    index: i32,
    records: Option<Bytes>,
    transaction: &Claim<'_>,
) -> Result<Appended, Failure> {
    let partition = shared::partition(topic, index).map_err(|error| (error, None))?;
    let records = records.ok_or((ResponseError::InvalidRecord, Some("there are no records in the request".to_owned())))?;
    if let Ok(header) = BatchHeader::read(&records)
        && header.is_transactional()
        && let Ok(topic) = topic
    {
        transaction.verify(topic, &partition, index, &header).map_err(|error| (error, None))?;
    }
    let described = |error: AppendError| (append_error(&partition, &error), Some(error.to_string()));
    partition.append(&records, Origin::Client).map_err(described)
}

/// A request's word that its batches are part of a transaction.
struct Claim<'a> {
    node: &'a Node,
    id: Option<&'a TransactionalId>,
    version: i16,
}

impl Claim<'_> {
    /// Makes sure that the transaction reaches into the partition: asks the coordinator before the first batch, not again after it.
    fn verify(&self, topic: &Topic, log: &log::Partition, partition: i32, header: &BatchHeader) -> Result<(), ResponseError> {
        let id = self.id.ok_or(ResponseError::InvalidTxnState)?;
        let producer = ProducerEpoch { producer_id: header.producer_id, epoch: header.producer_epoch };
        // The mark first, then the question: a marker that ends the transaction in between takes the mark away.
        let adds = self.version >= FIRST_ADDING;
        if !log.verify_transaction(producer, if adds { Begins::AtZero } else { Begins::Anywhere }) {
            return Ok(());
        }
        let partition = TopicPartition { topic: Arc::clone(&topic.name), partition };
        let command = if adds {
            Command::Add { producer, partitions: vec![partition], client_version: 2 }
        } else {
            Command::Verify { producer, partition }
        };
        self.node.transactions.ask(id, command).map(drop).map_err(|error| {
            log.refuse_transaction(producer);
            match error {
                // Producers know a fencing by this name in every version of Produce.
                ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
                ResponseError::InvalidTxnState if self.version >= FIRST_ABORTABLE => ResponseError::TransactionAbortable,
                error => error,
            }
        })
    }
}
