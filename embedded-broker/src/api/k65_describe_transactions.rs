//! DescribeTransactions: 0. Who owns these transactional ids, how their newest transactions stand and what they have touched (KIP-664).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_transactions_response::{TopicData, TransactionState};
use crate::codec::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName};
use crate::codec::{ResponseError, text};
use crate::coordinator::transaction::Transaction;
use crate::node::Node;

pub(crate) struct DescribeTransactions;

impl Api for DescribeTransactions {
    const KEY: i16 = 65;
    const NAME: &'static str = "DescribeTransactions";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeTransactionsRequest;
    type Response = DescribeTransactionsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DescribeTransactionsRequest,
    ) -> Result<DescribeTransactionsResponse, Refusal> {
        let states = node.transactions.read(|state| {
            let asked = shared::once(request.transactional_ids, Clone::clone);
            let described = asked.map(|id| match state.get(&id) {
                Some(transaction) => describe(transaction).with_transactional_id(id),
                None => TransactionState::default()
                    .with_transactional_id(id)
                    .with_error_code(ResponseError::TransactionalIdNotFound.code())
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1),
            });
            described.collect()
        });
        Ok(DescribeTransactionsResponse::default().with_transaction_states(states))
    }
}

fn describe(transaction: &Transaction) -> TransactionState {
    let mut topics = BTreeMap::<&str, Vec<i32>>::new();
    for at in &transaction.partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    let topics =
        topics.into_iter().map(|(name, partitions)| TopicData::default().with_topic(TopicName(text(name))).with_partitions(partitions));
    TransactionState::default()
        .with_transaction_state(text(transaction.phase.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.started_ms)
        .with_producer_id(ProducerId(transaction.producer.producer_id))
        .with_producer_epoch(transaction.producer.epoch)
        .with_topics(topics.collect())
}
