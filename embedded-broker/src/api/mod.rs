//! The requests this broker answers: one file per API key, one list.
//!
//! [`APIS`] is the list. Dispatch, the ApiVersions answer, request counters and the every-API tests are derived from it. To add an API:
//! write `kNN_name.rs` with a type that implements [`Api`], declare the module, add it to the list, and say in `access` who may ask.

mod access;
mod broker_configs;
mod dispatch;
mod faulty;
mod frame;
mod k00_produce;
mod k01_fetch;
mod k02_list_offsets;
mod k03_metadata;
mod k08_offset_commit;
mod k09_offset_fetch;
mod k10_find_coordinator;
mod k11_join_group;
mod k12_heartbeat;
mod k13_leave_group;
mod k14_sync_group;
mod k15_describe_groups;
mod k16_list_groups;
mod k17_sasl_handshake;
mod k18_api_versions;
mod k19_create_topics;
mod k20_delete_topics;
mod k21_delete_records;
mod k22_init_producer_id;
mod k23_offset_for_leader_epoch;
mod k24_add_partitions_to_txn;
mod k25_add_offsets_to_txn;
mod k26_end_txn;
mod k28_txn_offset_commit;
mod k29_describe_acls;
mod k30_create_acls;
mod k31_delete_acls;
mod k32_describe_configs;
mod k33_alter_configs;
mod k35_describe_log_dirs;
mod k36_sasl_authenticate;
mod k37_create_partitions;
mod k42_delete_groups;
mod k43_elect_leaders;
mod k44_incremental_alter_configs;
mod k45_alter_partition_reassignments;
mod k46_list_partition_reassignments;
mod k47_offset_delete;
mod k48_describe_client_quotas;
mod k49_alter_client_quotas;
mod k50_describe_user_scram_credentials;
mod k51_alter_user_scram_credentials;
mod k55_describe_quorum;
mod k57_update_features;
mod k60_describe_cluster;
mod k61_describe_producers;
mod k65_describe_transactions;
mod k66_list_transactions;
mod k68_consumer_group_heartbeat;
mod k69_consumer_group_describe;
mod k71_get_telemetry_subscriptions;
mod k72_push_telemetry;
mod k74_list_config_resources;
mod k75_describe_topic_partitions;
mod shared;
mod throttle;

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::OwnedSemaphorePermit;

use crate::codec::{self, CodecError, Decodable, Encodable, ErrorCodes, HeaderVersion};
use crate::node::Node;
use crate::security::Session;
use crate::view::ConnectionCell;

pub(crate) use dispatch::{Dropped, Entry, decodes, dispatch};
pub(crate) use frame::{Frame, HeldSlice};

/// Every API served, by key.
pub(crate) const APIS: &[Entry] = &[
    Entry::of::<k00_produce::Produce>(),
    Entry::of::<k01_fetch::Fetch>(),
    Entry::of::<k02_list_offsets::ListOffsets>(),
    Entry::of::<k03_metadata::Metadata>(),
    Entry::of::<k08_offset_commit::OffsetCommit>(),
    Entry::of::<k09_offset_fetch::OffsetFetch>(),
    Entry::of::<k10_find_coordinator::FindCoordinator>(),
    Entry::of::<k11_join_group::JoinGroup>(),
    Entry::of::<k12_heartbeat::Heartbeat>(),
    Entry::of::<k13_leave_group::LeaveGroup>(),
    Entry::of::<k14_sync_group::SyncGroup>(),
    Entry::of::<k15_describe_groups::DescribeGroups>(),
    Entry::of::<k16_list_groups::ListGroups>(),
    Entry::of::<k17_sasl_handshake::SaslHandshake>(),
    Entry::of::<k18_api_versions::ApiVersions>(),
    Entry::of::<k19_create_topics::CreateTopics>(),
    Entry::of::<k20_delete_topics::DeleteTopics>(),
    Entry::of::<k21_delete_records::DeleteRecords>(),
    Entry::of::<k22_init_producer_id::InitProducerId>(),
    Entry::of::<k23_offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    Entry::of::<k24_add_partitions_to_txn::AddPartitionsToTxn>(),
    Entry::of::<k25_add_offsets_to_txn::AddOffsetsToTxn>(),
    Entry::of::<k26_end_txn::EndTxn>(),
    Entry::of::<k28_txn_offset_commit::TxnOffsetCommit>(),
    Entry::of::<k29_describe_acls::DescribeAcls>(),
    Entry::of::<k30_create_acls::CreateAcls>(),
    Entry::of::<k31_delete_acls::DeleteAcls>(),
    Entry::of::<k32_describe_configs::DescribeConfigs>(),
    Entry::of::<k33_alter_configs::AlterConfigs>(),
    Entry::of::<k35_describe_log_dirs::DescribeLogDirs>(),
    Entry::of::<k36_sasl_authenticate::SaslAuthenticate>(),
    Entry::of::<k37_create_partitions::CreatePartitions>(),
    Entry::of::<k42_delete_groups::DeleteGroups>(),
    Entry::of::<k43_elect_leaders::ElectLeaders>(),
    Entry::of::<k44_incremental_alter_configs::IncrementalAlterConfigs>(),
    Entry::of::<k45_alter_partition_reassignments::AlterPartitionReassignments>(),
    Entry::of::<k46_list_partition_reassignments::ListPartitionReassignments>(),
    Entry::of::<k47_offset_delete::OffsetDelete>(),
    Entry::of::<k48_describe_client_quotas::DescribeClientQuotas>(),
    Entry::of::<k49_alter_client_quotas::AlterClientQuotas>(),
    Entry::of::<k50_describe_user_scram_credentials::DescribeUserScramCredentials>(),
    Entry::of::<k51_alter_user_scram_credentials::AlterUserScramCredentials>(),
    Entry::of::<k55_describe_quorum::DescribeQuorum>(),
    Entry::of::<k57_update_features::UpdateFeatures>(),
    Entry::of::<k60_describe_cluster::DescribeCluster>(),
    Entry::of::<k61_describe_producers::DescribeProducers>(),
    Entry::of::<k65_describe_transactions::DescribeTransactions>(),
    Entry::of::<k66_list_transactions::ListTransactions>(),
    Entry::of::<k68_consumer_group_heartbeat::ConsumerGroupHeartbeat>(),
    Entry::of::<k69_consumer_group_describe::ConsumerGroupDescribe>(),
    Entry::of::<k71_get_telemetry_subscriptions::GetTelemetrySubscriptions>(),
    Entry::of::<k72_push_telemetry::PushTelemetry>(),
    Entry::of::<k74_list_config_resources::ListConfigResources>(),
    Entry::of::<k75_describe_topic_partitions::DescribeTopicPartitions>(),
];

/// Those whose answer may have to wait: for data, or for other members.
pub(crate) const PARKING_APIS: &[&str] = &[k01_fetch::Fetch::NAME, k11_join_group::JoinGroup::NAME, k14_sync_group::SyncGroup::NAME];

/// An API as documents and screens show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedApi {
    /// Kafka's number for it.
    pub key: i16,
    /// Kafka's name for it.
    pub name: &'static str,
    /// The versions it answers.
    pub versions: RangeInclusive<i16>,
}

/// Every API this broker answers, by key.
pub fn served_apis() -> impl Iterator<Item = ServedApi> {
    APIS.iter().map(|entry| ServedApi { key: entry.key, name: entry.name, versions: entry.versions.clone() })
}

/// One API: its contract stands in the header of its file.
pub(crate) trait Api: 'static {
    /// Kafka's number for it.
    const KEY: i16;
    /// Kafka's name for it.
    const NAME: &'static str;
    /// The versions it answers, and ApiVersions advertises.
    const VERSIONS: RangeInclusive<i16>;
    /// What is asked.
    type Request: Decodable + HeaderVersion + Debug + access::Gated<Self::Response> + Send;
    /// What is answered.
    type Response: Encodable + HeaderVersion + ErrorCodes + Any + throttle::Throttled + Send;

    /// Does the work. Requests of one connection are handled one after the other; those of different connections at once.
    ///
    /// The future is dropped when the client goes or the broker stops: whoever parks (a long poll, a join) cleans up in `Drop`.
    /// Errors of the protocol belong into the response; [`Refusal`] is for what has no place there.
    fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, Refusal>> + Send;

    /// Encodes the answer.
    fn frame(context: &RequestContext, correlation_id: i32, response: &Self::Response) -> Result<Frame, CodecError> {
        codec::encode_response(correlation_id, response, context.version).map(Frame::from)
    }
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// The name the client gave itself; empty when it gave none.
    pub(crate) client_id: Arc<str>,
    /// Where the client is, on which listener, and who.
    pub(crate) session: Arc<Session>,
    /// What is known and counted of the connection.
    pub(crate) connection: Arc<ConnectionCell>,
    /// The request's version.
    pub(crate) version: i16,
    /// Memory taken for a large response, given back once it is sent.
    pub(crate) response_room: OnceLock<OwnedSemaphorePermit>,
    /// Records of the answer that are sent from the log; in the answer stand their numbers.
    pub(crate) slices: Mutex<Vec<HeldSlice>>,
}

impl RequestContext {
    /// The client's address as Kafka spells it in group descriptions: "/127.0.0.1".
    pub(crate) fn client_host_text(&self) -> String {
        format!("/{}", self.session.client_host)
    }
}

/// A request that gets no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The client asked for none (Produce with acks 0).
    NoResponse,
    /// The connection must end, for this reason.
    Close(String),
}
