//! What an application does, seen from outside: its group's commits, its process's CPU and memory, its results' age.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::ThreadedProducer,
};
use weir_tests::usage::{cpu_seconds, memory_mb, now_ms};

use crate::{Outcome, PARTITIONS, PATIENCE, event, producer_config, send, topologies::EVENTS};

/// Records of the latency phase, and how many a second.
const PROBES: usize = 5_000;
const PROBES_PER_S: u32 = 1_000;
const POLL: Duration = Duration::from_millis(10);

/// One row of the table.
pub(crate) struct Measured {
    events_per_s: f64,
    cpu_us: f64,
    memory_mb: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Measured {
    /// How many times better than another.
    pub(crate) fn ratio(&self, other: &Self) -> String {
        let [rate, cpu] = [self.events_per_s / other.events_per_s, other.cpu_us / self.cpu_us];
        let [memory, p50, p99] = [other.memory_mb / self.memory_mb, other.p50_ms / self.p50_ms, other.p99_ms / self.p99_ms];
        format!("{rate:.1} x | {cpu:.1} x | {memory:.1} x | {p50:.1} x | {p99:.1} x")
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events_per_s, cpu_us, memory_mb, p50_ms, p99_ms } = self;
        write!(f, "{events_per_s:.0} | {cpu_us:.2} | {memory_mb:.0} | {p50_ms:.1} | {p99_ms:.1}")
    }
}

/// Waits until the application has caught up, then sends it some more to see how fast they come through.
pub(crate) fn measure(bootstrap: &str, application: &str, output: &str, pid: u32, events: usize) -> Outcome<Measured> {
    let group: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", application).create()?;
    let end = records(bootstrap)?;
    let reaches = |count: i64| wait_for(&group, count);
    let (begun, first) = reaches(1)?;
    let pid = pid.to_string();
    let cpu_before = cpu_seconds(&pid);
    let (ended, last) = reaches(end)?;
    let (cpu, count) = (cpu_seconds(&pid) - cpu_before, (last - first) as f64);
    let seconds = (ended - begun).as_secs_f64();
    let ages = probe(bootstrap, output, events)?;
    let at = |share: f64| ages.get((ages.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(Measured {
        events_per_s: count / seconds,
        cpu_us: cpu * 1e6 / count,
        memory_mb: memory_mb(&pid, "VmHWM"),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    })
}

/// Records there are to process.
pub(crate) fn records(bootstrap: &str) -> Outcome<i64> {
    let consumer: BaseConsumer = producer_less(bootstrap).create()?;
    Ok((0..PARTITIONS).map(|at| consumer.fetch_watermarks(EVENTS, at, PATIENCE).map(|marks| marks.1)).sum::<Result<_, _>>()?)
}

/// When the group had committed so many, and how many they were then.
fn wait_for(group: &BaseConsumer, count: i64) -> Outcome<(Instant, i64)> {
    let give_up = Instant::now() + PATIENCE;
    let mut partitions = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|at| _ = partitions.add_partition(EVENTS, at));
    loop {
        let committed = group.committed_offsets(partitions.clone(), PATIENCE)?;
        let sum = committed.elements().iter().filter_map(|element| element.offset().to_raw().filter(|at| *at > 0)).sum::<i64>();
        if sum >= count {
            return Ok((Instant::now(), sum));
        }
        if Instant::now() > give_up {
            return Err(format!("{sum} of {count} records were committed in {} s", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(POLL);
    }
}

/// Ages of results in milliseconds when they could be read, ascending.
fn probe(bootstrap: &str, output: &str, events: usize) -> Outcome<Vec<f64>> {
    let properties =
        [("group.id", "probe"), ("enable.auto.commit", "false"), ("isolation.level", "read_committed"), ("fetch.wait.max.ms", "5")];
    let consumer: BaseConsumer =
        properties.iter().fold(producer_less(bootstrap), |mut config, (name, value)| config.set(*name, *value).clone()).create()?;
    let mut partitions = TopicPartitionList::new();
    for at in 0..PARTITIONS {
        let (_, end) = consumer.fetch_watermarks(output, at, PATIENCE)?;
        partitions.add_partition_offset(output, at, Offset::Offset(end))?;
    }
    consumer.assign(&partitions)?;
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> =
        producer_config(bootstrap).set("linger.ms", "0").create()?;
    let (begun, give_up) = (Instant::now(), Instant::now() + PATIENCE);
    let (mut ages, mut sent, mut seen) = (Vec::new(), 0, HashSet::new());
    while ages.len() < PROBES && Instant::now() < give_up {
        let due = (begun.elapsed().as_secs_f64() * f64::from(PROBES_PER_S)) as usize;
        while sent < due.min(PROBES) {
            // The key tells which one comes back.
            let key = sent * 7_919 % crate::KEYS;
            send(&producer, EVENTS, &format!("u{key}"), &event(key, events + sent)?, now_ms())?;
            sent += 1;
        }
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(1)) {
            let Some(at_ms) = message.timestamp().to_millis().filter(|at_ms| *at_ms > now_ms() - 60_000) else { continue };
            if seen.insert((message.key().map(<[u8]>::to_vec), at_ms)) {
                ages.push((now_ms() - at_ms) as f64);
            }
            if sent < PROBES && due > sent {
                break;
            }
        }
    }
    if ages.len() < PROBES * 9 / 10 {
        return Err(format!("{} of {PROBES} results came", ages.len()).into());
    }
    ages.sort_by(f64::total_cmp);
    Ok(ages)
}

fn producer_less(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

pub(crate) fn create_topic(bootstrap: &str, topic: &str, partitions: i32) -> Outcome {
    let admin: AdminClient<DefaultClientContext> = producer_less(bootstrap).create()?;
    let new = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
    let created = tokio::runtime::Runtime::new()?.block_on(admin.create_topics(&new, &AdminOptions::new()))?;
    created.into_iter().try_for_each(|result| result.map(drop).map_err(|(topic, code)| format!("{topic}: {code}").into()))
}
