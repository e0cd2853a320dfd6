//! The APIs of a cluster with one broker: honest answers where there is nothing to elect, move, vote on or send.

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;
use weir_broker::Broker;

use crate::client::{Client, config, name};

fn with_topic(test: impl FnOnce(&mut Client)) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    test(&mut client);
}

#[test]
fn the_leader_that_leads_needs_no_election() {
    with_topic(|client| {
        let asked = |topic: &str, partition| TopicPartitions::default().with_topic(name(topic)).with_partitions(vec![partition]);
        let named = vec![asked("t", 0), asked("t", 1), asked("absent", 0)];
        let response = client.call(2, &ElectLeadersRequest::default().with_topic_partitions(Some(named)));
        let codes: Vec<i16> = response.replica_election_results.iter().map(|topic| topic.partition_result[0].error_code).collect();
        assert_eq!(codes, [ElectionNotNeeded.code(), UnknownTopicOrPartition.code(), UnknownTopicOrPartition.code()]);
        let all = client.call(2, &ElectLeadersRequest::default().with_topic_partitions(None));
        assert!(all.error_code == 0 && all.replica_election_results.is_empty());
        let strange = client.call(1, &ElectLeadersRequest::default().with_election_type(7));
        assert_eq!(strange.error_code, InvalidRequest.code());
    });
}

#[test]
fn a_partition_can_be_moved_to_where_it_is_only() {
    with_topic(|client| {
        let brokers = |ids: &[i32]| Some(ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>());
        let cases = [
            (0, brokers(&[0]), 0),
            (0, brokers(&[1]), InvalidReplicaAssignment.code()),
            (0, brokers(&[0, 1]), InvalidReplicaAssignment.code()),
            (0, brokers(&[]), InvalidReplicaAssignment.code()),
            (0, None, NoReassignmentInProgress.code()),
            (9, brokers(&[0]), UnknownTopicOrPartition.code()),
        ];
        for (index, replicas, expected) in cases {
            let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas.clone());
            let topic = ReassignableTopic::default().with_name(name("t")).with_partitions(vec![partition]);
            let response = client.call(1, &AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]));
            assert_eq!(response.responses[0].partitions[0].error_code, expected, "partition {index} to {replicas:?}");
        }
        let listed = client.call(0, &ListPartitionReassignmentsRequest::default().with_topics(None));
        assert!(listed.error_code == 0 && listed.topics.is_empty());
    });
}

#[test]
fn the_quorum_is_this_broker() {
    with_topic(|client| {
        let asked = |topic: &str| TopicData::default().with_topic_name(name(topic)).with_partitions(vec![PartitionData::default()]);
        let topics = vec![asked("__cluster_metadata"), asked("t")];
        let response = client.call(2, &DescribeQuorumRequest::default().with_topics(topics));
        let metadata = &response.topics[0].partitions[0];
        assert_eq!((metadata.error_code, metadata.leader_id, metadata.current_voters.len()), (0, BrokerId(0), 1));
        assert_eq!(response.nodes[0].listeners[0].host.as_str(), "127.0.0.1");
        assert_eq!(response.topics[1].partitions[0].error_code, UnknownTopicOrPartition.code());
    });
}

#[test]
fn features_stay_as_they_are() {
    with_topic(|client| {
        let update = FeatureUpdateKey::default().with_feature(StrBytes::from_static_str("metadata.version")).with_max_version_level(7);
        let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
        assert_eq!(client.call(1, &request).results[0].error_code, InvalidUpdateVersion.code());
        assert_eq!(client.call(2, &request).error_code, InvalidUpdateVersion.code());
        assert_eq!(client.call(2, &UpdateFeaturesRequest::default()).error_code, 0);
        let as_it_is = FeatureUpdateKey::default().with_feature(StrBytes::from_static_str("transaction.version")).with_max_version_level(2);
        let request = UpdateFeaturesRequest::default().with_feature_updates(vec![as_it_is]);
        assert_eq!((client.call(1, &request).results[0].error_code, client.call(2, &request).error_code), (0, 0));
    });
}

#[test]
fn clients_are_asked_for_no_metrics() {
    with_topic(|client| {
        let subscribed = client.call(0, &GetTelemetrySubscriptionsRequest::default());
        let id = subscribed.client_instance_id;
        assert!(!id.is_nil() && subscribed.requested_metrics.is_empty());
        let again = client.call(0, &GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id));
        assert_eq!(again.client_instance_id, id);
        let push = PushTelemetryRequest::default().with_client_instance_id(id).with_subscription_id(subscribed.subscription_id);
        let cases = [
            (push.clone(), 0),
            (push.clone().with_client_instance_id(Uuid::nil()), InvalidRequest.code()),
            (push.clone().with_subscription_id(subscribed.subscription_id + 1), UnknownSubscriptionId.code()),
            (push.clone().with_compression_type(1), UnsupportedCompressionType.code()),
            (push.with_metrics(vec![0; subscribed.telemetry_max_bytes as usize + 1].into()), TelemetryTooLarge.code()),
        ];
        for (push, expected) in cases {
            assert_eq!(client.call(0, &push).error_code, expected);
        }
    });
}

#[test]
fn config_resources_are_listed_by_type() {
    with_topic(|client| {
        let mut listed = |version, types: &[i8]| {
            let response = client.call(version, &ListConfigResourcesRequest::default().with_resource_types(types.to_vec()));
            let listed = response.config_resources.iter().map(|resource| (resource.resource_type, resource.resource_name.to_string()));
            (response.error_code, listed.collect::<Vec<_>>())
        };
        assert_eq!(listed(0, &[]), (0, vec![]));
        assert_eq!(listed(1, &[2]), (0, vec![(2, "t".to_owned())]));
        assert_eq!(listed(1, &[]), (0, vec![(2, "t".to_owned()), (4, "0".to_owned())]));
        assert_eq!(listed(1, &[8, 16, 32]), (0, vec![]));
        assert_eq!(listed(1, &[3]), (UnsupportedVersion.code(), vec![]));
    });
}
