//! What a request costs its client's quotas, and answers that tell how long it must wait (KIP-219).

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Api, RequestContext, k00_produce, k01_fetch};
use crate::codec::Encodable as _;
use crate::codec::messages::*;
use crate::node::Node;
use crate::security::Used;
use crate::sync::lock;

/// The account of one request; `None` costs nothing, for there are no quotas.
pub(crate) struct Account {
    node: Arc<Node>,
    context: Arc<RequestContext>,
    user: String,
    used: Used,
    /// From what the request wants changed.
    wait: Duration,
}

impl Account {
    pub(super) fn open<A: Api>(node: &Arc<Node>, context: &Arc<RequestContext>, body_bytes: usize) -> Option<Self> {
        if !node.security.quotas.is_active() {
            return None;
        }
        let produced_bytes = if A::KEY == k00_produce::Produce::KEY { body_bytes } else { 0 };
        let used = Used { produced_bytes, ..Used::default() };
        let user = context.session.principal().name().to_owned();
        Some(Self { node: Arc::clone(node), context: Arc::clone(context), user, used, wait: Duration::ZERO })
    }

    /// The request's version.
    pub(super) fn version(&self) -> i16 {
        self.context.version
    }

    /// How many partitions a topic has, by name, or by id when there is one; 0 for one that is not there.
    pub(super) fn partitions_of(&self, name: &str, id: Uuid) -> usize {
        let topics = &self.node.topics;
        let topic = if id.is_nil() { topics.get(name) } else { topics.get_by_id(id) };
        topic.map_or(0, |topic| usize::try_from(topic.partition_count()).unwrap_or(0))
    }

    /// May so many partitions be made or deleted now? `strictly`: not if the client is in debt for earlier ones.
    pub(super) fn may_mutate(&mut self, partitions: usize, strictly: bool) -> bool {
        let quotas = &self.node.security.quotas;
        let now_ms = self.node.clock().now_ms();
        match quotas.mutate(&self.user, &self.context.client_id, partitions, strictly, now_ms) {
            Ok(wait) => {
                self.wait = self.wait.max(wait);
                true
            }
            Err(wait) => {
                self.wait = self.wait.max(wait);
                false
            }
        }
    }

    pub(super) fn count_cpu(&mut self, cpu: Duration) {
        self.used.cpu = cpu;
    }

    /// Charges the client. It is told in the answer, if there is one, and not listened to for as long.
    pub(super) fn settle<A: Api>(mut self, response: Option<&mut A::Response>) {
        if let Some(response) = response.as_deref().filter(|_| A::KEY == k01_fetch::Fetch::KEY) {
            let from_log: usize = lock(&self.context.slices).iter().map(|held| held.slice.bytes()).sum();
            self.used.fetched_bytes = from_log + response.compute_size(self.context.version).unwrap_or(0);
        }
        let now_ms = self.node.clock().now_ms();
        let wait = self.node.security.quotas.charge(&self.user, &self.context.client_id, self.used, now_ms).max(self.wait);
        if wait.is_zero() {
            return;
        }
        if let Some(response) = response {
            response.set_throttle_time_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX));
        }
        self.context.session.mute(wait);
    }
}

/// An answer that may tell it.
pub(crate) trait Throttled {
    /// Writes the wait into the answer; versions without the field leave it out.
    fn set_throttle_time_ms(&mut self, throttle_time_ms: i32);
}

macro_rules! with_field {
    ($($response:ident)*) => {
        $(impl Throttled for $response {
            fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
                self.throttle_time_ms = throttle_time_ms;
            }
        })*
    };
}

macro_rules! without_field {
    ($($response:ident)*) => {
        $(impl Throttled for $response {
            fn set_throttle_time_ms(&mut self, _throttle_time_ms: i32) {}
        })*
    };
}

with_field! {
    AddOffsetsToTxnResponse AddPartitionsToTxnResponse AlterClientQuotasResponse AlterConfigsResponse AlterPartitionReassignmentsResponse
    AlterUserScramCredentialsResponse ApiVersionsResponse ConsumerGroupDescribeResponse ConsumerGroupHeartbeatResponse CreateAclsResponse
    CreatePartitionsResponse CreateTopicsResponse DeleteAclsResponse DeleteGroupsResponse DeleteRecordsResponse DeleteTopicsResponse
    DescribeAclsResponse DescribeClientQuotasResponse DescribeClusterResponse DescribeConfigsResponse DescribeGroupsResponse
    DescribeLogDirsResponse DescribeProducersResponse DescribeTopicPartitionsResponse DescribeTransactionsResponse
    DescribeUserScramCredentialsResponse ElectLeadersResponse EndTxnResponse FetchResponse FindCoordinatorResponse
    GetTelemetrySubscriptionsResponse HeartbeatResponse IncrementalAlterConfigsResponse InitProducerIdResponse JoinGroupResponse
    LeaveGroupResponse ListConfigResourcesResponse ListGroupsResponse ListOffsetsResponse ListPartitionReassignmentsResponse
    ListTransactionsResponse MetadataResponse OffsetCommitResponse OffsetDeleteResponse OffsetFetchResponse OffsetForLeaderEpochResponse
    ProduceResponse PushTelemetryResponse SyncGroupResponse TxnOffsetCommitResponse UpdateFeaturesResponse
}

without_field! { DescribeQuorumResponse SaslAuthenticateResponse SaslHandshakeResponse }
