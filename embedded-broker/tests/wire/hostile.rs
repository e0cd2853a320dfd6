//! Whatever bytes come: no abort, bounded memory, and other connections never notice.

use std::io::Write as _;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use weir_broker::Broker;

use crate::client::{Client, batch, config, fetch_request, frame, name, produce_request, try_frame};

const SEED: u64 = 0x05EE_D0F7_AB1E;
const MUTANTS_PER_VERSION: usize = 10;
/// Far below what the mutants' lies ask for, far above what their bytes can hold.
const MEMORY_LIMIT_KIB: u64 = 1024 * 1024;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// The most memory this process, broker included, ever had.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
}

fn still_works(witness: &mut Client) {
    assert_eq!(witness.call(3, &ApiVersionsRequest::default()).error_code, 0);
}

/// Sends bytes on a connection of their own and waits until the broker has dealt with them: an answer or a closed connection. A frame
/// that the mutation made to wait for more is ended by closing our half.
fn deliver(broker: &Broker, bytes: &[u8]) {
    let mut client = Client::connect(broker);
    // The broker may close before it has read everything; that is an answer as well.
    let _ = client.stream.write_all(bytes);
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    let _ = client.receive_bytes();
}

#[test]
fn counts_that_ask_for_everything_get_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut witness = Client::connect(&broker);
    // Metadata 1 in 22 bytes: an empty client id, and 2^31-1 topics.
    let mut metadata = vec![0, 0, 0, 18, 0, 3, 0, 1, 0, 0, 0, 1, 0, 4];
    metadata.extend(b"test\x7f\xff\xff\xff");
    assert_eq!(metadata.len(), 22);
    // Produce 3: the same in its list of topics.
    let mut produce = vec![0, 0, 0, 26, 0, 0, 0, 3, 0, 0, 0, 1, 0, 4];
    produce.extend(b"test\xff\xff\0\x01\0\0\0\x01\x7f\xff\xff\xff");
    assert_eq!(produce.len(), 30);
    // A frame that announces 2 GiB, one of less than nothing, and one from another world.
    let huge = [0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 1];
    let negative = [0xff, 0xff, 0xff, 0xff, 0, 3, 0, 1];
    for bytes in
        [&metadata[..], &produce, &huge, &negative, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", &[0; 64]]
    {
        let mut client = Client::connect(&broker);
        client.stream.write_all(bytes).unwrap();
        assert!(client.receive_bytes().is_none(), "{bytes:?}");
        still_works(&mut witness);
    }
}

fn mutants<R: Request>(frames: &mut Vec<Vec<u8>>, random: &mut Random, request: &R) {
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        let Some(plain) = try_frame(version, 1, request) else { continue };
        for _ in 0..MUTANTS_PER_VERSION {
            let mut mutant = plain.to_vec();
            for _ in 0..=random.below(3) {
                // Behind the api key and version, so that the mutant reaches its API.
                let at = 8 + random.below(mutant.len() - 8);
                mutant[at] = [0x7f, 0xff, 0x00, 0x80, random.below(256) as u8][random.below(5)];
            }
            frames.push(mutant);
        }
    }
}

#[test]
fn mutated_requests_harm_nobody() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut witness = Client::connect(&broker);
    witness.topic("t");
    let mut frames = Vec::new();
    let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
    mutants(&mut frames, &mut random, &MetadataRequest::default().with_topics(Some(vec![topic])));
    mutants(&mut frames, &mut random, &produce_request("t", batch(&["a", "b"])));
    mutants(&mut frames, &mut random, &fetch_request("t", 0, 1));
    macro_rules! defaults {
        ($($request:ident)*) => { $(mutants(&mut frames, &mut random, &$request::default());)* };
    }
    defaults!(
        ListOffsetsRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest
        SyncGroupRequest DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest
        DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest DescribeConfigsRequest AlterConfigsRequest
        DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest IncrementalAlterConfigsRequest OffsetDeleteRequest
        DescribeClusterRequest DescribeProducersRequest DescribeTopicPartitionsRequest ElectLeadersRequest
        AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest DescribeQuorumRequest UpdateFeaturesRequest
        GetTelemetrySubscriptionsRequest PushTelemetryRequest ListConfigResourcesRequest SaslHandshakeRequest SaslAuthenticateRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest
        DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeTransactionsRequest
        ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
    );
    for mutant in &frames {
        deliver(&broker, mutant);
    }
    still_works(&mut witness);
    assert_eq!(witness.produce("t", batch(&["still here"])).error_code, 0);
    if let Some(peak_kib) = peak_memory_kib() {
        assert!(peak_kib < MEMORY_LIMIT_KIB, "{peak_kib} KiB after {} mutants", frames.len());
    }
}

#[test]
fn a_client_that_goes_in_the_middle_of_anything_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut witness = Client::connect(&broker);
    witness.topic("t");
    let whole = frame(9, 1, &produce_request("t", batch(&["a"])));
    for length in 0..whole.len() {
        let mut client = Client::connect(&broker);
        client.stream.write_all(&whole[..length]).unwrap();
    }
    // A long poll whose client has gone is dropped, not kept until its time is up.
    let mut waiting = Client::connect(&broker);
    waiting.send(11, &fetch_request("t", 0, 25_000));
    drop(waiting);
    let end = std::time::Instant::now() + crate::client::DEADLINE;
    while broker.view().totals.connections_open > 1 {
        assert!(std::time::Instant::now() < end, "{} connections are still open", broker.view().totals.connections_open);
        std::thread::yield_now();
    }
    still_works(&mut witness);
    assert_eq!(witness.produce("t", batch(&["b"])).base_offset, 0, "no half request was taken for a whole one");
}

#[test]
fn a_client_that_stops_in_the_middle_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.limits.max_request_pause = std::time::Duration::from_millis(50);
    let broker = Broker::start(config).unwrap();
    let mut idle = Client::connect(&broker);
    still_works(&mut idle);
    let mut stalled = Client::connect(&broker);
    stalled.stream.write_all(&[0, 0, 1, 0, 0, 3]).unwrap();
    assert!(stalled.receive_bytes().is_none(), "the broker closes it");
    still_works(&mut idle);
}
