//! Above each limit there is a clear error or a closed connection with its reason told, and everyone else goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
mod client;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use client::{Client, DEADLINE, batch, config, fetch_request, frame, name, produce_request};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, FetchRequest, JoinGroupRequest, ListOffsetsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use weir_broker::{Broker, BrokerConfig, BrokerView, EventKind};

const POLICY_VIOLATION: i16 = 44;
const GROUP_MAX_SIZE_REACHED: i16 = 81;

/// Starts a broker with a limit, goes beyond it, and looks whether another connection noticed.
fn beyond(limit: impl FnOnce(&mut BrokerConfig), go: impl FnOnce(&Broker)) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    limit(&mut config);
    let broker = Broker::start(config).unwrap();
    let mut witness = Client::connect(&broker);
    witness.topic("t");
    go(&broker);
    // A witness that was idle too long for the test's limit is no witness.
    witness.call(1, &ListOffsetsRequest::default());
}

fn eventually(broker: &Broker, what: &str, is_so: impl Fn(&BrokerView) -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so(&broker.view()) {
        assert!(Instant::now() < end, "{what}: {:#?} {:#?}", broker.view(), broker.events(0));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A connection has ended, and this was said about it.
fn told(broker: &Broker, reason_has: &str) {
    let is_it = |kind: &EventKind| matches!(kind, EventKind::ConnectionEnded { reason, .. } if reason.contains(reason_has));
    eventually(broker, reason_has, |_| broker.events(0).events.iter().any(|event| is_it(&event.kind)));
}

/// The broker closes this connection.
fn closed(mut client: Client) {
    assert!(client.receive_bytes().is_none());
}

#[test]
fn connections_from_one_address() {
    let limit = |config: &mut BrokerConfig| config.limits.max_connections_per_ip = 2;
    beyond(limit, |broker| {
        let mut second = Client::connect(broker);
        second.topic("u");
        closed(Client::connect(broker));
        told(broker, "max.connections.per.ip");
        assert_eq!(broker.view().totals.connections_refused, 1);
        drop(second);
        eventually(broker, "there is room again", |view| view.totals.connections_open == 1);
        Client::connect(broker).topic("v");
    });
}

#[test]
fn connections_in_all() {
    let limit = |config: &mut BrokerConfig| config.limits.max_connections = 1;
    beyond(limit, |broker| {
        closed(Client::connect(broker));
        told(broker, "max.connections");
    });
}

#[test]
fn the_size_of_a_frame() {
    let limit = |config: &mut BrokerConfig| {
        config.limits.max_produce_frame_bytes = 10_000;
        config.limits.max_control_frame_bytes = 1_000;
    };
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        assert_eq!(client.produce("t", batch(&["x".repeat(5_000).as_str()])).error_code, 0, "for Produce the larger limit counts");
        client.send(9, &produce_request("t", batch(&["x".repeat(20_000).as_str()])));
        closed(client);
        told(broker, "more than the limit of 10000");
        let mut client = Client::connect(broker);
        let topic = MetadataRequestTopic::default().with_name(Some(name(&"x".repeat(200))));
        client.send(9, &MetadataRequest::default().with_topics(Some(vec![topic; 10])));
        closed(client);
        told(broker, "more than the limit of 1000");
    });
}

#[test]
fn the_elements_of_a_request() {
    let limit = |config: &mut BrokerConfig| config.limits.max_request_elements = 100;
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
        client.send(9, &MetadataRequest::default().with_topics(Some(vec![topic; 101])));
        closed(client);
        told(broker, "Metadata version 9");
    });
}

/// One byte after the other: never a pause, and never an end.
#[test]
fn the_time_a_request_may_take_to_arrive() {
    let limit = |config: &mut BrokerConfig| config.limits.max_request_read = Duration::from_millis(300);
    beyond(limit, |broker| {
        let mut slow = TcpStream::connect(broker.address()).unwrap();
        let request = frame(9, 1, &produce_request("t", batch(&["x".repeat(100_000).as_str()])));
        let end = Instant::now() + DEADLINE;
        for byte in request.chunks(1) {
            if slow.write_all(byte).is_err() {
                break;
            }
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(2));
        }
        told(broker, "max_request_read");
        assert_eq!(broker.view().totals.request_memory_bytes, 0, "what it held is free");
    });
}

#[test]
fn the_time_a_client_may_pause_or_be_idle() {
    let limit = |config: &mut BrokerConfig| config.limits.max_request_pause = Duration::from_millis(100);
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        client.stream.write_all(&[0, 0, 1]).unwrap();
        closed(client);
        told(broker, "stopped in the middle");
    });
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.limits.max_connection_idle = Duration::from_millis(1_200);
    let broker = Broker::start(config).unwrap();
    let mut idle = Client::connect(&broker);
    idle.topic("t");
    closed(idle);
}

/// Larger than what the sockets on the way can hold.
const LARGE: usize = 12 * 1024 * 1024;

fn fetch_large(offset: i64) -> FetchRequest {
    let mut request = fetch_request("t", offset, 0);
    request.max_bytes = i32::MAX;
    request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
    request
}

fn fill(broker: &Broker) {
    let mut client = Client::connect(broker);
    let value = "x".repeat(LARGE / 16);
    for _ in 0..16 {
        assert_eq!(client.produce("t", batch(&[value.as_str()])).error_code, 0);
    }
}

#[test]
fn the_memory_of_answers_under_way() {
    let limit = |config: &mut BrokerConfig| {
        config.limits.max_in_flight_bytes = LARGE;
        // What is sent from the file takes no memory.
        config.limits.max_held_log_files = 0;
    };
    beyond(limit, |broker| {
        fill(broker);
        let (mut stuck, mut next) = (Client::connect(broker), Client::connect(broker));
        stuck.send(11, &fetch_large(0));
        eventually(broker, "its answer is counted", |view| view.totals.response_memory_bytes > LARGE / 2);
        next.send(11, &fetch_large(0));
        eventually(broker, "another waits for room", |view| {
            view.connections
                .iter()
                .any(|connection| connection.in_flight.is_some_and(|request| request.api == "Fetch" && request.is_parked))
        });
        assert!(broker.view().totals.response_memory_bytes <= LARGE);
        let mut small = Client::connect(broker);
        small.topic("small");
        stuck.receive::<FetchRequest>(11);
        next.receive::<FetchRequest>(11);
        eventually(broker, "all is given back", |view| view.totals.response_memory_bytes == 0);
    });
}

#[test]
fn the_time_a_client_may_take_to_read() {
    let limit = |config: &mut BrokerConfig| config.limits.max_response_write = Duration::from_millis(300);
    beyond(limit, |broker| {
        fill(broker);
        let mut stuck = Client::connect(broker);
        stuck.send(11, &fetch_large(0));
        told(broker, "does not read its answer");
        assert_eq!(broker.view().totals.response_memory_bytes, 0);
    });
}

#[test]
fn the_bytes_a_fetch_returns() {
    let limit = |config: &mut BrokerConfig| config.limits.max_fetch_bytes = 1_000;
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        let bytes = batch(&["x".repeat(800).as_str()]);
        for _ in 0..5 {
            client.produce("t", bytes.clone());
        }
        let (code, high_watermark, records) = client.fetch(&fetch_large(0));
        assert_eq!((code, high_watermark, records.len()), (0, 5, bytes.len()));
    });
}

#[test]
fn the_time_a_fetch_waits() {
    let limit = |config: &mut BrokerConfig| config.limits.max_fetch_wait = Duration::from_millis(100);
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        let (code, _, records) = client.fetch(&fetch_request("t", 0, i32::MAX));
        assert_eq!((code, records.len()), (0, 0));
    });
}

/// While one request waits, those sent after it are read up to a point; all are answered in the end.
#[test]
fn the_bytes_read_ahead() {
    let limit = |config: &mut BrokerConfig| config.limits.max_read_ahead_bytes = 10_000;
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        client.send(11, &fetch_request("t", 0, 60_000));
        let before = broker.view().totals.bytes_in;
        const REQUESTS: usize = 10_000;
        for _ in 0..REQUESTS {
            client.send(1, &ListOffsetsRequest::default());
        }
        eventually(broker, "some is read ahead", |view| view.totals.bytes_in >= before + 10_000);
        // A read may go beyond the limit, but not by the 260 kB that were sent.
        assert!(broker.view().totals.bytes_in < before + 100_000, "{} {before}", broker.view().totals.bytes_in);
        Client::connect(broker).produce("t", batch(&["a"]));
        client.receive::<FetchRequest>(11);
        for _ in 0..REQUESTS {
            client.receive::<ListOffsetsRequest>(1);
        }
    });
}

fn create(client: &mut Client, topic: &str, partitions: i32) -> i16 {
    let topic = CreatableTopic::default().with_name(name(topic)).with_num_partitions(partitions).with_replication_factor(1);
    client.call(5, &CreateTopicsRequest::default().with_topics(vec![topic])).topics[0].error_code
}

#[test]
fn topics_partitions_and_open_files() {
    let limit = |config: &mut BrokerConfig| {
        config.limits.max_topics = 4;
        config.limits.max_partitions = 20;
        config.limits.max_open_log_files = 2;
    };
    beyond(limit, |broker| {
        let mut client = Client::connect(broker);
        assert_eq!([create(&mut client, "a", 20), create(&mut client, "b", 10)], [POLICY_VIOLATION, 0]);
        assert_eq!([create(&mut client, "c", 10), create(&mut client, "d", 1), create(&mut client, "e", 1)], [POLICY_VIOLATION, 0, 0]);
        assert_eq!(create(&mut client, "f", 1), POLICY_VIOLATION);
        for topic in ["b", "d", "e", "b", "d", "e"] {
            assert_eq!(client.produce(topic, batch(&["x"])).error_code, 0, "files are closed and opened again");
            let (code, high_watermark, records) = client.fetch(&fetch_request(topic, 0, 0));
            assert!(code == 0 && high_watermark > 0 && !records.is_empty());
        }
    });
}

#[test]
fn members_of_a_group() {
    let limit = |config: &mut BrokerConfig| config.groups.max_members = 1;
    beyond(limit, |broker| {
        let protocol = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range"));
        let join = JoinGroupRequest::default()
            .with_group_id(StrBytes::from_static_str("g").into())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let mut first = Client::connect(broker);
        assert_eq!(first.call(3, &join).error_code, 0);
        assert_eq!(Client::connect(broker).call(3, &join).error_code, GROUP_MAX_SIZE_REACHED);
    });
}
