//! The embedded broker through sockets, with librdkafka as the client: produce, consume, latency, start, recovery.
//!
//! `cargo bench --bench broker` prints one line a figure. `WEIR_TEST_BOOTSTRAP=HOST:PORT` measures another broker instead (start and
//! recovery are then left out), so that two can be compared in turns.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, Producer as _},
};
use weir_tests::{
    broker::{ChildBroker, run_as_child_if_asked},
    client::{self, DEADLINE, Deliveries},
};

const RECORD_BYTES: usize = 1_024;
const RECORDS: usize = 1_000_000;
const LATENCY_RECORDS: usize = 5_000;
const LOG_BYTES: usize = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    if run_as_child_if_asked() {
        return Ok(());
    }
    if let Ok(bootstrap) = env::var("WEIR_TEST_BOOTSTRAP") {
        return throughput_and_latency(&bootstrap);
    }
    let folder = tempfile::tempdir()?;
    let start = Instant::now();
    let mut broker = ChildBroker::start("", folder.path());
    report("start to listening", start.elapsed().as_secs_f64() * 1e3, "ms");
    throughput_and_latency(broker.bootstrap())?;
    broker.kill();

    let folder = tempfile::tempdir()?;
    let mut broker = ChildBroker::start("", folder.path());
    produce(broker.bootstrap(), "recovery", LOG_BYTES / RECORD_BYTES)?;
    broker.kill();
    let start = Instant::now();
    let _broker = ChildBroker::start("", folder.path());
    report("recovery of 1 GiB after kill -9", start.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}

fn throughput_and_latency(bootstrap: &str) -> Result<(), Box<dyn Error>> {
    let elapsed = produce(bootstrap, "bench", RECORDS)?;
    let megabytes = (RECORDS * RECORD_BYTES) as f64 / 1e6;
    report("produce 1 KB, acks=all, 1 producer, 1 partition", megabytes / elapsed.as_secs_f64(), "MB/s");
    report("consume 1 KB, 1 consumer, 1 partition", megabytes / consume(bootstrap, "bench", RECORDS)?.as_secs_f64(), "MB/s");
    let mut latencies_ms = latencies_ms(bootstrap)?;
    latencies_ms.sort_by(f64::total_cmp);
    report("produce to consume, linger 0, p50", percentile(&latencies_ms, 50), "ms");
    report("produce to consume, linger 0, p99", percentile(&latencies_ms, 99), "ms");
    Ok(())
}

/// From the first send to the last acknowledgement.
fn produce(bootstrap: &str, topic: &str, records: usize) -> Result<Duration, Box<dyn Error>> {
    let properties = [
        ("acks", "all"),
        ("linger.ms", "5"),
        ("batch.size", "1000000"),
        ("batch.num.messages", "10000"),
        ("queue.buffering.max.kbytes", "262144"),
    ];
    let producer: rdkafka::producer::BaseProducer = client::config(bootstrap, &properties).create()?;
    producer.client().fetch_metadata(Some(topic), DEADLINE)?; // creates the topic before the clock starts
    let value = vec![b'v'; RECORD_BYTES];
    let start = Instant::now();
    for _ in 0..records {
        while let Err((error, _)) = producer.send(BaseRecord::<(), _>::to(topic).payload(&value)) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(DEADLINE)?;
    Ok(start.elapsed())
}

fn reader(bootstrap: &str, topic: &str, from: Offset) -> Result<BaseConsumer, Box<dyn Error>> {
    let properties = [
        ("group.id", "never-joined"),
        ("enable.auto.commit", "false"),
        ("fetch.wait.max.ms", "500"),
        ("queued.max.messages.kbytes", "262144"),
    ];
    let consumer: BaseConsumer = client::config(bootstrap, &properties).create()?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, from)?;
    consumer.assign(&assignment)?;
    Ok(consumer)
}

/// From the assignment to the last record.
fn consume(bootstrap: &str, topic: &str, records: usize) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let consumer = reader(bootstrap, topic, Offset::Beginning)?;
    for at in 0..records {
        consumer.poll(DEADLINE).ok_or_else(|| format!("only {at} records came"))??;
    }
    Ok(start.elapsed())
}

/// One record at a time, from `send` to the consumer having it.
fn latencies_ms(bootstrap: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let topic = "latency";
    let producer = client::producer(bootstrap, &Deliveries::default(), &[("linger.ms", "0"), ("acks", "all")])?;
    producer.client().fetch_metadata(Some(topic), DEADLINE)?;
    let consumer = reader(bootstrap, topic, Offset::Beginning)?;
    let mut latencies_ms = Vec::with_capacity(LATENCY_RECORDS);
    for number in 0..LATENCY_RECORDS as u64 + 100 {
        let start = Instant::now();
        producer.send(BaseRecord::<(), _>::to(topic).payload(&number.to_be_bytes()[..])).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
        let message = consumer.poll(DEADLINE).ok_or("the record did not come")??;
        if message.payload() != Some(&number.to_be_bytes()[..]) {
            return Err("another record came".into());
        }
        if number >= 100 {
            latencies_ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(latencies_ms)
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn report(what: &str, figure: f64, unit: &str) {
    println!("{what:<60} {figure:>10.2} {unit}");
}
