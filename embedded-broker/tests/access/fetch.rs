//! Fetch sessions (KIP-227) and ACLs that change under them.

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::*;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use weir_broker::SecurityProtocol::SaslPlaintext;

use crate::acls::{READ, admin, eve, grant, named, revoke_all, text, topic};
use crate::client::Workshop;

/// A session remembers what it was asked for; what was denied must not be forgotten, nor what is allowed be remembered too long.
#[test]
fn fetch_sessions_follow_the_acls() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    admin.call(9, &named(&["hers", "secret"]));
    grant(&mut admin, &topic(READ, "hers"));
    let fetch = |topics: &[&str], id, epoch| {
        let topics = topics.iter().map(|topic| {
            let partition = FetchPartition::default().with_partition_max_bytes(1_000_000);
            FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition])
        });
        FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(topics.collect()).with_max_bytes(1_000_000)
    };
    let codes = |response: &FetchResponse| {
        let mut codes: Vec<_> =
            response.responses.iter().map(|topic| (topic.topic.as_str().to_owned(), topic.partitions[0].error_code)).collect();
        codes.sort();
        codes
    };
    let denied = TopicAuthorizationFailed.code();
    let both = eve.call(11, &fetch(&["hers", "secret"], 0, 0));
    assert_eq!(codes(&both), [("hers".to_owned(), 0), ("secret".to_owned(), denied)]);
    assert_eq!(both.session_id, 0, "no session without the one denied: it would not notice when it is allowed");
    let first = eve.call(11, &fetch(&["hers"], 0, 0));
    assert_ne!(first.session_id, 0);
    let added = eve.call(11, &fetch(&["secret"], first.session_id, 1));
    assert_eq!(added.error_code, FetchSessionIdNotFound.code(), "the client begins anew, with a full request");
    revoke_all(&mut admin);
    let produced = produce_request::PartitionProduceData::default().with_records(Some(batch()));
    let produced = produce_request::TopicProduceData::default().with_name(TopicName(text("hers"))).with_partition_data(vec![produced]);
    let produced = admin.call(9, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![produced]));
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    let revoked = eve.call(11, &fetch(&[], first.session_id, 1).with_min_bytes(1).with_max_wait_ms(1));
    assert_eq!(codes(&revoked), [("hers".to_owned(), denied)]);
    assert!(revoked.responses[0].partitions[0].records.as_ref().is_none_or(bytes::Bytes::is_empty));
    grant(&mut admin, &topic(READ, "hers"));
    let granted = eve.call(11, &fetch(&[], first.session_id, 2).with_min_bytes(1).with_max_wait_ms(1));
    assert!(granted.responses[0].partitions[0].records.as_ref().unwrap().len() > 300_000);
}

fn batch() -> bytes::Bytes {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: now.as_millis() as i64,
        key: None,
        // Long enough to be sent from where it lies.
        value: Some(bytes::Bytes::from(vec![b'h'; 300_000])),
        headers: Default::default(),
    };
    let mut batch = bytes::BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &[record], &options).unwrap();
    batch.freeze()
}
