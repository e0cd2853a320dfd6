//! Strangers at the door: garbage, silence and too much, before anyone has logged in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Request, StrBytes};
use weir_broker::Broker;
use weir_broker::SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl};

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, DEADLINE, Workshop, address};

fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        // A reset is an end as well.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn what_is_not_tls_on_the_tls_port_is_shown_out() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslSsl]);
    let mut witness = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
    assert_eq!(witness.log_in("PLAIN", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    let kafka = crate::client::frame(3, 1, &ApiVersionsRequest::default());
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for garbage in [&kafka[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4_096], &[0; 4_096], &[&hello[..], &[0x41; 600]].concat()] {
        let mut stream = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
        // The broker may have closed before all is written; that is what we want.
        let _ = stream.write_all(garbage);
        assert!(is_closed(&mut stream), "{:?}", &garbage[..8]);
        assert_eq!(witness.call(3, &ApiVersionsRequest::default()).error_code, 0);
    }
}

#[test]
fn who_does_not_finish_his_login_is_not_waited_for() {
    let workshop = Workshop::new();
    let mut config = workshop.config(&[SaslSsl, SaslPlaintext]);
    config.limits.max_authentication = Duration::from_millis(200);
    let broker = Broker::start(config).unwrap();
    let mut silent = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
    let mut half_a_hello = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
    half_a_hello.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let mut no_login = TcpStream::connect(address(&broker, SaslPlaintext)).unwrap();
    let mut half_a_frame = TcpStream::connect(address(&broker, SaslPlaintext)).unwrap();
    half_a_frame.write_all(&[0, 0, 1, 0, 0, 18]).unwrap();
    for stream in [&mut silent, &mut half_a_hello, &mut no_login, &mut half_a_frame] {
        assert!(is_closed(stream));
    }
    let mut chatty = Client::plain(&broker, SaslPlaintext);
    // Asking what is served does not buy time for ever.
    let end = std::time::Instant::now() + DEADLINE;
    while chatty.try_call(3, &ApiVersionsRequest::default()).is_ok() {
        assert!(std::time::Instant::now() < end, "a client that never logs in is served for ever");
    }
}

#[test]
fn strangers_are_not_given_much_memory() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let handshake = |client: &mut Client, version| {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("SCRAM-SHA-256"));
        assert_eq!(client.call(version, &request).error_code, 0);
    };
    let too_much = vec![0x41; 600 * 1024];
    let mut client = Client::plain(&broker, SaslPlaintext);
    handshake(&mut client, 1);
    assert!(client.try_call(2, &SaslAuthenticateRequest::default().with_auth_bytes(too_much.clone().into())).is_err());
    let mut raw = Client::plain(&broker, SaslPlaintext);
    handshake(&mut raw, 0);
    let _ = raw.write(&[&(too_much.len() as i32).to_be_bytes(), too_much.as_slice()].concat());
    assert!(raw.read_frame().is_err());
    let mut within = Client::plain(&broker, SaslPlaintext);
    handshake(&mut within, 1);
    let large = vec![0x41; 400 * 1024];
    assert_eq!(within.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(large.into())).error_code, 58);
}

#[test]
fn tokens_of_all_kinds_let_nobody_in() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslSsl]);
    let tokens: &[&[u8]] = &[
        b"",
        b"\0",
        b"\0\0",
        b"\0admin\0",
        b"admin\0\0x",
        b"\0admin",
        b"other\0admin\0the admin's password",
        b"\0admin\0the admin's password\0",
        b"\xff\0\xfe\0\xfd",
        b"n,,",
        b"n,,n=admin",
        b"n,,n=admin,r=",
        b"p=x,,n=admin,r=x",
        b"c=biws,r=x,p=x",
        b"n,,n=ad=min,r=x",
        b"n,a=other,n=admin,r=x",
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        for token in tokens {
            let mut client = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
            let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()));
            assert_eq!(client.call(1, &request).error_code, 0);
            let answer = client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(token.to_vec().into()));
            assert_eq!(answer.error_code, 58, "{mechanism} {token:?}");
            assert!(client.read_frame().is_err(), "the connection has ended");
        }
    }
}

const SEED: u64 = 0x0ACC_E550_F7AB;
const MUTANTS_PER_VERSION: usize = 6;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Requests with something in every list, so that the gates have something to take out.
fn bent_requests(random: &mut Random) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    macro_rules! bend {
        ($($request:expr),* $(,)?) => { $({
            let request = $request;
            frames.extend(bent(random, &request));
        })* };
    }
    let name = || TopicName(StrBytes::from_static_str("t"));
    let group = || GroupId(StrBytes::from_static_str("g"));
    let id = || TransactionalId(StrBytes::from_static_str("x"));
    bend!(
        ProduceRequest::default().with_acks(1).with_topic_data(vec![Default::default(); 2]),
        FetchRequest::default().with_topics(vec![Default::default(); 2]),
        ListOffsetsRequest::default().with_topics(vec![Default::default(); 2]),
        MetadataRequest::default().with_topics(Some(vec![Default::default(); 2])),
        OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![Default::default()]),
        OffsetFetchRequest::default().with_groups(vec![Default::default()]),
        OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![Default::default()])),
        FindCoordinatorRequest::default().with_coordinator_keys(vec![Default::default()]),
        FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g")),
        JoinGroupRequest::default().with_group_id(group()),
        DescribeGroupsRequest::default().with_groups(vec![group()]),
        ListGroupsRequest::default(),
        CreateTopicsRequest::default().with_topics(vec![Default::default()]),
        DeleteTopicsRequest::default().with_topics(vec![Default::default()]),
        DeleteTopicsRequest::default().with_topic_names(vec![name()]),
        DeleteRecordsRequest::default().with_topics(vec![Default::default()]),
        InitProducerIdRequest::default().with_transactional_id(Some(id())),
        OffsetForLeaderEpochRequest::default().with_topics(vec![Default::default()]),
        AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![Default::default()]),
        TxnOffsetCommitRequest::default().with_topics(vec![Default::default()]),
        DescribeAclsRequest::default(),
        CreateAclsRequest::default().with_creations(vec![Default::default()]),
        DeleteAclsRequest::default().with_filters(vec![Default::default()]),
        DescribeConfigsRequest::default().with_resources(vec![Default::default()]),
        AlterConfigsRequest::default().with_resources(vec![Default::default()]),
        IncrementalAlterConfigsRequest::default().with_resources(vec![Default::default()]),
        CreatePartitionsRequest::default().with_topics(vec![Default::default()]),
        DeleteGroupsRequest::default().with_groups_names(vec![group()]),
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![Default::default()])),
        OffsetDeleteRequest::default().with_topics(vec![Default::default()]),
        DescribeClientQuotasRequest::default().with_components(vec![Default::default()]),
        AlterClientQuotasRequest::default().with_entries(vec![Default::default()]),
        AlterUserScramCredentialsRequest::default().with_upsertions(vec![Default::default()]),
        DescribeProducersRequest::default().with_topics(vec![Default::default()]),
        DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]),
        DescribeTopicPartitionsRequest::default().with_topics(vec![Default::default()]),
        ConsumerGroupHeartbeatRequest::default().with_group_id(group()),
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()]),
        SaslHandshakeRequest::default(),
        SaslAuthenticateRequest::default(),
    );
    frames
}

fn bent<R: Request>(random: &mut Random, request: &R) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        let Some(plain) = crate::client::try_frame(version, 1, request) else { continue };
        for round in 0..MUTANTS_PER_VERSION {
            let mut mutant = plain.to_vec();
            for _ in 0..round {
                // Behind the api key and version, so that the mutant reaches its API.
                let at = 8 + random.below(mutant.len() - 8);
                mutant[at] = [0x7f, 0xff, 0x00, 0x80, random.below(256) as u8][random.below(5)];
            }
            frames.push(mutant);
        }
    }
    frames
}

/// What the brokers of this test program log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As ANONYMOUS, to whom the gates apply.
#[test]
fn bent_requests_pass_no_gate() {
    println!("seed {SEED:#x}");
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let workshop = Workshop::new();
    let broker = workshop.start(&[Plaintext, SaslPlaintext]);
    let mut admin = Client::plain(&broker, SaslPlaintext);
    assert_eq!(admin.log_in("SCRAM-SHA-256", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    let frames = bent_requests(&mut Random(SEED));
    for frame in &frames {
        let mut stream = TcpStream::connect(address(&broker, Plaintext)).unwrap();
        // An answer, or a closed connection; the broker may close before it has read everything.
        let _ = stream.write_all(frame);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(is_closed(&mut stream));
    }
    let all = admin.call(9, &MetadataRequest::default().with_topics(None));
    assert!(all.topics.is_empty(), "{} of {} mutants made something: {:?}", all.topics.len(), frames.len(), all.topics);
    let users = admin.call(0, &DescribeUserScramCredentialsRequest::default());
    assert_eq!(users.results.len(), 1);
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("connection closed"), "the log is the broker's");
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("please report this")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}
