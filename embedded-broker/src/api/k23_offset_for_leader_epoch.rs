//! OffsetForLeaderEpoch: 2-4. Where a leader epoch ended, for consumers that check whether the log was cut under them (KIP-320).
//!
//! - The leader is always this broker, in epoch 0, so that epoch ends at the high watermark, and there is no other.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::ResponseError;
use crate::codec::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use crate::codec::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::codec::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use crate::log::LEADER_EPOCH;
use crate::node::Node;
use crate::topics::Topic;

pub(crate) struct OffsetForLeaderEpoch;

impl Api for OffsetForLeaderEpoch {
    const KEY: i16 = 23;
    const NAME: &'static str = "OffsetForLeaderEpoch";
    const VERSIONS: RangeInclusive<i16> = 2..=4;
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: OffsetForLeaderEpochRequest,
    ) -> Result<Self::Response, Refusal> {
        let topics = request.topics.into_iter().map(|asked| {
            let topic = shared::topic(&node, &asked.topic, Uuid::nil());
            let partitions = asked.partitions.iter().map(|partition| answer(&topic, partition)).collect();
            OffsetForLeaderTopicResult::default().with_topic(asked.topic).with_partitions(partitions)
        });
        Ok(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
    }
}

fn answer(topic: &Result<Arc<Topic>, ResponseError>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(asked.partition);
    let log = shared::check_leader_epoch(asked.current_leader_epoch).and_then(|()| shared::partition(topic, asked.partition));
    match log {
        Ok(log) if asked.leader_epoch == LEADER_EPOCH => {
            answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(log.offsets().high_watermark)
        }
        Ok(_) => answer,
        Err(error) => answer.with_error_code(error.code()),
    }
}
