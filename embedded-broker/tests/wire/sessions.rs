//! Fetch sessions (KIP-227) over the wire.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, MetadataRequest};
use weir_broker::Broker;

use crate::client::{Client, batch, config, fetch_request, partition_of};

const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
const FETCH_SESSION_TOPIC_ID_ERROR: i16 = 106;

/// The next request of a session that says nothing new.
fn next(session_id: i32, epoch: i32, max_wait_ms: i32) -> FetchRequest {
    let base = FetchRequest::default().with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_max_bytes(1 << 20);
    base.with_session_id(session_id).with_session_epoch(epoch)
}

#[test]
fn a_session_tells_what_is_new_and_wakes_on_append() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let opened = client.call(11, &fetch_request("t", 0, 0).with_session_epoch(0));
    assert_eq!((opened.error_code, opened.responses.len()), (0, 1));
    let id = opened.session_id;
    assert_ne!(id, 0);
    let nothing = client.call(11, &next(id, 1, 0));
    assert_eq!((nothing.error_code, nothing.session_id, nothing.responses.len()), (0, id, 0));
    // Parked until another client's record comes. The next test would hang until the deadline if it did not wake.
    client.send(11, &next(id, 2, 20_000));
    Client::connect(&broker).produce("t", batch(&["a"]));
    let woken = client.receive::<FetchRequest>(11);
    assert_eq!((woken.error_code, partition_of(&woken).1), (0, 1));
    assert!(!partition_of(&woken).2.is_empty());
    assert_eq!(client.call(11, &next(id, 2, 0)).error_code, INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(client.call(11, &next(id ^ 1, 3, 0)).error_code, FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(client.call(13, &next(id, 3, 0)).error_code, FETCH_SESSION_TOPIC_ID_ERROR);
}

#[test]
fn a_session_by_topic_ids_goes_on_when_the_topic_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let topic_id = client.call(12, &MetadataRequest::default().with_topics(None)).topics[0].topic_id;
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic_id(topic_id).with_partitions(vec![partition]);
    let opened = client.call(17, &next(0, 0, 0).with_topics(vec![topic]));
    assert_eq!((opened.error_code, opened.responses[0].topic_id), (0, topic_id));
    let doomed = kafka_protocol::messages::delete_topics_request::DeleteTopicState::default().with_name(None).with_topic_id(topic_id);
    let deleting = kafka_protocol::messages::DeleteTopicsRequest::default().with_topics(vec![doomed]).with_timeout_ms(1_000);
    assert_eq!(client.call(6, &deleting).responses[0].error_code, 0);
    let told = client.call(17, &next(opened.session_id, 1, 0));
    assert_eq!((told.error_code, told.session_id), (0, opened.session_id));
    assert_eq!(told.responses[0].partitions[0].error_code, 100, "UNKNOWN_TOPIC_ID");
    // The client forgets it, and the session ends with its last partition.
    let forgotten = kafka_protocol::messages::fetch_request::ForgottenTopic::default().with_topic_id(topic_id).with_partitions(vec![0]);
    let last = client.call(17, &next(opened.session_id, 2, 0).with_forgotten_topics_data(vec![forgotten]));
    assert_eq!((last.error_code, last.session_id), (0, 0));
}
