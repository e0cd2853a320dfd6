//! Gates of requests about the cluster as a whole, and of those that everyone may make.

use std::sync::Arc;

use super::{CLUSTER_DENIED, Caller, Gate, Gated};
use crate::codec::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use crate::codec::messages::create_acls_response::AclCreationResult;
use crate::codec::messages::delete_acls_response::DeleteAclsFilterResult;
use crate::codec::messages::*;
use crate::codec::{StrBytes, messages, text};
use crate::security::Operation;

const REASON: &str = "not authorized";

/// Requests that everyone may make: the handshake, and what tells nothing about others.
macro_rules! open {
    ($($request:ident => $response:ident,)*) => {
        $(impl Gated<$response> for $request {
            fn gate(&mut self, _caller: &Arc<Caller>) -> Gate<$response> {
                Gate::Open
            }
        })*
    };
}

open! {
    ApiVersionsRequest => ApiVersionsResponse,
    SaslHandshakeRequest => SaslHandshakeResponse,
    SaslAuthenticateRequest => SaslAuthenticateResponse,
    GetTelemetrySubscriptionsRequest => GetTelemetrySubscriptionsResponse,
    PushTelemetryRequest => PushTelemetryResponse,
}

/// Requests that need one operation on the cluster, and are refused with one error: `request => response: operation`.
macro_rules! cluster {
    ($($request:ident => $response:ident: $operation:ident,)*) => {
        $(impl Gated<$response> for $request {
            fn gate(&mut self, caller: &Arc<Caller>) -> Gate<$response> {
                Gate::when(caller.may_cluster(Operation::$operation), || $response::default().with_error_code(CLUSTER_DENIED))
            }
        })*
    };
}

cluster! {
    AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse: Alter,
    DescribeAclsRequest => DescribeAclsResponse: Describe,
    DescribeClientQuotasRequest => DescribeClientQuotasResponse: DescribeConfigs,
    DescribeQuorumRequest => DescribeQuorumResponse: Describe,
    DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse: Describe,
    ListConfigResourcesRequest => ListConfigResourcesResponse: DescribeConfigs,
    ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse: Describe,
    UpdateFeaturesRequest => UpdateFeaturesResponse: Alter,
}

/// The first versions with an error for the whole answer.
const FIRST_LOG_DIRS_WITH_ERROR: i16 = 3;
const FIRST_ELECTION_WITH_ERROR: i16 = 1;

impl Gated<DescribeLogDirsResponse> for DescribeLogDirsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeLogDirsResponse> {
        let code = if caller.version >= FIRST_LOG_DIRS_WITH_ERROR { CLUSTER_DENIED } else { 0 };
        Gate::when(caller.may_cluster(Operation::Describe), || DescribeLogDirsResponse::default().with_error_code(code))
    }
}

impl Gated<ElectLeadersResponse> for ElectLeadersRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ElectLeadersResponse> {
        use messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
        if caller.may_cluster(Operation::Alter) {
            return Gate::Open;
        }
        if caller.version >= FIRST_ELECTION_WITH_ERROR {
            return Gate::Answer(ElectLeadersResponse::default().with_error_code(CLUSTER_DENIED));
        }
        let results = self.topic_partitions.iter().flatten().map(|topic| {
            let partition = |index: &i32| PartitionResult::default().with_partition_id(*index).with_error_code(CLUSTER_DENIED);
            let partitions = topic.partitions.iter().map(partition).collect();
            ReplicaElectionResult::default().with_topic(topic.topic.clone()).with_partition_result(partitions)
        });
        Gate::Answer(ElectLeadersResponse::default().with_replica_election_results(results.collect()))
    }
}

impl Gated<CreateAclsResponse> for CreateAclsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<CreateAclsResponse> {
        let refusal = AclCreationResult::default().with_error_code(CLUSTER_DENIED).with_error_message(Some(text(REASON)));
        let results = || CreateAclsResponse::default().with_results(vec![refusal; self.creations.len()]);
        Gate::when(caller.may_cluster(Operation::Alter), results)
    }
}

impl Gated<DeleteAclsResponse> for DeleteAclsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DeleteAclsResponse> {
        let refusal = DeleteAclsFilterResult::default().with_error_code(CLUSTER_DENIED).with_error_message(Some(text(REASON)));
        let results = || DeleteAclsResponse::default().with_filter_results(vec![refusal; self.filters.len()]);
        Gate::when(caller.may_cluster(Operation::Alter), results)
    }
}

impl Gated<AlterClientQuotasResponse> for AlterClientQuotasRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<AlterClientQuotasResponse> {
        use messages::alter_client_quotas_response::{EntityData, EntryData};
        if caller.may_cluster(Operation::AlterConfigs) {
            return Gate::Open;
        }
        let entries = self.entries.iter().map(|asked| {
            let entity = asked.entity.iter().map(|entity| {
                EntityData::default().with_entity_type(entity.entity_type.clone()).with_entity_name(entity.entity_name.clone())
            });
            let refusal = EntryData::default().with_error_code(CLUSTER_DENIED).with_error_message(Some(text(REASON)));
            refusal.with_entity(entity.collect())
        });
        Gate::Answer(AlterClientQuotasResponse::default().with_entries(entries.collect()))
    }
}

impl Gated<AlterUserScramCredentialsResponse> for AlterUserScramCredentialsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<AlterUserScramCredentialsResponse> {
        if caller.may_cluster(Operation::Alter) {
            return Gate::Open;
        }
        let users = self.deletions.iter().map(|asked| &asked.name).chain(self.upsertions.iter().map(|asked| &asked.name));
        let users: std::collections::BTreeSet<&StrBytes> = users.collect();
        let results = users.into_iter().map(|user| {
            let refusal = AlterUserScramCredentialsResult::default().with_user(user.clone());
            refusal.with_error_code(CLUSTER_DENIED).with_error_message(Some(text(REASON)))
        });
        Gate::Answer(AlterUserScramCredentialsResponse::default().with_results(results.collect()))
    }
}
