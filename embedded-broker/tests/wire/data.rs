//! Records in, records out.

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse,
    ProduceRequest,
};
use kafka_protocol::records::RecordBatchDecoder;
use weir_broker::Broker;

use crate::client::{Client, batch, config, fetch_request, name, partition_of, produce_request};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const KAFKA_STORAGE_ERROR: i16 = 56;

fn values(records: &Bytes) -> Vec<String> {
    let sets = RecordBatchDecoder::decode_all(&mut records.clone()).unwrap();
    let records = sets.iter().flat_map(|set| &set.records);
    records.map(|record| String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).unwrap()).collect()
}

#[test]
fn what_is_produced_is_fetched_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    assert_eq!(client.produce("t", batch(&["a", "b", "c"])).base_offset, 0);
    assert_eq!(client.produce("t", batch(&["d"])).base_offset, 3);
    let (error, high_watermark, records) = client.fetch(&fetch_request("t", 0, 0));
    assert_eq!((error, high_watermark, values(&records)), (0, 4, vec!["a".into(), "b".into(), "c".into(), "d".into()]));
    broker.shutdown();

    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    let (_, high_watermark, after) = client.fetch(&fetch_request("t", 0, 0));
    assert_eq!((high_watermark, after), (4, records));
    assert_eq!(client.produce("t", batch(&["e"])).base_offset, 4);
}

#[test]
fn a_fetch_from_the_middle_of_a_batch_gets_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    client.produce("t", batch(&["a", "b", "c"]));
    assert_eq!(values(&client.fetch(&fetch_request("t", 2, 0)).2), ["a", "b", "c"]);
}

#[test]
fn a_fetch_out_of_range_is_answered_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    for offset in [1, 100, -1] {
        // If this waited, the client's read deadline would end it.
        let (error, ..) = client.fetch(&fetch_request("t", offset, 60_000));
        assert_eq!(error, OFFSET_OUT_OF_RANGE, "{offset}");
    }
    assert_eq!(client.fetch(&fetch_request("nowhere", 0, 60_000)).0, UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn the_first_batch_comes_even_if_it_is_larger_than_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let large = "x".repeat(10_000);
    client.produce("t", batch(&[&large]));
    client.produce("t", batch(&["small"]));
    let mut request: FetchRequest = fetch_request("t", 0, 0).with_max_bytes(100);
    request.topics[0].partitions[0].partition_max_bytes = 100;
    assert_eq!(values(&client.fetch(&request).2), [large]);
}

#[test]
fn a_long_poll_wakes_on_append() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut producer = Client::connect(&broker);
    producer.topic("t");
    let mut consumer = Client::connect(&broker);
    for round in 0..20 {
        consumer.send(11, &fetch_request("t", round, 60_000));
        producer.produce("t", batch(&["now"]));
        // Well before the 60 seconds: the client's read deadline is half of that.
        let (error, high_watermark, records) = partition_of(&consumer.receive::<FetchRequest>(11));
        assert_eq!((error, high_watermark, values(&records)), (0, round + 1, vec!["now".into()]));
    }
}

#[test]
fn min_bytes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut producer = Client::connect(&broker);
    producer.topic("t");
    let mut consumer = Client::connect(&broker);
    let one = batch(&["12345"]);
    consumer.send(11, &fetch_request("t", 0, 60_000).with_min_bytes(one.len() as i32 * 3));
    for _ in 0..3 {
        producer.produce("t", one.clone());
    }
    let (.., records) = partition_of(&consumer.receive::<FetchRequest>(11));
    assert_eq!(values(&records).len(), 3);
    let (.., none) = consumer.fetch(&fetch_request("t", 3, 20));
    assert!(none.is_empty(), "and when the time is up there is nothing");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    for _ in 0..50 {
        client.send(9, &produce_request("t", batch(&["a"])));
        client.send(11, &fetch_request("t", 0, 0));
        client.send(3, &ApiVersionsRequest::default());
    }
    for round in 0..50 {
        let produced = client.receive::<ProduceRequest>(9);
        assert_eq!(produced.responses[0].partition_responses[0].base_offset, round);
        assert_eq!(partition_of(&client.receive::<FetchRequest>(11)).1, round + 1);
        client.receive::<ApiVersionsRequest>(3);
    }
}

#[test]
fn without_acks_there_is_no_answer_and_an_error_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let mut quiet = Client::connect(&broker);
    let request = produce_request("t", batch(&["a"])).with_acks(0);
    std::io::Write::write_all(&mut quiet.stream, &crate::client::frame(9, 1, &request)).unwrap();
    // The next answer is to the next question.
    quiet.call(3, &ApiVersionsRequest::default());
    assert_eq!(client.fetch(&fetch_request("t", 0, 0)).1, 1);
    let request = produce_request("nowhere", batch(&["a"])).with_acks(0);
    std::io::Write::write_all(&mut quiet.stream, &crate::client::frame(9, 2, &request)).unwrap();
    assert!(quiet.receive_bytes().is_none());
}

#[test]
fn damaged_and_lying_batches_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    let changed = |change: &dyn Fn(&mut Vec<u8>), seal: bool| {
        let mut bytes = batch(&["a", "b"]).to_vec();
        change(&mut bytes);
        if seal {
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        Bytes::from(bytes)
    };
    let cases: [(&str, i16, Bytes); 7] = [
        ("a flipped bit", 2, changed(&|bytes| bytes[70] ^= 1, false)),
        ("a record count of 2^31-1", 87, changed(&|bytes| bytes[57..61].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]), true)),
        ("a wrong last offset delta", 87, changed(&|bytes| bytes[26] = 9, true)),
        ("a control batch", 87, changed(&|bytes| bytes[22] |= 0x20, true)),
        ("an old format", 43, changed(&|bytes| bytes[16] = 1, true)),
        ("half a batch", 2, batch(&["a", "b"]).slice(..70)),
        ("more than a megabyte", 10, batch(&[&"x".repeat(1_100_000)])),
    ];
    for (what, code, bytes) in cases {
        assert_eq!(client.produce("t", bytes).error_code, code, "{what}");
    }
    assert_eq!(client.fetch(&fetch_request("t", 0, 0)).1, 0, "nothing was appended");
}

#[test]
fn offsets_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    client.produce("t", batch(&["a", "b"]));
    let mut list = |timestamp: i64| {
        let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let response = client.call(7, &ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]));
        let partition = &response.topics[0].partitions[0];
        (partition.error_code, partition.offset)
    };
    assert_eq!(list(-1), (0, 2));
    assert_eq!(list(-2), (0, 0));
    assert_eq!(list(-3), (0, 0));
    assert_eq!(list(1), (0, 0));
    assert_eq!(list(i64::MAX), (0, -1));
}

#[test]
fn producer_ids_are_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let broker = Broker::start(config(dir.path())).unwrap();
        let mut client = Client::connect(&broker);
        for _ in 0..3 {
            let response = client.call(4, &InitProducerIdRequest::default().with_transactional_id(None));
            assert_eq!((response.error_code, response.producer_epoch), (0, 0));
            assert!(seen.insert(response.producer_id.0), "{} was given before", response.producer_id.0);
        }
    }
}

#[test]
fn a_full_disk_is_an_error_to_the_producer_and_passes() {
    let disk = weir_broker::MemoryDisk::default();
    let mut config = config(std::path::Path::new("/memory"));
    config.disk = std::sync::Arc::new(disk.clone());
    let broker = Broker::start(config).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    assert_eq!(client.produce("t", batch(&["a"])).base_offset, 0);
    disk.set_space_left(Some(30));
    assert_eq!(client.produce("t", batch(&["b"])).error_code, KAFKA_STORAGE_ERROR);
    assert_eq!(values(&client.fetch(&fetch_request("t", 0, 0)).2), ["a"], "what is there can be read");
    disk.set_space_left(None);
    assert_eq!(client.produce("t", batch(&["c"])).base_offset, 1);
    assert_eq!(values(&client.fetch(&fetch_request("t", 0, 0)).2), ["a", "c"]);
}

#[test]
fn responses_under_way_share_a_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.limits.max_in_flight_bytes = 2 * 1024 * 1024;
    let broker = Broker::start(config).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    for _ in 0..2 {
        client.produce("t", batch(&[&"x".repeat(1_000_000)]));
    }
    // Far more at once than there is memory for: each waits for its turn, and all are answered.
    let mut readers: Vec<Client> = (0..20).map(|_| Client::connect(&broker)).collect();
    for reader in &mut readers {
        reader.send(11, &fetch_request("t", 0, 0));
    }
    for reader in &mut readers {
        assert_eq!(partition_of(&reader.receive::<FetchRequest>(11)).0, 0);
    }
}

#[test]
fn long_records_come_as_they_are_in_every_version_from_the_log_or_from_memory() {
    let (large, small) = ("x".repeat(100_000), "small".to_owned());
    for max_held_log_files in [0, 1, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.limits.max_held_log_files = max_held_log_files;
        let broker = Broker::start(config).unwrap();
        let mut client = Client::connect(&broker);
        // Long ones first, in the middle, last; alone in their topic and beside short ones.
        let topics = ["a", "b", "c", "d"];
        for topic in topics {
            client.topic(topic);
        }
        for value in [&large, &small, &large] {
            client.produce("a", batch(&[value]));
        }
        client.produce("b", batch(&[&small]));
        client.produce("c", batch(&[&large]));
        let metadata: MetadataResponse = client.call(12, &MetadataRequest::default().with_topics(None));
        for version in 4..=17 {
            let mut request = fetch_request("a", 0, 0);
            request.topics = topics.iter().map(|topic| fetch_request(topic, 0, 0).topics.remove(0)).collect();
            if version >= 13 {
                for topic in &mut request.topics {
                    let known = metadata.topics.iter().find(|known| known.name.as_ref() == Some(&topic.topic)).unwrap();
                    (topic.topic, topic.topic_id) = (name(""), known.topic_id);
                }
            }
            let response: FetchResponse = client.call(version, &request);
            let got: Vec<Vec<String>> =
                response.responses.iter().map(|topic| values(&topic.partitions[0].records.clone().unwrap_or_default())).collect();
            let expected = [vec![large.clone(), small.clone(), large.clone()], vec![small.clone()], vec![large.clone()], Vec::new()];
            assert!(got == expected, "version {version}, {max_held_log_files} files");
        }
    }
}
