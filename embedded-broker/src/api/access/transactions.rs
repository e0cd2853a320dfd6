//! Gates of the transaction APIs: WRITE on the transactional id, and the topic's or group's own on top.

use std::sync::Arc;

use super::{CLUSTER_DENIED, Caller, GROUP_DENIED, Gate, Gated, TOPIC_DENIED, TRANSACTIONAL_ID_DENIED, take_denied};
use crate::codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use crate::codec::messages::add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult};
use crate::codec::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use crate::codec::messages::*;
use crate::codec::{ResponseError, messages};
use crate::security::Operation;

impl Gated<InitProducerIdResponse> for InitProducerIdRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<InitProducerIdResponse> {
        let code = match &self.transactional_id {
            Some(id) if caller.may_transactional_id(Operation::Write, id) => return Gate::Open,
            Some(_) => TRANSACTIONAL_ID_DENIED,
            // KIP-679: who may write anywhere may do so idempotently.
            None if caller.may_cluster(Operation::IdempotentWrite) || caller.may_some_topic(Operation::Write) => return Gate::Open,
            None => CLUSTER_DENIED,
        };
        let refusal = InitProducerIdResponse::default().with_error_code(code);
        Gate::Answer(refusal.with_producer_id(ProducerId(-1)).with_producer_epoch(-1))
    }
}

/// From this version on only brokers ask, for several transactions at once.
const FIRST_OF_BROKERS: i16 = 4;

impl Gated<AddPartitionsToTxnResponse> for AddPartitionsToTxnRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<AddPartitionsToTxnResponse> {
        if caller.version >= FIRST_OF_BROKERS {
            let refusal = || AddPartitionsToTxnResponse::default().with_error_code(CLUSTER_DENIED);
            return Gate::when(caller.may_cluster(Operation::ClusterAction), refusal);
        }
        let topics = &self.v3_and_below_topics;
        let may_write = |topic: &AddPartitionsToTxnTopic| caller.may_topic(Operation::Write, &topic.name);
        let is_transaction_allowed = caller.may_transactional_id(Operation::Write, &self.v3_and_below_transactional_id);
        if is_transaction_allowed && topics.iter().all(may_write) {
            return Gate::Open;
        }
        // All or none: those that would be allowed are not attempted.
        let results = topics.iter().map(|topic| {
            let code = match (is_transaction_allowed, may_write(topic)) {
                (false, _) => TRANSACTIONAL_ID_DENIED,
                (true, false) => TOPIC_DENIED,
                (true, true) => ResponseError::OperationNotAttempted.code(),
            };
            let partitions = topic
                .partitions
                .iter()
                .map(|index| AddPartitionsToTxnPartitionResult::default().with_partition_index(*index).with_partition_error_code(code));
            AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(partitions.collect())
        });
        Gate::Answer(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect()))
    }
}

impl Gated<AddOffsetsToTxnResponse> for AddOffsetsToTxnRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<AddOffsetsToTxnResponse> {
        let code = if !caller.may_transactional_id(Operation::Write, &self.transactional_id) {
            TRANSACTIONAL_ID_DENIED
        } else if !caller.may_group(Operation::Read, &self.group_id) {
            GROUP_DENIED
        } else {
            return Gate::Open;
        };
        Gate::Answer(AddOffsetsToTxnResponse::default().with_error_code(code))
    }
}

impl Gated<EndTxnResponse> for EndTxnRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<EndTxnResponse> {
        let is_allowed = caller.may_transactional_id(Operation::Write, &self.transactional_id);
        Gate::when(is_allowed, || EndTxnResponse::default().with_error_code(TRANSACTIONAL_ID_DENIED))
    }
}

impl Gated<TxnOffsetCommitResponse> for TxnOffsetCommitRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<TxnOffsetCommitResponse> {
        let (denied, code) = if !caller.may_transactional_id(Operation::Write, &self.transactional_id) {
            (std::mem::take(&mut self.topics), TRANSACTIONAL_ID_DENIED)
        } else if !caller.may_group(Operation::Read, &self.group_id) {
            (std::mem::take(&mut self.topics), GROUP_DENIED)
        } else {
            (take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Read, &topic.name)), TOPIC_DENIED)
        };
        let denied = denied.into_iter().map(|topic| {
            let partition = |index| TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code);
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        if self.topics.is_empty() && !denied.is_empty() {
            return Gate::Answer(TxnOffsetCommitResponse::default().with_topics(denied));
        }
        Gate::then(|response: &mut TxnOffsetCommitResponse| response.topics.extend(denied))
    }
}

impl Gated<DescribeProducersResponse> for DescribeProducersRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeProducersResponse> {
        use messages::describe_producers_response::{PartitionResponse, TopicResponse};
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Read, &topic.name));
        let denied = denied.into_iter().map(|topic| {
            let partition = |index: &i32| PartitionResponse::default().with_partition_index(*index).with_error_code(TOPIC_DENIED);
            let partitions = topic.partition_indexes.iter().map(partition).collect();
            TopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut DescribeProducersResponse| response.topics.extend(denied))
    }
}

impl Gated<DescribeTransactionsResponse> for DescribeTransactionsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeTransactionsResponse> {
        use messages::describe_transactions_response::TransactionState;
        let denied = take_denied(&mut self.transactional_ids, |id| caller.may_transactional_id(Operation::Describe, id));
        let denied = denied.into_iter();
        let denied = denied.map(|id| TransactionState::default().with_transactional_id(id).with_error_code(TRANSACTIONAL_ID_DENIED));
        let denied: Vec<_> = denied.collect();
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut DescribeTransactionsResponse| {
            for transaction in &mut response.transaction_states {
                transaction.topics.retain(|topic| caller.may_topic(Operation::Describe, &topic.topic));
            }
            response.transaction_states.extend(denied);
        })
    }
}

impl Gated<ListTransactionsResponse> for ListTransactionsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ListTransactionsResponse> {
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut ListTransactionsResponse| {
            let may_describe = |id: &TransactionalId| caller.may_transactional_id(Operation::Describe, id);
            response.transaction_states.retain(|transaction| may_describe(&transaction.transactional_id));
        })
    }
}
