//! Quotas over the wire: set, found, kept; and a client over its quota is told, and then not listened to, for as long as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request as _, StrBytes};
use weir_broker::SecurityProtocol::Plaintext;
use weir_broker::{Broker, ManualClock};

use crate::client::{Client, Workshop};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Types and names; no name is the default.
type Parts<'a> = &'a [(&'a str, Option<&'a str>)];

fn entry(parts: Parts<'_>, key: &str, value: Option<f64>) -> EntryData {
    let entity = parts.iter().map(|(kind, name)| EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text)));
    let op = OpData::default().with_key(text(key)).with_value(value.unwrap_or(0.0)).with_remove(value.is_none());
    EntryData::default().with_entity(entity.collect()).with_ops(vec![op])
}

fn alter(client: &mut Client, entries: Vec<EntryData>) -> Vec<i16> {
    let response = client.call(1, &AlterClientQuotasRequest::default().with_entries(entries));
    response.entries.iter().map(|entry| entry.error_code).collect()
}

/// Each value found as `type=name,... key=value`.
fn describe(client: &mut Client, components: &[(&str, i8, Option<&str>)], strict: bool) -> Result<Vec<String>, i16> {
    let components = components.iter().map(|(kind, match_type, name)| {
        ComponentData::default().with_entity_type(text(kind)).with_match_type(*match_type)._with_name(name.map(text))
    });
    let response = client.call(1, &DescribeClientQuotasRequest::default().with_components(components.collect()).with_strict(strict));
    if response.error_code != 0 {
        return Err(response.error_code);
    }
    let shown = response.entries.unwrap().into_iter().flat_map(|entry| {
        let entity = entry
            .entity
            .iter()
            .map(|part| format!("{}={}", part.entity_type.as_str(), part.entity_name.as_ref().map_or("<default>", |name| name.as_str())));
        let entity = entity.collect::<Vec<_>>().join(",");
        entry.values.iter().map(|value| format!("{entity} {}={}", value.key.as_str(), value.value)).collect::<Vec<_>>()
    });
    Ok(shown.collect())
}

trait WithName {
    fn _with_name(self, name: Option<StrBytes>) -> Self;
}

impl WithName for ComponentData {
    fn _with_name(mut self, name: Option<StrBytes>) -> Self {
        self._match = name;
        self
    }
}

#[test]
fn quotas_are_set_found_removed_and_kept() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[Plaintext]);
    let mut client = Client::plain(&broker, Plaintext);
    let entries = vec![
        entry(&[("user", Some("alice"))], "producer_byte_rate", Some(1e6)),
        entry(&[("user", Some("alice")), ("client-id", None)], "request_percentage", Some(12.5)),
        entry(&[("client-id", None)], "consumer_byte_rate", Some(5e5)),
        entry(&[("ip", Some("10.0.0.1"))], "connection_creation_rate", Some(7.0)),
    ];
    assert_eq!(alter(&mut client, entries), [0; 4]);
    assert_eq!(describe(&mut client, &[], false).unwrap().len(), 4);
    drop(client);
    broker.shutdown();
    let broker = workshop.start(&[Plaintext]);
    let client = &mut Client::plain(&broker, Plaintext);
    let (alone, with_client) = ("user=alice producer_byte_rate=1000000", "user=alice,client-id=<default> request_percentage=12.5");
    assert_eq!(describe(client, &[("user", EXACT, Some("alice"))], false).unwrap(), [alone, with_client]);
    assert_eq!(describe(client, &[("user", EXACT, Some("alice"))], true).unwrap(), [alone]);
    assert_eq!(describe(client, &[("user", ANY, None), ("client-id", DEFAULT, None)], true).unwrap(), [with_client]);
    assert_eq!(describe(client, &[("client-id", DEFAULT, None)], true).unwrap(), ["client-id=<default> consumer_byte_rate=500000"]);
    assert_eq!(describe(client, &[("ip", ANY, None)], false).unwrap(), ["ip=10.0.0.1 connection_creation_rate=7"]);
    assert_eq!(describe(client, &[("user", EXACT, Some("bob"))], false).unwrap(), [""; 0]);
    assert_eq!(describe(client, &[("host", ANY, None)], false), Err(UnsupportedVersion.code()));
    assert_eq!(describe(client, &[("user", ANY, None), ("user", ANY, None)], false), Err(InvalidRequest.code()));
    assert_eq!(describe(client, &[("user", EXACT, None)], false), Err(InvalidRequest.code()));
    assert_eq!(alter(client, vec![entry(&[("user", Some("alice"))], "producer_byte_rate", None)]), [0]);
    assert_eq!(describe(client, &[("user", ANY, None)], false).unwrap(), [with_client]);
}

#[test]
fn what_is_no_quota_is_refused_alone() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[Plaintext]);
    let client = &mut Client::plain(&broker, Plaintext);
    let bad = [
        entry(&[], "producer_byte_rate", Some(1.0)),
        entry(&[("host", Some("x"))], "producer_byte_rate", Some(1.0)),
        entry(&[("user", Some(""))], "producer_byte_rate", Some(1.0)),
        entry(&[("user", Some("a")), ("user", Some("b"))], "producer_byte_rate", Some(1.0)),
        entry(&[("user", Some("a"))], "producer_byte_rate", Some(0.0)),
        entry(&[("user", Some("a"))], "producer_byte_rate", Some(1.5)),
        entry(&[("user", Some("a"))], "request_percentage", Some(f64::NAN)),
        entry(&[("user", Some("a"))], "some_rate", Some(1.0)),
        entry(&[("user", Some("a"))], "connection_creation_rate", Some(1.0)),
        entry(&[("ip", Some("somewhere"))], "connection_creation_rate", Some(1.0)),
        entry(&[("ip", None), ("user", None)], "connection_creation_rate", Some(1.0)),
    ];
    for bad in bad {
        let good = entry(&[("user", Some("good"))], "producer_byte_rate", Some(1.0));
        assert_eq!(alter(client, vec![bad.clone(), good]), [InvalidRequest.code(), 0], "{bad:?}");
    }
    let checked = AlterClientQuotasRequest::default().with_validate_only(true);
    let checked = checked.with_entries(vec![entry(&[("user", Some("x"))], "producer_byte_rate", Some(1.0))]);
    assert_eq!(client.call(1, &checked).entries[0].error_code, 0);
    assert_eq!(describe(client, &[], false).unwrap(), ["user=good producer_byte_rate=1"]);
}

/// A broker whose clock stands until it is told to run, and a topic.
fn with_clock(workshop: &Workshop) -> (Broker, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let mut config = workshop.config(&[Plaintext]);
    config.clock = clock.clone();
    let broker = Broker::start(config).unwrap();
    let wanted = MetadataRequestTopic::default().with_name(Some(name("t")));
    let mut client = Client::plain(&broker, Plaintext);
    client.call(9, &MetadataRequest::default().with_topics(Some(vec![wanted])).with_allow_auto_topic_creation(true));
    (broker, clock)
}

/// Lets the clock run until the work is done.
fn while_time_passes<T: Send>(clock: &ManualClock, work: impl FnOnce() -> T + Send) -> T {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let result = work();
            is_done.store(true, Ordering::Release);
            result
        });
        while !is_done.load(Ordering::Acquire) && !working.is_finished() {
            clock.advance(Duration::from_millis(500));
            std::thread::yield_now();
        }
        working.join().unwrap()
    })
}

fn limit(client: &mut Client, key: &str, value: f64) {
    assert_eq!(alter(client, vec![entry(&[("client-id", Some("test"))], key, Some(value))]), [0]);
}

/// A batch of zeroes is refused, and costs its bytes all the same.
fn produce(bytes: usize) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(Bytes::from(vec![0; bytes])));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])
}

#[test]
fn a_producer_over_its_quota_is_told_and_then_not_heard() {
    let workshop = Workshop::new();
    let (broker, clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    limit(&mut client, "producer_byte_rate", 1_000.0);
    assert_eq!(client.call(9, &produce(500)).throttle_time_ms, 0, "within the burst");
    let told_ms = client.call(9, &produce(5_000)).throttle_time_ms;
    assert!((4_500..4_800).contains(&told_ms), "{told_ms}: 5,600 bytes and some, of which 1,000 were free");
    let mut witness = Client::plain(&broker, Plaintext);
    client.write(&crate::client::frame(9, 77, &MetadataRequest::default())).unwrap();
    for _ in 0..20 {
        assert_eq!(witness.call(9, &MetadataRequest::default()).throttle_time_ms, 0, "who does not produce is not throttled");
    }
    let answer = while_time_passes(&clock, || client.read_frame().unwrap());
    assert_eq!(answer[..4], 77_i32.to_be_bytes());
}

#[test]
fn a_consumer_over_its_quota_is_told() {
    let workshop = Workshop::new();
    let (broker, _clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    limit(&mut client, "consumer_byte_rate", 10.0);
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![FetchPartition::default()]);
    let response = client.call(11, &FetchRequest::default().with_topics(vec![topic]));
    assert!(response.throttle_time_ms > 1_000, "{}", response.throttle_time_ms);
}

#[test]
fn who_uses_too_much_of_the_cpu_is_told() {
    let workshop = Workshop::new();
    let (broker, _clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    // A nanosecond each second: the clock stands, so the next request is over it.
    limit(&mut client, "request_percentage", 1e-7);
    let told_ms = client.call(9, &MetadataRequest::default()).throttle_time_ms;
    assert_eq!(told_ms, 1_000, "a second at most");
}

#[test]
fn too_many_changes_of_topics_are_refused_or_slowed_down() {
    let workshop = Workshop::new();
    let (broker, clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    limit(&mut client, "controller_mutation_rate", 1.0);
    let create = |topics: &[(&str, i32)]| {
        let topics = topics.iter().map(|(topic, partitions)| {
            CreatableTopic::default().with_name(name(topic)).with_num_partitions(*partitions).with_replication_factor(1)
        });
        CreateTopicsRequest::default().with_topics(topics.collect())
    };
    let response = client.call(7, &create(&[("large", 13), ("late", 1)]));
    let codes: Vec<_> = response.topics.iter().map(|topic| (topic.name.as_str().to_owned(), topic.error_code)).collect();
    assert_eq!(codes, [("large".to_owned(), 0), ("late".to_owned(), ThrottlingQuotaExceeded.code())]);
    assert_eq!(response.throttle_time_ms, 2_000);
    let old = while_time_passes(&clock, || client.call(5, &create(&[("old-1", 30)])));
    assert_eq!(old.topics[0].error_code, 0, "an old client is slowed down");
    assert!(old.throttle_time_ms > 1_000);
    let grown = CreatePartitionsTopic::default().with_name(name("t")).with_count(50).with_assignments(None);
    let grow = CreatePartitionsRequest::default().with_topics(vec![grown]);
    let fine = while_time_passes(&clock, || client.call(3, &grow.clone().with_validate_only(true)));
    assert_eq!(fine.results[0].error_code, 0, "to ask costs nothing");
    let gone = DeleteTopicsRequest::default().with_topic_names(vec![name("large"), name("absent")]);
    let response = while_time_passes(&clock, || client.call(5, &gone));
    assert!(response.responses.iter().any(|topic| topic.error_code == UnknownTopicOrPartition.code()), "what is not there costs nothing");
}

#[test]
fn connections_of_an_address_come_one_after_the_other() {
    let workshop = Workshop::new();
    let (broker, clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    let quota = entry(&[("ip", Some("127.0.0.1"))], "connection_creation_rate", Some(1.0));
    assert_eq!(alter(&mut client, vec![quota]), [0]);
    let mut first = Client::plain(&broker, Plaintext);
    assert_eq!(first.call(3, &ApiVersionsRequest::default()).error_code, 0);
    let mut second = Client::plain(&broker, Plaintext);
    let answer = while_time_passes(&clock, || second.call(3, &ApiVersionsRequest::default()));
    assert_eq!(answer.error_code, 0);
}

/// Answers without a field for the wait.
const SILENT: &[i16] = &[SaslHandshakeRequest::KEY, SaslAuthenticateRequest::KEY, DescribeQuorumRequest::KEY];

#[test]
fn every_api_tells_the_wait() {
    let workshop = Workshop::new();
    let (broker, clock) = with_clock(&workshop);
    let mut client = Client::plain(&broker, Plaintext);
    limit(&mut client, "request_percentage", 1e-7);
    let mut left: BTreeMap<i16, i16> = weir_broker::served_apis().map(|api| (api.key, *api.versions.end())).collect();
    macro_rules! tells {
        ($($request:ident)*) => { $(
            if let Some(version) = left.remove(&$request::KEY) {
                let answer = while_time_passes(&clock, || format!("{:?}", client.call(version, &$request::default())));
                assert!(answer.contains("throttle_time_ms: 1000"), "{answer}");
            }
        )* };
    }
    tells!(
        FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest
        HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest CreateTopicsRequest
        DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest DeleteAclsRequest
        DescribeConfigsRequest AlterConfigsRequest DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest OffsetDeleteRequest
        DescribeClientQuotasRequest AlterClientQuotasRequest DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest
        UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest
        ListConfigResourcesRequest DescribeTopicPartitionsRequest
    );
    // Produce without records asks for no answer by default: acks is 0.
    let answer = while_time_passes(&clock, || client.call(9, &ProduceRequest::default().with_acks(1)));
    assert_eq!(answer.throttle_time_ms, 1_000);
    left.remove(&ProduceRequest::KEY);
    left.retain(|key, _| !SILENT.contains(key));
    assert!(left.is_empty(), "served, but not tried here: {left:?}");
}
