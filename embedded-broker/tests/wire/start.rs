//! Starting: what stands in the way is told with what to do about it.

use std::net::TcpListener;

use weir_broker::{Broker, ListenerError, StartError};

use crate::client::{Client, config};

#[test]
fn a_port_in_use_is_told_or_avoided() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(dir.path());
    config.listen = taken.local_addr().unwrap();
    let error = Broker::start(config.clone()).unwrap_err();
    assert!(matches!(error, StartError::Listener(ListenerError::PortInUse { .. })), "{error}");
    assert!(error.to_string().contains(&config.listen.port().to_string()));
    config.fallback_to_any_port = true;
    let broker = Broker::start(config.clone()).unwrap();
    assert_ne!(broker.address().port(), config.listen.port());
    Client::connect(&broker).topic("t");
}

#[test]
fn a_data_folder_belongs_to_one_broker() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let error = Broker::start(config(dir.path())).unwrap_err();
    assert!(matches!(error, StartError::Locked { .. }), "{error}");
    broker.shutdown();
    Broker::start(config(dir.path())).unwrap();
}

#[test]
fn a_data_folder_that_cannot_be_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let error = Broker::start(config(&file)).unwrap_err();
    assert!(matches!(error, StartError::DataFolder { .. }), "{error}");
}

#[test]
fn more_than_loopback_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.listen = "0.0.0.0:0".parse().unwrap();
    let error = Broker::start(config).unwrap_err();
    assert!(matches!(error, StartError::Listener(ListenerError::Open { .. })), "{error}");
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.limits.max_connections = 2;
    let broker = Broker::start(config).unwrap();
    let (mut first, mut second) = (Client::connect(&broker), Client::connect(&broker));
    first.topic("a");
    second.topic("b");
    assert!(Client::connect(&broker).receive_bytes().is_none());
    first.topic("c");
}
