//! 200,000 requests that are almost right, over every API and version, on real sockets: nothing aborts or panics, memory stays bounded, and a
//! client that behaves never notices.
//!
//! `WEIR_TEST_SEED=7 WEIR_TEST_MUTANTS=5000000 cargo test -p weir-broker --test mutation` goes on for longer, elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
mod client;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use weir_broker::{Broker, served_apis};

use client::{Client, Writer, batch, config, encode, fetch_request, name, produce_request, try_frame};

const SEED: u64 = 0x05EE_D0F7_AB1E;
const MUTANTS: usize = 200_000;
/// What the process, tests included, may take at most: the lies ask for thousands of times as much.
const MEMORY_LIMIT_KIB: u64 = 768 * 1024;
/// Threads that send.
const SENDERS: usize = 4;
/// Produce (which may want no answer), Fetch, JoinGroup and SyncGroup may wait before they are answered: their connections are half closed.
const MAY_WAIT: [i16; 4] = [0, 1, 11, 14];
/// Where the body begins at the earliest: behind length, key and version.
const BODY_AT: usize = 8;

/// xorshift64: the same seed, the same mutants.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A sound request to begin with.
struct Sound {
    key: i16,
    frame: Vec<u8>,
}

fn add<R: Request>(all: &mut Vec<Sound>, request: &R) {
    let served = served_apis().find(|api| api.key == R::KEY).expect("only what is served");
    for version in served.versions {
        all.extend(try_frame(version, 1, request).map(|frame| Sound { key: R::KEY, frame: frame.to_vec() }));
    }
}

macro_rules! defaults {
    ($all:expr, $($request:ident)*) => { $(add($all, &$request::default());)* };
}

/// Requests of every API and version: as empty as the codec makes them, and the ones with the deepest structures filled.
fn sound_requests() -> Vec<Sound> {
    let mut all = Vec::new();
    defaults!(
        &mut all,
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
        JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest SaslHandshakeRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest
        DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest DescribeLogDirsRequest SaslAuthenticateRequest
        CreatePartitionsRequest DeleteGroupsRequest ElectLeadersRequest IncrementalAlterConfigsRequest
        AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest
        AlterClientQuotasRequest DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeQuorumRequest
        UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest
        ListConfigResourcesRequest DescribeTopicPartitionsRequest
    );
    let served: BTreeSet<i16> = served_apis().map(|api| api.key).collect();
    assert_eq!(all.iter().map(|sound| sound.key).collect::<BTreeSet<_>>(), served, "every API is here");

    let group = GroupId(StrBytes::from_static_str("g"));
    add(&mut all, &MetadataRequest::default().with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name("t")))])));
    add(&mut all, &produce_request("t", batch(&["a", "b"])));
    let writer = Writer { producer_id: 1, epoch: 0, sequence: 0, transactional: true };
    let id = TransactionalId(StrBytes::from_static_str("x"));
    add(&mut all, &produce_request("t", encode(&["a"], writer)).with_transactional_id(Some(id.clone())));
    add(&mut all, &fetch_request("t", 0, 1));
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    add(&mut all, &OffsetCommitRequest::default().with_group_id(group.clone()).with_topics(vec![topic]));
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let commit = TxnOffsetCommitRequest::default().with_transactional_id(id.clone()).with_group_id(group.clone());
    add(&mut all, &commit.with_topics(vec![topic]));
    add(&mut all, &InitProducerIdRequest::default().with_transactional_id(Some(id)).with_transaction_timeout_ms(60_000));
    let protocol = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range")).with_metadata(batch(&["m"]));
    let join = JoinGroupRequest::default().with_group_id(group.clone()).with_session_timeout_ms(10_000).with_rebalance_timeout_ms(10_000);
    add(&mut all, &join.with_protocol_type(StrBytes::from_static_str("consumer")).with_protocols(vec![protocol]));
    let beat = ConsumerGroupHeartbeatRequest::default().with_group_id(group).with_member_id(StrBytes::from_static_str("m"));
    add(
        &mut all,
        &beat.with_rebalance_timeout_ms(10_000).with_subscribed_topic_names(Some(vec![name("t")])).with_topic_partitions(Some(vec![])),
    );
    let topic = CreatableTopic::default().with_name(name("u")).with_num_partitions(1).with_replication_factor(1);
    add(&mut all, &CreateTopicsRequest::default().with_topics(vec![topic]).with_validate_only(true));
    all
}

/// Changes a sound frame a little. Its length is put right again, so that the broker never waits for the rest.
fn mutate(sound: &[Sound], random: &mut Random) -> (i16, Vec<u8>) {
    const BYTES: [u8; 6] = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xff];
    let one = &sound[random.below(sound.len())];
    let mut frame = one.frame.clone();
    for _ in 0..=random.below(4) {
        let at = BODY_AT + random.below(frame.len() - BODY_AT + 1);
        match random.below(7) {
            // A bit, a byte that lies about a length, a count of everything, a varint without end.
            0 if at < frame.len() => frame[at] ^= 1 << random.below(8),
            1 | 2 if at < frame.len() => frame[at] = BYTES[random.below(BYTES.len())],
            3 if at + 4 <= frame.len() => frame[at..at + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]),
            4 if at + 5 <= frame.len() => frame[at..at + 5].fill(0xff),
            // Cut short, or with something else behind it: of another request, or noise.
            5 => frame.truncate(at),
            _ => {
                let other = &sound[random.below(sound.len())].frame;
                let from = BODY_AT + random.below(other.len() - BODY_AT + 1);
                frame.truncate(at);
                frame.extend_from_slice(&other[from..]);
                frame.push(random.next() as u8);
            }
        }
    }
    let length = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    (one.key, frame)
}

/// Sends frames, each until it is answered or the connection is closed.
fn send(broker: &Broker, sound: &[Sound], mutants: usize, mut random: Random) {
    let mut open: Option<Client> = None;
    for _ in 0..mutants {
        let (key, frame) = mutate(sound, &mut random);
        let mut client = open.take().unwrap_or_else(|| Client::connect(broker));
        // The broker may close before it has read everything; that is an answer as well.
        let is_sent = client.stream.write_all(&frame).is_ok();
        let may_wait = MAY_WAIT.contains(&key);
        if may_wait {
            let _ = client.stream.shutdown(std::net::Shutdown::Write);
        }
        let is_answered = is_sent && client.receive_bytes().is_some();
        open = Some(client).filter(|_| is_answered && !may_wait);
    }
}

/// The most memory this process, broker included, ever had.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
}

fn setting(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn almost_right_requests_harm_nobody() {
    let seed = setting("WEIR_TEST_SEED", SEED);
    let mutants = setting("WEIR_TEST_MUTANTS", MUTANTS as u64) as usize;
    println!("WEIR_TEST_SEED={seed} WEIR_TEST_MUTANTS={mutants}");
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Relaxed);
        report(panic);
    }));

    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    // Mutants that create topics or groups do so for real: they must not fill the disk.
    config.limits.max_partitions = 500;
    let broker = Broker::start(config).unwrap();
    Client::connect(&broker).topic("t");
    let mut witness = Client::connect(&broker);
    witness.topic("witness");
    let (sound, is_over) = (sound_requests(), AtomicBool::new(false));
    let written = std::thread::scope(|scope| {
        let behaving = scope.spawn(|| {
            let mut written = 0;
            while !is_over.load(Relaxed) {
                let value = format!("record {written}");
                assert_eq!(witness.produce("witness", batch(&[&value])).error_code, 0);
                let (error, end, records) = witness.fetch(&fetch_request("witness", written, 0));
                assert_eq!((error, end), (0, written + 1));
                assert!(records.windows(value.len()).any(|bytes| bytes == value.as_bytes()), "what was written is read");
                written += 1;
            }
            written
        });
        let senders: Vec<_> = (0..SENDERS as u64)
            .map(|sender| {
                let (broker, sound) = (&broker, &sound);
                let random = Random(seed.wrapping_mul(2).wrapping_add(1) ^ sender.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                scope.spawn(move || send(broker, sound, mutants / SENDERS, random))
            })
            .collect();
        let sent: Vec<_> = senders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Relaxed);
        assert!(sent.iter().all(Result::is_ok), "a sender could not go on");
        behaving.join().expect("the client that behaves noticed nothing")
    });
    assert!(written > 0);
    assert_eq!(PANICS.load(Relaxed), 0, "something panicked");
    if let Some(peak_kib) = peak_memory_kib() {
        assert!(peak_kib < MEMORY_LIMIT_KIB, "{peak_kib} KiB after {mutants} mutants");
        println!("{mutants} mutants, {written} records of a client that behaves, {peak_kib} KiB at most");
    }
}
