//! Every API answers every version it claims, and what is not claimed is handled.

use std::collections::BTreeMap;

use bytes::Buf as _;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable as _, Request};
use weir_broker::Broker;

use crate::client::{Client, config, frame};

/// What the broker says it serves: the versions by key.
fn claims(client: &mut Client) -> BTreeMap<i16, (i16, i16)> {
    let response = client.call(3, &ApiVersionsRequest::default());
    assert_eq!(response.error_code, 0);
    response.api_keys.iter().map(|key| (key.api_key, (key.min_version, key.max_version))).collect()
}

fn check<R: Request + Default>(client: &mut Client, claims: &mut BTreeMap<i16, (i16, i16)>) {
    let Some((min, max)) = claims.remove(&R::KEY) else { return };
    for version in min.max(R::VERSIONS.min)..=max {
        client.call(version, &R::default());
    }
}

macro_rules! check_all {
    ($client:expr, $claims:expr, $($request:ident)*) => { $(check::<$request>($client, $claims);)* };
}

#[test]
fn every_version_claimed_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    let left = claims(client);
    ask_everything(client, left);
}

/// The error stands where the version has a place for it: what can't be encoded would end the connection.
#[test]
fn every_version_claimed_can_be_made_to_answer_an_error() {
    for when in ["before", "after"] {
        for code in ["UNKNOWN_SERVER_ERROR", "NOT_LEADER_OR_FOLLOWER", "NOT_COORDINATOR"] {
            let dir = tempfile::tempdir().unwrap();
            let broker = Broker::start(config(dir.path())).unwrap();
            let client = &mut Client::connect(&broker);
            let left = claims(client);
            broker.faults().set(format!("error:code={code},when={when}").parse().unwrap()).unwrap();
            ask_everything(client, left);
            assert_eq!(broker.faults().active().len(), 1);
        }
    }
}

fn ask_everything(client: &mut Client, mut left: BTreeMap<i16, (i16, i16)>) {
    check_all!(client, &mut left,
        FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
        JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        DescribeConfigsRequest AlterConfigsRequest DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest
        IncrementalAlterConfigsRequest OffsetDeleteRequest DescribeClusterRequest DescribeProducersRequest DescribeTopicPartitionsRequest
        ElectLeadersRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest DescribeQuorumRequest
        UpdateFeaturesRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest ListConfigResourcesRequest SaslHandshakeRequest
        SaslAuthenticateRequest DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest
        DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeTransactionsRequest
        ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
    );
    // Produce without records asks for no answer by default: acks is 0.
    assert_eq!(left.remove(&0), Some((0, 13)));
    for version in 3..=13 {
        client.call(version, &ProduceRequest::default().with_acks(1));
    }
    assert!(left.is_empty(), "claimed, but not tested here: {left:?}");
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_with_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    let mut asked = frame(4, 77, &ApiVersionsRequest::default());
    asked[6..8].copy_from_slice(&99_i16.to_be_bytes());
    std::io::Write::write_all(&mut client.stream, &asked).unwrap();
    let mut answer = bytes::Bytes::from(client.receive_bytes().unwrap());
    assert_eq!(answer.get_i32(), 77);
    let answer = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(answer.error_code, 35);
    assert_eq!(answer.api_keys.len(), claims(&mut client).len(), "and the connection goes on");
}

#[test]
fn an_unknown_key_or_version_ends_that_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut witness = Client::connect(&broker);
    for (key, version) in [(999_i16, 0_i16), (3, 99), (3, -1), (0, 2), (-1, 0)] {
        let mut client = Client::connect(&broker);
        let mut asked = frame(1, 1, &MetadataRequest::default());
        asked[4..6].copy_from_slice(&key.to_be_bytes());
        asked[6..8].copy_from_slice(&version.to_be_bytes());
        std::io::Write::write_all(&mut client.stream, &asked).unwrap();
        assert!(client.receive_bytes().is_none(), "key {key} version {version}");
        claims(&mut witness);
    }
}
