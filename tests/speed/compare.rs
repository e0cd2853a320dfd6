//! Several brokers side by side, in turns.

use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use weir_tests::usage::{cpu_seconds, now_ms};

use crate::process::{Launcher, Prepared, Running};
use crate::table::{Better, Table};
use crate::{Options, librdkafka, percentile, raw, timed, values};

const PARTITIONS: &[i32] = &[1, 12];
const CODECS: &[&str] = &["none", "lz4", "zstd"];
/// A batch of the raw client: what `max.message.bytes` allows, nearly.
const RAW_BATCH_BYTES: usize = 1_000_000;
/// Kafka's `max.in.flight.requests.per.connection`.
const IN_FLIGHT: usize = 5;
/// Kafka's `max.partition.fetch.bytes`.
const FETCH_BYTES: i32 = 1 << 20;
/// How long a broker is left alone before its idle memory is read.
const IDLE: Duration = Duration::from_secs(3);

type Outcome = Result<(), Box<dyn Error>>;

/// Everything, then the table.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut bench = Bench { table: Table::new(options.launchers.iter().map(|it| it.name.clone()).collect()), topics: 0, options };
    for _ in 0..options.rounds {
        bench.each(|bench, at, launcher| bench.first_produce(at, launcher))?;
    }
    let mut running = Vec::new();
    for launcher in &options.launchers {
        let folder = options.work.join(format!("{}-load", launcher.name));
        running.push(launcher.prepare(&folder)?.start()?.0);
    }
    sleep(IDLE);
    for (at, broker) in running.iter().enumerate() {
        bench.table.add("memory, idle", "MB RSS", Better::Lower, at, broker.memory_mb("VmRSS"));
    }
    bench.turns(&running, |bench, at, broker| bench.raw(at, broker, false))?; // A compiler that learns while it runs has seen it all once.
    for _ in 0..options.rounds {
        bench.round(&running)?;
    }
    for (at, broker) in running.iter().enumerate() {
        bench.table.add("memory, after load", "MB RSS", Better::Lower, at, broker.memory_mb("VmRSS"));
        bench.table.add("memory, at its peak", "MB RSS", Better::Lower, at, broker.memory_mb("VmHWM"));
    }
    drop(running);
    if options.recovery_gb > 0 {
        bench.each(|bench, at, launcher| bench.recovery(at, launcher))?;
    }
    bench.table.print();
    Ok(())
}

struct Bench<'a> {
    table: Table,
    topics: usize,
    options: &'a Options,
}

impl Bench<'_> {
    fn each(&mut self, work: impl Fn(&mut Self, usize, &Launcher) -> Outcome) -> Outcome {
        self.options.launchers.iter().enumerate().try_for_each(|(at, launcher)| work(self, at, launcher))
    }

    fn turns(&mut self, running: &[Running], work: impl Fn(&mut Self, usize, &Running) -> Outcome) -> Outcome {
        running.iter().enumerate().try_for_each(|(at, broker)| work(self, at, broker))
    }

    /// Who comes first after a quiet minute pays for the memory that the machine has taken back meanwhile: not measured.
    fn warm_up(&mut self, running: &[Running]) -> Outcome {
        let names = self.options.launchers.iter().map(|it| it.name.clone()).collect();
        let kept = std::mem::replace(&mut self.table, Table::new(names));
        let done = self.turns(running, |bench, at, broker| bench.throughput(at, broker, 1_024, 1, "none"));
        self.table = kept;
        done
    }

    fn round(&mut self, running: &[Running]) -> Outcome {
        self.warm_up(running)?;
        let codecs = if self.options.quick { &CODECS[..2] } else { CODECS };
        for bytes in [1_024, 100] {
            for partitions in PARTITIONS {
                for codec in codecs {
                    self.turns(running, |bench, at, broker| bench.throughput(at, broker, bytes, *partitions, codec))?;
                }
            }
        }
        self.turns(running, |bench, at, broker| bench.raw(at, broker, true))?;
        self.turns(running, Bench::latency)?;
        self.turns(running, Bench::raw_latency)
    }

    fn topic(&mut self, broker: &Running, partitions: i32) -> Result<String, Box<dyn Error>> {
        self.topics += 1;
        let topic = format!("speed-{}", self.topics);
        raw::Connection::open(&broker.bootstrap)?.create_topic(&topic, partitions)?;
        Ok(topic)
    }

    /// Runs `work`, which says when it really began, and notes bytes per second of the wall clock and the broker's CPU time per GB.
    fn rate(
        &mut self,
        what: &str,
        at: usize,
        broker: &Running,
        bytes: usize,
        work: impl FnOnce() -> Result<Instant, Box<dyn Error>>,
    ) -> Outcome {
        let (cpu, own) = (broker.cpu_seconds(), cpu_seconds("self"));
        let start = work()?;
        let (seconds, cpu, own) = (start.elapsed().as_secs_f64(), broker.cpu_seconds() - cpu, cpu_seconds("self") - own);
        self.table.add(what, "MB/s", Better::Higher, at, bytes as f64 / 1e6 / seconds);
        // The clock of CPU time ticks a hundred times a second: less than one tick is one tick at most.
        self.table.add(what, "broker CPU s/GB", Better::Lower, at, cpu.max(0.01) / (bytes as f64 / 1e9));
        eprintln!("{:60} client CPU {own:.2} s of {seconds:.2} s", "");
        Ok(())
    }

    fn throughput(&mut self, at: usize, broker: &Running, bytes: usize, partitions: i32, codec: &str) -> Outcome {
        let records = if bytes > 500 { 400_000 } else { 1_500_000 } / if self.options.quick { 4 } else { 1 };
        let values = values(bytes);
        let topic = self.topic(broker, partitions)?;
        let size = if bytes > 500 { "1 KB" } else { "100 B" };
        let spread = if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
        let bootstrap = &broker.bootstrap;
        self.rate(&format!("produce {size}, {spread}, {codec}"), at, broker, records * bytes, || {
            librdkafka::produce(bootstrap, &topic, partitions, codec, &values, records)
        })?;
        self.rate(&format!("consume {size}, {spread}, {codec}"), at, broker, records * bytes, || {
            librdkafka::consume(bootstrap, &topic, partitions, records)
        })?;
        Ok(raw::Connection::open(bootstrap)?.delete_topic(&topic)?)
    }

    /// The ceiling: a client that sends ready frames and does not look into what it gets.
    fn raw(&mut self, at: usize, broker: &Running, counts: bool) -> Outcome {
        let batches = if self.options.quick || !counts { 300 } else { 1_000 };
        let topic = self.topic(broker, 1)?;
        let values = values(1_024);
        let batch = raw::batch(now_ms(), values.iter().take(RAW_BATCH_BYTES / 1_040).map(Vec::as_slice));
        let bytes = batches * batch.len();
        let produce = || raw_produce(&broker.bootstrap, &topic, &batch, batches);
        let consume = || raw_consume(&broker.bootstrap, &topic, bytes);
        if counts {
            self.rate("produce, raw frames of 1 MB", at, broker, bytes, produce)?;
            self.rate("consume, raw frames of 1 MB", at, broker, bytes, consume)?;
        } else {
            produce()?;
            consume()?;
        }
        Ok(raw::Connection::open(&broker.bootstrap)?.delete_topic(&topic)?)
    }

    fn latency(&mut self, at: usize, broker: &Running) -> Outcome {
        let topic = self.topic(broker, 1)?;
        let count = if self.options.quick { 1_000 } else { 5_000 };
        let times_ms = librdkafka::latencies_ms(&broker.bootstrap, &topic, count)?;
        self.percentiles("produce to consume, linger 0", at, &times_ms);
        Ok(())
    }

    fn raw_latency(&mut self, at: usize, broker: &Running) -> Outcome {
        let topic = self.topic(broker, 1)?;
        let count = if self.options.quick { 2_000 } else { 10_000 };
        let (mut to, mut from) = (raw::Connection::open(&broker.bootstrap)?, raw::Connection::open(&broker.bootstrap)?);
        let produce = raw::produce(&topic, 0, &raw::batch(now_ms(), [[b'v'; 100].as_slice()]));
        let cpu = broker.cpu_seconds();
        let times_ms = timed(count, |number| {
            from.send(&raw::fetch(&topic, 0, number as i64, FETCH_BYTES))?;
            to.send(&produce)?;
            let fetched = from.fetched(&topic)?;
            to.produced(&topic)?;
            if fetched.next_offset == Some(number as i64 + 1) { Ok(()) } else { Err("the long poll did not bring the record".into()) }
        })?;
        self.percentiles("produce to consume, raw frames", at, &times_ms);
        let cpu_us = (broker.cpu_seconds() - cpu) * 1e6 / count as f64;
        self.table.add("a small produce and its long poll", "broker CPU us", Better::Lower, at, cpu_us);
        Ok(())
    }

    fn percentiles(&mut self, what: &str, at: usize, times_ms: &[f64]) {
        self.table.add(&format!("{what}, p50"), "ms", Better::Lower, at, percentile(times_ms, 50));
        self.table.add(&format!("{what}, p99"), "ms", Better::Lower, at, percentile(times_ms, 99));
    }

    fn first_produce(&mut self, at: usize, launcher: &Launcher) -> Outcome {
        let folder = self.options.work.join(format!("{}-start", launcher.name));
        let (broker, took) = launcher.prepare(&folder)?.start()?;
        broker.kill();
        self.table.add("start to first produce", "ms", Better::Lower, at, took.as_secs_f64() * 1e3);
        remove(&folder)
    }

    fn recovery(&mut self, at: usize, launcher: &Launcher) -> Outcome {
        let gigabytes = self.options.recovery_gb;
        let folder = self.options.work.join(format!("{}-recovery", launcher.name));
        let prepared = launcher.prepare(&folder)?;
        let took = recovery_time(&prepared, gigabytes)?;
        self.table.add(&format!("kill -9 with {gigabytes} GB of log to first produce"), "ms", Better::Lower, at, took.as_secs_f64() * 1e3);
        remove(&folder)
    }
}

/// Fills a log, kills the broker, starts it again.
pub(crate) fn recovery_time(prepared: &Prepared, gigabytes: usize) -> Result<Duration, Box<dyn Error>> {
    let (broker, _) = prepared.start()?;
    fill(&broker, "recovery", gigabytes)?;
    broker.kill();
    let (broker, took) = prepared.start()?;
    broker.kill();
    Ok(took)
}

/// Makes a topic of one partition and puts so much into it.
pub(crate) fn fill(broker: &Running, topic: &str, gigabytes: usize) -> Outcome {
    raw::Connection::open(&broker.bootstrap)?.create_topic(topic, 1)?;
    let values = values(1_024);
    let batch = raw::batch(now_ms(), values.iter().take(RAW_BATCH_BYTES / 1_040).map(Vec::as_slice));
    raw_produce(&broker.bootstrap, topic, &batch, gigabytes * 1_000_000_000 / batch.len()).map(drop)
}

fn raw_produce(bootstrap: &str, topic: &str, batch: &[u8], batches: usize) -> Result<Instant, Box<dyn Error>> {
    let frame = raw::produce(topic, 0, batch);
    let mut connection = raw::Connection::open(bootstrap)?;
    let start = Instant::now();
    for number in 0..batches {
        connection.send(&frame)?;
        if number >= IN_FLIGHT - 1 {
            connection.produced(topic)?;
        }
    }
    for _ in 0..batches.min(IN_FLIGHT - 1) {
        connection.produced(topic)?;
    }
    Ok(start)
}

fn raw_consume(bootstrap: &str, topic: &str, bytes: usize) -> Result<Instant, Box<dyn Error>> {
    let mut connection = raw::Connection::open(bootstrap)?;
    let start = Instant::now();
    let (mut offset, mut got) = (0, 0);
    while got < bytes {
        connection.send(&raw::fetch(topic, 0, offset, FETCH_BYTES))?;
        let fetched = connection.fetched(topic)?;
        got += fetched.record_bytes;
        offset = fetched.next_offset.ok_or("a fetch came back empty")?;
    }
    Ok(start)
}

fn remove(folder: &Path) -> Outcome {
    Ok(std::fs::remove_dir_all(folder)?)
}
