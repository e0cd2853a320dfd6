//! Reading messages, and what a connected backend costs when nothing happens: `cargo bench -p weir-tests --bench backend [-- --records N]`.
//!
//! The backend is used as the window uses it. CPU time is the process's, with the embedded broker in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use weir_backend::{
    Handle, HandleConfig,
    client::{Connection, OutgoingRecord, Producer},
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{Cluster, MessageQuery, NewTopic, QueryId, Receipt, Request, Start, TopicName, Update};

const PARTITIONS: i32 = 4;
const IDLE: Duration = Duration::from_secs(30);

fn main() {
    let records = argument("--records").map_or(1_000_000, |records| records.parse().expect("a number of records"));
    let data_dir = tempfile::tempdir().unwrap();
    let config = BrokerConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..BrokerConfig::new(data_dir.path()) };
    let broker = Broker::start(config).expect("the broker starts");
    let bootstrap = broker.address().to_string();
    let topic = TopicName::from("messages");
    let handle = Handle::start(HandleConfig::default(), || {}).unwrap();
    handle.request(Request::Connect(Cluster::Remote { bootstrap: bootstrap.as_str().into(), properties: Vec::new() })).unwrap();
    let new = NewTopic { name: topic.clone(), partitions: PARTITIONS, replication_factor: 1, configs: Vec::new() };
    handle.request(Request::CreateTopic(new)).unwrap();
    while !matches!(handle.recv(Duration::from_secs(10)), Some(Update::Notice(_))) {}
    produce(&bootstrap, &topic, records);

    let query = |id, start, contains: &str, limit| MessageQuery {
        id: QueryId(id),
        topic: topic.clone(),
        partitions: None,
        start,
        limit,
        follow: false,
        contains: contains.into(),
    };
    read(&handle, "every record, decoded into rows", query(1, Start::Beginning, "", usize::MAX));
    read(&handle, "filter that nothing matches", query(2, Start::Beginning, "nowhere in there", usize::MAX));
    read(&handle, "newest 1,000", query(3, Start::Newest, "", 1_000));
    idle(&handle);
    drop(handle);
    broker.shutdown();
}

fn produce(bootstrap: &str, topic: &TopicName, records: u64) {
    let producer = Producer::new(&Connection::new(bootstrap, [])).unwrap();
    for at in 0..records {
        let (key, value) =
            (format!("user-{}", at % 10_007), format!(r#"{{"id":{at},"action":"view","page":"/item/{}","price":12.5}}"#, at % 997));
        let record =
            OutgoingRecord { topic: topic.as_str(), key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..OutgoingRecord::default() };
        while producer.send(record).unwrap().is_err() {
            producer.flush(Duration::from_millis(10)).ok();
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(producer.failed(), 0);
}

fn read(handle: &Handle, what: &str, query: MessageQuery) {
    let (started, cpu) = (Instant::now(), cpu_time());
    handle.request(Request::OpenMessages(query)).unwrap();
    let (receipt, rows) = receipt(handle);
    let (elapsed, cpu) = (started.elapsed(), cpu_time() - cpu);
    println!(
        "{what}: {rows} rows of {} records in {:.2} s, {:.0} records/s, {:.0} MB/s, {:.2} s of CPU",
        receipt.records_scanned,
        elapsed.as_secs_f64(),
        receipt.records_scanned as f64 / elapsed.as_secs_f64(),
        receipt.bytes_scanned as f64 / 1e6 / elapsed.as_secs_f64(),
        cpu.as_secs_f64()
    );
}

fn receipt(handle: &Handle) -> (Receipt, usize) {
    let mut rows = 0;
    loop {
        if let Some(Update::Messages { rows: more, receipt, .. }) = handle.recv(Duration::from_secs(60)) {
            rows += more.len();
            if receipt.stopped.is_some() {
                return (Receipt::clone(&receipt), rows);
            }
        }
    }
}

fn idle(handle: &Handle) {
    // The cluster counts as quiet after some readings without a change.
    wait(handle, Duration::from_secs(15));
    let cpu = cpu_time();
    let updates = wait(handle, IDLE);
    println!(
        "idle for {} s: {:.2} % of a core, {updates} updates",
        IDLE.as_secs(),
        100.0 * (cpu_time() - cpu).as_secs_f64() / IDLE.as_secs_f64()
    );
}

fn wait(handle: &Handle, length: Duration) -> u32 {
    let deadline = Instant::now() + length;
    let mut updates = 0;
    while Instant::now() < deadline {
        if handle.recv(deadline.saturating_duration_since(Instant::now())).is_some() {
            updates += 1;
        }
    }
    updates
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}
