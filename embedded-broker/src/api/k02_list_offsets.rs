//! ListOffsets: 1-10. Where a partition begins and ends, and which record was written when.
//!
//! - Timestamps with a meaning: -1 latest (the high watermark), -2 earliest, -3 the largest timestamp (7, KIP-734), -4 earliest local
//!   (8, KIP-405: all is local), -5 latest tiered (9, KIP-1005: nothing is). Any other: the first record at or after it; -1 when none is.
//! - Inside a compressed batch the batch's first offset is given, which is at or before the record sought (see `Partition::offset_of_time`).
//! - 2: read_committed sees the last stable offset as the end. 4: leader epochs are checked (KIP-320).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, read_error};
use super::{Api, Refusal, RequestContext};
use crate::codec::ResponseError;
use crate::codec::messages::list_offsets_request::ListOffsetsPartition;
use crate::codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::codec::messages::{ListOffsetsRequest, ListOffsetsResponse};
use crate::log::{LEADER_EPOCH, TimedOffset};
use crate::node::Node;
use crate::topics::Topic;

const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(crate) struct ListOffsets;

impl Api for ListOffsets {
    const KEY: i16 = 2;
    const NAME: &'static str = "ListOffsets";
    const VERSIONS: RangeInclusive<i16> = 1..=10;
    type Request = ListOffsetsRequest;
    type Response = ListOffsetsResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: ListOffsetsRequest) -> Result<ListOffsetsResponse, Refusal> {
        // A lookup by time reads the log, which may wait for the disk.
        let answering = node.blocking(move |node| {
            let topics = request.topics.into_iter().map(|asked| {
                let topic = shared::topic(node, &asked.name, uuid::Uuid::nil());
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|partition| answer(&topic, partition, request.isolation_level == READ_COMMITTED, context.version));
                let partitions = partitions.collect();
                ListOffsetsTopicResponse::default().with_name(asked.name).with_partitions(partitions)
            });
            ListOffsetsResponse::default().with_topics(topics.collect())
        });
        answering.await.map_err(|stopping| Refusal::Close(stopping.to_string()))
    }
}

fn answer(
    topic: &Result<Arc<Topic>, ResponseError>,
    asked: &ListOffsetsPartition,
    read_committed: bool,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    match find(topic, asked, read_committed) {
        Ok(Some(found)) => {
            let response = response.with_offset(found.offset).with_timestamp(found.timestamp_ms);
            if version >= 4 { response.with_leader_epoch(LEADER_EPOCH) } else { response }
        }
        Ok(None) => response,
        Err(error) => response.with_error_code(error.code()),
    }
}

fn find(
    topic: &Result<Arc<Topic>, ResponseError>,
    asked: &ListOffsetsPartition,
    read_committed: bool,
) -> Result<Option<TimedOffset>, ResponseError> {
    shared::check_leader_epoch(asked.current_leader_epoch)?;
    let log = shared::partition(topic, asked.partition_index)?;
    let untimed = |offset| Some(TimedOffset { offset, timestamp_ms: -1 });
    let offsets = log.offsets();
    let end = if read_committed { offsets.last_stable_offset } else { offsets.high_watermark };
    let found = match asked.timestamp {
        LATEST => Ok(untimed(end)),
        EARLIEST | EARLIEST_LOCAL => Ok(untimed(offsets.log_start_offset)),
        LATEST_TIERED => Ok(None),
        MAX_TIMESTAMP => log.offset_of_max_timestamp().map_err(|error| read_error(&log, &error)),
        timestamp_ms => log.offset_of_time(timestamp_ms).map_err(|error| read_error(&log, &error)),
    };
    // What is not stable yet is not there for read_committed.
    Ok(found?.filter(|found| found.timestamp_ms < 0 || found.offset < end))
}
