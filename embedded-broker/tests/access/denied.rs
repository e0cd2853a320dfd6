//! One loop over all APIs: an unknown principal is denied, and one that has exactly what Kafka's documentation names is not.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError::{self, *};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use weir_broker::Broker;
use weir_broker::SecurityProtocol::SaslPlaintext;

use crate::acls::{
    ALTER, ALTER_CONFIGS, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS, Grant, READ, WRITE, admin, eve, grant, revoke_all, topic,
};
use crate::acls::{cluster, group, transactional_id};
use crate::client::{Client, Workshop};

struct Trial {
    admin: Client,
    eve: Client,
    covered: BTreeSet<i16>,
    served: BTreeSet<i16>,
}

impl Trial {
    /// Denied with this error; with these permissions not any more.
    fn check<R: Request>(&mut self, version: i16, request: R, error: ResponseError, grants: &[Grant])
    where
        R::Response: std::fmt::Debug,
    {
        self.covered.insert(R::KEY);
        if !self.served.contains(&R::KEY) {
            return;
        }
        let code = error.code();
        let is_denied = |client: &mut Client| {
            let shown = format!("{:?}", client.call(version, &request));
            // Not `topic_config_error_code`, which says less.
            let is_denied = [" error_code", "partition_error_code"].iter().any(|field| shown.contains(&format!("{field}: {code},")));
            (is_denied, shown)
        };
        let (denied, shown) = is_denied(&mut self.eve);
        assert!(denied, "key {}: {shown}", R::KEY);
        let (as_admin, shown) = is_denied(&mut self.admin);
        assert!(!as_admin, "key {}: a super user is denied: {shown}", R::KEY);
        // One permission after the other: each is needed, and all are enough.
        for (index, permission) in grants.iter().enumerate() {
            assert!(is_denied(&mut self.eve).0, "key {}: permission {index} is not needed", R::KEY);
            grant(&mut self.admin, permission);
        }
        let (denied, shown) = is_denied(&mut self.eve);
        assert!(!denied, "key {}: {shown}", R::KEY);
        revoke_all(&mut self.admin);
    }
}

fn name(text: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(text))
}

fn group_id(text: &'static str) -> GroupId {
    GroupId(StrBytes::from_static_str(text))
}

fn id(text: &'static str) -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(text))
}

/// Everyone may ask these, or what is denied is hidden instead (see `acls.rs`).
const WITHOUT_AN_ERROR: &[i16] = &[
    ListGroupsRequest::KEY,
    SaslHandshakeRequest::KEY,
    ApiVersionsRequest::KEY,
    SaslAuthenticateRequest::KEY,
    DescribeClusterRequest::KEY,
    ListTransactionsRequest::KEY,
    GetTelemetrySubscriptionsRequest::KEY,
    PushTelemetryRequest::KEY,
];

#[test]
fn an_unknown_principal_is_denied_everywhere() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let wanted = MetadataRequestTopic::default().with_name(Some(name("t")));
    admin.call(9, &MetadataRequest::default().with_topics(Some(vec![wanted])));
    let eve = eve(&broker, &mut admin);
    let served = weir_broker::served_apis().map(|api| api.key).collect();
    let mut trial = Trial { admin, eve, covered: WITHOUT_AN_ERROR.iter().copied().collect(), served };
    data(&mut trial);
    topics(&mut trial);
    groups(&mut trial);
    transactions(&mut trial);
    about_the_cluster(&mut trial);
    let missing: Vec<_> = trial.served.difference(&trial.covered).collect();
    assert!(missing.is_empty(), "served, but not tried here: {missing:?}");
    still_works(&broker);
}

fn still_works(broker: &Broker) {
    assert_eq!(admin(broker).call(3, &ApiVersionsRequest::default()).error_code, 0);
}

fn data(trial: &mut Trial) {
    let produced = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![PartitionProduceData::default()]);
    let produce = ProduceRequest::default().with_acks(-1).with_topic_data(vec![produced]);
    trial.check(9, produce.clone(), TopicAuthorizationFailed, &[topic(WRITE, "t")]);
    let transactional = produce.with_transactional_id(Some(id("x")));
    trial.check(9, transactional, TransactionalIdAuthorizationFailed, &[transactional_id(WRITE, "x")]);
    let fetched = FetchTopic::default().with_topic(name("t")).with_partitions(vec![FetchPartition::default()]);
    trial.check(11, FetchRequest::default().with_topics(vec![fetched]), TopicAuthorizationFailed, &[topic(READ, "t")]);
    let listed = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![ListOffsetsPartition::default()]);
    trial.check(7, ListOffsetsRequest::default().with_topics(vec![listed]), TopicAuthorizationFailed, &[topic(DESCRIBE, "t")]);
    let epochs = OffsetForLeaderTopic::default().with_topic(name("t")).with_partitions(vec![OffsetForLeaderPartition::default()]);
    trial.check(4, OffsetForLeaderEpochRequest::default().with_topics(vec![epochs]), TopicAuthorizationFailed, &[topic(DESCRIBE, "t")]);
    let deleted = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![DeleteRecordsPartition::default()]);
    trial.check(2, DeleteRecordsRequest::default().with_topics(vec![deleted]), TopicAuthorizationFailed, &[topic(DELETE, "t")]);
    let producers = describe_producers_request::TopicRequest::default().with_name(name("t")).with_partition_indexes(vec![0]);
    trial.check(0, DescribeProducersRequest::default().with_topics(vec![producers]), TopicAuthorizationFailed, &[topic(READ, "t")]);
}

fn topics(trial: &mut Trial) {
    let metadata = |topic| MetadataRequest::default().with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]));
    trial.check(9, metadata("t"), TopicAuthorizationFailed, &[topic(DESCRIBE, "t")]);
    let fresh = metadata("fresh").with_allow_auto_topic_creation(true);
    trial.admin.call(6, &DeleteTopicsRequest::default());
    let described = describe_topic_partitions_request::TopicRequest::default().with_name(name("t"));
    let described = DescribeTopicPartitionsRequest::default().with_topics(vec![described]).with_response_partition_limit(9);
    trial.check(0, described, TopicAuthorizationFailed, &[topic(DESCRIBE, "t")]);
    let created = CreatableTopic::default().with_name(name("new")).with_num_partitions(1).with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![created]).with_validate_only(true);
    trial.check(5, create.clone(), TopicAuthorizationFailed, &[topic(CREATE, "new")]);
    trial.check(5, create, TopicAuthorizationFailed, &[cluster(CREATE)]);
    let grown = CreatePartitionsTopic::default().with_name(name("t")).with_count(2);
    let grow = CreatePartitionsRequest::default().with_topics(vec![grown]).with_validate_only(true);
    trial.check(3, grow, TopicAuthorizationFailed, &[topic(ALTER, "t")]);
    let gone = DeleteTopicsRequest::default().with_topic_names(vec![name("absent")]);
    trial.check(5, gone, TopicAuthorizationFailed, &[topic(DELETE, "absent")]);
    let gone = DeleteTopicState::default().with_name(Some(name("absent")));
    trial.check(6, DeleteTopicsRequest::default().with_topics(vec![gone]), TopicAuthorizationFailed, &[topic(DELETE, "absent")]);
    let configs =
        |kind, name| DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(StrBytes::from_static_str(name));
    let describe = |resource| DescribeConfigsRequest::default().with_resources(vec![resource]);
    trial.check(4, describe(configs(2, "t")), TopicAuthorizationFailed, &[topic(DESCRIBE_CONFIGS, "t")]);
    trial.check(4, describe(configs(4, "0")), ClusterAuthorizationFailed, &[cluster(DESCRIBE_CONFIGS)]);
    let altered = alter_configs_request::AlterConfigsResource::default().with_resource_type(2);
    let altered = altered.with_resource_name(StrBytes::from_static_str("t"));
    let alter = AlterConfigsRequest::default().with_resources(vec![altered]).with_validate_only(true);
    trial.check(2, alter, TopicAuthorizationFailed, &[topic(ALTER_CONFIGS, "t")]);
    let altered = incremental_alter_configs_request::AlterConfigsResource::default().with_resource_type(4);
    let altered = altered.with_resource_name(StrBytes::from_static_str("0"));
    let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![altered]).with_validate_only(true);
    trial.check(1, alter, ClusterAuthorizationFailed, &[cluster(ALTER_CONFIGS)]);
    // Last: the admin's turn makes the topic.
    trial.check(9, fresh, TopicAuthorizationFailed, &[topic(DESCRIBE, "fresh")]);
}

fn groups(trial: &mut Trial) {
    let read = &[group(READ, "g")][..];
    trial.check(9, JoinGroupRequest::default().with_group_id(group_id("g")), GroupAuthorizationFailed, read);
    trial.check(4, HeartbeatRequest::default().with_group_id(group_id("g")), GroupAuthorizationFailed, read);
    trial.check(5, LeaveGroupRequest::default().with_group_id(group_id("g")), GroupAuthorizationFailed, read);
    trial.check(5, SyncGroupRequest::default().with_group_id(group_id("g")), GroupAuthorizationFailed, read);
    let committed = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![OffsetCommitRequestPartition::default()]);
    let commit = OffsetCommitRequest::default().with_group_id(group_id("g")).with_topics(vec![committed]);
    trial.check(8, commit.clone(), GroupAuthorizationFailed, read);
    grant(&mut trial.admin, &group(READ, "g"));
    trial.check(8, commit, TopicAuthorizationFailed, &[topic(READ, "t")]);
    let fetched = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let fetched = OffsetFetchRequestGroup::default().with_group_id(group_id("g")).with_topics(Some(vec![fetched]));
    let fetch = OffsetFetchRequest::default().with_groups(vec![fetched]);
    trial.check(8, fetch.clone(), GroupAuthorizationFailed, &[group(DESCRIBE, "g")]);
    trial.check(7, OffsetFetchRequest::default().with_group_id(group_id("g")), GroupAuthorizationFailed, &[group(DESCRIBE, "g")]);
    grant(&mut trial.admin, &group(DESCRIBE, "g"));
    trial.check(8, fetch, TopicAuthorizationFailed, &[topic(DESCRIBE, "t")]);
    let find = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g"));
    trial.check(3, find, GroupAuthorizationFailed, &[group(DESCRIBE, "g")]);
    let find = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![StrBytes::from_static_str("x")]);
    trial.check(4, find, TransactionalIdAuthorizationFailed, &[transactional_id(DESCRIBE, "x")]);
    trial.check(5, DescribeGroupsRequest::default().with_groups(vec![group_id("g")]), GroupAuthorizationFailed, &[group(DESCRIBE, "g")]);
    trial.check(2, DeleteGroupsRequest::default().with_groups_names(vec![group_id("g")]), GroupAuthorizationFailed, &[group(DELETE, "g")]);
    let deleted = OffsetDeleteRequestTopic::default().with_name(name("t")).with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let delete = OffsetDeleteRequest::default().with_group_id(group_id("g")).with_topics(vec![deleted]);
    trial.check(0, delete, GroupAuthorizationFailed, &[group(DELETE, "g")]);
    let heartbeat = ConsumerGroupHeartbeatRequest::default().with_group_id(group_id("k"));
    trial.check(0, heartbeat, GroupAuthorizationFailed, &[group(READ, "k")]);
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("g")]);
    trial.check(0, describe, GroupAuthorizationFailed, &[group(DESCRIBE, "g")]);
}

fn transactions(trial: &mut Trial) {
    let write = &[transactional_id(WRITE, "x")][..];
    trial.check(4, InitProducerIdRequest::default().with_transactional_id(None), ClusterAuthorizationFailed, &[topic(WRITE, "any")]);
    let init = InitProducerIdRequest::default().with_transactional_id(Some(id("x"))).with_transaction_timeout_ms(1_000);
    trial.check(4, init, TransactionalIdAuthorizationFailed, write);
    let added = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default().with_name(name("t")).with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default().with_v3_and_below_transactional_id(id("x")).with_v3_and_below_topics(vec![added]);
    trial.check(3, add, TransactionalIdAuthorizationFailed, write);
    let add = AddOffsetsToTxnRequest::default().with_transactional_id(id("x")).with_group_id(group_id("g"));
    trial.check(3, add, TransactionalIdAuthorizationFailed, write);
    trial.check(3, EndTxnRequest::default().with_transactional_id(id("x")), TransactionalIdAuthorizationFailed, write);
    let committed = TxnOffsetCommitRequestTopic::default().with_name(name("t"));
    let committed = committed.with_partitions(vec![TxnOffsetCommitRequestPartition::default()]);
    let commit = TxnOffsetCommitRequest::default().with_transactional_id(id("x")).with_group_id(group_id("g")).with_topics(vec![committed]);
    trial.check(3, commit, TransactionalIdAuthorizationFailed, write);
    let describe = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("x")]);
    trial.check(0, describe, TransactionalIdAuthorizationFailed, &[transactional_id(DESCRIBE, "x")]);
}

fn about_the_cluster(trial: &mut Trial) {
    let denied = ClusterAuthorizationFailed;
    trial.check(4, DescribeLogDirsRequest::default().with_topics(None), denied, &[cluster(DESCRIBE)]);
    let elected = TopicPartitions::default().with_topic(name("t")).with_partitions(vec![0]);
    trial.check(0, ElectLeadersRequest::default().with_topic_partitions(Some(vec![elected])), denied, &[cluster(ALTER)]);
    trial.check(2, ElectLeadersRequest::default().with_topic_partitions(None), denied, &[cluster(ALTER)]);
    trial.check(1, AlterPartitionReassignmentsRequest::default(), denied, &[cluster(ALTER)]);
    trial.check(0, ListPartitionReassignmentsRequest::default(), denied, &[cluster(DESCRIBE)]);
    trial.check(2, DescribeQuorumRequest::default(), denied, &[cluster(DESCRIBE)]);
    trial.check(1, UpdateFeaturesRequest::default(), denied, &[cluster(ALTER)]);
    trial.check(1, ListConfigResourcesRequest::default(), denied, &[cluster(DESCRIBE_CONFIGS)]);
    let everything = DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1);
    let everything = everything.with_operation(1).with_permission_type(1).with_principal_filter(None).with_host_filter(None);
    trial.check(3, everything.with_resource_name_filter(None), denied, &[cluster(DESCRIBE)]);
    trial.check(3, CreateAclsRequest::default().with_creations(vec![Default::default()]), denied, &[cluster(ALTER)]);
    trial.check(3, DeleteAclsRequest::default().with_filters(vec![Default::default()]), denied, &[cluster(ALTER)]);
    trial.check(1, DescribeClientQuotasRequest::default(), denied, &[cluster(DESCRIBE_CONFIGS)]);
    let entity = EntityData::default().with_entity_type(StrBytes::from_static_str("user")).with_entity_name(None);
    let altered = AlterClientQuotasRequest::default().with_entries(vec![EntryData::default().with_entity(vec![entity])]);
    trial.check(1, altered.with_validate_only(true), denied, &[cluster(ALTER_CONFIGS)]);
    trial.check(0, DescribeUserScramCredentialsRequest::default(), denied, &[cluster(DESCRIBE)]);
    let gone = alter_user_scram_credentials_request::ScramCredentialDeletion::default().with_name(StrBytes::from_static_str("absent"));
    trial.check(0, AlterUserScramCredentialsRequest::default().with_deletions(vec![gone]), denied, &[cluster(ALTER)]);
}
