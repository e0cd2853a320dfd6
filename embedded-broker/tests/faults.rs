//! Fault switches over the wire: each does what its text says, to whom it says, as often as it says, and to nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
mod client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, DEADLINE, batch, config, fetch_request, name, produce_request};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;
use weir_broker::{Broker, BrokerView, EventKind, FaultId, ManualClock};

const NOT_LEADER: i16 = 6;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const UNKNOWN_MEMBER_ID: i16 = 25;
const STORAGE: i16 = 56;

struct Fixture {
    broker: Broker,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

/// A broker whose time stands still unless told to move, and a client that has made the topics `t` and `u`.
fn start() -> (Fixture, Client) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let clock = Arc::new(ManualClock::new(now_ms));
    config.clock = clock.clone();
    let broker = Broker::start(config).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    client.topic("u");
    (Fixture { broker, clock, _dir: dir }, client)
}

fn set(broker: &Broker, spec: &str) -> FaultId {
    broker.faults().set(spec.parse().unwrap()).unwrap()
}

fn hits(broker: &Broker) -> u64 {
    broker.faults().active().iter().map(|fault| fault.hits).sum()
}

fn eventually(broker: &Broker, what: &str, is_so: impl Fn(&BrokerView) -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so(&broker.view()) {
        assert!(Instant::now() < end, "{what}: {:#?}", broker.view());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn end_offset(client: &mut Client, topic: &str) -> i64 {
    client.fetch(&fetch_request(topic, 0, 0)).1
}

fn group(id: &'static str) -> GroupId {
    StrBytes::from_static_str(id).into()
}

fn heartbeat(client: &mut Client) -> i16 {
    client.call(4, &HeartbeatRequest::default().with_group_id(group("g"))).error_code
}

fn commit(client: &mut Client) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let response = client.call(8, &OffsetCommitRequest::default().with_group_id(group("g")).with_topics(vec![topic]));
    response.topics[0].partitions[0].error_code
}

fn find_coordinator(client: &mut Client) -> i16 {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![StrBytes::from_static_str("g")]);
    client.call(4, &request).coordinators[0].error_code
}

fn produce_to_both(client: &mut Client) -> Vec<(String, i16)> {
    let mut request = produce_request("t", batch(&["a"]));
    request.topic_data.extend(produce_request("u", batch(&["b"])).topic_data);
    let response = client.call(9, &request);
    let mut codes: Vec<_> =
        response.responses.iter().map(|topic| (topic.name.to_string(), topic.partition_responses[0].error_code)).collect();
    codes.sort();
    codes
}

#[test]
fn a_delay_holds_back_what_it_is_meant_for() {
    let (Fixture { broker, clock, _dir }, mut client) = start();
    set(&broker, "delay:ms=200,api=ListOffsets");
    let mut other = Client::connect(&broker);
    client.send(1, &ListOffsetsRequest::default());
    eventually(&broker, "the request is held back", |view| {
        view.connections.iter().any(|connection| connection.in_flight.is_some_and(|asked| asked.api == "ListOffsets" && asked.is_parked))
    });
    clock.advance(Duration::from_millis(199));
    other.topic("v");
    clock.advance(Duration::from_millis(1));
    client.receive::<ListOffsetsRequest>(1);
    assert_eq!(hits(&broker), 1);
}

#[test]
fn a_dropped_reply_leaves_the_work_done() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "drop-reply:how=close,api=Produce,count=1");
    client.send(9, &produce_request("t", batch(&["a"])));
    assert!(client.receive_bytes().is_none(), "the connection is closed");
    assert!(broker.faults().active().is_empty(), "once");
    let mut client = Client::connect(&broker);
    assert_eq!(end_offset(&mut client, "t"), 1);

    set(&broker, "drop-reply:how=swallow,api=Produce,count=1");
    let mut silent = Client::connect(&broker);
    silent.send(9, &produce_request("t", batch(&["b"])));
    let end = Instant::now() + DEADLINE;
    while end_offset(&mut client, "t") < 2 {
        assert!(Instant::now() < end);
    }
    silent.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(silent.receive_bytes().is_none(), "nothing comes");
    assert_eq!(broker.view().connections.len(), 2, "and the connection is open");
    drop(silent);
    eventually(&broker, "the silent connection ends with its client", |view| view.connections.len() == 1);
}

#[test]
fn an_error_comes_instead_of_the_work_or_in_spite_of_it() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "error:code=NOT_LEADER_OR_FOLLOWER,api=Produce,count=2");
    for _ in 0..2 {
        assert_eq!(client.produce("t", batch(&["a"])).error_code, NOT_LEADER);
    }
    assert_eq!(end_offset(&mut client, "t"), 0, "nothing was appended");
    assert_eq!(client.produce("t", batch(&["a"])).error_code, 0, "used up");
    set(&broker, "error:code=REQUEST_TIMED_OUT,api=Produce,when=after,count=1");
    assert_eq!(client.produce("t", batch(&["a"])).error_code, 7);
    assert_eq!(end_offset(&mut client, "t"), 2, "appended all the same");
}

#[test]
fn an_error_for_a_topic_leaves_the_others_alone() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    client.produce("u", batch(&["x"]));
    set(&broker, "error:code=NOT_LEADER_OR_FOLLOWER,topic=t");
    assert_eq!(produce_to_both(&mut client), [("t".into(), NOT_LEADER), ("u".into(), 0)]);
    assert_eq!(client.fetch(&fetch_request("t", 0, 0)), (NOT_LEADER, 0, bytes::Bytes::new()));
    assert_eq!(client.fetch(&fetch_request("u", 0, 0)).0, 0);
    let topics = ["t", "u"].map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
    let metadata = client.call(9, &MetadataRequest::default().with_topics(Some(topics.into())));
    let codes: Vec<i16> = metadata.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [NOT_LEADER, 0]);
    assert_eq!(commit(&mut client), NOT_LEADER);
    assert_eq!(heartbeat(&mut client), UNKNOWN_MEMBER_ID, "names no topic");
    assert_eq!(hits(&broker), 4);
}

#[test]
fn an_error_hides_what_was_fetched() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    client.produce("t", batch(&["a"]));
    let id = set(&broker, "error:code=KAFKA_STORAGE_ERROR,api=Fetch");
    let (code, _, records) = client.fetch(&fetch_request("t", 0, 0));
    assert_eq!((code, records.len()), (STORAGE, 0));
    assert!(broker.faults().clear(id));
    let (code, _, records) = client.fetch(&fetch_request("t", 0, 0));
    assert!(code == 0 && !records.is_empty());
}

/// Long records go from the log's file to the socket: an error for one topic must not take the other's along.
#[test]
fn an_error_hides_what_would_be_sent_from_the_file() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    let large = "x".repeat(100_000);
    for topic in ["t", "u", "v"] {
        client.topic(topic);
        assert_eq!(client.produce(topic, batch(&[large.as_str()])).error_code, 0);
    }
    for version in [11, 12] {
        for hidden in ["t", "u", "v"] {
            let id = set(&broker, &format!("error:code=KAFKA_STORAGE_ERROR,api=Fetch,topic={hidden}"));
            let mut request = fetch_request("t", 0, 0);
            request.topics.extend(fetch_request("u", 0, 0).topics);
            request.topics.extend(fetch_request("v", 0, 0).topics);
            let response = client.call(version, &request);
            for topic in &response.responses {
                let partition = &topic.partitions[0];
                let got = (partition.error_code, partition.records.as_ref().map_or(0, bytes::Bytes::len) > 100_000);
                assert_eq!(got, if &**topic.topic == hidden { (STORAGE, false) } else { (0, true) }, "{hidden} {}", &**topic.topic);
            }
            broker.faults().clear(id);
        }
    }
}

#[test]
fn errors_stand_where_each_api_has_them() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "error:code=UNKNOWN_SERVER_ERROR");
    assert_eq!((heartbeat(&mut client), commit(&mut client), find_coordinator(&mut client)), (-1, -1, -1));
    assert_eq!(client.call(4, &InitProducerIdRequest::default()).error_code, -1);
    let topic = CreatableTopic::default().with_name(name("new")).with_num_partitions(1).with_replication_factor(1);
    let created = client.call(5, &CreateTopicsRequest::default().with_topics(vec![topic]));
    assert_eq!(created.topics[0].error_code, -1);
    let whole = client.call(7, &OffsetFetchRequest::default().with_group_id(group("g")));
    assert_eq!(whole.error_code, -1);
    let by_group = OffsetFetchRequest::default().with_groups(vec![OffsetFetchRequestGroup::default().with_group_id(group("g"))]);
    let by_group = client.call(8, &by_group);
    assert_eq!((by_group.error_code, by_group.groups[0].error_code), (0, -1));
    broker.faults().clear_all();
    let metadata = client.call(9, &MetadataRequest::default().with_topics(None));
    assert!(metadata.topics.iter().all(|topic| topic.name.as_ref().is_none_or(|topic| &**topic != "new")), "not created");
}

#[test]
fn a_produce_without_an_answer_ends_its_connection() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "error:code=NOT_LEADER_OR_FOLLOWER,api=Produce");
    client.send(9, &produce_request("t", batch(&["a"])).with_acks(0));
    assert!(client.receive_bytes().is_none());
}

#[test]
fn connections_are_closed_all_or_by_client() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "close:client=other");
    set(&broker, "close:client=test,api=Heartbeat");
    client.topic("still-here");
    broker.faults().clear_all();
    set(&broker, "close:client=te*");
    assert!(client.receive_bytes().is_none());
    assert!(broker.faults().active().is_empty(), "those that were open, once");

    let mut client = Client::connect(&broker);
    client.topic("t");
    set(&broker, "close:for=5s");
    assert!(client.receive_bytes().is_none());
    let mut client = Client::connect(&broker);
    client.send(9, &MetadataRequest::default());
    assert!(client.receive_bytes().is_none(), "new ones too, while it lasts");
}

#[test]
fn a_coordinator_moves_and_comes_back() {
    let (Fixture { broker, clock, _dir }, mut client) = start();
    set(&broker, "move-coordinator:for=5s");
    assert_eq!((heartbeat(&mut client), commit(&mut client)), (NOT_COORDINATOR, NOT_COORDINATOR));
    assert_eq!(find_coordinator(&mut client), COORDINATOR_NOT_AVAILABLE);
    assert_eq!(client.produce("t", batch(&["a"])).error_code, 0, "data is elsewhere");
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    assert_eq!(client.call(4, &idempotent).error_code, 0, "names no transaction");
    let transactional = idempotent.with_transactional_id(Some(StrBytes::from_static_str("x").into()));
    assert_eq!(client.call(4, &transactional).error_code, NOT_COORDINATOR);
    clock.advance(Duration::from_secs(5));
    assert_eq!((heartbeat(&mut client), find_coordinator(&mut client), commit(&mut client)), (UNKNOWN_MEMBER_ID, 0, 0));

    set(&broker, "load-coordinator");
    assert_eq!((heartbeat(&mut client), find_coordinator(&mut client)), (COORDINATOR_LOAD_IN_PROGRESS, 0));
}

#[test]
fn a_full_disk_refuses_writes_and_still_reads() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    assert_eq!(client.produce("t", batch(&["a"])).error_code, 0);
    let id = set(&broker, "disk-full:topic=t");
    assert_eq!(produce_to_both(&mut client), [("t".into(), STORAGE), ("u".into(), 0)]);
    let (code, high_watermark, records) = client.fetch(&fetch_request("t", 0, 0));
    assert_eq!((code, high_watermark, records.is_empty()), (0, 1, false));
    broker.faults().clear(id);
    assert_eq!(client.produce("t", batch(&["b"])).base_offset, 1, "goes on where it was");
    set(&broker, "disk-full");
    assert_eq!(commit(&mut client), COORDINATOR_NOT_AVAILABLE, "Kafka's translation for clients of groups");
}

#[test]
fn a_failed_fsync_is_told() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    set(&broker, "fail-fsync:count=1");
    let create = |client: &mut Client| {
        let topic = CreatableTopic::default().with_name(name("new")).with_num_partitions(1).with_replication_factor(1);
        client.call(5, &CreateTopicsRequest::default().with_topics(vec![topic])).topics[0].error_code
    };
    assert_eq!((create(&mut client), create(&mut client)), (STORAGE, 0));
}

#[test]
fn faults_are_listed_counted_and_told() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    let from = broker.events(0).next_sequence;
    let first = set(&broker, "error:code=NOT_LEADER_OR_FOLLOWER,api=Fetch,topic=t");
    let second = set(&broker, "delay:ms=0,p=0.5,seed=3");
    client.fetch(&fetch_request("t", 0, 0));
    let active = broker.faults().active();
    assert_eq!(active.iter().map(|fault| fault.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!((active[0].hits, active[0].spec.to_string().as_str()), (1, "error:code=NOT_LEADER_OR_FOLLOWER,api=Fetch,topic=t"));
    assert!(broker.faults().clear(first) && !broker.faults().clear(first));
    assert_eq!((broker.faults().clear_all(), broker.faults().clear_all()), (1, 0));
    let told = broker.events(from).events.into_iter().filter_map(|event| match event.kind {
        EventKind::FaultChanged { change, .. } => Some(change),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["set", "set", "cleared", "cleared"]);
    assert_eq!(client.fetch(&fetch_request("t", 0, 0)).0, 0);
}

#[test]
fn a_fault_for_a_topic_finds_it_by_its_id() {
    let (Fixture { broker, _dir, .. }, mut client) = start();
    let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
    let id = client.call(12, &MetadataRequest::default().with_topics(Some(vec![topic]))).topics[0].topic_id;
    set(&broker, "error:code=NOT_LEADER_OR_FOLLOWER,topic=t");
    let mut produce: ProduceRequest = produce_request("", batch(&["a"]));
    produce.topic_data[0].topic_id = id;
    assert_eq!(client.call(13, &produce).responses[0].partition_responses[0].error_code, NOT_LEADER);
    let mut fetch: FetchRequest = fetch_request("", 0, 0);
    fetch.topics[0].topic_id = id;
    assert_eq!(client.call(13, &fetch).responses[0].partitions[0].error_code, NOT_LEADER);
}
