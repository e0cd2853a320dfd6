//! DeleteRecords: 0-2. Moves a partition's log start offset up; what is below is gone for readers at once, and from disk by segment.
//!
//! - Offset -1 means the high watermark: everything. An offset beyond it is OFFSET_OUT_OF_RANGE.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::ResponseError;
use crate::codec::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use crate::codec::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::node::Node;
use crate::topics::Topic;

const HIGH_WATERMARK: i64 = -1;

pub(crate) struct DeleteRecords;

impl Api for DeleteRecords {
    const KEY: i16 = 21;
    const NAME: &'static str = "DeleteRecords";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DeleteRecordsRequest;
    type Response = DeleteRecordsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: DeleteRecordsRequest,
    ) -> Result<DeleteRecordsResponse, Refusal> {
        let deleting = node.blocking(move |node| {
            let topics = request.topics.into_iter().map(|asked| {
                let topic = shared::topic(node, &asked.name, Uuid::nil());
                let partitions = asked.partitions.iter().map(|asked| result(&topic, asked.partition_index, asked.offset));
                let partitions = partitions.collect();
                DeleteRecordsTopicResult::default().with_name(asked.name).with_partitions(partitions)
            });
            topics.collect()
        });
        let topics = deleting.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(DeleteRecordsResponse::default().with_topics(topics))
    }
}

fn result(topic: &Result<Arc<Topic>, ResponseError>, index: i32, before: i64) -> DeleteRecordsPartitionResult {
    let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
    match delete(topic, index, before) {
        Ok(low_watermark) => result.with_low_watermark(low_watermark),
        Err(error) => result.with_error_code(error.code()).with_low_watermark(-1),
    }
}

fn delete(topic: &Result<Arc<Topic>, ResponseError>, index: i32, before: i64) -> Result<i64, ResponseError> {
    let log = shared::partition(topic, index)?;
    if topic.as_ref().is_ok_and(|topic| topic.is_internal()) {
        return Err(ResponseError::InvalidTopicException);
    }
    let before = if before == HIGH_WATERMARK { log.offsets().high_watermark } else { before };
    let deleted = log.delete_records(before).map_err(|error| {
        tracing::error!(partition = ?log, %error, "records could not be deleted");
        ResponseError::KafkaStorageError
    })?;
    deleted.ok_or(ResponseError::OffsetOutOfRange)
}
