//! Local mode: the embedded broker inside the backend, its folder, and a broker that goes and comes back.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use weir_backend::{Handle, HandleConfig};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{Cluster, ConnectionState, NoticeLevel, PartitionId, ProduceRecord, Request, Start, StopReason, TopicName};

use crate::support::{TestBackend, unique};

fn local(data_dir: &Path) -> TestBackend {
    let handle = Handle::start(HandleConfig { data_dir: Some(data_dir.to_owned()), ..HandleConfig::default() }, || {}).unwrap();
    let backend = TestBackend::of(handle);
    backend.ask(Request::Connect(Cluster::Local));
    backend
}

fn record(topic: &TopicName, value: &str) -> ProduceRecord {
    let value = Some(value.as_bytes().into());
    ProduceRecord { topic: topic.clone(), partition: Some(PartitionId(0)), key: None, value, headers: Vec::new() }
}

#[test]
fn data_is_still_there_when_the_window_opens_again() {
    let data_dir = tempfile::tempdir().unwrap();
    let topic = {
        let mut backend = local(data_dir.path());
        backend.wait("connection", |store| store.connection.bootstrap().is_some());
        let ConnectionState::Connected { bootstrap, data_dir: shown, .. } = &backend.store.connection else { panic!() };
        assert!(bootstrap.parse::<SocketAddr>().unwrap().ip().is_loopback());
        assert_eq!(shown.as_deref(), data_dir.path().to_str());
        let topic = backend.create_topic("kept", 1);
        let notice = backend.wait_for_notice(Request::Produce(record(&topic, "still here")));
        assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
        topic
    };
    let mut backend = local(data_dir.path());
    backend.wait("topic", |store| store.cluster.value().is_some_and(|cluster| cluster.topic(&topic).is_some()));
    let query = backend.query(&topic, Start::Newest, 10);
    assert_eq!(backend.read(&query).0, ["still here"]);
}

#[test]
fn a_folder_that_is_in_use_is_told_and_the_other_program_goes_on() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut first = local(data_dir.path());
    first.wait("connection", |store| store.connection.bootstrap().is_some());
    let mut second = local(data_dir.path());
    second.wait("failure", |store| matches!(store.connection, ConnectionState::Failed { .. }));
    let ConnectionState::Failed { problem, .. } = &second.store.connection else { panic!() };
    assert!(problem.why.contains(data_dir.path().to_str().unwrap()) && problem.what_to_do.contains("--bootstrap"), "{problem}");
    first.create_topic("works", 1);
}

#[test]
fn a_folder_that_can_not_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let mut backend = local(&file.join("data"));
    backend.wait("failure", |store| matches!(store.connection, ConnectionState::Failed { .. }));
    let ConnectionState::Failed { problem, .. } = &backend.store.connection else { panic!() };
    assert!(!problem.why.is_empty() && !problem.what_to_do.is_empty(), "{problem}");
}

#[test]
fn a_broker_that_goes_is_missed_and_one_that_comes_back_is_found() {
    let data_dir = tempfile::tempdir().unwrap();
    let start = |port: u16| {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) }).unwrap()
    };
    let broker = start(0);
    let address = broker.address();
    let mut backend = TestBackend::start();
    let remote = Cluster::Remote { bootstrap: address.to_string().into(), properties: Vec::new() };
    backend.ask(Request::Connect(remote));
    backend.wait("connection", |store| store.connection.bootstrap().is_some());
    let topic = backend.create_topic(&unique("survivor"), 1);
    let query = weir_model::MessageQuery { follow: true, ..backend.query(&topic, Start::Newest, 100) };
    backend.open(&query);
    backend.wait("receipt", |store| store.messages.receipt.is_some());

    broker.shutdown();
    backend.wait("failure", |store| matches!(store.connection, ConnectionState::Failed { .. }) && store.cluster.problem().is_some());
    assert!(backend.store.cluster.value().is_some(), "what was known before stays readable, marked as old");

    let _broker = start(address.port());
    backend.wait("return", |store| store.connection.bootstrap().is_some() && store.cluster.problem().is_none());
    let notice = backend.wait_for_notice(Request::Produce(record(&topic, "after the break")));
    assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
    backend.wait("a query that followed through the break", |store| store.messages.rows.len() == 1);
    backend.ask(Request::StopMessages(query.id));
    backend.wait("receipt", |store| store.messages.receipt.as_ref().is_some_and(|it| it.stopped == Some(StopReason::Cancelled)));
}
