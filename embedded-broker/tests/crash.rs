//! kill -9 in the middle of producing, again and again: no acknowledged record is lost, none is invented, and a retry is recognised.
//!
//! The broker to be killed runs in a child process: this very test binary, told by an environment variable to be one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
#[allow(dead_code, reason = "shared with the wire tests, which use more of it")]
mod client;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::records::RecordBatchDecoder;
use weir_broker::Broker;

use client::{Client, batch, config, fetch_request, produce_request};

const CHILD_DATA_DIR: &str = "WEIR_CRASH_TEST_DATA_DIR";
const ROUNDS: usize = 20;
/// Frames written before an answer is read, so that the kill finds requests in every state.
const PIPELINED: usize = 5;
const PRODUCER_ID: i64 = 77;

/// Not a test of its own: the broker that the test below kills.
#[test]
fn child_broker() {
    let Ok(data_dir) = std::env::var(CHILD_DATA_DIR) else { return };
    let broker = Broker::start(config(Path::new(&data_dir))).unwrap();
    println!("\nlistening on {}", broker.address());
    // Until it is killed, or the parent is: then standard input ends.
    let _ = std::io::stdin().read_line(&mut String::new());
}

struct ChildBroker {
    child: Child,
    address: SocketAddr,
}

impl ChildBroker {
    fn start(data_dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_broker", "--nocapture"]).env(CHILD_DATA_DIR, data_dir);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Self { child, address: address.expect("the child says where it listens").parse().unwrap() }
    }

    fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).unwrap())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A batch of one record that says which it is, from an idempotent producer.
fn numbered(sequence: i32) -> Bytes {
    let mut bytes = BytesMut::from(&batch(&[&sequence.to_string()])[..]);
    bytes[43..51].copy_from_slice(&PRODUCER_ID.to_be_bytes());
    bytes[51..53].copy_from_slice(&0_i16.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

/// Produces from `next` on until the broker dies under it; returns the first sequence that was not acknowledged.
fn produce_until_killed(broker: ChildBroker, next: i32, acknowledge: usize) -> i32 {
    let mut client = broker.connect();
    let (mut sent, mut acknowledged) = (next, next);
    for _ in 0..PIPELINED {
        client.send(9, &produce_request("t", numbered(sent)));
        sent += 1;
    }
    for _ in 0..acknowledge {
        let response = client.receive::<ProduceRequest>(9);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, i64::from(acknowledged)),
            "sequence is offset: nothing lost or doubled"
        );
        acknowledged += 1;
        client.send(9, &produce_request("t", numbered(sent)));
        sent += 1;
    }
    // Half a frame more, for good measure.
    let half = client::frame(9, 1, &produce_request("t", numbered(sent)));
    client.stream.write_all(&half[..half.len() / 2]).unwrap();
    broker.kill();
    acknowledged
}

/// Every record of the log, in order.
fn numbers(client: &mut Client) -> Vec<i32> {
    let mut numbers = Vec::new();
    loop {
        let (error, high_watermark, mut records) = client.fetch(&fetch_request("t", numbers.len() as i64, 0));
        assert_eq!(error, 0);
        for record in RecordBatchDecoder::decode_all(&mut records).unwrap().iter().flat_map(|set| &set.records) {
            assert_eq!(record.offset, numbers.len() as i64);
            numbers.push(std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap());
        }
        if numbers.len() as i64 == high_watermark {
            return numbers;
        }
    }
}

#[test]
fn no_acknowledged_record_is_lost_and_none_is_invented() {
    let dir = tempfile::tempdir().unwrap();
    let first = ChildBroker::start(dir.path());
    first.connect().topic("t");
    first.kill();
    let mut next = 0;
    for round in 0..ROUNDS {
        let acknowledged = produce_until_killed(ChildBroker::start(dir.path()), next, 1 + round * 7);
        let broker = ChildBroker::start(dir.path());
        let mut client = broker.connect();
        let numbers = numbers(&mut client);
        assert!(numbers.len() as i32 >= acknowledged, "round {round}: {acknowledged} were acknowledged, {} are there", numbers.len());
        assert_eq!(numbers, (0..numbers.len() as i32).collect::<Vec<_>>(), "round {round}");
        next = numbers.len() as i32;
        // What the producer would send again because it saw no answer is recognised, also by the restarted broker.
        for retry in (next - 5).max(0)..next {
            let response = client.produce("t", numbered(retry));
            assert_eq!((response.error_code, response.base_offset), (0, i64::from(retry)), "round {round}");
        }
        broker.kill();
    }
}
