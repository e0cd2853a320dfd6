//! Gates of the data APIs: WRITE to produce, READ to fetch, DESCRIBE to know, DELETE to delete records.

use std::sync::Arc;

use bytes::Bytes;

use super::{Caller, Gate, Gated, TOPIC_DENIED, TRANSACTIONAL_ID_DENIED, take_denied};
use crate::codec::ResponseError;
use crate::codec::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use crate::codec::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::codec::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::codec::messages::produce_request::TopicProduceData;
use crate::codec::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use crate::codec::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse,
};
use crate::security::Operation;

impl Gated<ProduceResponse> for ProduceRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ProduceResponse> {
        let is_transactional_id_allowed = self.transactional_id.as_ref().is_none_or(|id| caller.may_transactional_id(Operation::Write, id));
        let (denied, code) = if is_transactional_id_allowed {
            let may_write = |topic: &TopicProduceData| caller.may_topic_by(Operation::Write, &topic.name, topic.topic_id);
            (take_denied(&mut self.topic_data, may_write), TOPIC_DENIED)
        } else {
            (std::mem::take(&mut self.topic_data), TRANSACTIONAL_ID_DENIED)
        };
        if denied.is_empty() {
            return Gate::Open;
        }
        if self.acks == 0 {
            return Gate::Close("a Produce with acks 0 is not allowed for one of its topics".to_owned());
        }
        let denied = denied.into_iter().map(move |topic| {
            let partitions = topic
                .partition_data
                .iter()
                .map(|data| PartitionProduceResponse::default().with_index(data.index).with_error_code(code).with_base_offset(-1));
            let partitions = partitions.collect();
            TopicProduceResponse::default().with_name(topic.name).with_topic_id(topic.topic_id).with_partition_responses(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut ProduceResponse| response.responses.extend(denied))
    }
}

/// Epochs of fetch sessions (KIP-227): the one that begins a session, and the one of a request without.
const FIRST_EPOCH: i32 = 0;
const WITHOUT_A_SESSION: i32 = -1;

impl Gated<FetchResponse> for FetchRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<FetchResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic_by(Operation::Read, &topic.topic, topic.topic_id));
        if !denied.is_empty() {
            if self.session_epoch > FIRST_EPOCH {
                // What a session does not know of it would never answer, not even once it is allowed: the client begins anew.
                return Gate::Answer(FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code()));
            }
            self.session_epoch = WITHOUT_A_SESSION;
        }
        let denied = denied.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| denied_partition(partition.partition)).collect();
            FetchableTopicResponse::default().with_topic(topic.topic).with_topic_id(topic.topic_id).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut FetchResponse| {
            // A session remembers topics of earlier requests, and permissions may be gone since.
            for topic in &mut response.responses {
                if !caller.may_topic_by(Operation::Read, &topic.topic, topic.topic_id) {
                    topic.partitions.iter_mut().for_each(|partition| *partition = denied_partition(partition.partition_index));
                }
            }
            response.responses.extend(denied);
        })
    }
}

fn denied_partition(index: i32) -> PartitionData {
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(TOPIC_DENIED)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}

impl Gated<ListOffsetsResponse> for ListOffsetsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ListOffsetsResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Describe, &topic.name));
        let denied = denied.into_iter().map(|topic| {
            let partition = |index| {
                let denied = ListOffsetsPartitionResponse::default().with_partition_index(index).with_error_code(TOPIC_DENIED);
                denied.with_timestamp(-1).with_offset(-1)
            };
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut ListOffsetsResponse| response.topics.extend(denied))
    }
}

impl Gated<OffsetForLeaderEpochResponse> for OffsetForLeaderEpochRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<OffsetForLeaderEpochResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Describe, &topic.topic));
        let denied = denied.into_iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions =
                partitions.map(|asked| EpochEndOffset::default().with_partition(asked.partition).with_error_code(TOPIC_DENIED));
            let partitions = partitions.collect();
            OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut OffsetForLeaderEpochResponse| response.topics.extend(denied))
    }
}

impl Gated<DeleteRecordsResponse> for DeleteRecordsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DeleteRecordsResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Delete, &topic.name));
        let denied = denied.into_iter().map(|topic| {
            let partition = |index| {
                let denied = DeleteRecordsPartitionResult::default().with_partition_index(index);
                denied.with_error_code(TOPIC_DENIED).with_low_watermark(-1)
            };
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut DeleteRecordsResponse| response.topics.extend(denied))
    }
}
