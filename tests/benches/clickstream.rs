//! Clickstream events per second: `cargo bench -p weir-tests --bench clickstream [-- --events N] [-- --bootstrap HOST:PORT]`.
//!
//! First the pure parts on one thread: generate, parse and process. Then the whole path: generator, producer, broker, two members of
//! a group, results, dashboard. CPU time is the process's, so with the embedded broker the broker is in it;
//! `--bootstrap` measures against another broker, whose time is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use weir_backend::{
    client::Connection,
    pipelines::{self, clickstream},
    sim::clickstream::{Generator, GeneratorParams},
    stream::{InputRecord, StreamTask},
    updates,
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{Phase, PipelineParams, RunReport, TimestampMs, Update};

const PARTITIONS: usize = 4;
const START_AT: TimestampMs = TimestampMs(1_800_000_000_000);
const RATE_PER_S: u32 = 50_000;
/// As a commit every 100 ms has them.
const EVENTS_PER_COMMIT: i64 = 5_000;
const SPEED: u32 = 60;

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn main() {
    let events: u64 = argument("--events").map_or(500_000, |events| events.parse().expect("a number of events"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("clickstream, {events} events at {RATE_PER_S}/s and {SPEED} times the clock, {cores} cores");
    pure(events);
    whole_path(events);
}

/// One thread, no I/O.
fn pure(events: u64) {
    let mut generator = Generator::new(GeneratorParams { seed: 42, rate_per_s: RATE_PER_S, speed: SPEED, start_at_ms: START_AT.0 });
    let (before, mut log, mut bytes) = (cpu_time(), Vec::new(), 0);
    for _ in 0..events {
        if let Some(record) = generator.generate() {
            // Which partition does not matter here, only that a user stays in one.
            let partition = record.key.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
            bytes += record.value.len();
            log.push((partition, record.value.to_vec()));
        }
    }
    print_rate("generate (pure)", events, cpu_time() - before);
    println!("  {} bytes per event", bytes as u64 / events);
    let topology = clickstream::topology(&"bench".into(), SPEED).unwrap();
    let mut tasks: Vec<_> = (0..PARTITIONS).map(|_| StreamTask::new(&topology, 0)).collect();
    let topic: Arc<str> = clickstream::settings::EVENTS.into();
    let (before, mut results, mut changes) = (cpu_time(), 0, 0);
    for (offset, (partition, value)) in (0..).zip(log) {
        let task = &mut tasks[partition];
        let (topic, key) = (Arc::clone(&topic), Some(Vec::new()));
        let record = InputRecord { topic, partition: partition as i32, offset, timestamp_ms: 0, key, value: Some(value), trace_id: None };
        task.process(&record).unwrap();
        results += task.take_published().len();
        if offset % EVENTS_PER_COMMIT == 0 {
            changes += tasks.iter().map(|task| task.changes().unwrap().len()).sum::<usize>();
            tasks.iter_mut().for_each(StreamTask::commit);
        }
    }
    print_rate("parse, process and commit (pure)", events, cpu_time() - before);
    println!("  {results} results, {changes} changes of state");
}

/// A run over a broker; the checks at its end are not in the figure.
fn whole_path(events: u64) {
    let data_dir = tempfile::tempdir().unwrap();
    let (bootstrap, broker) = match argument("--bootstrap") {
        Some(bootstrap) => (bootstrap, None),
        None => {
            let mut config = BrokerConfig::new(data_dir.path());
            config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let broker = Broker::start(config).expect("the broker starts");
            (broker.address().to_string(), Some(broker))
        }
    };
    let params = PipelineParams {
        rate_per_s: RATE_PER_S,
        seed: 42,
        speed: SPEED,
        start_at: Some(START_AT),
        events_max: Some(events),
        ..PipelineParams::default()
    };
    let (updates, reader) = updates::channel(|| {});
    let running = pipelines::start(&"clickstream".into(), params, Connection::new(bootstrap, []), updates).unwrap();
    let (mut from, mut to) = (None, None);
    let mut report: Option<RunReport> = None;
    while !running.is_finished() || report.is_none() {
        match reader.recv(Duration::from_millis(100)) {
            Some(Update::PipelineStatus(status)) => {
                let processed = status.counts.get("processed").copied().unwrap_or(0);
                if let Phase::Failed(problem) = &status.phase {
                    println!("failed: {problem}");
                    return;
                }
                if status.phase == Phase::Running {
                    from.get_or_insert_with(|| (Instant::now(), cpu_time()));
                }
                if processed >= events {
                    to.get_or_insert_with(|| (Instant::now(), cpu_time()));
                }
            }
            Some(Update::RunReport(done)) => report = Some((*done).clone()),
            _ => {}
        }
    }
    if let (Some((from, cpu_from)), Some((to, cpu_to))) = (from, to) {
        let what = if broker.is_some() { "whole path, embedded broker included" } else { "whole path, without the broker" };
        println!("{what}: {:.1} s on the wall", (to - from).as_secs_f64());
        print_rate("  per core", events, cpu_to - cpu_from);
    }
    println!("{}", serde_json::to_string(&report).unwrap());
}

fn print_rate(what: &str, events: u64, cpu: Duration) {
    println!("{what}: {:.0} events/s of CPU time ({:.2} s)", events as f64 / cpu.as_secs_f64(), cpu.as_secs_f64());
}
