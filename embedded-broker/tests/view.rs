//! The view from inside: what the handle tells is what clients did, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
mod client;

use std::time::{Duration, Instant};

use client::{Client, DEADLINE, batch, config, fetch_request, produce_request};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, ApiVersionsRequest, CreateTopicsRequest, EndTxnRequest, HeartbeatRequest, InitProducerIdRequest,
    JoinGroupRequest, ListOffsetsRequest, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use weir_broker::{Broker, BrokerView, ConnectionView, EventKind};

struct Fixture {
    broker: Broker,
    _dir: tempfile::TempDir,
}

fn start() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    Fixture { broker: Broker::start(config(dir.path())).unwrap(), _dir: dir }
}

/// Looks until it is so: what the broker does after its answer is not waited for by the client.
fn eventually(broker: &Broker, what: &str, is_so: impl Fn(&BrokerView) -> bool) -> BrokerView {
    let end = Instant::now() + DEADLINE;
    loop {
        let view = broker.view();
        if is_so(&view) {
            return view;
        }
        assert!(Instant::now() < end, "{what}: {view:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn the_one(view: &BrokerView) -> &ConnectionView {
    assert_eq!(view.connections.len(), 1);
    &view.connections[0]
}

#[test]
fn a_connection_shows_who_it_is_and_what_it_did() {
    let Fixture { broker, _dir } = start();
    let mut client = Client::connect(&broker);
    let hello = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("test-client"))
        .with_client_software_version(StrBytes::from_static_str("1.2.3"));
    client.call(3, &hello);
    client.topic("t");
    for _ in 0..3 {
        client.produce("t", batch(&["a"]));
    }
    // Bytes are counted once they are written, which the client may notice first.
    let view = eventually(&broker, "all is counted", |view| {
        let answered: u64 = view.apis.iter().map(|api| api.bytes_out).sum();
        the_one(view).requests.contains(&("Produce", 3)) && view.totals.bytes_out == answered
    });
    let connection = the_one(&view);
    assert_eq!(connection.peer, client.stream.local_addr().unwrap());
    assert_eq!((connection.client_id.as_str(), connection.principal.as_str()), ("test", "User:ANONYMOUS"));
    assert_eq!((connection.software_name.as_str(), connection.software_version.as_str()), ("test-client", "1.2.3"));
    assert_eq!(connection.requests, [("Produce", 3), ("Metadata", 1), ("ApiVersions", 1)]);
    assert!(connection.opened_ms <= connection.last_request_ms && view.started_ms <= connection.opened_ms);
    assert_eq!(connection.last_error, None);
    assert_eq!((view.totals.requests, view.totals.connections_open, view.totals.connections_accepted), (5, 1, 1));
    assert_eq!((view.totals.bytes_in, view.totals.bytes_out), (connection.bytes_in, connection.bytes_out));
    let produce = view.apis.iter().find(|api| api.name == "Produce").unwrap();
    assert_eq!((produce.requests, produce.latency.count(), produce.errors.len()), (3, 3, 0));
    assert!(produce.latency.quantile_us(0.5) <= produce.latency.quantile_us(0.99));
    assert_eq!(produce.latency.quantile_us(1.0), Some(produce.latency.max_us()));
    let by_api: u64 = view.apis.iter().map(|api| api.bytes_in).sum();
    // Each frame has four bytes of length before it.
    assert_eq!(view.totals.bytes_in, by_api + 5 * 4);

    drop(client);
    let after = eventually(&broker, "the client has gone", |view| view.connections.is_empty());
    assert_eq!((after.totals.bytes_in, after.totals.bytes_out), (view.totals.bytes_in, view.totals.bytes_out), "sums outlive connections");
}

#[test]
fn errors_are_counted_where_they_stand() {
    let Fixture { broker, _dir } = start();
    let mut client = Client::connect(&broker);
    let mut to_nowhere = produce_request("nowhere", batch(&["a"]));
    let twice = to_nowhere.topic_data[0].partition_data[0].clone();
    to_nowhere.topic_data[0].partition_data.push(twice.with_index(1));
    client.call(9, &to_nowhere);
    client.call(4, &HeartbeatRequest::default().with_group_id(StrBytes::from_static_str("g").into()));
    let view = eventually(&broker, "all is counted", |view| view.apis.len() == 2 && view.apis.iter().all(|api| !api.errors.is_empty()));
    let errors = |name: &str| {
        let api = view.apis.iter().find(|api| api.name == name).unwrap();
        api.errors.iter().map(|error| (error.code, error.name.as_str(), error.count)).collect::<Vec<_>>()
    };
    assert_eq!(errors("Produce"), [(3, "UNKNOWN_TOPIC_OR_PARTITION", 2)]);
    assert_eq!(errors("Heartbeat"), [(25, "UNKNOWN_MEMBER_ID", 1)]);
    let last = the_one(&view).last_error.clone().unwrap();
    assert_eq!((last.api, last.code, last.name.as_str()), ("Heartbeat", 25, "UNKNOWN_MEMBER_ID"));
}

#[test]
fn a_long_poll_shows_while_it_lasts() {
    let Fixture { broker, _dir } = start();
    let (mut reader, mut writer) = (Client::connect(&broker), Client::connect(&broker));
    writer.topic("t");
    reader.send(11, &fetch_request("t", 0, 60_000));
    let view = eventually(&broker, "the fetch waits", |view| view.totals.long_polls == 1);
    let waiting = view.connections.iter().find_map(|connection| connection.in_flight).unwrap();
    assert_eq!((waiting.api, waiting.is_parked), ("Fetch", true));
    writer.produce("t", batch(&["a"]));
    reader.receive::<kafka_protocol::messages::FetchRequest>(11);
    eventually(&broker, "it has ended", |view| view.totals.long_polls == 0);

    reader.send(11, &fetch_request("t", 1, 60_000));
    eventually(&broker, "another waits", |view| view.totals.long_polls == 1);
    drop(reader);
    let view = eventually(&broker, "its client has gone", |view| view.connections.len() == 1);
    let fetch = view.apis.iter().find(|api| api.name == "Fetch").unwrap();
    assert_eq!((fetch.requests, fetch.abandoned, fetch.latency.count(), view.totals.long_polls), (2, 1, 1, 0));
}

#[test]
fn logs_tell_their_size() {
    let Fixture { broker, _dir } = start();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let bytes = batch(&["a", "b"]);
    client.produce("t", bytes.clone());
    let logs: Vec<_> = broker.logs().into_iter().filter(|log| log.topic == "t").collect();
    let [log] = &logs[..] else { panic!("{logs:?}") };
    assert_eq!((log.partition, log.log_start_offset, log.high_watermark, log.segments), (0, 0, 2, 1));
    assert_eq!((log.size_bytes, log.appended_bytes), (bytes.len() as u64, bytes.len() as u64));
}

#[test]
fn events_are_numbered_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.limits.max_events = 2;
    let broker = Broker::start(config).unwrap();
    let mut client = Client::connect(&broker);
    for topic in ["a", "b", "c"] {
        client.topic(topic);
    }
    let events = broker.events(0);
    assert_eq!((events.missed, events.next_sequence, events.events.len()), (1, 3, 2));
    assert_eq!(events.events[1].kind, EventKind::TopicCreated { topic: "c".into(), partitions: 1 });
    assert!(broker.events(events.next_sequence).events.is_empty());
}

#[test]
fn groups_and_transactions_tell_what_becomes_of_them() {
    let Fixture { broker, _dir } = start();
    let mut client = Client::connect(&broker);
    let id = TransactionalId(StrBytes::from_static_str("transfers"));
    let init = InitProducerIdRequest::default().with_transactional_id(Some(id.clone())).with_transaction_timeout_ms(60_000);
    let producer = client.call(4, &init);
    client.topic("t");
    let topic = AddPartitionsToTxnTopic::default().with_name(client::name("t")).with_partitions(vec![0]);
    let (producer_id, producer_epoch) = (producer.producer_id, producer.producer_epoch);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(producer_id)
        .with_v3_and_below_producer_epoch(producer_epoch)
        .with_v3_and_below_topics(vec![topic]);
    client.call(3, &add);
    let end = EndTxnRequest::default().with_transactional_id(id).with_producer_id(producer_id).with_producer_epoch(producer_epoch);
    assert_eq!(client.call(3, &end.with_committed(true)).error_code, 0);
    let states = broker.events(0).events.into_iter().filter_map(|event| match event.kind {
        EventKind::TransactionChanged { transactional_id, state, .. } if transactional_id == "transfers" => Some(state),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), ["Empty", "Ongoing", "PrepareCommit", "CompleteCommit"]);

    let protocol = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(StrBytes::from_static_str("g").into())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    client.send(3, &join);
    let preparing = EventKind::GroupChanged { group_id: "g".into(), state: "PreparingRebalance", generation: 0, members: 1 };
    eventually(&broker, "the group prepares", |_| broker.events(0).events.iter().any(|event| event.kind == preparing));
}

#[test]
fn the_trace_is_off_until_it_is_wanted() {
    let Fixture { broker, _dir } = start();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let id = the_one(&broker.view()).id;
    assert!(broker.trace(id).is_empty());
    broker.set_trace(2);
    for _ in 0..3 {
        client.call(1, &ListOffsetsRequest::default());
    }
    client.call(5, &CreateTopicsRequest::default());
    eventually(&broker, "all is traced", |_| broker.trace(id).last().is_some_and(|last| last.api == "CreateTopics"));
    let trace = broker.trace(id);
    assert_eq!(
        trace.iter().map(|entry| (entry.api, entry.version, entry.correlation_id)).collect::<Vec<_>>(),
        [("ListOffsets", 1, 4), ("CreateTopics", 5, 5)]
    );
    assert!(trace[1].summary.contains("validate_only: false") && trace[1].response_bytes > 0, "{:?}", trace[1]);
    broker.set_trace(0);
    assert!(broker.trace(id).is_empty());
}

#[test]
fn a_connection_can_be_closed_from_inside() {
    let Fixture { broker, _dir } = start();
    let (mut one, mut other) = (Client::connect(&broker), Client::connect(&broker));
    one.topic("t");
    other.topic("u");
    let view = broker.view();
    let id = view.connections.iter().find(|connection| connection.peer == one.stream.local_addr().unwrap()).unwrap().id;
    assert!(broker.close_connection(id));
    assert!(one.receive_bytes().is_none());
    other.topic("v");
    eventually(&broker, "one is left", |view| view.connections.len() == 1);
    assert!(!broker.close_connection(id));
    let told = broker
        .events(0)
        .events
        .into_iter()
        .any(|event| matches!(event.kind, EventKind::ConnectionEnded { connection_id, .. } if connection_id == id));
    assert!(told);
}
