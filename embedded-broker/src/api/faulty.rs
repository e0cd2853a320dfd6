//! Requests that meet a fault switch: held back, refused, done in silence, or answered with an error in the response's own shape.
//!
//! An error instead of the work is the refusal that the API's gate for access would give, with another code: for some topics only, if the
//! fault is about one. APIs that only read do their work first and have the error written over it; a long poll waits as ever.

use std::any::Any;
use std::future::pending;
use std::sync::Arc;

use uuid::Uuid;

use super::access::{Caller, Gate, Gated as _};
use super::dispatch::allowed;
use super::throttle::Account;
use super::{
    Api, Refusal, RequestContext, k01_fetch, k02_list_offsets, k03_metadata, k08_offset_commit, k09_offset_fetch, k10_find_coordinator,
    k11_join_group, k12_heartbeat, k13_leave_group, k14_sync_group, k15_describe_groups, k16_list_groups, k18_api_versions,
    k22_init_producer_id, k23_offset_for_leader_epoch, k24_add_partitions_to_txn, k25_add_offsets_to_txn, k26_end_txn,
    k28_txn_offset_commit, k32_describe_configs, k35_describe_log_dirs, k42_delete_groups, k47_offset_delete, k60_describe_cluster,
    k61_describe_producers, k65_describe_transactions, k66_list_transactions, k68_consumer_group_heartbeat, k69_consumer_group_describe,
    k75_describe_topic_partitions,
};
use crate::codec::messages::FetchResponse;
use crate::codec::{ErrorCodes, Place, ResponseError};
use crate::faults::{Asked, Effects, Injected, Probe};
use crate::node::Node;

/// What only reads: the error may as well come after the work.
const READING: &[i16] = &[
    k01_fetch::Fetch::KEY,
    k02_list_offsets::ListOffsets::KEY,
    k03_metadata::Metadata::KEY,
    k09_offset_fetch::OffsetFetch::KEY,
    k10_find_coordinator::FindCoordinator::KEY,
    k15_describe_groups::DescribeGroups::KEY,
    k16_list_groups::ListGroups::KEY,
    k18_api_versions::ApiVersions::KEY,
    k23_offset_for_leader_epoch::OffsetForLeaderEpoch::KEY,
    k32_describe_configs::DescribeConfigs::KEY,
    k35_describe_log_dirs::DescribeLogDirs::KEY,
    k60_describe_cluster::DescribeCluster::KEY,
    k61_describe_producers::DescribeProducers::KEY,
    k65_describe_transactions::DescribeTransactions::KEY,
    k66_list_transactions::ListTransactions::KEY,
    k69_consumer_group_describe::ConsumerGroupDescribe::KEY,
    k75_describe_topic_partitions::DescribeTopicPartitions::KEY,
];

/// What goes to a coordinator, of a group or of a transaction.
const COORDINATED: &[i16] = &[
    k08_offset_commit::OffsetCommit::KEY,
    k09_offset_fetch::OffsetFetch::KEY,
    k11_join_group::JoinGroup::KEY,
    k12_heartbeat::Heartbeat::KEY,
    k13_leave_group::LeaveGroup::KEY,
    k14_sync_group::SyncGroup::KEY,
    k15_describe_groups::DescribeGroups::KEY,
    k22_init_producer_id::InitProducerId::KEY,
    k24_add_partitions_to_txn::AddPartitionsToTxn::KEY,
    k25_add_offsets_to_txn::AddOffsetsToTxn::KEY,
    k26_end_txn::EndTxn::KEY,
    k28_txn_offset_commit::TxnOffsetCommit::KEY,
    k42_delete_groups::DeleteGroups::KEY,
    k47_offset_delete::OffsetDelete::KEY,
    k65_describe_transactions::DescribeTransactions::KEY,
    k68_consumer_group_heartbeat::ConsumerGroupHeartbeat::KEY,
    k69_consumer_group_describe::ConsumerGroupDescribe::KEY,
];

/// Errors of a partition or topic: they stand there, also in responses that have a place for an error of the whole.
const OF_PARTITIONS: &[ResponseError] = &[
    ResponseError::OffsetOutOfRange,
    ResponseError::CorruptMessage,
    ResponseError::UnknownTopicOrPartition,
    ResponseError::LeaderNotAvailable,
    ResponseError::NotLeaderOrFollower,
    ResponseError::ReplicaNotAvailable,
    ResponseError::MessageTooLarge,
    ResponseError::NotEnoughReplicas,
    ResponseError::NotEnoughReplicasAfterAppend,
    ResponseError::TopicAuthorizationFailed,
    ResponseError::KafkaStorageError,
    ResponseError::FencedLeaderEpoch,
    ResponseError::UnknownLeaderEpoch,
    ResponseError::OffsetNotAvailable,
    ResponseError::UnknownTopicId,
];

/// What a gate refuses with.
const REFUSALS: &[ResponseError] = &[
    ResponseError::TopicAuthorizationFailed,
    ResponseError::GroupAuthorizationFailed,
    ResponseError::ClusterAuthorizationFailed,
    ResponseError::TransactionalIdAuthorizationFailed,
];

/// Answers a request while some fault is set.
pub(super) async fn answer<A: Api>(
    node: &Arc<Node>,
    context: &Arc<RequestContext>,
    mut request: A::Request,
    account: Option<&mut Account>,
) -> Result<A::Response, Refusal> {
    let Effects { delay, closes, error, drops_reply } = meet::<A>(node, context, &mut request);
    if !delay.is_zero() {
        node.clock().sleep(delay).await;
    }
    if closes {
        return Err(Refusal::Close(format!("a fault switch closes it ({})", A::NAME)));
    }
    let answer = match error {
        None => allowed::<A>(node, context, request, account).await,
        Some(error) if error.after_work || READING.contains(&A::KEY) => {
            let answer = allowed::<A>(node, context, request, account).await;
            answer.map(|response| over_written::<A>(node, context, response, &error))
        }
        Some(error) => instead::<A>(node, context, request, account, &error).await,
    };
    match drops_reply {
        None => answer,
        Some(false) => Err(Refusal::Close(format!("a fault switch drops the reply to {}", A::NAME))),
        // As on a network that lost its way: nothing more is heard, until the client closes the connection.
        Some(true) => pending().await,
    }
}

fn meet<A: Api>(node: &Arc<Node>, context: &Arc<RequestContext>, request: &mut A::Request) -> Effects {
    let finds_coordinator = A::KEY == k10_find_coordinator::FindCoordinator::KEY;
    let is_coordinated = COORDINATED.contains(&A::KEY) && listen(node, context, request, None).named_coordinated();
    let names_topic = &mut |topic: &str| {
        let heard = listen(node, context, request, Some(topic));
        // A fetch in a session (KIP-227) names no topics: it will be seen in the answer.
        heard.named_topic() || A::KEY == k01_fetch::Fetch::KEY && !heard.named_any_topic()
    };
    let mut effects =
        node.faults.meet(&mut Asked { api: A::NAME, client_id: &context.client_id, names_topic, is_coordinated, finds_coordinator });
    if let Some(error) = effects.error.as_mut().filter(|error| finds_coordinator && error.code == ResponseError::NotCoordinator.code()) {
        error.code = ResponseError::CoordinatorNotAvailable.code();
    }
    effects
}

/// What the request concerns. The gate is shown a probe that allows everything, so it takes nothing out.
fn listen<R, S>(node: &Arc<Node>, context: &RequestContext, request: &mut R, topic: Option<&str>) -> Arc<Probe>
where
    R: super::access::Gated<S>,
{
    let probe = Arc::new(Probe::listening(topic));
    let _: Gate<S> = request.gate(&Caller::probed(node, context, Arc::clone(&probe)));
    probe
}

/// The error where the work was meant, the work for the rest.
async fn instead<A: Api>(
    node: &Arc<Node>,
    context: &Arc<RequestContext>,
    mut request: A::Request,
    account: Option<&mut Account>,
    error: &Injected,
) -> Result<A::Response, Refusal> {
    let probe = Arc::new(Probe::refusing(error.topic.as_deref()));
    let gate = request.gate(&Caller::probed(node, context, probe));
    let mut response = match gate {
        Gate::Answer(response) => response,
        Gate::Then(told) => {
            let mut response = allowed::<A>(node, context, request, account).await?;
            told(&mut response);
            response
        }
        Gate::Close(_) => return Err(Refusal::Close(format!("a fault switch: {} has no answer to put an error in", A::NAME))),
        // Nothing to refuse, as in a handshake.
        Gate::Open => {
            let response = allowed::<A>(node, context, request, account).await?;
            return Ok(over_written::<A>(node, context, response, error));
        }
    };
    response.each_error_code(&mut |_, code| {
        if REFUSALS.iter().any(|refusal| refusal.code() == *code) {
            *code = error.code;
        }
    });
    Ok(response)
}

/// The answer with the error in it, where it belongs.
fn over_written<A: Api>(node: &Node, context: &RequestContext, mut response: A::Response, error: &Injected) -> A::Response {
    let has = |place: &Place<'_>| (place.versions.0..=place.versions.1).contains(&context.version);
    let is_meant = |place: &Place<'_>| error.topic.as_deref().is_none_or(|wanted| concerns(node, place, wanted));
    let is_of_partitions = error.topic.is_some() || OF_PARTITIONS.iter().any(|of| of.code() == error.code);
    let (mut of_topics, mut shallowest) = (0, usize::MAX);
    response.each_error_code(&mut |place, _| {
        if has(&place) {
            of_topics += usize::from(place.topic.is_some() && is_meant(&place));
            shallowest = shallowest.min(place.depth);
        }
    });
    let into_topics = is_of_partitions && (of_topics > 0 || error.topic.is_some());
    let mut written = 0;
    response.each_error_code(&mut |place, code| {
        let is_here = if into_topics { place.topic.is_some() && is_meant(&place) } else { place.depth == shallowest };
        if has(&place) && is_here {
            *code = error.code;
            written += 1;
        }
    });
    if written == 0 {
        node.faults.missed(error.id);
    }
    if let Some(fetched) = (&mut response as &mut dyn Any).downcast_mut::<FetchResponse>() {
        for partition in fetched.responses.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|partition| partition.error_code != 0)
        {
            partition.records = Some(bytes::Bytes::new());
        }
    }
    response
}

fn concerns(node: &Node, place: &Place<'_>, wanted: &str) -> bool {
    let Some(topic) = place.topic else { return false };
    if topic.name.is_empty() && topic.id != Uuid::nil() {
        return node.topics.get_by_id(topic.id).is_some_and(|topic| &*topic.name == wanted);
    }
    topic.name == wanted
}
