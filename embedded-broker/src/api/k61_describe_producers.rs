//! DescribeProducers: 0. Which producers a partition remembers, and which have a transaction open in it since which offset (KIP-664).

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use crate::codec::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use crate::log::ProducerView;
use crate::node::Node;

pub(crate) struct DescribeProducers;

impl Api for DescribeProducers {
    const KEY: i16 = 61;
    const NAME: &'static str = "DescribeProducers";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeProducersRequest;
    type Response = DescribeProducersResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DescribeProducersRequest,
    ) -> Result<DescribeProducersResponse, Refusal> {
        let topics = shared::once(request.topics, |asked| asked.name.clone()).map(|asked| {
            let topic = shared::topic(&node, &asked.name, Uuid::nil());
            let partitions = shared::once(&asked.partition_indexes, |index| **index).map(|index| {
                let response = PartitionResponse::default().with_partition_index(*index);
                match shared::partition(&topic, *index) {
                    Ok(log) => response.with_active_producers(log.producers().iter().map(state).collect()),
                    Err(error) => response.with_error_code(error.code()),
                }
            });
            let partitions = partitions.collect();
            TopicResponse::default().with_name(asked.name).with_partitions(partitions)
        });
        Ok(DescribeProducersResponse::default().with_topics(topics.collect()))
    }
}

fn state(view: &ProducerView) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(view.producer_id))
        .with_producer_epoch(i32::from(view.epoch))
        .with_last_sequence(view.last_sequence)
        .with_last_timestamp(view.last_timestamp_ms)
        .with_coordinator_epoch(view.coordinator_epoch)
        .with_current_txn_start_offset(view.open_from.unwrap_or(-1))
}
