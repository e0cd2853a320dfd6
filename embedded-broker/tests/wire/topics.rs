//! Topics: created, described, changed, grown, deleted.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;

use crate::client::{Client, batch, config, fetch_request, name};

fn creatable(topic: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic::default().with_name(name(topic)).with_num_partitions(partitions).with_replication_factor(replication_factor)
}

fn create(client: &mut Client, topic: CreatableTopic) -> i16 {
    client.call(7, &CreateTopicsRequest::default().with_topics(vec![topic])).topics[0].error_code
}

fn partitions(client: &mut Client, topic: &str) -> Result<usize, i16> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
    let response = client.call(12, &request);
    let topic = &response.topics[0];
    if topic.error_code == 0 { Ok(topic.partitions.len()) } else { Err(topic.error_code) }
}

#[test]
fn topics_are_created_as_asked_or_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    let with = |key: &'static str, value: &'static str| {
        let config =
            CreatableTopicConfig::default().with_name(StrBytes::from_static_str(key)).with_value(Some(StrBytes::from_static_str(value)));
        creatable("c", 1, 1).with_configs(vec![config])
    };
    let cases = [
        (creatable("a", 3, 1), 0),
        (creatable("a", 3, 1), 36),
        (creatable("b", -1, -1), 0),
        (creatable("no spaces", 1, 1), 17),
        (creatable("r", 1, 3), 38),
        (creatable("p", 0, 1), 37),
        (creatable("m", i32::MAX, 1), 44),
        (with("retention.ms", "soon"), 40),
        (with("no.such.config", "1"), 40),
        (with("retention.ms", "1000"), 0),
        (creatable("__consumer_offsets", 1, 1), 17),
    ];
    for (topic, expected) in cases {
        let what = format!("{topic:?}");
        assert_eq!(create(client, topic), expected, "{what}");
    }
    assert_eq!(partitions(client, "a"), Ok(3));
    assert_eq!(partitions(client, "b"), Ok(1));
    let validated = client.call(7, &CreateTopicsRequest::default().with_topics(vec![creatable("v", 2, 1)]).with_validate_only(true));
    assert_eq!(validated.topics[0].error_code, 0);
    assert_eq!(partitions(client, "v"), Err(3));
    let twice = client.call(7, &CreateTopicsRequest::default().with_topics(vec![creatable("w", 2, 1), creatable("w", 2, 1)]));
    assert_eq!(twice.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [42, 42]);
}

#[test]
fn a_topic_is_gone_when_it_is_deleted_and_new_when_it_is_created_again() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    client.produce("t", batch(&["a"]));
    let mut waiting = Client::connect(&broker);
    waiting.send(11, &fetch_request("t", 1, 60_000));
    let request = DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default().with_name(Some(name("t")))]);
    assert_eq!(client.call(6, &request).responses[0].error_code, 0);
    assert_ne!(waiting.receive::<FetchRequest>(11).responses[0].partitions[0].error_code, 0, "who waits for it is told");
    assert_eq!(partitions(client, "t"), Err(3));
    assert_eq!(client.call(6, &request).responses[0].error_code, 3);
    client.topic("t");
    assert_eq!(client.produce("t", batch(&["b"])).base_offset, 0);
}

#[test]
fn configs_are_described_and_changed_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    let describe = |client: &mut Client, key: &'static str| {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(StrBytes::from_static_str("t"))
            .with_configuration_keys(Some(vec![StrBytes::from_static_str(key)]));
        let response = client.call(4, &DescribeConfigsRequest::default().with_resources(vec![resource]));
        let config = &response.results[0].configs[0];
        (config.value.as_ref().unwrap().to_string(), config.config_source)
    };
    let alter = |client: &mut Client, operation: i8, key: &'static str, value: &'static str| {
        let config = AlterableConfig::default().with_name(StrBytes::from_static_str(key)).with_config_operation(operation);
        let config = config.with_value(Some(StrBytes::from_static_str(value)));
        let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(StrBytes::from_static_str("t"));
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.with_configs(vec![config])]);
        client.call(1, &request).responses[0].error_code
    };
    assert_eq!(describe(client, "retention.ms"), ("604800000".into(), 5));
    assert_eq!(alter(client, 0, "retention.ms", "5000"), 0);
    assert_eq!(alter(client, 0, "max.message.bytes", "200"), 0);
    assert_eq!(alter(client, 0, "max.message.bytes", "many"), 40);
    assert_eq!(describe(client, "retention.ms"), ("5000".into(), 1));
    assert_eq!(client.produce("t", batch(&[&"x".repeat(300)])).error_code, 10, "a change holds at once");
    broker.shutdown();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    assert_eq!(describe(client, "retention.ms"), ("5000".into(), 1));
    assert_eq!(alter(client, 1, "retention.ms", ""), 0);
    assert_eq!(describe(client, "retention.ms"), ("604800000".into(), 5));
}

#[test]
fn topics_grow_and_never_shrink() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    for (count, expected) in [(4, 0), (4, 37), (2, 37), (5, 0)] {
        let topic = CreatePartitionsTopic::default().with_name(name("t")).with_count(count).with_assignments(None);
        let response = client.call(3, &CreatePartitionsRequest::default().with_topics(vec![topic]));
        assert_eq!(response.results[0].error_code, expected, "{count}");
    }
    broker.shutdown();
    let broker = Broker::start(config(dir.path())).unwrap();
    assert_eq!(partitions(&mut Client::connect(&broker), "t"), Ok(5));
}

#[test]
fn deleted_records_are_gone_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    for _ in 0..5 {
        client.produce("t", batch(&["a", "b"]));
    }
    for (before, expected) in [(3, (0, 3)), (1, (0, 3)), (99, (1, -1)), (-1, (0, 10))] {
        let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(before);
        let topic = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let response = client.call(2, &DeleteRecordsRequest::default().with_topics(vec![topic]));
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.low_watermark), expected, "before {before}");
    }
    assert_eq!(client.fetch(&fetch_request("t", 9, 0)).0, 1);
    assert_eq!(client.produce("t", batch(&["c"])).base_offset, 10);
}

#[test]
fn topics_are_found_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    let all = client.call(12, &MetadataRequest::default().with_topics(None));
    let id = all.topics.iter().find(|topic| topic.name == Some(name("t"))).unwrap().topic_id;
    client.produce("t", batch(&["a"]));
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].topic_id = id;
    request.topics[0].topic = TopicName::default();
    let response = client.call(13, &request);
    assert_eq!((response.responses[0].topic_id, response.responses[0].partitions[0].high_watermark), (id, 1));
    let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    assert_eq!(client.call(12, &MetadataRequest::default().with_topics(Some(vec![by_id]))).topics[0].name, Some(name("t")));
}
