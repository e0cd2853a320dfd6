//! Instances are killed in the middle of transactions and others started: every input counts once in every output.

use std::collections::BTreeMap;

use weir_backend::{
    sim::Random,
    stream::{
        Topology,
        app::{AppConfig, Guarantee, StreamsApp},
    },
};

use crate::support::{Cluster, eventually, start};

const NUMBERS: &str = "numbers";
const SUMS: &str = "sums";
const PARTITIONS: i32 = 3;
const KEYS: usize = 7;
const KILLS: usize = 6;
const RECORDS_PER_KILL: usize = 200;

/// Publishes the count and the sum by key after each record, so that a loss or a repetition stands in the topic for ever.
fn topology() -> Topology {
    Topology::new("sums", |builder| {
        let numbers = builder.stream::<String, u64>(NUMBERS);
        let sum = |number: &weir_backend::stream::Record<String, u64>, sum: &mut (u64, u64)| *sum = (sum.0 + 1, sum.1 + number.value);
        numbers.group_by_key("by-key").aggregate(|| (0, 0), sum).to_stream().to(SUMS);
    })
    .unwrap()
}

fn instance(cluster: &Cluster, number: usize, guarantee: Guarantee) -> StreamsApp {
    let config = AppConfig::new(cluster.connection.clone(), topology(), guarantee);
    start(AppConfig { instance: format!("i{number}").into(), commit_interval: std::time::Duration::from_millis(20), ..config })
}

/// By key, what must stand in the topic, in order.
fn expected(numbers: &[(String, String, i64)]) -> BTreeMap<String, Vec<String>> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    let mut published = BTreeMap::<String, Vec<String>>::new();
    for (key, number, _) in numbers {
        let sum = sums.entry(key.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + number.parse::<u64>().unwrap());
        published.entry(key.clone()).or_default().push(format!("[{},{}]", sum.0, sum.1));
    }
    published
}

fn found(cluster: &Cluster) -> BTreeMap<String, Vec<String>> {
    let mut by_key = BTreeMap::<String, Vec<String>>::new();
    for (key, value) in cluster.read(SUMS) {
        by_key.entry(key).or_default().push(value);
    }
    by_key
}

#[test]
fn nothing_is_lost_and_nothing_counts_twice_while_instances_are_killed() {
    let seed = 20_261_123;
    let mut random = Random::new(seed);
    let cluster = Cluster::start(&[(NUMBERS, PARTITIONS), (SUMS, PARTITIONS)]);
    let mut instances: Vec<_> = (0..3).map(|number| instance(&cluster, number, Guarantee::ExactlyOnce)).collect();
    let mut numbers = Vec::new();
    for kill in 0..KILLS {
        let more: Vec<_> = (0..RECORDS_PER_KILL)
            .map(|at| (format!("k{}", random.below(KEYS as u64)), random.below(1_000).to_string(), (kill * RECORDS_PER_KILL + at) as i64))
            .collect();
        cluster.produce(NUMBERS, more.iter().cloned());
        numbers.extend(more);
        let half = numbers.len() - RECORDS_PER_KILL / 2;
        eventually("half of it is committed", || cluster.committed("sums", NUMBERS) >= half as i64);
        let victim = usize::try_from(random.below(instances.len() as u64)).unwrap();
        if random.below(2) == 0 {
            instances[victim].kill(0);
        } else {
            instances.remove(victim).crash();
            instances.push(instance(&cluster, 3 + kill, Guarantee::ExactlyOnce));
        }
    }
    eventually("all is committed", || cluster.committed("sums", NUMBERS) >= numbers.len() as i64);
    let (expected, found) = (expected(&numbers), found(&cluster));
    for (key, expected) in &expected {
        assert_eq!(found.get(key), Some(expected), "key {key}, seed {seed}");
    }
    assert_eq!(found.len(), expected.len(), "seed {seed}");
}
